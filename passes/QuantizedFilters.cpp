//===- QuantizedFilters.cpp - Filters as whole numbers --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/QuantizedFilters.h"

#include "compiler/ir/Convolutions.h"
#include "compiler/ir/Nested.h"
#include "compiler/ir/Quantized.h"
#include "compiler/reference/Evaluator.h"
#include "passes/Utils.h"

#include <cmath>

using namespace mlir;
using nestor::nest::kInputsPerWord;
using nestor::reference::TensorValue;

namespace nestor {

static SmallVector<ArrayRef<int64_t>> inputParts(nest::GlobalOp global) {
  return nest::partsOf(global, global.getValue().getShapedType().getRank() - 2);
}

/// Whether all capacities keep all inputs of `global`: then they can be filled
/// up to whole words.
static bool keepsAllInputs(nest::GlobalOp global) {
  return llvm::all_of(inputParts(global),
                      [](ArrayRef<int64_t> part) { return part.front() == part.back(); });
}

/// Whether every capacity keeps whole words of the inputs of `global`.
static bool keepsWholeWords(nest::GlobalOp global) {
  return llvm::all_of(inputParts(global), [](ArrayRef<int64_t> part) {
    return llvm::all_of(part, [](int64_t edge) { return edge % kInputsPerWord == 0; });
  });
}

StringRef QuantizedFilters::whyNot(nest::ConvOp conv) {
  int64_t channels = shapeOf(conv.getInput()).back(), outputs = shapeOf(conv.getResult()).back();
  int64_t groups = conv.getGroups();
  if (conv.getPacked())
    return "its filter is packed";
  if (!tensorType(conv.getFilter()).getElementType().isF32())
    return "its filter is not f32";
  if (groups != 1 && (groups != channels || groups != outputs))
    return "its groups have several channels";
  Operation *filter = conv.getFilter().getDefiningOp();
  auto weight = dyn_cast_or_null<nest::WeightOp>(filter);
  if (!weight)
    return isa_and_nonnull<nest::ConstOp>(filter) ? "" : "its filter is computed";
  if (groups > 1 || keepsAllInputs(nest::globalOf(weight)) ||
      keepsWholeWords(nest::globalOf(weight)))
    return "";
  return "a capacity keeps some of the four inputs of a word";
}

QuantizedFilters::Weights QuantizedFilters::toWhole(ArrayRef<float> filter, int64_t outputs) {
  Weights weights{std::vector<float>(filter.size()), std::vector<float>(outputs, 0)};
  for (size_t i = 0; i < filter.size(); ++i) {
    float &most = weights.scales[i % outputs];
    most = std::max(most, std::fabs(filter[i]));
  }
  for (float &scale : weights.scales)
    scale = scale > 0 ? scale / 127 : 1;
  for (size_t i = 0; i < filter.size(); ++i)
    weights.values[i] = std::nearbyint(filter[i] / weights.scales[i % outputs]);
  return weights;
}

/// Four rows each of [taps, inputs, outputs] as one of words; rows that lack
/// inputs are filled up with zeros.
static TensorValue toWords(ArrayRef<float> weights, RankedTensorType type) {
  SmallVector<int64_t> shape(type.getShape());
  int64_t outputs = shape.back(), &inputs = shape[shape.size() - 2], had = inputs;
  int64_t taps = had > 0 && outputs > 0 ? int64_t(weights.size()) / (had * outputs) : 0;
  inputs = llvm::divideCeil(had, kInputsPerWord);
  TensorValue words =
      TensorValue::zeros(RankedTensorType::get(shape, IntegerType::get(type.getContext(), 32)));
  for (int64_t tap = 0, from = 0; tap < taps; ++tap)
    for (int64_t i = 0; i < had; ++i)
      for (int64_t o = 0; o < outputs; ++o) {
        uint32_t byte = uint8_t(int8_t(weights[from++]));
        int64_t word = (tap * inputs + i / kInputsPerWord) * outputs + o;
        words.as<uint32_t>()[word] |= byte << (8 * (i % kInputsPerWord));
      }
  return words;
}

static TensorValue toTensor(ArrayRef<float> values, RankedTensorType type) {
  TensorValue tensor = TensorValue::zeros(type);
  llvm::copy(values, tensor.as<float>().begin());
  return tensor;
}

/// The edges of words, of which four inputs are one.
static ArrayAttr edgesOfWords(nest::GlobalOp global) {
  Builder builder(global);
  SmallVector<Attribute> edges(global.getEdges().begin(), global.getEdges().end());
  SmallVector<Attribute> parts;
  for (ArrayRef<int64_t> part : inputParts(global)) {
    if (keepsAllInputs(global))
      break;
    SmallVector<int64_t> words(part);
    for (int64_t &edge : words)
      edge /= kInputsPerWord;
    parts.push_back(builder.getDenseI64ArrayAttr(words));
  }
  edges[edges.size() - 2] = builder.getArrayAttr(parts);
  return builder.getArrayAttr(edges);
}

QuantizedFilters::Shared &QuantizedFilters::share(nest::GlobalOp global, bool depthwise) {
  auto [entry, isNew] = shared.try_emplace(global);
  Shared &result = entry->second;
  if (!isNew)
    return result;
  TensorValue filter = TensorValue::fromAttr(global.getValue());
  result.weights = toWhole(filter.as<float>(), filter.type.getShape().back());
  TensorValue words = depthwise ? toTensor(result.weights.values, filter.type)
                                : toWords(result.weights.values, filter.type);
  OpBuilder builder(global);
  result.words = nest::GlobalOp::create(
      builder, global.getLoc(), (global.getSymName() + "_int8").str(), words.toAttr(),
      depthwise ? global.getEdgesAttr() : edgesOfWords(global));
  return result;
}

/// The words that a capacity reads.
static TensorValue valueOf(Value words) {
  if (auto constant = words.getDefiningOp<nest::ConstOp>())
    return TensorValue::fromAttr(constant.getValue());
  SmallVector<ElementsAttr> values;
  LogicalResult evaluated = evaluateOnConstants(words.getDefiningOp(), values);
  assert(succeeded(evaluated) && "a weight is a part of a constant");
  (void)evaluated;
  return TensorValue::fromAttr(values.front());
}

/// The sum of the weights of each output. They are whole numbers below 2^24: exact.
static std::vector<float> sumsOf(const TensorValue &words) {
  int64_t outputs = words.type.getShape().back();
  std::vector<float> sums(outputs);
  bool whole = words.type.getElementType().isF32();
  for (int64_t i = 0; i < words.size(); ++i) {
    if (whole)
      sums[i % outputs] += words.as<float>()[i];
    else
      for (int64_t k = 0; k < kInputsPerWord; ++k)
        sums[i % outputs] += float(words.as<int8_t>()[i * kInputsPerWord + k]);
  }
  return sums;
}

QuantizedFilter QuantizedFilters::quantize(OpBuilder &builder, nest::ConvOp conv) {
  RankedTensorType type = tensorType(conv.getFilter());
  int64_t outputs = type.getShape().back(), inputs = type.getShape()[type.getRank() - 2];
  Location loc = conv.getFilter().getLoc();
  QuantizedFilter result;
  auto constant = conv.getFilter().getDefiningOp<nest::ConstOp>();
  if (constant) {
    TensorValue filter = TensorValue::fromAttr(constant.getValue());
    Weights weights = toWhole(filter.as<float>(), outputs);
    TensorValue words =
        isDepthwise(conv) ? toTensor(weights.values, type) : toWords(weights.values, type);
    result.words = nest::ConstOp::create(builder, loc, words.toAttr());
    result.scales = weights.scales;
  } else {
    auto weight = conv.getFilter().getDefiningOp<nest::WeightOp>();
    nest::GlobalOp global = nest::globalOf(weight);
    Shared &filter = share(global, isDepthwise(conv));
    SmallVector<int64_t> shape(type.getShape());
    if (!isDepthwise(conv))
      shape[shape.size() - 2] = llvm::divideCeil(inputs, kInputsPerWord);
    auto element = cast<ShapedType>(filter.words.getValue().getType()).getElementType();
    result.words =
        nest::WeightOp::create(builder, loc, RankedTensorType::get(shape, element),
                               filter.words.getSymName(), weight.getCapacity());
    unsigned last = type.getRank() - 1;
    for (int64_t output : nest::keptIndices(global, last, weight.getCapacity()))
      result.scales.push_back(filter.weights.scales[output]);
  }
  result.sums = sumsOf(valueOf(result.words));
  result.inputs = isDepthwise(conv) ? outputs : llvm::alignTo(inputs, kInputsPerWord);
  return result;
}

} // namespace nestor

//===- Quantize.cpp - Networks that compute on bytes ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// With x = (bx - zx) * sx and weights w = bw * sw, a sum of products is
// sx * sw * (sum of bx * bw - zx * sum of bw). So scale and bias of a
// convolution of bytes carry the scales of input and weights and the zero of the
// input; where the epilogue only adds and clamps, the scale and zero of the
// result too. Clamping costs nothing then: a byte cannot stand for a value
// outside the range that was measured behind the clamp.
//
//===----------------------------------------------------------------------===//

#include "passes/Quantize.h"

#include "compiler/ir/Nested.h"
#include "compiler/ir/Quantized.h"
#include "compiler/reference/Evaluator.h"
#include "passes/ByteEpilogue.h"
#include "passes/Passes.h"
#include "passes/QuantizedFilters.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor {

#define GEN_PASS_DEF_QUANTIZEPASS
#include "passes/Passes.h.inc"

//===----------------------------------------------------------------------===//
// What can be bytes
//===----------------------------------------------------------------------===//

/// Constant vectors, or none.
static bool hasKnownVectors(nest::ConvOp conv) {
  return llvm::all_of(ArrayRef<Value>{conv.getScale(), conv.getBias()}, [](Value vector) {
    return !vector || vector.getDefiningOp<nest::ConstOp>();
  });
}

StringRef whyNotBytes(nest::ConvOp conv) {
  if (!conv.getType().getElementType().isF32() ||
      !tensorType(conv.getInput()).getElementType().isF32())
    return "its input or its result is not f32";
  if (!hasKnownVectors(conv))
    return "its scale or its bias is computed";
  return QuantizedFilters::whyNot(conv);
}

Value movedBy(Operation *op) {
  if (auto reshape = dyn_cast_or_null<nest::ReshapeOp>(op))
    return reshape.getInput();
  auto pool = dyn_cast_or_null<nest::PoolOp>(op);
  return pool && pool.getKind() == nest::PoolKind::max ? pool.getInput() : Value();
}

//===----------------------------------------------------------------------===//
// One capacity
//===----------------------------------------------------------------------===//

namespace {

class FunctionQuantizer {
public:
  FunctionQuantizer(func::FuncOp func, QuantizedFilters &filters) : func(func), filters(filters) {}

  /// Fails, with an error at the convolution, where one that has a range cannot
  /// be one of bytes.
  LogicalResult run();

private:
  /// Bytes, and what they stand for.
  struct Bytes {
    Value value;
    ByteRange range;
  };
  LogicalResult findConvolutions();
  bool comesFromBytes(Value value) const;
  Bytes bytesOf(Value value, const ByteRange &range);
  Bytes moveBytes(Operation *op);
  Value paddedInput(OpBuilder &builder, nest::ConvOp conv, const Bytes &input, int64_t channels,
                    SmallVectorImpl<int64_t> &begin, SmallVectorImpl<int64_t> &end);
  SmallVector<Extra> extrasOf(nest::ConvOp conv) const;
  void rewrite(nest::ConvOp conv);
  void finish();

  func::FuncOp func;
  QuantizedFilters &filters;
  SmallVector<nest::ConvOp> convolutions;
  llvm::DenseMap<Value, Bytes> bytes;    ///< By the f32 value.
  llvm::DenseMap<Value, Value> replaced; ///< f32 by f32.
};

LogicalResult FunctionQuantizer::findConvolutions() {
  WalkResult result = func.walk([&](nest::ConvOp conv) -> WalkResult {
    if (!conv->hasAttr(kInputRangeAttr))
      return WalkResult::advance();
    if (StringRef reason = whyNotBytes(conv); !reason.empty())
      return conv.emitError("cannot compute on bytes: ") << reason;
    for (StringRef name : {kInputRangeAttr, kResultRangeAttr})
      if (conv->hasAttr(name) && !byteRangeOf(conv, name))
        return conv.emitError() << name << " is not a scale above 0 and a zero from 0 to 255";
    convolutions.push_back(conv);
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Whether `value` was moved, in one step or several, from what is bytes.
bool FunctionQuantizer::comesFromBytes(Value value) const {
  Value source = movedBy(value.getDefiningOp());
  return source && (bytes.contains(source) || comesFromBytes(source));
}

/// What `op`, which moves elements, makes of bytes.
FunctionQuantizer::Bytes FunctionQuantizer::moveBytes(Operation *op) {
  Value source = movedBy(op);
  Bytes from = bytes.contains(source) ? bytes[source] : moveBytes(source.getDefiningOp());
  OpBuilder builder(op->getContext());
  builder.setInsertionPointAfter(op);
  IRMapping map;
  map.map(source, from.value);
  Operation *copy = builder.clone(*op, map);
  copy->getResult(0).setType(asBytes(tensorType(op->getResult(0))));
  return bytes[op->getResult(0)] = {copy->getResult(0), from.range};
}

/// `value` as bytes: what a convolution has made, or moved from there, or made
/// here of floats.
FunctionQuantizer::Bytes FunctionQuantizer::bytesOf(Value value, const ByteRange &range) {
  if (auto known = bytes.find(value); known != bytes.end())
    return known->second;
  if (comesFromBytes(value))
    return moveBytes(value.getDefiningOp());
  OpBuilder builder(func.getContext());
  builder.setInsertionPointAfterValue(value);
  return bytes[value] = {quantizeTensor(builder, value, range), range};
}

/// The input with as many channels as fill words, and with a border where the
/// border is not the byte 0; the convolution keeps what is left of `begin` and
/// `end`.
Value FunctionQuantizer::paddedInput(OpBuilder &builder, nest::ConvOp conv, const Bytes &input,
                                     int64_t channels, SmallVectorImpl<int64_t> &begin,
                                     SmallVectorImpl<int64_t> &end) {
  RankedTensorType type = tensorType(input.value);
  SmallVector<int64_t> low(type.getRank(), 0), high(type.getRank(), 0), shape(type.getShape());
  high.back() = channels - shape.back();
  for (size_t i = 0; i < begin.size() && input.range.zero != 0; ++i) {
    low[i + 1] = std::max<int64_t>(begin[i], 0), begin[i] -= low[i + 1];
    high[i + 1] = std::max<int64_t>(end[i], 0), end[i] -= high[i + 1];
  }
  for (size_t i = 0; i < shape.size(); ++i)
    shape[i] += low[i] + high[i];
  if (shape == type.getShape())
    return input.value;
  TensorValue zero = TensorValue::zeros(RankedTensorType::get({1}, type.getElementType()));
  zero.as<uint8_t>()[0] = uint8_t(input.range.zero);
  Value value = nest::ConstOp::create(builder, conv.getLoc(), zero.toAttr());
  return nest::PadOp::create(builder, input.value.getLoc(), type.clone(shape), input.value, value,
                             low, high, nest::PadMode::constant);
}

SmallVector<Extra> FunctionQuantizer::extrasOf(nest::ConvOp conv) const {
  SmallVector<Extra> extras;
  for (Value extra : conv.getExtras()) {
    auto known = bytes.find(extra);
    if (known != bytes.end() && extra.getType() == conv.getType())
      extras.push_back({known->second.value, known->second.range});
    else
      extras.push_back({extra, std::nullopt});
  }
  return extras;
}

/// Of a sum whose input has the zero 0.
Affine affineOf(nest::ConvOp conv, const QuantizedFilter &filter, const ByteRange &input) {
  size_t outputs = filter.scales.size();
  auto valuesOf = [&](Value vector, float fallback) {
    if (!vector)
      return std::vector<float>(outputs, fallback);
    TensorValue tensor =
        TensorValue::fromAttr(vector.getDefiningOp<nest::ConstOp>().getValue());
    return std::vector<float>(tensor.as<float>().begin(), tensor.as<float>().end());
  };
  Affine result{valuesOf(conv.getScale(), 1), valuesOf(conv.getBias(), 0)};
  for (size_t o = 0; o < outputs; ++o) {
    result.scale[o] *= input.scale * filter.scales[o];
    result.bias[o] -= result.scale[o] * float(input.zero) * filter.sums[o];
  }
  return result;
}

/// The old one's, but for what this pass alone reads.
DictionaryAttr attributesOf(nest::ConvOp conv) {
  NamedAttrList attributes(conv->getDiscardableAttrDictionary());
  attributes.erase(kInputRangeAttr);
  attributes.erase(kResultRangeAttr);
  return attributes.getDictionary(conv.getContext());
}

void FunctionQuantizer::rewrite(nest::ConvOp conv) {
  Location loc = conv.getLoc();
  const Bytes input = bytesOf(conv.getInput(), *byteRangeOf(conv, kInputRangeAttr));
  OpBuilder builder(conv);
  QuantizedFilter filter = filters.quantize(builder, conv);
  Affine affine = affineOf(conv, filter, input.range);
  SmallVector<int64_t> begin(conv.getPadBegin()), end(conv.getPadEnd());
  Value padded = paddedInput(builder, conv, input, filter.inputs, begin, end);

  std::optional<ByteRange> range = byteRangeOf(conv, kResultRangeAttr);
  SmallVector<Extra> extras = extrasOf(conv);
  bool hasScalars = llvm::any_of(
      conv.getExtras(), [&](Value extra) { return extra.getType() != conv.getType(); });
  Region epilogue;
  SmallVector<Value> operands =
      range && !hasScalars && onlyAdds(conv.getEpilogue(), *range)
          ? addInBytes(builder, loc, extras, *range, affine, epilogue)
          : computeInFloats(loc, conv.getEpilogue(), extras, range, epilogue);
  Value scale = createVector(builder, loc, affine.scale);
  Value bias = createVector(builder, loc, affine.bias);
  auto made = nest::ConvOp::create(
      builder, loc, range ? asBytes(conv.getType()) : conv.getType(), padded, filter.words, scale,
      bias, operands, conv.getKernel(), conv.getStrides(), conv.getDilations(), begin, end,
      conv.getGroups(), /*packed=*/false);
  made.getEpilogue().takeBody(epilogue);
  made->setDiscardableAttrs(attributesOf(conv));
  if (range)
    bytes[conv.getResult()] = {made.getResult(), *range};
  else
    replaced[conv.getResult()] = made.getResult();
}

/// What still reads floats gets them from the bytes; then the old ones go.
void FunctionQuantizer::finish() {
  for (nest::ConvOp conv : llvm::reverse(convolutions)) {
    Value old = conv.getResult(), floats = replaced.lookup(old);
    if (!floats && !old.use_empty()) {
      const Bytes &made = bytes[old];
      OpBuilder builder(func.getContext());
      builder.setInsertionPointAfterValue(made.value);
      floats = dequantizeTensor(builder, made.value, made.range);
    }
    if (floats)
      old.replaceAllUsesWith(floats);
    conv.erase();
  }
}

LogicalResult FunctionQuantizer::run() {
  if (failed(findConvolutions()))
    return failure();
  llvm::for_each(convolutions, [&](nest::ConvOp conv) { rewrite(conv); });
  finish();
  return success();
}

/// The floats that nobody reads any more; the graph section would store them.
void eraseUnusedFilters(ModuleOp module) {
  DenseSet<Operation *> used;
  module.walk([&](nest::WeightOp weight) {
    if (weight->use_empty())
      weight->erase();
    else
      used.insert(nest::globalOf(weight));
  });
  for (auto global : llvm::make_early_inc_range(module.getOps<nest::GlobalOp>()))
    if (!used.contains(global))
      global->erase();
}

struct QuantizePass final : impl::QuantizePassBase<QuantizePass> {
  void runOnOperation() override {
    QuantizedFilters filters;
    for (func::FuncOp function : nest::capacityFunctions(getOperation()))
      if (failed(FunctionQuantizer(function, filters).run()))
        return signalPassFailure();
    eraseUnusedFilters(getOperation());
  }
};

} // namespace
} // namespace nestor

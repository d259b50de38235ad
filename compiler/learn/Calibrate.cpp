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

#include "compiler/learn/Quantize.h"

#include "compiler/ir/Nested.h"
#include "compiler/ir/Quantized.h"
#include "compiler/learn/QuantizedFilters.h"
#include "compiler/learn/Ranges.h"
#include "compiler/reference/Evaluator.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

#include <limits>

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::learn {
namespace {

/// More samples tell no more about ranges.
constexpr size_t kSamples = 128;

Type byteType(MLIRContext *context) { return IntegerType::get(context, 8, IntegerType::Unsigned); }

RankedTensorType asBytes(RankedTensorType type) {
  return type.clone(byteType(type.getContext()));
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

Value constant(OpBuilder &builder, Location loc, float value) {
  return arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value));
}

/// The byte, as an i8, of a value that counts in bytes.
Value toByte(OpBuilder &builder, Location loc, Value value) {
  value = arith::MaxNumFOp::create(builder, loc, value, constant(builder, loc, 0));
  value = arith::MinNumFOp::create(builder, loc, value, constant(builder, loc, 255));
  value = math::RoundEvenOp::create(builder, loc, value);
  return arith::FPToUIOp::create(builder, loc, builder.getI8Type(), value);
}

Value toByte(OpBuilder &builder, Location loc, Value value, const ByteRange &range) {
  value = arith::MulFOp::create(builder, loc, value, constant(builder, loc, 1 / range.scale));
  value = arith::AddFOp::create(builder, loc, value, constant(builder, loc, float(range.zero)));
  return toByte(builder, loc, value);
}

Value byteToFloat(OpBuilder &builder, Location loc, Value byte) {
  return arith::UIToFPOp::create(builder, loc, builder.getF32Type(), byte);
}

Value fromByte(OpBuilder &builder, Location loc, Value byte, const ByteRange &range) {
  Value value = byteToFloat(builder, loc, byte);
  value = arith::SubFOp::create(builder, loc, value, constant(builder, loc, float(range.zero)));
  return arith::MulFOp::create(builder, loc, value, constant(builder, loc, range.scale));
}

/// A map of one value, whose body `body` makes.
Value createMap(OpBuilder &builder, Value input, RankedTensorType type, Type scalar,
                llvm::function_ref<Value(OpBuilder &, Value)> body) {
  auto map = nest::MapOp::create(builder, input.getLoc(), type, input);
  Block &block = map.getBody().emplaceBlock();
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  Value result = body(inner, block.addArgument(scalar, input.getLoc()));
  nest::YieldOp::create(inner, input.getLoc(), result);
  return map.getResult();
}

Value createVector(OpBuilder &builder, Location loc, ArrayRef<float> values) {
  auto type = RankedTensorType::get(int64_t(values.size()), builder.getF32Type());
  TensorValue tensor = TensorValue::zeros(type);
  llvm::copy(values, tensor.as<float>().begin());
  return nest::ConstOp::create(builder, loc, tensor.toAttr());
}

//===----------------------------------------------------------------------===//
// Epilogues
//===----------------------------------------------------------------------===//

float numberOf(Value value) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  auto number = constant ? dyn_cast<FloatAttr>(constant.getValue()) : FloatAttr();
  return number ? number.getValueAsDouble() : std::numeric_limits<double>::quiet_NaN();
}

/// Whether `epilogue` is the sum of all its arguments, then clamped to what
/// `range` lies in, so that nothing is left to do but to add.
bool onlyAdds(Region &epilogue, const ByteRange &range) {
  if (epilogue.empty())
    return true;
  Block &block = epilogue.front();
  Value current = block.getArgument(0);
  unsigned added = 0;
  bool clamped = false;
  for (Operation &op : block.without_terminator()) {
    if (isa<arith::ConstantOp>(op))
      continue;
    if (op.getNumOperands() != 2 || !llvm::is_contained(op.getOperands(), current))
      return false;
    Value other = op.getOperand(op.getOperand(0) == current ? 1 : 0);
    float slack = range.scale / 2;
    if (isa<arith::AddFOp>(op)) {
      if (clamped || !isa<BlockArgument>(other) || other == current)
        return false;
      ++added;
    } else if (isa<arith::MaximumFOp, arith::MaxNumFOp>(op)) {
      if (!(numberOf(other) <= range.lowest() + slack))
        return false;
      clamped = true;
    } else if (isa<arith::MinimumFOp, arith::MinNumFOp>(op)) {
      if (!(numberOf(other) >= range.highest() - slack))
        return false;
      clamped = true;
    } else {
      return false;
    }
    current = op.getResult(0);
  }
  return block.getTerminator()->getOperand(0) == current &&
         added == block.getNumArguments() - 1;
}

//===----------------------------------------------------------------------===//
// One capacity
//===----------------------------------------------------------------------===//

class FunctionQuantizer {
public:
  FunctionQuantizer(func::FuncOp func, QuantizedFilters &filters) : func(func), filters(filters) {}

  /// The number of convolutions that became ones of bytes.
  llvm::Expected<unsigned> run(const Dataset &samples, unsigned threads);

private:
  /// Bytes, and what they stand for.
  struct Bytes {
    Value value;
    ByteRange range;
  };
  struct Extra {
    Value value;
    std::optional<ByteRange> range; ///< Of bytes.
  };
  void findConvolutions();
  bool wantsBytes(Value value) const;
  llvm::Error measure(const Dataset &samples, unsigned threads);
  const Bytes &bytesOf(Value value);
  Value paddedInput(OpBuilder &builder, nest::ConvOp conv, const Bytes &input, int64_t channels,
                    SmallVectorImpl<int64_t> &begin, SmallVectorImpl<int64_t> &end);
  SmallVector<Extra> extrasOf(nest::ConvOp conv) const;
  void rewrite(nest::ConvOp conv);
  void finish();

  func::FuncOp func;
  QuantizedFilters &filters;
  llvm::SetVector<Operation *> convolutions;
  llvm::DenseMap<Value, ByteRange> ranges;
  llvm::DenseMap<Value, Bytes> bytes;    ///< By the f32 value.
  llvm::DenseMap<Value, Value> replaced; ///< f32 by f32.
};

/// Constant vectors, or none.
bool hasKnownVectors(nest::ConvOp conv) {
  return llvm::all_of(ArrayRef<Value>{conv.getScale(), conv.getBias()}, [](Value vector) {
    return !vector || vector.getDefiningOp<nest::ConstOp>();
  });
}

void FunctionQuantizer::findConvolutions() {
  func.walk([&](nest::ConvOp conv) {
    if (conv.getType().getElementType().isF32() &&
        tensorType(conv.getInput()).getElementType().isF32() && hasKnownVectors(conv) &&
        QuantizedFilters::canQuantize(conv))
      convolutions.insert(conv);
  });
}

/// The value that `op` moves without changing any element; null for others.
Value movedBy(Operation *op) {
  if (auto reshape = dyn_cast_or_null<nest::ReshapeOp>(op))
    return reshape.getInput();
  auto pool = dyn_cast_or_null<nest::PoolOp>(op);
  return pool && pool.getKind() == nest::PoolKind::max ? pool.getInput() : Value();
}

/// Whether some convolution of bytes reads `value`.
bool FunctionQuantizer::wantsBytes(Value value) const {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    return convolutions.contains(user) || (movedBy(user) && wantsBytes(user->getResult(0)));
  });
}

llvm::Error FunctionQuantizer::measure(const Dataset &samples, unsigned threads) {
  llvm::SetVector<Value> wanted;
  for (Operation *op : convolutions) {
    auto conv = cast<nest::ConvOp>(op);
    if (wantsBytes(conv.getResult()))
      wanted.insert(conv.getResult());
    wanted.insert(conv.getInput());
  }
  auto measured = measureRanges(func, wanted.getArrayRef(), samples, threads);
  if (!measured)
    return measured.takeError();
  ranges = std::move(*measured);
  return llvm::Error::success();
}

/// `value` as bytes: what a convolution has made, or moved from there, or made
/// here of floats.
const FunctionQuantizer::Bytes &FunctionQuantizer::bytesOf(Value value) {
  if (auto known = bytes.find(value); known != bytes.end())
    return known->second;
  OpBuilder builder(func.getContext());
  builder.setInsertionPointAfterValue(value);
  Bytes made;
  Value source = movedBy(value.getDefiningOp());
  if (source && (bytes.contains(source) || movedBy(source.getDefiningOp()))) {
    Bytes from = bytesOf(source);
    IRMapping map;
    map.map(source, from.value);
    Operation *copy = builder.clone(*value.getDefiningOp(), map);
    copy->getResult(0).setType(asBytes(tensorType(value)));
    made = {copy->getResult(0), from.range};
  } else {
    ByteRange range = ranges.lookup(value);
    Value map = createMap(builder, value, asBytes(tensorType(value)), builder.getF32Type(),
                          [&](OpBuilder &inner, Value scalar) {
                            return toByte(inner, value.getLoc(), scalar, range);
                          });
    made = {map, range};
  }
  return bytes[value] = made;
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

SmallVector<FunctionQuantizer::Extra> FunctionQuantizer::extrasOf(nest::ConvOp conv) const {
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

/// scale and bias of one output, the latter of a sum whose input has the zero 0.
struct Affine {
  std::vector<float> scale, bias;
};

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

/// The extras that `epilogue`, which only adds, needs where its sums count in
/// bytes of `range`: each with what it is multiplied with.
template <typename Extras>
SmallVector<Value> addInBytes(OpBuilder &builder, Location loc, const Extras &extras,
                              const ByteRange &range, Affine &affine, Region &epilogue) {
  for (size_t o = 0; o < affine.scale.size(); ++o) {
    affine.scale[o] /= range.scale;
    affine.bias[o] = affine.bias[o] / range.scale + float(range.zero);
  }
  Block &block = epilogue.emplaceBlock();
  OpBuilder inner(loc.getContext()); // The block is in no operation yet.
  inner.setInsertionPointToEnd(&block);
  Value sum = block.addArgument(inner.getF32Type(), loc);
  SmallVector<Value> operands;
  for (const auto &extra : extras) {
    float factor = (extra.range ? extra.range->scale : 1) / range.scale;
    operands.append({extra.value, createVector(builder, loc, factor)});
    Type scalar = extra.range ? Type(inner.getI8Type()) : inner.getF32Type();
    Value value = block.addArgument(scalar, loc), times = block.addArgument(inner.getF32Type(), loc);
    if (extra.range) {
      value = byteToFloat(inner, loc, value);
      for (float &bias : affine.bias)
        bias -= factor * float(extra.range->zero);
    }
    value = arith::MulFOp::create(inner, loc, value, times);
    sum = arith::AddFOp::create(inner, loc, sum, value);
  }
  nest::YieldOp::create(inner, loc, toByte(inner, loc, sum));
  return operands;
}

/// The epilogue `old` on floats, with bytes among its extras and, with a
/// `range`, as its result.
template <typename Extras>
SmallVector<Value> computeInFloats(Location loc, Region &old, const Extras &extras,
                                   const std::optional<ByteRange> &range, Region &epilogue) {
  Block &block = epilogue.emplaceBlock();
  OpBuilder inner(loc.getContext()); // The block is in no operation yet.
  inner.setInsertionPointToEnd(&block);
  SmallVector<Value> arguments{block.addArgument(inner.getF32Type(), loc)}, operands;
  for (const auto &extra : extras) {
    operands.push_back(extra.value);
    Type scalar = extra.range ? Type(inner.getI8Type()) : inner.getF32Type();
    Value value = block.addArgument(scalar, loc);
    arguments.push_back(extra.range ? fromByte(inner, loc, value, *extra.range) : value);
  }
  Value result = arguments.front();
  if (!old.empty()) {
    IRMapping map;
    map.map(old.front().getArguments(), arguments);
    for (Operation &op : old.front().without_terminator())
      inner.clone(op, map);
    result = map.lookupOrDefault(old.front().getTerminator()->getOperand(0));
  }
  nest::YieldOp::create(inner, loc, range ? toByte(inner, loc, result, *range) : result);
  return operands;
}

void FunctionQuantizer::rewrite(nest::ConvOp conv) {
  Location loc = conv.getLoc();
  const Bytes input = bytesOf(conv.getInput());
  OpBuilder builder(conv);
  QuantizedFilter filter = filters.quantize(builder, conv);
  Affine affine = affineOf(conv, filter, input.range);
  SmallVector<int64_t> begin(conv.getPadBegin()), end(conv.getPadEnd());
  Value padded = paddedInput(builder, conv, input, filter.inputs, begin, end);

  std::optional<ByteRange> range;
  if (wantsBytes(conv.getResult()))
    range = ranges.lookup(conv.getResult());
  SmallVector<Extra> extras = extrasOf(conv);
  bool hasScalars = llvm::any_of(conv.getExtras(), [&](Value extra) {
    return extra.getType() != conv.getType();
  });
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
  made->setDiscardableAttrs(conv->getDiscardableAttrDictionary());
  if (range)
    bytes[conv.getResult()] = {made.getResult(), *range};
  else
    replaced[conv.getResult()] = made.getResult();
}

/// What still reads floats gets them from the bytes; then the old ones go.
void FunctionQuantizer::finish() {
  for (Operation *op : llvm::reverse(convolutions)) {
    Value old = op->getResult(0);
    Value floats = replaced.lookup(old);
    if (!floats && !old.use_empty()) {
      const Bytes &made = bytes[old];
      OpBuilder builder(func.getContext());
      builder.setInsertionPointAfterValue(made.value);
      floats = createMap(builder, made.value, tensorType(old), builder.getI8Type(),
                         [&](OpBuilder &inner, Value scalar) {
                           return fromByte(inner, old.getLoc(), scalar, made.range);
                         });
    }
    if (floats)
      old.replaceAllUsesWith(floats);
    op->erase();
  }
}

llvm::Expected<unsigned> FunctionQuantizer::run(const Dataset &samples, unsigned threads) {
  findConvolutions();
  if (convolutions.empty())
    return 0;
  if (llvm::Error error = measure(samples, threads))
    return error;
  for (Operation *op : convolutions)
    rewrite(cast<nest::ConvOp>(op));
  finish();
  return unsigned(convolutions.size());
}

} // namespace

/// The first samples; of more there is nothing to learn.
static Dataset firstOf(const Dataset &data) {
  std::vector<size_t> numbers(std::min(data.size(), kSamples));
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = i;
  return data.subset(std::move(numbers));
}

/// The floats that nobody reads any more; the graph section would store them.
static void eraseUnusedFilters(ModuleOp module) {
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

llvm::Error quantize(ModuleOp module, const QuantizeOptions &options) {
  QuantizedFilters filters;
  Dataset samples = firstOf(*options.data);
  unsigned count = 0;
  for (func::FuncOp function : nest::capacityFunctions(module)) {
    auto quantized = FunctionQuantizer(function, filters).run(samples, options.threads);
    if (!quantized)
      return quantized.takeError();
    count += *quantized;
  }
  if (count == 0)
    return llvm::createStringError("no convolution and no fully connected layer of this model can "
                                   "compute on bytes: leave int8 out of --precision");
  eraseUnusedFilters(module);
  return llvm::Error::success();
}

} // namespace nestor::learn

//===- Quantization.cpp - QuantizeLinear, QLinearConv, MatMulInteger, ... -===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
// Quantised tensors keep their integers at the edges; what lies between is
// computed in f32, except for MatMulInteger, which is exact.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"
#include "compiler/import/Window.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using nestor::nest::ReduceKind;

namespace nestor::import {
namespace {

/// The smallest and largest integer of a type of at most 32 bits.
std::pair<double, double> rangeOf(IntegerType type) {
  unsigned width = type.getWidth();
  if (type.isUnsigned())
    return {0, std::ldexp(1.0, width) - 1};
  return {-std::ldexp(1.0, width - 1), std::ldexp(1.0, width - 1) - 1};
}

/// A scale or zero point at input `index`, shaped to broadcast along `axis`
/// of a tensor of the given rank. Null where it is left out.
FailureOr<Value> perAxis(NodeImporter &n, unsigned index, int64_t axis, int64_t rank) {
  if (!n.hasInput(index))
    return Value();
  if (n.type(index).getNumElements() == 1)
    return n.reshape(n.input(index), {});
  if (n.shape(index).size() != 1)
    return n.unsupported("a scale or zero point must be a scalar or a vector along one axis");
  FailureOr<int64_t> normal = normalizeAxis(n, axis, rank);
  if (failed(normal))
    return failure();
  return alongAxis(n, n.input(index), *normal, rank);
}

/// (x - zero) * scale in f32; `zero` may be null.
Value dequantize(NodeImporter &n, Value x, Value scale, Value zero) {
  Type i32 = n.builder.getI32Type(), f32 = n.builder.getF32Type();
  if (zero) {
    Value difference = elementwise(n, {n.cast(x, i32), n.cast(zero, i32)},
                                   [](Scalars &s, ValueRange in) { return s.sub(in[0], in[1]); });
    x = difference;
  }
  return elementwise(n, {n.cast(x, f32), scale},
                     [](Scalars &s, ValueRange in) { return s.mul(in[0], in[1]); });
}

/// saturate(round(x / scale) + zero) as `type`; `zero` may be null.
Value quantize(NodeImporter &n, Value x, Value scale, Value zero, IntegerType type) {
  Type f32 = n.builder.getF32Type();
  SmallVector<Value> inputs{n.cast(x, f32), scale};
  if (zero)
    inputs.push_back(n.cast(zero, f32));
  Value rounded = elementwise(n, inputs, [&](Scalars &s, ValueRange in) {
    auto [low, high] = rangeOf(type);
    Value level = s.apply<math::RoundEvenOp>(s.div(in[0], in[1]));
    if (zero)
      level = s.add(level, in[2]);
    return s.min(s.max(level, s.constant(low)), s.constant(high));
  });
  return n.cast(rounded, type);
}

//===----------------------------------------------------------------------===//
// QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear
//===----------------------------------------------------------------------===//

LogicalResult refuseBlocks(NodeImporter &n) {
  return n.intAttr("block_size", 0) ? n.unsupported("block_size is not supported") : success();
}

LogicalResult importQuantizeLinear(NodeImporter &n) {
  int64_t rank = n.shape(0).size(), axis = n.intAttr("axis", 1);
  Type type = IntegerType::get(n.builder.getContext(), 8, IntegerType::Unsigned);
  if (n.hasInput(2))
    type = n.type(2).getElementType();
  else if (int64_t given = n.intAttr("output_dtype", 0))
    type = computeTypeOf(n.builder.getContext(), given);
  auto integer = dyn_cast_or_null<IntegerType>(type);
  // Levels are computed in f32, which holds integers of 16 bits exactly.
  if (!integer || integer.getWidth() < 8 || integer.getWidth() > 16)
    return n.unsupported("the quantised type must be an integer of 8 or 16 bits");
  FailureOr<Value> scale = perAxis(n, 1, axis, rank), zero = perAxis(n, 2, axis, rank);
  if (failed(scale) || failed(zero) || failed(refuseBlocks(n)))
    return failure();
  n.setOutput(0, quantize(n, n.input(0), *scale, *zero, integer));
  return success();
}

LogicalResult importDequantizeLinear(NodeImporter &n) {
  int64_t rank = n.shape(0).size(), axis = n.intAttr("axis", 1);
  if (!isa<IntegerType>(n.type(0).getElementType()))
    return n.unsupported("the input must be of an integer type");
  FailureOr<Value> scale = perAxis(n, 1, axis, rank), zero = perAxis(n, 2, axis, rank);
  if (failed(scale) || failed(zero) || failed(refuseBlocks(n)))
    return failure();
  n.setOutput(0, dequantize(n, n.input(0), *scale, *zero));
  return success();
}

LogicalResult importDynamicQuantizeLinear(NodeImporter &n) {
  Value x = n.input(0);
  auto extreme = [&](ReduceKind kind) {
    return n.reshape(reduce(n, x, kind, countTo(n.shape(0).size())), {});
  };
  // The range always contains 0; where it is nothing else, any scale will do.
  Value scale = elementwise(n, {extreme(ReduceKind::max), extreme(ReduceKind::min)},
                            [](Scalars &s, ValueRange in) {
                              Value zero = s.constant(0);
                              Value span = s.sub(s.max(in[0], zero), s.min(in[1], zero));
                              Value scale = s.div(span, s.constant(255));
                              return s.select(s.equal(span, zero), s.constant(1), scale);
                            });
  Value lowest = elementwise(n, extreme(ReduceKind::min), [](Scalars &s, ValueRange in) {
    return s.neg(s.min(in[0], s.constant(0)));
  });
  auto u8 = IntegerType::get(n.builder.getContext(), 8, IntegerType::Unsigned);
  Value zero = quantize(n, lowest, scale, {}, u8);
  n.setOutput(0, quantize(n, x, scale, zero, u8));
  n.setOutput(1, scale);
  n.setOutput(2, zero);
  return success();
}

//===----------------------------------------------------------------------===//
// ConvInteger, QLinearConv, QLinearMatMul
//===----------------------------------------------------------------------===//

/// x - zero in f32, the zero point along `axis`.
FailureOr<Value> centred(NodeImporter &n, unsigned index, unsigned zeroIndex, int64_t axis) {
  FailureOr<Value> zero = perAxis(n, zeroIndex, axis, n.shape(index).size());
  if (failed(zero))
    return failure();
  Type f32 = n.builder.getF32Type();
  Value x = n.cast(n.input(index), f32);
  if (!*zero)
    return x;
  return elementwise(n, {x, n.cast(*zero, f32)},
                     [](Scalars &s, ValueRange in) { return s.sub(in[0], in[1]); });
}

LogicalResult importConvInteger(NodeImporter &n) {
  FailureOr<Value> input = centred(n, 0, 2, 0), filter = centred(n, 1, 3, 0);
  if (failed(input) || failed(filter))
    return failure();
  FailureOr<Value> sum = convolve(n, *input, *filter, {});
  if (failed(sum))
    return failure();
  n.setOutput(0, n.cast(*sum, n.builder.getI32Type()));
  return success();
}

/// Checks that the given inputs are integers of 8 bits.
LogicalResult requireQuantized(NodeImporter &n, ArrayRef<unsigned> indices) {
  for (unsigned index : indices) {
    auto type = dyn_cast<IntegerType>(n.type(index).getElementType());
    if (!type || type.getWidth() != 8)
      return n.unsupported("input " + Twine(index) + " must be an integer of 8 bits");
  }
  return success();
}

/// Sets output 0 to f32 `value` quantised by the scale and zero point at the
/// inputs `index` and `index + 1`.
LogicalResult setQuantized(NodeImporter &n, Value value, unsigned index, int64_t axis) {
  int64_t rank = tensorType(value).getRank();
  FailureOr<Value> scale = perAxis(n, index, axis, rank), zero = perAxis(n, index + 1, axis, rank);
  if (failed(scale) || failed(zero))
    return failure();
  auto type = cast<IntegerType>(n.type(index + 1).getElementType());
  n.setOutput(0, quantize(n, value, *scale, *zero, type));
  return success();
}

/// Operands as integers about their zero points, products summed in f32, and
/// one multiplication by both scales: sums of integers are exact, those of
/// scaled values would be rounded at every step.
LogicalResult importQLinearConv(NodeImporter &n) {
  if (failed(requireQuantized(n, {0, 3, 7})) || n.shape(0).size() < 3)
    return n.unsupported("operands of these types or ranks");
  FailureOr<Value> input = centred(n, 0, 2, 0), filter = centred(n, 3, 5, 0);
  if (failed(input) || failed(filter))
    return failure();
  FailureOr<Value> sum = convolve(n, *input, *filter, n.input(8));
  if (failed(sum))
    return failure();
  FailureOr<Value> inputScale = perAxis(n, 1, 0, 0),
                   filterScale = perAxis(n, 4, 1, n.shape(0).size());
  if (failed(inputScale) || failed(filterScale))
    return failure();
  Value scaled = elementwise(n, {*sum, *inputScale, *filterScale}, [](Scalars &s, ValueRange in) {
    return s.mul(in[0], s.mul(in[1], in[2]));
  });
  return setQuantized(n, scaled, 6, 1);
}

LogicalResult importQLinearMatMul(NodeImporter &n) {
  if (failed(requireQuantized(n, {0, 3, 7})) || n.shape(0).empty() || n.shape(3).empty())
    return n.unsupported("operands of these types or ranks");
  int64_t rank = n.shape(0).size();
  FailureOr<Value> lhs = centred(n, 0, 2, -2), rhs = centred(n, 3, 5, -1);
  if (failed(lhs) || failed(rhs))
    return failure();
  FailureOr<Value> sum = matmul(n, *lhs, *rhs);
  FailureOr<Value> lhsScale = perAxis(n, 1, -2, rank),
                   rhsScale = perAxis(n, 4, -1, n.shape(3).size());
  if (failed(sum) || failed(lhsScale) || failed(rhsScale))
    return failure();
  Value scaled = elementwise(n, {*sum, *lhsScale, *rhsScale}, [](Scalars &s, ValueRange in) {
    return s.mul(in[0], s.mul(in[1], in[2]));
  });
  return setQuantized(n, scaled, 6, -2);
}

} // namespace

void registerQuantizationRules(ImportRegistry &registry) {
  registry.add({"", "QuantizeLinear", 10, kNewestOpset, importQuantizeLinear,
                "8 and 16 bits, no blocks", 2});
  registry.add({"", "DequantizeLinear", 10, kNewestOpset, importDequantizeLinear, "no blocks", 2});
  registry.add({"", "DynamicQuantizeLinear", 11, kNewestOpset, importDynamicQuantizeLinear, ""});
  registry.add(
      {"", "ConvInteger", 10, kNewestOpset, importConvInteger, "sums exact up to 2^24", 2});
  registry.add(
      {"", "QLinearConv", 10, kNewestOpset, importQLinearConv, "sums exact up to 2^24", 8});
  registry.add({"", "QLinearMatMul", 10, kNewestOpset, importQLinearMatMul,
                "8 bits; sums exact up to 2^24", 8});
}

} // namespace nestor::import

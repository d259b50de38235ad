//===- Utils.cpp - What the operator families share -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include "compiler/import/TensorDecoder.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <algorithm>
#include <cstring>

using namespace mlir;

namespace nestor::import {

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

Scalars::Scalars(OpBuilder &builder, Location loc, Type element)
    : builder(builder), loc(loc), type(element), unsignedElement(element.isUnsignedInteger()) {
  if (auto integer = dyn_cast<IntegerType>(element)) {
    type = IntegerType::get(element.getContext(), integer.getWidth());
    // A boolean orders as 0 < 1, which signed comparison of i1 does not.
    unsignedElement |= integer.getWidth() == 1;
  }
}

Value Scalars::constant(double value) {
  if (isFloat())
    return arith::ConstantOp::create(builder, loc, builder.getFloatAttr(type, value));
  llvm::APInt bits(width(), uint64_t(int64_t(value)), /*isSigned=*/false, /*implicitTrunc=*/true);
  return arith::ConstantOp::create(builder, loc, IntegerAttr::get(type, bits));
}

Value Scalars::add(Value a, Value b) {
  return isFloat() ? apply<arith::AddFOp>(a, b) : apply<arith::AddIOp>(a, b);
}

Value Scalars::sub(Value a, Value b) {
  return isFloat() ? apply<arith::SubFOp>(a, b) : apply<arith::SubIOp>(a, b);
}

Value Scalars::mul(Value a, Value b) {
  return isFloat() ? apply<arith::MulFOp>(a, b) : apply<arith::MulIOp>(a, b);
}

Value Scalars::div(Value a, Value b) {
  if (isFloat())
    return apply<arith::DivFOp>(a, b);
  return isUnsigned() ? apply<arith::DivUIOp>(a, b) : apply<arith::DivSIOp>(a, b);
}

Value Scalars::remainder(Value a, Value b) {
  if (!isFloat())
    return isUnsigned() ? apply<arith::RemUIOp>(a, b) : apply<arith::RemSIOp>(a, b);
  // The rounded quotient may be off by one next to an integer; the second step
  // brings the remainder back between 0 and b.
  Value remainder = sub(a, mul(apply<math::TruncOp>(div(a, b)), b));
  Value divisor = apply<math::CopySignOp>(b, a), zero = constant(0);
  Value crossed = less(mul(remainder, divisor), zero);
  remainder = select(crossed, add(remainder, divisor), remainder);
  Value whole = lessEqual(abs(b), abs(remainder));
  return select(whole, sub(remainder, divisor), remainder);
}

Value Scalars::min(Value a, Value b) {
  if (isFloat())
    return apply<arith::MinimumFOp>(a, b);
  return isUnsigned() ? apply<arith::MinUIOp>(a, b) : apply<arith::MinSIOp>(a, b);
}

Value Scalars::max(Value a, Value b) {
  if (isFloat())
    return apply<arith::MaximumFOp>(a, b);
  return isUnsigned() ? apply<arith::MaxUIOp>(a, b) : apply<arith::MaxSIOp>(a, b);
}

Value Scalars::neg(Value a) {
  return isFloat() ? apply<arith::NegFOp>(a) : apply<arith::SubIOp>(constant(0), a);
}

Value Scalars::abs(Value a) {
  if (isFloat())
    return apply<math::AbsFOp>(a);
  return isUnsigned() ? a : max(a, neg(a));
}

Value Scalars::sigmoid(Value a) {
  Value one = constant(1);
  return div(one, add(one, apply<math::ExpOp>(neg(a))));
}

Value Scalars::compare(arith::CmpFPredicate ordered, arith::CmpIPredicate ofSigned,
                       arith::CmpIPredicate ofUnsigned, Value a, Value b) {
  if (isFloat())
    return arith::CmpFOp::create(builder, loc, ordered, a, b);
  return arith::CmpIOp::create(builder, loc, isUnsigned() ? ofUnsigned : ofSigned, a, b);
}

Value Scalars::less(Value a, Value b) {
  return compare(arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt, arith::CmpIPredicate::ult, a,
                 b);
}

Value Scalars::lessEqual(Value a, Value b) {
  return compare(arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle, arith::CmpIPredicate::ule, a,
                 b);
}

Value Scalars::equal(Value a, Value b) {
  return compare(arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq, arith::CmpIPredicate::eq, a,
                 b);
}

Value Scalars::notEqual(Value a, Value b) {
  return compare(arith::CmpFPredicate::UNE, arith::CmpIPredicate::ne, arith::CmpIPredicate::ne, a,
                 b);
}

Value Scalars::select(Value condition, Value a, Value b) {
  return arith::SelectOp::create(builder, loc, condition, a, b);
}

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

Value elementwise(NodeImporter &n, ValueRange inputs, ScalarBody body, Type result) {
  Type element = elementOf(inputs.front());
  return n.map(inputs, result ? result : element,
               [&](OpBuilder &builder, Location loc, ValueRange args) {
                 Scalars scalars(builder, loc, element);
                 return body(scalars, args);
               });
}

LogicalResult setElementwise(NodeImporter &n, ScalarBody body, Type result) {
  SmallVector<Value> inputs;
  for (unsigned i = 0; i < n.numInputs(); ++i) {
    if (!n.hasInput(i))
      return n.unsupported("input " + Twine(i) + " is missing");
    inputs.push_back(n.input(i));
  }
  n.setOutput(0, elementwise(n, inputs, body, result));
  return success();
}

FailureOr<std::pair<Value, Value>> binaryOperands(NodeImporter &n) {
  Value lhs = n.input(0), rhs = n.input(1);
  if (elementOf(lhs) != elementOf(rhs))
    return n.unsupported("the operands have different element types");
  if (n.opset < 7 && n.intAttr("broadcast", 0) && n.hasAttr("axis")) {
    int64_t rank = n.shape(0).size(), width = n.shape(1).size();
    FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", 0), rank + 1);
    if (failed(axis))
      return failure();
    if (*axis + width > rank)
      return n.unsupported("axis " + Twine(*axis) + " leaves no room for the second operand");
    SmallVector<int64_t> shape(n.shape(1));
    shape.append(rank - *axis - width, 1);
    rhs = n.reshape(rhs, shape);
  }
  if (failed(broadcastShapes(n, shapeOf(lhs), shapeOf(rhs))))
    return failure();
  return std::make_pair(lhs, rhs);
}

//===----------------------------------------------------------------------===//
// Axes and shapes
//===----------------------------------------------------------------------===//

RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }
ArrayRef<int64_t> shapeOf(Value value) { return tensorType(value).getShape(); }
Type elementOf(Value value) { return tensorType(value).getElementType(); }

RankedTensorType withShape(Value value, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, elementOf(value));
}

FailureOr<int64_t> normalizeAxis(NodeImporter &n, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return n.unsupported("axis " + Twine(axis) + " is outside a tensor of rank " + Twine(rank));
  return axis < 0 ? axis + rank : axis;
}

FailureOr<SmallVector<int64_t>> normalizeAxes(NodeImporter &n, ArrayRef<int64_t> axes,
                                              int64_t rank) {
  SmallVector<int64_t> result;
  for (int64_t axis : axes) {
    FailureOr<int64_t> normal = normalizeAxis(n, axis, rank);
    if (failed(normal))
      return failure();
    if (llvm::is_contained(result, *normal))
      return n.unsupported("axis " + Twine(axis) + " is given twice");
    result.push_back(*normal);
  }
  return result;
}

FailureOr<SmallVector<int64_t>> intsFrom(NodeImporter &n, StringRef name, unsigned index) {
  if (n.hasInput(index))
    return n.requireInts(index, name);
  return n.intsAttr(name);
}

FailureOr<SmallVector<int64_t>> broadcastShapes(NodeImporter &n, ArrayRef<int64_t> a,
                                                ArrayRef<int64_t> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  SmallVector<int64_t> result(a);
  size_t offset = a.size() - b.size();
  for (auto [i, extent] : llvm::enumerate(b)) {
    int64_t &have = result[offset + i];
    if (have != extent && have != 1 && extent != 1)
      return n.unsupported("shapes do not broadcast: " + Twine(have) + " against " + Twine(extent));
    have = have == 1 ? extent : have;
  }
  if (failed(checkShape(n, result)))
    return failure();
  return result;
}

LogicalResult checkShape(NodeImporter &n, ArrayRef<int64_t> shape) {
  int64_t elements = 1;
  for (int64_t extent : shape) {
    if (extent < 0)
      return n.unsupported("a dimension of the result would be " + Twine(extent));
    if (extent > kMaxElements || (extent && elements > kMaxElements / extent))
      return n.unsupported("the result would have more than 2^31 elements");
    elements *= extent;
  }
  return success();
}

Type computeTypeOf(MLIRContext *context, int64_t onnxType) {
  if (onnxType != int(onnxType))
    return {};
  Type stored = elementTypeOf(int(onnxType), *context);
  bool half = stored && (stored.isF16() || stored.isBF16());
  return half ? Type(Float32Type::get(context)) : stored;
}

SmallVector<int64_t> countTo(int64_t count) {
  return llvm::to_vector(llvm::seq<int64_t>(0, count));
}

Value constantIndices(NodeImporter &n, ArrayRef<int64_t> shape, ArrayRef<int64_t> values) {
  reference::TensorValue tensor =
      reference::TensorValue::zeros(RankedTensorType::get(shape, n.builder.getI64Type()));
  std::memcpy(tensor.bytes.data(), values.data(), values.size() * sizeof(int64_t));
  return n.constantOf(tensor);
}

//===----------------------------------------------------------------------===//
// Compositions
//===----------------------------------------------------------------------===//

Value reduce(NodeImporter &n, Value input, nest::ReduceKind kind, ArrayRef<int64_t> axes) {
  if (axes.empty())
    return input;
  SmallVector<int64_t> shape(shapeOf(input)), sorted(axes);
  llvm::sort(sorted);
  for (int64_t axis : sorted)
    shape[axis] = 1;
  return n.create<nest::ReduceOp>(withShape(input, shape), input, kind, sorted);
}

Value slice(NodeImporter &n, Value input, ArrayRef<int64_t> starts, ArrayRef<int64_t> steps,
            ArrayRef<int64_t> shape) {
  return n.create<nest::SliceOp>(withShape(input, shape), input, starts, steps);
}

Value alongAxis(NodeImporter &n, Value vector, int64_t axis, int64_t rank) {
  int64_t elements = tensorType(vector).getNumElements();
  SmallVector<int64_t> shape(elements == 1 ? 0 : rank, 1);
  if (elements != 1)
    shape[axis] = elements;
  return n.reshape(vector, shape);
}

} // namespace nestor::import

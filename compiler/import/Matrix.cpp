//===- Matrix.cpp - MatMul, Gemm, MatMulInteger ---------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"
#include "compiler/import/Window.h"

#include "llvm/ADT/Twine.h"

using namespace mlir;

namespace nestor::import {

void registerEinsumRules(ImportRegistry &); // Einsum.cpp

namespace {

bool isConstant(Value value) { return value && value.getDefiningOp<nest::ConstOp>(); }

/// `value` with leading dimensions of 1 up to `rank`.
Value raiseRank(NodeImporter &n, Value value, int64_t rank) {
  SmallVector<int64_t> shape(shapeOf(value));
  shape.insert(shape.begin(), rank - int64_t(shape.size()), 1);
  return n.reshape(value, shape);
}

/// [.., M, K] x constant [K, N] as a 1x1 convolution over pixels, because that
/// is the form whose weights are packed and whose channels are pruned.
Value multiplyPixels(NodeImporter &n, Value lhs, Value weights, Value bias) {
  SmallVector<int64_t> shape(shapeOf(lhs));
  int64_t inputs = shape.back(), outputs = shapeOf(weights)[1], pixels = 1;
  for (int64_t extent : ArrayRef<int64_t>(shape).drop_back())
    pixels *= extent;
  Value rows = n.reshape(lhs, {1, pixels, inputs});
  Value filter = n.reshape(weights, {1, inputs, outputs});
  SmallVector<int64_t> one{1}, zero{0};
  Value product = n.create<nest::ConvOp>(
      withShape(lhs, {1, pixels, outputs}), rows, filter, /*scale=*/Value(), bias,
      /*extras=*/ValueRange(), one, one, one, zero, zero, /*groups=*/1);
  shape.back() = outputs;
  return n.reshape(product, shape);
}

/// A bias that can enter the convolution: constant, one value per column.
Value foldableBias(NodeImporter &n, Value bias, int64_t columns) {
  if (!isConstant(bias) || tensorType(bias).getRank() > 2 ||
      elementOf(bias) != n.builder.getF32Type())
    return {};
  ArrayRef<int64_t> shape = shapeOf(bias);
  if ((shape.size() == 2 && shape[0] != 1) ||
      (!shape.empty() && shape.back() != 1 && shape.back() != columns))
    return {};
  Value row = n.reshape(bias, shape.empty() ? ArrayRef<int64_t>{1} : shape.take_back());
  return n.mapTo({columns}, row, elementOf(bias),
                 [](OpBuilder &, Location, ValueRange arguments) { return arguments[0]; });
}

Value scaleBy(NodeImporter &n, Value value, double factor) {
  if (factor == 1.0)
    return value;
  return elementwise(n, value,
                     [&](Scalars &s, ValueRange a) { return s.mul(a[0], s.constant(factor)); });
}

Value addTo(NodeImporter &n, Value a, Value b) {
  return elementwise(n, {a, b}, [](Scalars &s, ValueRange x) { return s.add(x[0], x[1]); });
}

LogicalResult importMatMul(NodeImporter &n) {
  if (n.type(0).getElementType() != n.type(1).getElementType())
    return n.unsupported("the operands have different element types");
  FailureOr<Value> product = matmul(n, n.input(0), n.input(1));
  if (failed(product))
    return failure();
  n.setOutput(0, *product);
  return success();
}

LogicalResult importGemm(NodeImporter &n) {
  if (n.type(0).getRank() != 2 || n.type(1).getRank() != 2)
    return n.unsupported("the operands must be matrices");
  double alpha = n.floatAttr("alpha", 1), beta = n.floatAttr("beta", 1);
  Type element = n.type(0).getElementType();
  if (element != n.type(1).getElementType() ||
      (!isa<FloatType>(element) && (alpha != 1 || beta != 1)))
    return n.unsupported("operands of these element types");
  Value lhs = n.input(0), rhs = n.input(1), addend = n.input(2);
  if (n.intAttr("transA", 0))
    lhs = n.transpose(lhs, {1, 0});
  if (n.intAttr("transB", 0))
    rhs = n.transpose(rhs, {1, 0});
  if (shapeOf(lhs)[1] != shapeOf(rhs)[0])
    return n.unsupported("the operands' inner dimensions are " + Twine(shapeOf(lhs)[1]) + " and " +
                         Twine(shapeOf(rhs)[0]));
  if (addend && beta == 0)
    addend = {};
  if (addend)
    addend = scaleBy(n, addend, beta);
  Value bias;
  if (isConstant(rhs) && element.isF32()) {
    rhs = scaleBy(n, rhs, alpha);
    bias = addend ? foldableBias(n, addend, shapeOf(rhs)[1]) : Value();
  } else if (isConstant(lhs)) {
    lhs = scaleBy(n, lhs, alpha);
  }
  bool scaled = isConstant(lhs) || (isConstant(rhs) && element.isF32());
  FailureOr<Value> product = matmul(n, lhs, rhs, bias);
  if (failed(product))
    return failure();
  Value result = scaled ? *product : scaleBy(n, *product, alpha);
  n.setOutput(0, addend && !bias ? addTo(n, result, addend) : result);
  return success();
}

/// Operand minus its zero point in i32; a vector of zero points runs along
/// `axis` of the matrix.
FailureOr<Value> centre(NodeImporter &n, unsigned index, unsigned zeroIndex, bool rows) {
  Type i32 = n.builder.getI32Type();
  Value value = n.cast(n.input(index), i32);
  if (!n.hasInput(zeroIndex))
    return value;
  Value zero = n.cast(n.input(zeroIndex), i32);
  int64_t count = tensorType(zero).getNumElements();
  if (tensorType(zero).getRank() <= 1 && count != 1 && rows)
    zero = n.reshape(zero, {count, 1});
  if (tensorType(zero).getRank() == 1 && count == 1)
    zero = n.reshape(zero, {});
  return elementwise(n, {value, zero}, [](Scalars &s, ValueRange a) { return s.sub(a[0], a[1]); });
}

LogicalResult importMatMulInteger(NodeImporter &n) {
  FailureOr<Value> lhs = centre(n, 0, 2, /*rows=*/true), rhs = centre(n, 1, 3, /*rows=*/false);
  if (failed(lhs) || failed(rhs))
    return failure();
  FailureOr<Value> product = matmul(n, *lhs, *rhs);
  if (failed(product))
    return failure();
  n.setOutput(0, *product);
  return success();
}

} // namespace

FailureOr<Value> matmul(NodeImporter &n, Value lhs, Value rhs, Value bias) {
  if (shapeOf(lhs).empty() || shapeOf(rhs).empty())
    return n.unsupported("an operand is a scalar");
  bool row = shapeOf(lhs).size() == 1, column = shapeOf(rhs).size() == 1;
  if (row)
    lhs = n.reshape(lhs, {1, shapeOf(lhs)[0]});
  if (column)
    rhs = n.reshape(rhs, {shapeOf(rhs)[0], 1});
  if (shapeOf(lhs).back() != shapeOf(rhs)[shapeOf(rhs).size() - 2])
    return n.unsupported("the operands' inner dimensions are " + Twine(shapeOf(lhs).back()) +
                         " and " + Twine(shapeOf(rhs)[shapeOf(rhs).size() - 2]));
  Value product;
  if (isConstant(rhs) && shapeOf(rhs).size() == 2 && elementOf(rhs).isF32()) {
    product = multiplyPixels(n, lhs, rhs, bias);
  } else {
    int64_t rank = std::max(shapeOf(lhs).size(), shapeOf(rhs).size());
    lhs = raiseRank(n, lhs, rank);
    rhs = raiseRank(n, rhs, rank);
    SmallVector<int64_t> shape;
    for (auto [a, b] : llvm::zip(shapeOf(lhs).drop_back(2), shapeOf(rhs).drop_back(2)))
      shape.push_back(a == 1 ? b : a);
    shape.append({shapeOf(lhs)[rank - 2], shapeOf(rhs)[rank - 1]});
    product = n.create<nest::MatmulOp>(withShape(lhs, shape), lhs, rhs, /*extras=*/ValueRange());
    if (bias)
      product = addTo(n, product, bias);
  }
  SmallVector<int64_t> shape(shapeOf(product));
  if (column)
    shape.pop_back();
  if (row)
    shape.erase(shape.end() - (column ? 1 : 2));
  return n.reshape(product, shape);
}

void registerMatrixRules(ImportRegistry &registry) {
  registry.add({"", "MatMul", 1, kNewestOpset, importMatMul, "", 2});
  registry.add({"", "Gemm", 1, kNewestOpset, importGemm, "", 2});
  registry.add({"", "MatMulInteger", 10, kNewestOpset, importMatMulInteger, "", 2});
  registerEinsumRules(registry);
}

} // namespace nestor::import

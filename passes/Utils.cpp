//===- Utils.cpp - What several passes need -------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Utils.h"

#include "compiler/reference/Evaluator.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace nestor {

int64_t bytesOf(Value value) {
  RankedTensorType type = tensorType(value);
  return type.getNumElements() * reference::elementBytes(type.getElementType());
}

/// The same elements under another shape; weights are not copied for that.
static ElementsAttr reshaped(ElementsAttr value, RankedTensorType type) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return DenseResourceElementsAttr::get(type, resource.getRawHandle());
  return cast<DenseElementsAttr>(value).reshape(type);
}

LogicalResult evaluateOnConstants(Operation *op, SmallVectorImpl<ElementsAttr> &results) {
  SmallVector<ElementsAttr> constants;
  for (Value operand : op->getOperands())
    constants.push_back(operand.getDefiningOp<nest::ConstOp>().getValue());
  if (auto reshape = dyn_cast<nest::ReshapeOp>(op)) {
    results.push_back(reshaped(constants.front(), reshape.getType()));
    return success();
  }
  SmallVector<reference::TensorValue> operands, values;
  for (ElementsAttr constant : constants)
    operands.push_back(reference::TensorValue::fromAttr(constant));
  if (failed(reference::evaluate(op, operands, values)))
    return failure();
  for (const reference::TensorValue &value : values)
    results.push_back(value.toAttr());
  return success();
}

Value insertFolded(OpBuilder &builder, Operation *op) {
  SmallVector<ElementsAttr> results;
  if (!llvm::all_of(op->getOperands(), isConstant) || failed(evaluateOnConstants(op, results)))
    return builder.insert(op)->getResult(0);
  Value folded = nest::ConstOp::create(builder, op->getLoc(), results.front());
  op->destroy();
  return folded;
}

Value reshapeTo(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> shape) {
  if (shapeOf(value) == shape)
    return value;
  return createFolded<nest::ReshapeOp>(builder, loc, tensorType(value).clone(shape), value);
}

Value transposeTo(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> perm) {
  if (llvm::equal(perm, llvm::seq<int64_t>(0, perm.size())))
    return value;
  SmallVector<int64_t> shape;
  for (int64_t dim : perm)
    shape.push_back(shapeOf(value)[dim]);
  return createFolded<nest::TransposeOp>(builder, loc, tensorType(value).clone(shape), value, perm);
}

Value inlineBody(OpBuilder &builder, Region &body, ValueRange arguments) {
  IRMapping mapping;
  mapping.map(body.getArguments(), arguments);
  for (Operation &op : body.front().without_terminator())
    builder.clone(op, mapping);
  return mapping.lookupOrDefault(cast<nest::YieldOp>(body.front().back()).getValue());
}

Type scalarTypeOf(Type tensor) {
  Type element = cast<RankedTensorType>(tensor).getElementType();
  if (auto integer = dyn_cast<IntegerType>(element))
    return IntegerType::get(element.getContext(), integer.getWidth());
  return element;
}

} // namespace nestor

//===- Verify.cpp - What verifiers of the nest operations share -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Verify.h"

#include "compiler/ir/HalfFilter.h"

using namespace mlir;

LogicalResult nestor::nest::verifyAxis(Operation *op, int64_t axis, int64_t rank) {
  if (axis < 0 || axis >= rank)
    return op->emitOpError("axis ") << axis << " is out of range for rank " << rank;
  return success();
}

LogicalResult nestor::nest::verifyShape(Operation *op, StringRef name, Value value,
                                        ArrayRef<int64_t> want) {
  if (shapeOf(value) != want)
    return op->emitOpError(name) << " must have shape [" << want << "], not [" << shapeOf(value)
                                 << "]";
  return success();
}

LogicalResult nestor::nest::verifySameElements(Operation *op, Value a, Value b) {
  if (elementOf(a) != elementOf(b))
    return op->emitOpError("mixes elements of type ") << elementOf(a) << " and " << elementOf(b);
  return success();
}

LogicalResult nestor::nest::verifyIntegers(Operation *op, StringRef name, Value value) {
  if (!elementOf(value).isInteger())
    return op->emitOpError(name) << " must hold integers, not " << elementOf(value);
  return success();
}

LogicalResult nestor::nest::verifyBroadcast(Operation *op, Value value, ArrayRef<int64_t> result) {
  ArrayRef<int64_t> shape = shapeOf(value);
  if (shape.size() > result.size())
    return op->emitOpError("operand ") << value.getType() << " has a higher rank than the result";
  for (auto [have, want] : llvm::zip(llvm::reverse(shape), llvm::reverse(result)))
    if (have != 1 && have != want)
      return op->emitOpError("operand ") << value.getType() << " does not broadcast to the result";
  return success();
}

LogicalResult nestor::nest::verifyWinograd(Operation *op, WinogradTile tile, ArrayRef<int64_t> kernel, int64_t groups,
                                           Type element) {
  if (!tile)
    return success();
  if (tile.stride != 1 && tile.stride != 2)
    return op->emitOpError("winograd has strides of 1 or 2, not ") << tile.stride;
  if (!tile.exists())
    return op->emitOpError("winograd computes tiles of ")
           << (tile.stride == 1 ? "2, 4 or 6 outputs" : "2 or 4 outputs of stride 2") << ", not "
           << tile.m;
  if (kernel != ArrayRef<int64_t>{3, 3} || groups != 1 || !(element.isF32() || isHalf(element)))
    return op->emitOpError("winograd is for filters of floats, 3x3 taps and one group");
  return success();
}

//===- VerifyIndexing.cpp - Verifiers of gathers and scatters -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Verify.h"

using namespace mlir;
using namespace nestor::nest;

/// Checks that there is something to pick along each dimension of `extents`
/// when `picked` is not empty: indices are clamped into a range, so that it
/// must not be empty.
static LogicalResult verifyNotEmpty(Operation *op, ArrayRef<int64_t> extents, Value picked) {
  if (llvm::is_contained(extents, 0) && !llvm::is_contained(shapeOf(picked), 0))
    return op->emitOpError("picks elements along a dimension that has none");
  return success();
}

LogicalResult GatherOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput());
  int64_t axis = getAxis();
  if (failed(verifyAxis(*this, axis, in.size())) ||
      failed(verifyIntegers(*this, "indices", getIndices())) ||
      failed(verifySameElements(*this, getInput(), getResult())) ||
      failed(verifyNotEmpty(*this, in[axis], getResult())))
    return failure();
  SmallVector<int64_t> want(in.take_front(axis));
  llvm::append_range(want, shapeOf(getIndices()));
  llvm::append_range(want, in.drop_front(axis + 1));
  return verifyShape(*this, "result", getResult(), want);
}

/// Checks the index tensor of gather_elements and scatter_elements: it lies
/// within `data` in every dimension but the axis.
static LogicalResult verifyElementIndices(Operation *op, Value data, Value indices, int64_t axis) {
  ArrayRef<int64_t> in = shapeOf(data), index = shapeOf(indices);
  if (failed(verifyAxis(op, axis, in.size())) || failed(verifyIntegers(op, "indices", indices)) ||
      failed(verifyNotEmpty(op, in[axis], indices)))
    return failure();
  if (index.size() != in.size())
    return op->emitOpError("indices must have the input's rank, ") << in.size();
  for (size_t i = 0; i < in.size(); ++i)
    if (int64_t(i) != axis && index[i] > in[i])
      return op->emitOpError("indices are longer than the input in dimension ") << i;
  return success();
}

LogicalResult GatherElementsOp::verify() {
  if (failed(verifyElementIndices(*this, getInput(), getIndices(), getAxis())) ||
      failed(verifySameElements(*this, getInput(), getResult())))
    return failure();
  return verifyShape(*this, "result", getResult(), shapeOf(getIndices()));
}

LogicalResult ScatterElementsOp::verify() {
  if (failed(verifyElementIndices(*this, getInput(), getIndices(), getAxis())) ||
      failed(verifySameElements(*this, getInput(), getUpdates())) ||
      failed(verifySameElements(*this, getInput(), getResult())) ||
      failed(verifyShape(*this, "updates", getUpdates(), shapeOf(getIndices()))))
    return failure();
  return verifyShape(*this, "result", getResult(), shapeOf(getInput()));
}

/// The shape of what index tuples pick: the tuples' dimensions, then those of
/// the input that a tuple does not name. Fails if tuples do not fit the input.
static FailureOr<SmallVector<int64_t>> pickedShape(Operation *op, Value data, Value indices,
                                                   int64_t batchDims) {
  ArrayRef<int64_t> in = shapeOf(data), index = shapeOf(indices);
  if (failed(verifyIntegers(op, "indices", indices)))
    return failure();
  if (index.empty() || batchDims < 0 || batchDims >= int64_t(index.size()) ||
      batchDims >= int64_t(in.size()))
    return op->emitOpError("input and indices need more than ") << batchDims << " dimensions";
  if (in.take_front(batchDims) != index.take_front(batchDims))
    return op->emitOpError("input and indices differ in the batch dimensions");
  int64_t length = index.back();
  if (length + batchDims > int64_t(in.size()))
    return op->emitOpError("index tuples of length ")
           << length << " do not fit an input of rank " << in.size();
  SmallVector<int64_t> shape(index.drop_back());
  llvm::append_range(shape, in.drop_front(batchDims + length));
  return shape;
}

LogicalResult GatherNDOp::verify() {
  int64_t batchDims = getBatchDims();
  auto shape = pickedShape(*this, getInput(), getIndices(), batchDims);
  if (failed(shape) || failed(verifySameElements(*this, getInput(), getResult())) ||
      failed(verifyShape(*this, "result", getResult(), *shape)))
    return failure();
  return verifyNotEmpty(*this, shapeOf(getInput()).slice(batchDims, shapeOf(getIndices()).back()),
                        getResult());
}

LogicalResult ScatterNDOp::verify() {
  auto shape = pickedShape(*this, getInput(), getIndices(), /*batchDims=*/0);
  if (failed(shape) || failed(verifySameElements(*this, getInput(), getUpdates())) ||
      failed(verifySameElements(*this, getInput(), getResult())) ||
      failed(verifyShape(*this, "updates", getUpdates(), *shape)) ||
      failed(verifyShape(*this, "result", getResult(), shapeOf(getInput()))))
    return failure();
  return verifyNotEmpty(*this, shapeOf(getInput()).take_front(shapeOf(getIndices()).back()),
                        getUpdates());
}

LogicalResult OneHotOp::verify() {
  ArrayRef<int64_t> index = shapeOf(getIndices()), out = shapeOf(getResult());
  if (failed(verifyAxis(*this, getAxis(), out.size())) ||
      failed(verifyShape(*this, "values", getValues(), {2})) ||
      failed(verifySameElements(*this, getValues(), getResult())))
    return failure();
  SmallVector<int64_t> rest(out);
  rest.erase(rest.begin() + getAxis());
  if (index != ArrayRef<int64_t>(rest))
    return emitOpError("result without the axis must have shape [") << index << "]";
  return success();
}

LogicalResult ReverseSequenceOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput());
  if (failed(verifyAxis(*this, getBatchAxis(), in.size())) ||
      failed(verifyAxis(*this, getTimeAxis(), in.size())) ||
      failed(verifyIntegers(*this, "lengths", getLengths())))
    return failure();
  if (getBatchAxis() == getTimeAxis())
    return emitOpError("batch and time must be different axes");
  if (getInput().getType() != getType())
    return emitOpError("input and result must have the same type");
  return verifyShape(*this, "lengths", getLengths(), in[getBatchAxis()]);
}

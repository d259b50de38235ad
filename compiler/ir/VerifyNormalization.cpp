//===- VerifyNormalization.cpp - Verifiers of reductions and the like -----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Verify.h"

using namespace mlir;
using namespace nestor::nest;

LogicalResult ReduceOp::verify() {
  SmallVector<int64_t> want(shapeOf(getInput()));
  SmallVector<bool> seen(want.size());
  for (int64_t axis : getAxes()) {
    if (failed(verifyAxis(*this, axis, want.size())))
      return failure();
    if (seen[axis])
      return emitOpError("axis ") << axis << " is named twice";
    seen[axis] = true;
    want[axis] = 1;
  }
  if (failed(verifySameElements(*this, getInput(), getResult())))
    return failure();
  return verifyShape(*this, "result", getResult(), want);
}

LogicalResult ArgReduceOp::verify() {
  SmallVector<int64_t> want(shapeOf(getInput()));
  if (failed(verifyAxis(*this, getAxis(), want.size())))
    return failure();
  if (want[getAxis()] == 0)
    return emitOpError("axis ") << getAxis() << " has no elements";
  want[getAxis()] = 1;
  if (!elementOf(getResult()).isSignlessInteger(64))
    return emitOpError("result must hold i64, not ") << elementOf(getResult());
  return verifyShape(*this, "result", getResult(), want);
}

LogicalResult SoftmaxOp::verify() {
  return verifyAxis(*this, getAxis(), shapeOf(getInput()).size());
}

LogicalResult CumsumOp::verify() {
  return verifyAxis(*this, getAxis(), shapeOf(getInput()).size());
}

LogicalResult NormOp::verify() {
  if (failed(verifyAxis(*this, getAxis(), shapeOf(getInput()).size())))
    return failure();
  if (getInput().getType() != getType())
    return emitOpError("input and result must have the same type");
  for (Value factor : {getScale(), getBias()})
    if (factor && failed(verifyBroadcast(*this, factor, shapeOf(getResult()))))
      return failure();
  return success();
}

LogicalResult LrnOp::verify() {
  if (shapeOf(getInput()).empty())
    return emitOpError("needs a channel dimension");
  int64_t size = getSize();
  return size >= 1 ? success() : LogicalResult(emitOpError("window size must be positive"));
}

LogicalResult TopKOp::verify() {
  SmallVector<int64_t> want(shapeOf(getInput()));
  if (failed(verifyAxis(*this, getAxis(), want.size())))
    return failure();
  int64_t k = getK();
  if (k < 0 || k > want[getAxis()])
    return emitOpError("k is ") << k << " but the axis has " << want[getAxis()] << " elements";
  want[getAxis()] = k;
  if (!elementOf(getIndices()).isSignlessInteger(64))
    return emitOpError("indices must hold i64, not ") << elementOf(getIndices());
  if (failed(verifySameElements(*this, getInput(), getValues())) ||
      failed(verifyShape(*this, "values", getValues(), want)))
    return failure();
  return verifyShape(*this, "indices", getIndices(), want);
}

LogicalResult ResizeOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput()), out = shapeOf(getResult());
  size_t rank = in.size();
  if (out.size() != rank || getScales().size() != rank)
    return emitOpError("scales and result need one entry per dimension, ") << rank;
  if (getRoi() && getRoi()->size() != 2 * rank)
    return emitOpError("roi needs two entries per dimension");
  if (getCoordinates() == CoordinateMode::tf_crop_and_resize && !getRoi())
    return emitOpError("tf_crop_and_resize needs a roi");
  for (size_t i = 0; i < rank; ++i) {
    if (!(getScales()[i] > 0))
      return emitOpError("scale of dimension ") << i << " must be positive";
    if (in[i] == 0 && out[i] != 0)
      return emitOpError("dimension ") << i << " of the input has nothing to resize";
  }
  return verifySameElements(*this, getInput(), getResult());
}

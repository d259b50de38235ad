//===- VerifyGradients.cpp - Verifiers of the gradient operations ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Convolutions.h"
#include "compiler/ir/Verify.h"

using namespace mlir;
using namespace nestor::nest;

LogicalResult ConvFilterGradOp::verify() {
  if (failed(verifyWindow(*this, shapeOf(getInput()), getGrad(), getKernel(), getStrides(), getDilations(),
                          getPadBegin(), getPadEnd(), /*exact=*/true)))
    return failure();
  int64_t channels = shapeOf(getInput()).back(), outputs = shapeOf(getGrad()).back();
  int64_t groups = getGroups();
  if (groups < 1 || channels % groups || outputs % groups)
    return emitOpError("groups ") << groups << " must divide " << channels << " inputs and "
                                  << outputs << " outputs";
  SmallVector<int64_t> want(getKernel());
  want.append({channels / groups, outputs});
  if (failed(verifyShape(*this, "result", getResult(), want)) ||
      failed(verifySameElements(*this, getInput(), getGrad())) ||
      failed(verifySameElements(*this, getInput(), getResult())) ||
      failed(verifyWinograd(*this, winogradTile(*this), getKernel(), groups, elementOf(getResult()))))
    return failure();
  if (winogradTile(*this) && !(winogradTile(*this).stride == 1 && areOnes(getStrides()) && areOnes(getDilations())))
    return emitOpError("winograd is for gradients without strides and dilations");
  return success();
}

LogicalResult PoolGradOp::verify() {
  if (failed(verifyWindow(*this, shapeOf(getInput()), getGrad(), getKernel(), getStrides(), getDilations(),
                          getPadBegin(), getPadEnd(), /*exact=*/false)))
    return failure();
  if (getKind() == PoolKind::lp)
    return emitOpError("has max and avg only");
  if (shapeOf(getInput()).back() != shapeOf(getGrad()).back())
    return emitOpError("input and gradient differ in channels");
  return verifyShape(*this, "result", getResult(), shapeOf(getInput()));
}

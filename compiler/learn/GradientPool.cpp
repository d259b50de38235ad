//===- GradientPool.cpp - Gradients of pooling ----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/GradientRules.h"

using namespace mlir;
using namespace nestor::learn;
using namespace nestor::nest;

void nestor::learn::differentiate(PoolOp op, Value grad, Gradients &g) {
  g.add(op.getInput(),
        PoolGradOp::create(g, op.getInput().getType(), op.getInput(), grad, op.getKind(),
                           op.getKernel(), op.getStrides(), op.getDilations(), op.getPadBegin(),
                           op.getPadEnd(), op.getCountIncludePad()));
}

//===- GradientMatmul.cpp - Gradients of matrix products ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/GradientRules.h"
#include "passes/Utils.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;
using namespace nestor::nest;

/// The batch of `like` with matrices as large as those of `operand`: operands
/// that repeat along the batch are summed by `Gradients::add`.
static RankedTensorType batched(Value like, Value operand) {
  SmallVector<int64_t> shape(shapeOf(like).drop_back(2));
  llvm::append_range(shape, shapeOf(operand).take_back(2));
  return tensorType(like).clone(shape);
}

void nestor::learn::differentiate(MatmulOp op, Value grad, Gradients &g) {
  Value lhs = op.getLhs(), rhs = op.getRhs();
  bool left = op.getTransposeLhs(), right = op.getTransposeRhs();
  auto product = [&](Value operand, Value a, bool transposeA, Value b, bool transposeB) {
    g.add(operand, MatmulOp::create(g, batched(grad, operand), a, b, /*extras=*/ValueRange(),
                                    transposeA, transposeB));
  };
  // y = a b: da = dy b', db = a' dy; what is stored transposed gets the
  // transposed gradient.
  if (g.wants(lhs) && !left)
    product(lhs, grad, false, rhs, !right);
  if (g.wants(lhs) && left)
    product(lhs, rhs, right, grad, true);
  if (g.wants(rhs) && !right)
    product(rhs, lhs, !left, grad, false);
  if (g.wants(rhs) && right)
    product(rhs, grad, true, lhs, left);
}

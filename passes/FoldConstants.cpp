//===- FoldConstants.cpp - Evaluates what is known at compile time --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

using namespace mlir;

namespace nestor {

#define GEN_PASS_DEF_FOLDCONSTANTSPASS
#include "passes/Passes.h.inc"

namespace {

struct FoldConstantsPass final : impl::FoldConstantsPassBase<FoldConstantsPass> {
  using FoldConstantsPassBase::FoldConstantsPassBase;

  void runOnOperation() override {
    // Operations come before their users, so one walk folds whole expressions.
    WalkResult walk = getOperation().walk([&](Operation *op) {
      if (!shouldFold(op))
        return WalkResult::advance();
      return failed(fold(op)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }

private:
  bool shouldFold(Operation *op) const {
    // A weight stays what its capacities share.
    if (!isa<nest::NestDialect>(op->getDialect()) ||
        isa<nest::ConstOp, nest::WeightOp, nest::YieldOp>(op) ||
        !llvm::all_of(op->getOperands(), isConstant))
      return false;
    int64_t growth = 0;
    for (Value result : op->getResults())
      growth += bytesOf(result);
    for (Value operand : op->getOperands())
      growth -= bytesOf(operand);
    return isa<nest::PackOp>(op) || growth <= maxGrowth;
  }

  LogicalResult fold(Operation *op) {
    SmallVector<ElementsAttr> results;
    if (failed(evaluateOnConstants(op, results)))
      return failure();
    OpBuilder builder(op);
    for (auto [result, value] : llvm::zip_equal(op->getResults(), results))
      result.replaceAllUsesWith(nest::ConstOp::create(builder, op->getLoc(), value));
    SmallVector<Value> inputs(op->getOperands());
    op->erase();
    for (Value input : llvm::SetVector<Value>(inputs.begin(), inputs.end()))
      if (input.use_empty())
        input.getDefiningOp()->erase();
    return success();
  }
};

} // namespace
} // namespace nestor

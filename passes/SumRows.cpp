//===- SumRows.cpp - Means of what depthwise convolutions have at hand ----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

#include "compiler/ir/Blocks.h"
#include "compiler/ir/Convolutions.h"
#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/RowSums.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_SUMROWSPASS
#include "passes/Passes.h.inc"

namespace {

/// What the function returns lies in the caller's memory, which has no room behind
/// it. A reshape is another name for the same memory.
bool isReturned(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    return user->hasTrait<OpTrait::IsTerminator>() || (isa<ReshapeOp>(user) && isReturned(user->getResult(0)));
  });
}

struct SumRowsForMean final : OpRewritePattern<ReduceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ReduceOp op, PatternRewriter &rewriter) const override {
    auto conv = op.getInput().getDefiningOp<ConvOp>();
    if (!conv || leavesRowSums(conv) || !isMeanOfPixels(op))
      return rewriter.notifyMatchFailure(op, "is no mean of the pixels of a convolution");
    if (!isDepthwise(conv) || !conv.getPacked() || !computesInF32(conv))
      return rewriter.notifyMatchFailure(op, "no kernel of this kind sums rows");
    if (blockNumber(conv) != blockNumber(op))
      return rewriter.notifyMatchFailure(op, "a cut lies between the two");
    if (isReturned(conv.getResult()))
      return rewriter.notifyMatchFailure(op, "the function returns what is pooled");
    rewriter.modifyOpInPlace(conv, [&] { conv->setAttr(kRowSumsAttr, rewriter.getUnitAttr()); });
    return success();
  }
};

struct SumRowsPass final : impl::SumRowsPassBase<SumRowsPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SumRowsForMean>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace nestor

//===- SliceBeforeReshape.cpp - Every other channel is a strided slice ----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Layout.h"
#include "passes/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_SLICEBEFORERESHAPEPASS
#include "passes/Passes.h.inc"

namespace {

struct SliceBeforeReshape final : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getInput().getDefiningOp<ReshapeOp>();
    std::optional<unsigned> dim = pickedDim(op);
    if (!reshape || !dim)
      return rewriter.notifyMatchFailure(op, "not one index of a dimension of a reshaped tensor");
    ArrayRef<int64_t> from = shapeOf(reshape.getInput()), to = shapeOf(op.getInput());
    auto groups = groupDims(from, to);
    if (!groups)
      return rewriter.notifyMatchFailure(op, "no elements");
    auto group = llvm::find_if(
        *groups, [&](const ReshapeGroup &g) { return llvm::is_contained(g.to, *dim); });
    if (group->from.size() != 1 || group->to.size() == 1)
      return rewriter.notifyMatchFailure(op, "the dimension is no part of another one");
    bool first = group->to.front() == *dim, last = group->to.back() == *dim;
    if (!first && !last)
      return rewriter.notifyMatchFailure(op, "what is left is not evenly spaced");

    int64_t whole = group->from.front(), left = from[whole] / to[*dim];
    SmallVector<int64_t> starts(from.size(), 0), steps(from.size(), 1), shape(from);
    starts[whole] = op.getStarts()[*dim] * (first ? left : 1);
    steps[whole] = first ? 1 : to[*dim];
    shape[whole] = left;
    auto slice = SliceOp::create(rewriter, op.getLoc(), op.getType().clone(shape),
                                 reshape.getInput(), starts, steps);
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), slice);
    return success();
  }

private:
  /// The dimension of which `op` takes one index, if it takes the others whole.
  static std::optional<unsigned> pickedDim(SliceOp op) {
    ArrayRef<int64_t> from = shapeOf(op.getInput()), to = shapeOf(op.getResult());
    std::optional<unsigned> picked;
    for (unsigned dim = 0; dim < from.size(); ++dim) {
      if (from[dim] == to[dim] && op.getStarts()[dim] == 0 && op.getSteps()[dim] == 1)
        continue;
      if (picked || to[dim] != 1 || from[dim] == 1)
        return std::nullopt;
      picked = dim;
    }
    return picked;
  }
};

struct SliceBeforeReshapePass final : impl::SliceBeforeReshapePassBase<SliceBeforeReshapePass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SliceBeforeReshape>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace nestor

//===- DenseToWindow.cpp - Products with flattened tensors ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Layout.h"
#include "passes/Passes.h"

#include "compiler/ir/Convolutions.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_DENSETOWINDOWPASS
#include "passes/Passes.h.inc"

namespace {

struct DenseToWindow final : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    auto flatten = op.getInput().getDefiningOp<ReshapeOp>();
    ArrayRef<int64_t> rows = shapeOf(op.getInput()).drop_back();
    // One row only: a product of many shares what it loads of the filter.
    if (!flatten || !areOnes(rows) || !areOnes(op.getKernel()) ||
        op.getGroups() != 1 || op.getPacked() || !op.getExtras().empty())
      return rewriter.notifyMatchFailure(op, "not a product with one flattened tensor");
    int64_t channels = shapeOf(flatten.getInput()).back();
    int64_t inputs = shapeOf(op.getInput()).back(), outputs = shapeOf(op.getResult()).back();
    if (channels == 1 || channels == inputs)
      return rewriter.notifyMatchFailure(op, "nothing but channels, or but pixels, is flattened");

    Location loc = rewriter.getFusedLoc({flatten.getLoc(), op.getLoc()});
    int64_t pixels = inputs / channels;
    Value input = reshapeTo(rewriter, loc, flatten.getInput(), {1, pixels, channels});
    Value filter = reshapeTo(rewriter, op.getFilter().getLoc(), op.getFilter(),
                             {pixels, channels, outputs});
    int64_t one = 1, none = 0;
    auto window = ConvOp::create(rewriter, op.getLoc(), op.getType().clone({1, 1, outputs}), input,
                                 filter, op.getScale(), op.getBias(), /*extras=*/ValueRange(),
                                 /*kernel=*/pixels, /*strides=*/one, /*dilations=*/one,
                                 /*padBegin=*/none, /*padEnd=*/none, /*groups=*/1,
                                 /*packed=*/false);
    rewriter.replaceOp(op, reshapeTo(rewriter, loc, window.getResult(), shapeOf(op.getResult())));
    return success();
  }
};

struct DenseToWindowPass final : impl::DenseToWindowPassBase<DenseToWindowPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<DenseToWindow>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace nestor

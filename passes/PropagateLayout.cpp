//===- PropagateLayout.cpp - Removes the importer's transposes ------------===//
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

#define GEN_PASS_DEF_PROPAGATELAYOUTPASS
#include "passes/Passes.h.inc"

namespace {

//===----------------------------------------------------------------------===//
// Down
//===----------------------------------------------------------------------===//

/// op(transpose(x, p)) -> transpose(op'(x), p), if that removes more bytes
/// from transposes of operands than it adds. The one on the result does not
/// count: it goes on down.
struct SinkTranspose final : RewritePattern {
  explicit SinkTranspose(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/1, context) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (op->getNumResults() != 1 || op->getNumOperands() == 0 ||
        !isa<NestDialect>(op->getDialect()))
      return rewriter.notifyMatchFailure(op, "not a nest operation on tensors");
    int64_t rank = shapeOf(op->getResult(0)).size();
    for (Value operand : layoutOperands(op)) {
      auto transpose = operand.getDefiningOp<TransposeOp>();
      if (!transpose || int64_t(transpose.getPerm().size()) != rank ||
          !canRunInLayout(op, transpose.getPerm()) || !pays(op, transpose.getPerm()))
        continue;
      Value result = runInLayout(rewriter, op, transpose.getPerm());
      rewriter.replaceOpWithNewOp<TransposeOp>(op, op->getResultTypes()[0], result,
                                               transpose.getPerm());
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no layout is better");
  }

private:
  static bool pays(Operation *op, ArrayRef<int64_t> perm) {
    int64_t removed = 0, added = 0;
    for (Value operand : layoutOperands(op)) {
      int64_t cost = costInLayout(operand, perm);
      added += cost;
      auto transpose = operand.getDefiningOp<TransposeOp>();
      if (cost == 0 && transpose && movesData(shapeOf(transpose.getInput()), transpose.getPerm()))
        removed += bytesOf(operand);
    }
    return added == 0 || added < removed;
  }
};

/// reshape(transpose(x)) -> transpose(reshape(x)).
///
/// Dimensions that the reshape merges or splits move as one. Where those that
/// it merges lie apart in x, x is transposed so far that they do not, and what
/// is left of the permutation goes on down: the channel shuffle
/// [N,H,W,g,c] -> [N,c,g,H,W] -> [N,C,H,W] exchanges g and c and stays
/// channels last.
struct SinkTransposeThroughReshape final : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<TransposeOp>();
    if (!transpose)
      return rewriter.notifyMatchFailure(op, "input is not transposed");
    auto groups = groupDims(shapeOf(op.getInput()), shapeOf(op.getResult()));
    if (!groups)
      return rewriter.notifyMatchFailure(op, "no elements");
    // From here on, dimensions are those of x.
    Value x = transpose.getInput();
    for (ReshapeGroup &group : *groups)
      for (int64_t &dim : group.from)
        dim = transpose.getPerm()[dim];
    llvm::sort(*groups, [](const ReshapeGroup &a, const ReshapeGroup &b) {
      return *llvm::max_element(a.from) < *llvm::max_element(b.from);
    });

    SmallVector<int64_t> gathered = gatherGroups(shapeOf(x), *groups);
    SmallVector<int64_t> order = orderOfResult(shapeOf(op.getResult()), *groups);
    bool split = movesData(shapeOf(x), gathered);
    if (split && !movesData(shapeOf(op.getResult()), order))
      return rewriter.notifyMatchFailure(op, "nothing of the permutation can go further");

    SmallVector<int64_t> shape;
    for (int64_t dim : order)
      shape.push_back(shapeOf(op.getResult())[dim]);
    Location loc = rewriter.getFusedLoc({transpose.getLoc(), op.getLoc()});
    Value near = split ? transposeTo(rewriter, loc, x, gathered) : x;
    Value flat = reshapeTo(rewriter, loc, near, shape);
    rewriter.replaceOp(op, transposeTo(rewriter, loc, flat, inversePermutation(order)));
    return success();
  }

private:
  /// The order of x's dimensions in which each group's are neighbours.
  static SmallVector<int64_t> gatherGroups(ArrayRef<int64_t> shape,
                                           ArrayRef<ReshapeGroup> groups) {
    SmallVector<int64_t> order;
    for (auto [dim, extent] : llvm::enumerate(shape))
      if (extent == 1)
        order.push_back(dim);
    for (const ReshapeGroup &group : groups)
      llvm::append_range(order, group.from);
    return order;
  }

  /// The order of the result's dimensions that follows the groups'. Leading
  /// ones stay in front, others follow the dimension that they follow now.
  static SmallVector<int64_t> orderOfResult(ArrayRef<int64_t> shape,
                                            ArrayRef<ReshapeGroup> groups) {
    SmallVector<int64_t> order;
    int64_t rank = shape.size();
    auto appendOnes = [&](int64_t dim) {
      for (; dim < rank && shape[dim] == 1; ++dim)
        order.push_back(dim);
    };
    appendOnes(0);
    for (const ReshapeGroup &group : groups)
      for (int64_t dim : group.to) {
        order.push_back(dim);
        appendOnes(dim + 1);
      }
    return order;
  }
};

/// A product with the flattened [C,H,W] of a channels-last tensor reads it as
/// [H,W,C] instead: the filter's rows are permuted.
struct FlattenInFilterOrder final : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getInput().getDefiningOp<ReshapeOp>();
    auto transpose = reshape ? reshape.getInput().getDefiningOp<TransposeOp>() : nullptr;
    bool pointwise = llvm::all_of(op.getKernel(), [](int64_t taps) { return taps == 1; });
    if (!transpose || !pointwise || op.getGroups() != 1 || op.getPacked() ||
        !isConstant(op.getFilter()))
      return rewriter.notifyMatchFailure(op, "not a product of constants and a flattened tensor");
    ArrayRef<int64_t> shape = shapeOf(transpose.getInput());
    auto groups = groupDims(shapeOf(reshape.getInput()), shapeOf(op.getInput()));
    if (!groups || groups->empty())
      return rewriter.notifyMatchFailure(op, "no elements");
    ReshapeGroup flattened = groups->pop_back_val();
    if (flattened.to != ArrayRef<int64_t>(shapeOf(op.getInput()).size() - 1))
      return rewriter.notifyMatchFailure(op, "the channels are not a merge of dimensions");

    // All other dimensions must come first in x, in their order.
    SmallVector<int64_t> whole;
    for (const ReshapeGroup &group : *groups)
      for (int64_t dim : group.from)
        whole.push_back(transpose.getPerm()[dim]);
    SmallVector<int64_t> rows, extents;
    for (int64_t dim : flattened.from) {
      rows.push_back(transpose.getPerm()[dim]);
      extents.push_back(shape[rows.back()]);
    }
    size_t before = whole.size();
    llvm::append_range(whole, rows);
    llvm::sort(whole.begin() + before, whole.end());
    for (auto [dim, extent] : llvm::enumerate(shape))
      if (extent == 1)
        whole.push_back(dim);
    if (movesData(shape, whole))
      return rewriter.notifyMatchFailure(op, "dimensions before the flattened ones move");

    Location loc = op.getLoc();
    Value filter = permuteRows(rewriter, loc, op.getFilter(), rows, extents);
    Value input = reshapeTo(rewriter, loc, transpose.getInput(), shapeOf(op.getInput()));
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(input);
      op.getFilterMutable().assign(filter);
    });
    return success();
  }

private:
  /// `filter` [1.., rows, O] with the rows, now ordered as `extents`, sorted
  /// by `dims`.
  static Value permuteRows(OpBuilder &builder, Location loc, Value filter, ArrayRef<int64_t> dims,
                           ArrayRef<int64_t> extents) {
    auto order = llvm::to_vector(llvm::seq<int64_t>(0, dims.size()));
    llvm::sort(order, [&](int64_t a, int64_t b) { return dims[a] < dims[b]; });
    order.push_back(dims.size());
    SmallVector<int64_t> unfolded(extents);
    unfolded.push_back(shapeOf(filter).back());
    Value rows = reshapeTo(builder, loc, filter, unfolded);
    return reshapeTo(builder, loc, transposeTo(builder, loc, rows, order), shapeOf(filter));
  }
};

//===----------------------------------------------------------------------===//
// Up, and away
//===----------------------------------------------------------------------===//

/// transpose(op(x)) -> op'(transpose(x)) where x is smaller: before a resize
/// or a pad, or where other users have x transposed already.
struct HoistTranspose final : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    Operation *producer = op.getInput().getDefiningOp();
    if (!producer || producer->getNumResults() != 1 || producer->getNumOperands() == 0 ||
        !producer->hasOneUse())
      return rewriter.notifyMatchFailure(op, "the input has no producer of its own");
    SmallVector<int64_t> layout = inversePermutation(op.getPerm());
    if (!canRunInLayout(producer, layout))
      return rewriter.notifyMatchFailure(op, "the producer cannot run in the layout");
    int64_t cost = 0;
    for (Value operand : layoutOperands(producer))
      cost += existsInLayout(operand, layout) ? 0 : costInLayout(operand, layout);
    if (cost >= bytesOf(op.getResult()))
      return rewriter.notifyMatchFailure(op, "costs as much above");
    rewriter.setInsertionPoint(producer);
    rewriter.replaceOp(op, runInLayout(rewriter, producer, layout));
    return success();
  }
};

struct TransposeToReshape final : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    if (movesData(shapeOf(op.getInput()), op.getPerm()))
      return rewriter.notifyMatchFailure(op, "moves data");
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), op.getInput());
    return success();
  }
};

struct PropagateLayoutPass final : impl::PropagateLayoutPassBase<PropagateLayoutPass> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet down(context), up(context), away(context);
    down.add<SinkTranspose, SinkTransposeThroughReshape, FlattenInFilterOrder>(context);
    up.add<HoistTranspose>(context);
    away.add<TransposeToReshape>(context);
    for (RewritePatternSet *patterns : {&down, &up, &away}) {
      TransposeOp::getCanonicalizationPatterns(*patterns, context);
      if (failed(applyPatternsGreedily(getOperation(), std::move(*patterns))))
        return signalPassFailure();
    }
  }
};

} // namespace
} // namespace nestor

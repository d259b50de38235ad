//===- SinkReshapes.cpp - Reshapes step aside for fusion ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/SinkReshapes.h"

#include "passes/Layout.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {
namespace {

/// map(reshape(product)) -> reshape(map(product)), so that they can fuse.
struct SinkReshapeThroughMap final : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    ReshapeOp reshape;
    for (Value input : map.getInputs()) {
      if (shapeOf(input) != shapeOf(map.getResult()))
        continue;
      if (isFusionTarget(input.getDefiningOp()))
        return rewriter.notifyMatchFailure(map, "can fuse without");
      auto candidate = input.getDefiningOp<ReshapeOp>();
      if (!reshape && candidate && isReadOnlyBy(input, map) &&
          isFusionTarget(candidate.getInput().getDefiningOp()) &&
          candidate.getInput().hasOneUse())
        reshape = candidate;
    }
    if (!reshape)
      return rewriter.notifyMatchFailure(map, "no input is a reshaped product or map");
    RankedTensorType type = tensorType(reshape.getInput());
    SmallVector<SmallVector<int64_t>> shapes;
    for (Value input : map.getInputs()) {
      auto shape = shapeBefore(shapeOf(input), shapeOf(reshape.getResult()), type.getShape());
      if (!shape)
        return rewriter.notifyMatchFailure(map, "an input is broadcast within a merged dimension");
      shapes.push_back(std::move(*shape));
    }

    SmallVector<Value> inputs;
    for (auto [input, shape] : llvm::zip(map.getInputs(), shapes))
      inputs.push_back(reshapeTo(rewriter, map.getLoc(), input, shape));
    RankedTensorType result = map.getType().clone(type.getShape());
    auto moved = MapOp::create(rewriter, map.getLoc(), result, inputs);
    rewriter.inlineRegionBefore(map.getBody(), moved.getBody(), moved.getBody().end());
    rewriter.replaceOpWithNewOp<ReshapeOp>(map, map.getType(), moved.getResult());
    return success();
  }

private:
  static bool isFusionTarget(Operation *op) {
    return hasEpilogue(op) || isa_and_nonnull<MapOp>(op);
  }

  /// The shape with which an operand that broadcasts to `to` broadcasts to
  /// `from`, where a reshape turns `from` into `to`.
  static std::optional<SmallVector<int64_t>>
  shapeBefore(ArrayRef<int64_t> operand, ArrayRef<int64_t> to, ArrayRef<int64_t> from) {
    auto groups = groupDims(from, to);
    if (!groups)
      return std::nullopt;
    SmallVector<int64_t> extended(to.size() - operand.size(), 1), shape(from.size(), 1);
    llvm::append_range(extended, operand);
    for (const ReshapeGroup &group : *groups) {
      auto isFull = [&](int64_t dim) { return extended[dim] == to[dim]; };
      if (llvm::all_of(group.to, isFull))
        for (int64_t dim : group.from)
          shape[dim] = from[dim];
      else if (llvm::any_of(group.to, isFull))
        return std::nullopt;
    }
    // What was broadcast by its rank (a vector per channel) stays so.
    if (operand.size() < to.size())
      while (shape.size() > operand.size() && shape.front() == 1)
        shape.erase(shape.begin());
    return shape;
  }
};

} // namespace

void populateSinkReshapePatterns(RewritePatternSet &patterns) {
  patterns.add<SinkReshapeThroughMap>(patterns.getContext());
}

} // namespace nestor

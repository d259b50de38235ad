//===- ReadPlanarInputs.cpp - Convolutions of images as they are given ----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

#include "compiler/ir/Blocks.h"
#include "compiler/ir/Convolutions.h"
#include "compiler/ir/Quantized.h"
#include "compiler/ir/Winograd.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_READPLANARINPUTSPASS
#include "passes/Passes.h.inc"

namespace {

/// Kernels go through the planes one by one, in code that grows with them.
constexpr int64_t kMostPlanes = 4;

/// Whether the channels, second before, come last behind it and nothing else
/// moves.
bool movesChannelsLast(TransposeOp transpose) {
  ArrayRef<int64_t> perm = transpose.getPerm();
  if (perm.size() < 3 || perm.front() != 0 || perm.back() != 1)
    return false;
  for (auto [i, from] : llvm::enumerate(perm.drop_front().drop_back()))
    if (from != int64_t(i) + 2)
      return false;
  return true;
}

/// Whether `value` is given, or made of what is given by interpolation.
bool isImage(Value value) {
  auto resize = value.getDefiningOp<ResizeOp>();
  return isa<BlockArgument>(resize ? resize.getInput() : value);
}

struct ReadPlanarInput final : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<TransposeOp>();
    if (!transpose || !isImage(transpose.getInput()) || !movesChannelsLast(transpose))
      return rewriter.notifyMatchFailure(op, "does not read an input whose channels were moved last");
    if (!isReadOnlyBy(transpose, op))
      return rewriter.notifyMatchFailure(op, "others read the moved input, too");
    if (blockNumber(transpose) != blockNumber(op))
      return rewriter.notifyMatchFailure(op, "a cut lies between the two");
    if (!op.getPacked() || op.getGroups() != 1 || winogradTile(op) || isOfBytes(op) ||
        !tensorType(op.getInput()).getElementType().isF32())
      return rewriter.notifyMatchFailure(op, "no kernel of this kind reads planes");
    if (shapeOf(op.getInput()).back() > kMostPlanes || areOnes(op.getKernel()))
      return rewriter.notifyMatchFailure(op, "many planes, or pixels that do not see each other");
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(transpose.getInput());
      op.setPlanar(true);
      op->setLoc(rewriter.getFusedLoc({transpose.getLoc(), op.getLoc()}));
    });
    return success();
  }
};

struct ReadPlanarInputsPass final : impl::ReadPlanarInputsPassBase<ReadPlanarInputsPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ReadPlanarInput>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace nestor

//===- Fuse.cpp - Element-wise work joins its producers -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/SinkReshapes.h"
#include "passes/Utils.h"

#include "compiler/ir/Blocks.h"

#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_FUSEPASS
#include "passes/Passes.h.inc"

namespace {

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

/// An empty body with one argument per value, of its scalar type.
Block *addBody(OpBuilder &builder, Region &region, Location loc, ArrayRef<Type> arguments) {
  Block *body = builder.createBlock(&region);
  for (Type type : arguments)
    body->addArgument(type, loc);
  return body;
}

/// Copies `map`'s body with `value` for every use of `input`, and arguments of
/// `body`, in order, for the other inputs. Returns what it yields.
Value inlineMap(OpBuilder &builder, MapOp map, Value input, Value value,
                ArrayRef<BlockArgument> others) {
  SmallVector<Value> arguments;
  for (Value operand : map.getInputs()) {
    if (operand == input) {
      arguments.push_back(value);
    } else {
      arguments.push_back(others.front());
      others = others.drop_front();
    }
  }
  return inlineBody(builder, map.getBody(), arguments);
}

SmallVector<Value> inputsWithout(MapOp map, Value input) {
  return llvm::to_vector(
      llvm::make_filter_range(map.getInputs(), [&](Value other) { return other != input; }));
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

/// Whether a cut may keep `map` out of its producer: whether they belong to
/// different blocks.
bool isCutFrom(Operation *producer, MapOp map) {
  return blockNumber(producer) != blockNumber(map);
}

/// Makes `fused` say that it stands for `producer` and `map`.
void joinBlocks(Operation *producer, MapOp map, Operation *fused) {
  std::optional<unsigned> last = blockNumber(map);
  if (!last)
    return;
  unsigned first = *last;
  for (Operation *part : {producer, map.getOperation()})
    for (StringRef name : {kBlockAttr, kFirstBlockAttr})
      first = std::min(first, blockNumber(part, name).value_or(first));
  setBlockNumber(fused, *last);
  if (first != *last)
    setBlockNumber(fused, first, kFirstBlockAttr);
}

/// Gives new operations the last block of their operands, in functions that
/// have blocks.
struct BlockLabeler final : RewriterBase::Listener {
  void notifyOperationInserted(Operation *op, OpBuilder::InsertPoint) override {
    if (!isa<func::FuncOp>(op->getParentOp()) || blockNumber(op) || isa<ConstOp>(op))
      return;
    std::optional<unsigned> block;
    for (Value operand : op->getOperands())
      if (Operation *producer = operand.getDefiningOp())
        block = std::max(block, blockNumber(producer));
    if (block)
      setBlockNumber(op, *block);
  }
};

//===----------------------------------------------------------------------===//
// Maps into epilogues
//===----------------------------------------------------------------------===//

/// Whether kernels can read `extra` in an epilogue: elements of the result's
/// type, one for all, one per channel, or one each.
bool canBeExtra(Value extra, RankedTensorType result) {
  int64_t size = tensorType(extra).getNumElements(), channels = result.getShape().back();
  return tensorType(extra).getElementType() == result.getElementType() &&
         (size == 1 || size == result.getNumElements() ||
          (size == channels && shapeOf(extra).back() == channels));
}

/// The input of `map` whose producer can take `map` as its epilogue. Of
/// several, the one that is computed last: the others are ready by then.
Value fusibleInput(MapOp map, bool acrossCuts) {
  Value best;
  for (Value input : map.getInputs()) {
    Operation *producer = input.getDefiningOp();
    if (!hasEpilogue(producer) || input.getType() != map.getType() || !isReadOnlyBy(input, map) ||
        (!acrossCuts && isCutFrom(producer, map)))
      continue;
    if (!best || best.getDefiningOp()->isBeforeInBlock(producer))
      best = input;
  }
  if (!best)
    return best;
  bool readable = llvm::all_of(map.getInputs(), [&](Value other) {
    return other == best || canBeExtra(other, map.getType());
  });
  return readable ? best : Value();
}

struct FuseMapIntoProducer final : OpRewritePattern<MapOp> {
  FuseMapIntoProducer(MLIRContext *context, bool acrossCuts)
      : OpRewritePattern(context), acrossCuts(acrossCuts) {}

  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    Value input = fusibleInput(map, acrossCuts);
    if (!input)
      return rewriter.notifyMatchFailure(map, "no input is a product for this map alone");
    Operation *producer = input.getDefiningOp();
    Location loc = rewriter.getFusedLoc({producer->getLoc(), map.getLoc()});
    // The new inputs are ready where the map is, not before.
    Operation *fused = rewriter.cloneWithoutRegions(*producer);
    fused->setLoc(loc);
    joinBlocks(producer, map, fused);
    auto addExtras = [&](auto op, auto from) {
      op.getExtrasMutable().append(inputsWithout(map, input));
      appendToEpilogue(rewriter, from.getEpilogue(), op.getEpilogue(), map, input);
    };
    if (auto conv = dyn_cast<ConvOp>(fused))
      addExtras(conv, cast<ConvOp>(producer));
    else
      addExtras(cast<MatmulOp>(fused), cast<MatmulOp>(producer));
    rewriter.replaceOp(map, fused->getResults());
    rewriter.eraseOp(producer);
    return success();
  }

private:
  bool acrossCuts;

  static void appendToEpilogue(PatternRewriter &rewriter, Region &old, Region &region, MapOp map,
                               Value input) {
    OpBuilder::InsertionGuard guard(rewriter);
    Location loc = map.getLoc();
    SmallVector<Type> types{scalarTypeOf(input.getType())};
    if (!old.empty())
      types.assign(old.getArgumentTypes().begin(), old.getArgumentTypes().end());
    size_t before = types.size();
    for (Value other : inputsWithout(map, input))
      types.push_back(scalarTypeOf(other.getType()));
    Block *body = addBody(rewriter, region, loc, types);
    SmallVector<BlockArgument> arguments(body->getArguments());
    Value value = arguments.front();
    if (!old.empty())
      value = inlineBody(rewriter, old, body->getArguments().take_front(before));
    value = inlineMap(rewriter, map, input, value, ArrayRef(arguments).drop_front(before));
    YieldOp::create(rewriter, loc, value);
  }
};

//===----------------------------------------------------------------------===//
// Maps into maps
//===----------------------------------------------------------------------===//

struct FuseMapIntoMap final : OpRewritePattern<MapOp> {
  FuseMapIntoMap(MLIRContext *context, bool acrossCuts)
      : OpRewritePattern(context), acrossCuts(acrossCuts) {}

  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    for (Value input : map.getInputs()) {
      auto producer = input.getDefiningOp<MapOp>();
      // A producer of smaller shape would be computed once per broadcast.
      if (!producer || !isReadOnlyBy(input, map) || shapeOf(input) != shapeOf(map.getResult()))
        continue;
      if (fusibleInput(producer, acrossCuts) || (!acrossCuts && isCutFrom(producer, map)))
        continue;
      fuse(producer, map, rewriter);
      return success();
    }
    return rewriter.notifyMatchFailure(map, "no input is a map for this map alone");
  }

private:
  bool acrossCuts;

  static void fuse(MapOp producer, MapOp map, PatternRewriter &rewriter) {
    Value input = producer.getResult();
    SmallVector<Value> inputs(producer.getInputs()), others = inputsWithout(map, input);
    size_t before = inputs.size();
    llvm::append_range(inputs, others);
    Location loc = rewriter.getFusedLoc({producer.getLoc(), map.getLoc()});
    auto fused = MapOp::create(rewriter, loc, map.getType(), inputs);
    joinBlocks(producer, map, fused);

    SmallVector<Type> types;
    for (Value value : inputs)
      types.push_back(scalarTypeOf(value.getType()));
    Block *body = addBody(rewriter, fused.getBody(), loc, types);
    SmallVector<BlockArgument> arguments(body->getArguments());
    Value value =
        inlineBody(rewriter, producer.getBody(), body->getArguments().take_front(before));
    value = inlineMap(rewriter, map, input, value, ArrayRef(arguments).drop_front(before));
    YieldOp::create(rewriter, loc, value);
    rewriter.replaceOp(map, fused.getResult());
    rewriter.eraseOp(producer);
  }
};

//===----------------------------------------------------------------------===//
// Transposed operands
//===----------------------------------------------------------------------===//

/// Where a transpose brings the innermost dimension of its input into the
/// last place but one, the product can read the matrix as it lies: its flag
/// takes over the exchange of the last two dimensions. What is left of the
/// transpose, if anything, moves whole rows.
struct FoldTransposeIntoMatmul final : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    Value lhs = exchanged(rewriter, op.getLhs()), rhs = exchanged(rewriter, op.getRhs());
    if (!lhs && !rhs)
      return rewriter.notifyMatchFailure(op, "no operand is a transposed matrix");
    rewriter.modifyOpInPlace(op, [&] {
      if (lhs) {
        op.getLhsMutable().assign(lhs);
        op.setTransposeLhs(!op.getTransposeLhs());
      }
      if (rhs) {
        op.getRhsMutable().assign(rhs);
        op.setTransposeRhs(!op.getTransposeRhs());
      }
    });
    return success();
  }

private:
  /// `value` with its last two dimensions exchanged, where that is the more
  /// natural order; null otherwise.
  static Value exchanged(OpBuilder &builder, Value value) {
    auto transpose = value.getDefiningOp<TransposeOp>();
    if (!transpose)
      return {};
    SmallVector<int64_t> perm(transpose.getPerm());
    size_t rank = perm.size();
    if (perm[rank - 2] != int64_t(rank) - 1)
      return {};
    std::swap(perm[rank - 1], perm[rank - 2]);
    return transposeTo(builder, transpose.getLoc(), transpose.getInput(), perm);
  }
};

struct FusePass final : impl::FusePassBase<FusePass> {
  using Base::Base;
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    if (blockCount(getOperation()))
      labelBlocks(getOperation());
    RewritePatternSet patterns(context);
    patterns.add<FuseMapIntoProducer, FuseMapIntoMap>(context, acrossCuts);
    patterns.add<FoldTransposeIntoMatmul>(context);
    populateSinkReshapePatterns(patterns);
    MapOp::getCanonicalizationPatterns(patterns, context);
    populateMathAlgebraicSimplificationPatterns(patterns);
    BlockLabeler labeler;
    GreedyRewriteConfig config;
    config.setListener(&labeler);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
} // namespace nestor

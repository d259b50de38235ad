//===- NestCanonicalize.cpp - Canonicalisation of the nest operations -----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Local clean-ups that are right whatever comes next. Rewrites that trade one
// form for another (layouts, fusion) are passes.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Blocks.h"
#include "compiler/ir/Slices.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace nestor::nest;

namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

bool allEqual(ArrayRef<int64_t> values, int64_t want) {
  return llvm::all_of(values, [&](int64_t value) { return value == want; });
}

//===----------------------------------------------------------------------===//
// Map
//===----------------------------------------------------------------------===//

/// The one value that all elements of a small constant have, as an attribute
/// of the (signless) type that it has inside a region; null if there is none.
TypedAttr splatScalar(Value value) {
  auto constant = value.getDefiningOp<ConstOp>();
  auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
  if (!elements || !elements.isSplat())
    return nullptr;
  auto scalar = elements.getSplatValue<TypedAttr>();
  if (auto integer = dyn_cast<IntegerAttr>(scalar)) {
    auto type = IntegerType::get(value.getContext(), integer.getType().getIntOrFloatBitWidth());
    return IntegerAttr::get(type, integer.getValue());
  }
  return scalar;
}

/// Scalars that are constant move into the body, inputs given twice become
/// one, inputs that the body does not use go.
struct SimplifyMapInputs final : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp op, PatternRewriter &rewriter) const override {
    Block &body = op.getBody().front();
    llvm::BitVector dropped(op.getInputs().size());
    llvm::SmallDenseMap<Value, unsigned> first;
    rewriter.setInsertionPointToStart(&body);
    for (auto [index, input] : llvm::enumerate(op.getInputs())) {
      BlockArgument argument = body.getArgument(index);
      auto [known, isNew] = first.try_emplace(input, index);
      if (argument.use_empty()) {
        dropped.set(index);
      } else if (TypedAttr scalar = splatScalar(input)) {
        Value constant = arith::ConstantOp::create(rewriter, op.getLoc(), scalar);
        rewriter.replaceAllUsesWith(argument, constant);
        dropped.set(index);
      } else if (!isNew) {
        rewriter.replaceAllUsesWith(argument, body.getArgument(known->second));
        dropped.set(index);
      }
    }
    if (dropped.none())
      return rewriter.notifyMatchFailure(op, "every input is used and none is a constant scalar");
    rewriter.modifyOpInPlace(op, [&] {
      body.eraseArguments(dropped);
      op->eraseOperands(dropped);
    });
    return success();
  }
};

struct DropIdentityMap final : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp op, PatternRewriter &rewriter) const override {
    auto yield = cast<YieldOp>(op.getBody().front().back());
    auto argument = dyn_cast<BlockArgument>(yield.getValue());
    if (!argument)
      return rewriter.notifyMatchFailure(op, "computes something");
    Value input = op.getInputs()[argument.getArgNumber()];
    if (input.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "broadcasts or changes the type");
    rewriter.replaceOp(op, input);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Moving data
//===----------------------------------------------------------------------===//

struct ComposeTransposes final : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<TransposeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "input is not transposed");
    SmallVector<int64_t> perm;
    for (int64_t dim : op.getPerm())
      perm.push_back(inner.getPerm()[dim]);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), inner.getInput(), perm);
    return success();
  }
};

struct ComposeSlices final : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<SliceOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "input is not a slice");
    if (blockNumber(inner) != blockNumber(op))
      return rewriter.notifyMatchFailure(op, "a cut may lie between the two, with less alive at it than before both");
    SmallVector<int64_t> starts, steps;
    for (size_t i = 0; i < op.getStarts().size(); ++i) {
      starts.push_back(inner.getStarts()[i] + op.getStarts()[i] * inner.getSteps()[i]);
      steps.push_back(inner.getSteps()[i] * op.getSteps()[i]);
    }
    rewriter.replaceOpWithNewOp<SliceOp>(op, op.getType(), inner.getInput(), starts, steps);
    return success();
  }
};

/// A joined tensor that only slices read is not made: its parts are sliced.
struct SliceBeforeConcat final : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto concat = op.getInput().getDefiningOp<ConcatOp>();
    if (!concat)
      return rewriter.notifyMatchFailure(op, "input is not joined");
    auto slicesItsAxis = [&](Operation *user) {
      auto slice = dyn_cast<SliceOp>(user);
      return slice && takesRun(slice, concat.getAxis());
    };
    if (!llvm::all_of(concat->getUsers(), slicesItsAxis))
      return rewriter.notifyMatchFailure(op, "more than runs of what is joined are read");
    auto func = dyn_cast<func::FuncOp>(op->getParentOp());
    if (func && blockCount(func) && !blockNumber(op))
      return rewriter.notifyMatchFailure(op, "its parts would join earlier blocks");
    SmallVector<Value> parts = sliceParts(op, concat, rewriter);
    if (parts.empty())
      return rewriter.notifyMatchFailure(op, "takes nothing");
    auto joined = ConcatOp::create(rewriter, op.getLoc(), op.getType(), parts, concat.getAxis());
    joined->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    rewriter.replaceOp(op, joined);
    return success();
  }

private:
  /// What `op` takes of each operand of `concat`.
  static SmallVector<Value> sliceParts(SliceOp op, ConcatOp concat, PatternRewriter &rewriter) {
    size_t axis = concat.getAxis();
    int64_t first = op.getStarts()[axis], last = first + op.getType().getDimSize(axis), begin = 0;
    SmallVector<Value> parts;
    for (Value input : concat.getInputs()) {
      int64_t end = begin + shapeOf(input)[axis], from = std::max(first, begin), to = std::min(last, end);
      if (from < to) {
        SmallVector<int64_t> starts(op.getStarts()), shape(op.getType().getShape());
        starts[axis] = from - begin;
        shape[axis] = to - from;
        auto part = SliceOp::create(rewriter, op.getLoc(), op.getType().clone(shape), input, starts, op.getSteps());
        part->setDiscardableAttrs(op->getDiscardableAttrDictionary());
        parts.push_back(part);
      }
      begin = end;
    }
    return parts;
  }
};

struct DropEmptyPad final : OpRewritePattern<PadOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(PadOp op, PatternRewriter &rewriter) const override {
    if (!allEqual(op.getLow(), 0) || !allEqual(op.getHigh(), 0))
      return rewriter.notifyMatchFailure(op, "pads");
    rewriter.replaceOp(op, op.getInput());
    return success();
  }
};

/// Inputs without elements go, a concat inside a concat along the same axis
/// is spliced in, and a concat of one tensor is that tensor.
struct SimplifyConcat final : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> inputs;
    bool changed = false;
    for (Value input : op.getInputs()) {
      auto inner = input.getDefiningOp<ConcatOp>();
      if (op.getInputs().size() > 1 && shapeOf(input)[op.getAxis()] == 0) {
        changed = true;
      } else if (inner && inner.getAxis() == op.getAxis() && inner->hasOneUse()) {
        llvm::append_range(inputs, inner.getInputs());
        changed = true;
      } else {
        inputs.push_back(input);
      }
    }
    if (inputs.size() == 1) {
      rewriter.replaceOp(op, inputs.front());
      return success();
    }
    if (!changed || inputs.empty())
      return rewriter.notifyMatchFailure(op, "nothing to simplify");
    rewriter.modifyOpInPlace(op, [&] { op.getInputsMutable().assign(inputs); });
    return success();
  }
};

/// A gather whose indices are known and evenly spaced is a slice: how
/// exporters split a tensor, or take one of its parts.
struct GatherToSlice final : OpRewritePattern<GatherOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(GatherOp op, PatternRewriter &rewriter) const override {
    auto constant = op.getIndices().getDefiningOp<ConstOp>();
    auto elements = constant ? dyn_cast<DenseIntElementsAttr>(constant.getValue()) : nullptr;
    if (!elements || elements.empty())
      return rewriter.notifyMatchFailure(op, "indices are not a small constant");
    ArrayRef<int64_t> in = shapeOf(op.getInput());
    int64_t axis = op.getAxis(), extent = in[axis];
    SmallVector<int64_t> indices;
    for (const APInt &index : elements.getValues<APInt>()) {
      int64_t value = index.getSExtValue();
      indices.push_back(value < 0 ? value + extent : value);
      if (indices.back() < 0 || indices.back() >= extent)
        return rewriter.notifyMatchFailure(op, "an index is clamped");
    }
    int64_t step = indices.size() > 1 ? indices[1] - indices[0] : 1;
    for (size_t i = 1; i < indices.size(); ++i)
      if (step == 0 || indices[i] - indices[i - 1] != step)
        return rewriter.notifyMatchFailure(op, "indices are not evenly spaced");

    SmallVector<int64_t> shape(in), starts(in.size(), 0), steps(in.size(), 1);
    shape[axis] = indices.size();
    starts[axis] = indices.front();
    steps[axis] = step;
    auto slice = SliceOp::create(rewriter, op.getLoc(), op.getType().clone(shape), op.getInput(),
                                 starts, steps);
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), slice);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Pads in front of windows
//===----------------------------------------------------------------------===//

/// Whether `pad` surrounds the spatial dimensions of a channels-last tensor
/// with zeros and does nothing else.
bool isZeroBorder(PadOp pad) {
  if (pad.getMode() != PadMode::constant || pad.getLow().size() < 3)
    return false;
  if (pad.getValue()) {
    TypedAttr value = splatScalar(pad.getValue());
    auto number = dyn_cast_or_null<FloatAttr>(value);
    if (!number || !number.getValue().isZero())
      return false;
  }
  auto crops = [](int64_t amount) { return amount < 0; };
  return pad.getLow().front() == 0 && pad.getHigh().front() == 0 && pad.getLow().back() == 0 &&
         pad.getHigh().back() == 0 && llvm::none_of(pad.getLow(), crops) &&
         llvm::none_of(pad.getHigh(), crops);
}

/// pads[i] + border[i + 1]: the window's pads once the border is theirs.
SmallVector<int64_t> addBorder(ArrayRef<int64_t> pads, ArrayRef<int64_t> border) {
  SmallVector<int64_t> sum(pads);
  for (auto [pad, extra] : llvm::zip(sum, border.drop_front().drop_back()))
    pad += extra;
  return sum;
}

struct FoldPadIntoConv final : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    auto pad = op.getInput().getDefiningOp<PadOp>();
    if (!pad || op.getPlanar() || !isZeroBorder(pad))
      return rewriter.notifyMatchFailure(op, "input has no border of zeros, or channels first");
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(pad.getInput());
      op.setPadBegin(addBorder(op.getPadBegin(), pad.getLow()));
      op.setPadEnd(addBorder(op.getPadEnd(), pad.getHigh()));
      op->setLoc(rewriter.getFusedLoc({pad.getLoc(), op.getLoc()}));
    });
    return success();
  }
};

/// An average over zeros that were added explicitly counts them, so the pool
/// must count all that lies outside: its own pads have to be counted already,
/// or be none.
struct FoldPadIntoAveragePool final : OpRewritePattern<PoolOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(PoolOp op, PatternRewriter &rewriter) const override {
    auto pad = op.getInput().getDefiningOp<PadOp>();
    if (op.getKind() != PoolKind::avg || !pad || !isZeroBorder(pad))
      return rewriter.notifyMatchFailure(op, "not an average over a border of zeros");
    if (!op.getCountIncludePad() && !(allEqual(op.getPadBegin(), 0) && allEqual(op.getPadEnd(), 0)))
      return rewriter.notifyMatchFailure(op, "has pads that it does not count");
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(pad.getInput());
      op.setPadBegin(addBorder(op.getPadBegin(), pad.getLow()));
      op.setPadEnd(addBorder(op.getPadEnd(), pad.getHigh()));
      op.setCountIncludePad(true);
      op->setLoc(rewriter.getFusedLoc({pad.getLoc(), op.getLoc()}));
    });
    return success();
  }
};

} // namespace

void MapOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<SimplifyMapInputs, DropIdentityMap>(context);
}
void TransposeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<ComposeTransposes>(context);
}
void SliceOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<ComposeSlices, SliceBeforeConcat>(context);
}
void PadOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropEmptyPad>(context);
}
void ConcatOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<SimplifyConcat>(context);
}
void GatherOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<GatherToSlice>(context);
}
void ConvOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FoldPadIntoConv>(context);
}
void PoolOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FoldPadIntoAveragePool>(context);
}

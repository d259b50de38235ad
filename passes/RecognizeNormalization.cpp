//===- RecognizeNormalization.cpp - Finds layer norm and softmax ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_RECOGNIZENORMALIZATIONPASS
#include "passes/Passes.h.inc"

namespace {

//===----------------------------------------------------------------------===//
// Element-wise expressions across maps
//===----------------------------------------------------------------------===//

/// The tensor that a scalar inside a map's body is an element of; null for a
/// scalar that the body computes.
Value tensorOf(Value scalar) {
  auto argument = dyn_cast<BlockArgument>(scalar);
  if (!argument)
    return {};
  return cast<MapOp>(argument.getOwner()->getParentOp()).getInputs()[argument.getArgNumber()];
}

/// The operation that computes the elements of `tensor`, if a map does.
Operation *elementsOf(Value tensor) {
  auto map = tensor ? tensor.getDefiningOp<MapOp>() : nullptr;
  return map ? cast<YieldOp>(map.getBody().front().back()).getValue().getDefiningOp() : nullptr;
}

/// The operation behind a scalar, in this body or in the map before it.
Operation *operationOf(Value scalar) {
  Value tensor = tensorOf(scalar);
  return tensor ? elementsOf(tensor) : scalar.getDefiningOp();
}

std::optional<double> numberOf(Value scalar) {
  FloatAttr number;
  if (!matchPattern(scalar, m_Constant(&number)))
    return std::nullopt;
  return number.getValueAsDouble();
}

/// The reduction of `kind` that yields `tensor`.
ReduceOp reductionOf(Value tensor, ReduceKind kind) {
  auto reduce = tensor ? tensor.getDefiningOp<ReduceOp>() : nullptr;
  return reduce && reduce.getKind() == kind ? reduce : nullptr;
}

SmallVector<int64_t> sortedAxes(ReduceOp reduce) {
  SmallVector<int64_t> axes(reduce.getAxes());
  llvm::sort(axes);
  return axes;
}

/// The tensor whose square `tensor` is.
Value squareRootOf(Value tensor) {
  auto product = dyn_cast_or_null<arith::MulFOp>(elementsOf(tensor));
  if (!product)
    return {};
  Value lhs = tensorOf(product.getLhs()), rhs = tensorOf(product.getRhs());
  return lhs == rhs ? lhs : Value();
}

//===----------------------------------------------------------------------===//
// Layer normalisation
//===----------------------------------------------------------------------===//

/// x - mean(x) over the last dimensions.
struct Centred {
  Value x;
  ReduceOp mean;

  static std::optional<Centred> match(Value tensor) {
    auto difference = dyn_cast_or_null<arith::SubFOp>(elementsOf(tensor));
    if (!difference)
      return std::nullopt;
    Value x = tensorOf(difference.getLhs());
    ReduceOp mean = reductionOf(tensorOf(difference.getRhs()), ReduceKind::mean);
    if (!x || !mean || mean.getInput() != x || x.getType() != tensor.getType())
      return std::nullopt;
    int64_t rank = shapeOf(x).size(), count = mean.getAxes().size();
    if (!llvm::equal(sortedAxes(mean), llvm::seq(rank - count, rank)))
      return std::nullopt;
    return Centred{x, mean};
  }
};

/// The epsilon of sqrt(mean(centred^2) + epsilon), if `scalar` is that.
std::optional<double> matchDeviation(Value scalar, Value centred, ReduceOp mean) {
  auto root = dyn_cast_or_null<math::SqrtOp>(operationOf(scalar));
  auto sum = root ? dyn_cast_or_null<arith::AddFOp>(operationOf(root.getOperand())) : nullptr;
  if (!sum)
    return std::nullopt;
  for (auto [term, other] :
       {std::pair(sum.getLhs(), sum.getRhs()), std::pair(sum.getRhs(), sum.getLhs())}) {
    std::optional<double> epsilon = numberOf(other);
    ReduceOp variance = reductionOf(tensorOf(term), ReduceKind::mean);
    if (epsilon && variance && squareRootOf(variance.getInput()) == centred &&
        sortedAxes(variance) == sortedAxes(mean))
      return epsilon;
  }
  return std::nullopt;
}

/// (x - mean) / sqrt(variance + epsilon)
struct RecognizeLayerNorm final : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    auto quotient = dyn_cast_or_null<arith::DivFOp>(elementsOf(map.getResult()));
    Value numerator = quotient ? tensorOf(quotient.getLhs()) : Value();
    auto centred = numerator ? Centred::match(numerator) : std::nullopt;
    if (!centred || centred->x.getType() != map.getType())
      return rewriter.notifyMatchFailure(map, "not a division of x - mean(x)");
    auto epsilon = matchDeviation(quotient.getRhs(), numerator, centred->mean);
    if (!epsilon)
      return rewriter.notifyMatchFailure(map, "the divisor is not the standard deviation");
    int64_t axis = shapeOf(centred->x).size() - centred->mean.getAxes().size();
    rewriter.replaceOpWithNewOp<NormOp>(map, map.getType(), centred->x, /*scale=*/Value(),
                                        /*bias=*/Value(), axis, APFloat(*epsilon), /*rms=*/false);
    return success();
  }
};

/// norm(x) * scale + bias, step by step.
struct AbsorbScaleAndBias final : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    Operation *op = elementsOf(map.getResult());
    if (!isa_and_nonnull<arith::MulFOp, arith::AddFOp>(op))
      return rewriter.notifyMatchFailure(map, "not a product or a sum");
    Value lhs = op->getOperand(0), rhs = op->getOperand(1);
    if (!normOf(lhs))
      std::swap(lhs, rhs);
    NormOp norm = normOf(lhs);
    if (!norm || !norm->hasOneUse() || norm.getType() != map.getType())
      return rewriter.notifyMatchFailure(map, "not of a normalised tensor");
    bool scales = isa<arith::MulFOp>(op);
    if (norm.getBias() || norm.getRms() || (scales && norm.getScale()))
      return rewriter.notifyMatchFailure(map, "the norm has one already");
    Value vector = vectorOf(rewriter, map.getLoc(), rhs, norm);
    if (!vector)
      return rewriter.notifyMatchFailure(map, "not one constant per normalised element");
    Location loc = rewriter.getFusedLoc({norm.getLoc(), map.getLoc()});
    auto fused =
        NormOp::create(rewriter, loc, norm.getType(), norm.getInput(),
                       scales ? vector : norm.getScale(), scales ? Value() : vector,
                       norm.getAxis(), norm.getEpsilon(), norm.getRms());
    rewriter.replaceOp(map, fused.getResult());
    return success();
  }

private:
  static NormOp normOf(Value scalar) {
    Value tensor = tensorOf(scalar);
    return tensor ? tensor.getDefiningOp<NormOp>() : nullptr;
  }

  /// `scalar` as a constant with one value for each normalised element; null
  /// if it is none.
  static Value vectorOf(OpBuilder &builder, Location loc, Value scalar, NormOp norm) {
    RankedTensorType type =
        norm.getType().clone(norm.getType().getShape().drop_front(norm.getAxis()));
    if (std::optional<double> number = numberOf(scalar)) {
      auto value = builder.getFloatAttr(type.getElementType(), *number);
      return ConstOp::create(builder, loc, DenseElementsAttr::get(type, Attribute(value)));
    }
    Value tensor = tensorOf(scalar);
    auto dropOnes = [](ArrayRef<int64_t> shape) {
      return shape.drop_while([](int64_t extent) { return extent == 1; });
    };
    if (!isConstant(tensor) || dropOnes(shapeOf(tensor)) != dropOnes(type.getShape()))
      return {};
    return reshapeTo(builder, loc, tensor, type.getShape());
  }
};

//===----------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------===//

/// exp(x - max(x)) / sum(exp(x - max(x)))
struct RecognizeSoftmax final : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    auto quotient = dyn_cast_or_null<arith::DivFOp>(elementsOf(map.getResult()));
    Value powers = quotient ? tensorOf(quotient.getLhs()) : Value();
    ReduceOp sum = quotient ? reductionOf(tensorOf(quotient.getRhs()), ReduceKind::sum) : nullptr;
    if (!powers || !sum || sum.getInput() != powers || sum.getAxes().size() != 1 ||
        powers.getType() != map.getType())
      return rewriter.notifyMatchFailure(map, "not a division by the sum along an axis");
    auto power = dyn_cast_or_null<math::ExpOp>(elementsOf(powers));
    auto difference =
        power ? dyn_cast_or_null<arith::SubFOp>(operationOf(power.getOperand())) : nullptr;
    if (!difference)
      return rewriter.notifyMatchFailure(map, "not exp(x - max(x))");
    Value x = tensorOf(difference.getLhs());
    ReduceOp max = reductionOf(tensorOf(difference.getRhs()), ReduceKind::max);
    if (!x || !max || max.getInput() != x || max.getAxes() != sum.getAxes() ||
        x.getType() != map.getType())
      return rewriter.notifyMatchFailure(map, "not exp(x - max(x))");
    rewriter.replaceOpWithNewOp<SoftmaxOp>(map, map.getType(), x, sum.getAxes().front(),
                                           /*log=*/false);
    return success();
  }
};

struct RecognizeNormalizationPass final
    : impl::RecognizeNormalizationPassBase<RecognizeNormalizationPass> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<RecognizeLayerNorm, AbsorbScaleAndBias, RecognizeSoftmax>(context);
    MapOp::getCanonicalizationPatterns(patterns, context);
    // x^2 is a product.
    populateMathAlgebraicSimplificationPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace nestor

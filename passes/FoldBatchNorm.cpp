//===- FoldBatchNorm.cpp - Absorbs affine maps into convolutions ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/SinkReshapes.h"
#include "passes/Utils.h"

#include "compiler/reference/Evaluator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <optional>

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_FOLDBATCHNORMPASS
#include "passes/Passes.h.inc"

namespace {

/// x * scale + shift per output channel, x being the convolution's result.
struct Affine {
  SmallVector<double> scale, shift;

  static Affine constant(int64_t channels, double value) {
    return {SmallVector<double>(channels, 0.0), SmallVector<double>(channels, value)};
  }
  static Affine identity(int64_t channels) {
    return {SmallVector<double>(channels, 1.0), SmallVector<double>(channels, 0.0)};
  }
  bool isConstant() const {
    return llvm::all_of(scale, [](double value) { return value == 0.0; });
  }
  bool isFinite() const {
    auto finite = [](double value) { return std::isfinite(value); };
    return llvm::all_of(scale, finite) && llvm::all_of(shift, finite);
  }
};

/// The value of a constant with one value per channel (the last dimension) or
/// one for all.
std::optional<Affine> perChannel(Value value, int64_t channels) {
  auto constant = value.getDefiningOp<ConstOp>();
  if (!constant || !tensorType(value).getElementType().isF32())
    return std::nullopt;
  ArrayRef<int64_t> shape = shapeOf(value);
  int64_t size = tensorType(value).getNumElements();
  if (size != 1 && (size != channels || shape.back() != channels))
    return std::nullopt;
  auto elements = reference::TensorValue::fromAttr(constant.getValue());
  Affine result = Affine::constant(channels, 0.0);
  for (int64_t c = 0; c < channels; ++c)
    result.shift[c] = elements.getDouble(size == 1 ? 0 : c);
  return result;
}

/// a op b where that is affine again.
std::optional<Affine> combine(Operation *op, const Affine &a, const Affine &b) {
  Affine result = a;
  int64_t channels = a.scale.size();
  auto apply = [&](auto function) -> std::optional<Affine> {
    for (int64_t c = 0; c < channels; ++c)
      function(result.scale[c], result.shift[c], c);
    return result;
  };
  return TypeSwitch<Operation *, std::optional<Affine>>(op)
      .Case([&](arith::AddFOp) {
        return apply([&](double &scale, double &shift, int64_t c) {
          scale += b.scale[c];
          shift += b.shift[c];
        });
      })
      .Case([&](arith::SubFOp) {
        return apply([&](double &scale, double &shift, int64_t c) {
          scale -= b.scale[c];
          shift -= b.shift[c];
        });
      })
      .Case([&](arith::MulFOp) -> std::optional<Affine> {
        if (!a.isConstant() && !b.isConstant())
          return std::nullopt;
        return apply([&](double &scale, double &shift, int64_t c) {
          scale = a.scale[c] * b.shift[c] + a.shift[c] * b.scale[c];
          shift = a.shift[c] * b.shift[c];
        });
      })
      .Case([&](arith::DivFOp) -> std::optional<Affine> {
        if (!b.isConstant())
          return std::nullopt;
        return apply([&](double &scale, double &shift, int64_t c) {
          scale /= b.shift[c];
          shift /= b.shift[c];
        });
      })
      .Default([](Operation *) { return std::nullopt; });
}

/// What `map` computes of its input `x`, if that is affine per channel.
std::optional<Affine> analyze(MapOp map, Value x) {
  int64_t channels = shapeOf(x).back();
  llvm::SmallDenseMap<Value, Affine> known;
  for (auto [input, argument] : llvm::zip(map.getInputs(), map.getBody().getArguments())) {
    std::optional<Affine> value =
        input == x ? Affine::identity(channels) : perChannel(input, channels);
    if (!value)
      return std::nullopt;
    known.try_emplace(argument, std::move(*value));
  }
  for (Operation &op : map.getBody().front().without_terminator()) {
    std::optional<Affine> value;
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      if (auto number = dyn_cast<FloatAttr>(constant.getValue()))
        value = Affine::constant(channels, number.getValueAsDouble());
    } else if (op.getNumOperands() == 1 && isa<arith::NegFOp>(op)) {
      value = known.at(op.getOperand(0));
      for (double &scale : value->scale)
        scale = -scale;
      for (double &shift : value->shift)
        shift = -shift;
    } else if (op.getNumOperands() == 2) {
      value = combine(&op, known.at(op.getOperand(0)), known.at(op.getOperand(1)));
    }
    if (!value || !value->isFinite())
      return std::nullopt;
    known.try_emplace(op.getResult(0), std::move(*value));
  }
  return known.at(cast<YieldOp>(map.getBody().front().back()).getValue());
}

/// An f32 constant.
Value vectorConstant(OpBuilder &builder, Location loc, ArrayRef<double> values) {
  SmallVector<float> elements(values.begin(), values.end());
  auto type = RankedTensorType::get({int64_t(values.size())}, builder.getF32Type());
  return ConstOp::create(builder, loc, DenseElementsAttr::get(type, ArrayRef<float>(elements)));
}

/// filter * scale, `scale` broadcast along the last dimension.
Value scaleFilter(OpBuilder &builder, Location loc, Value filter, Value scale) {
  OpBuilder detached(builder.getContext());
  auto map = MapOp::create(detached, loc, filter.getType(), ValueRange{filter, scale});
  Type element = scalarTypeOf(filter.getType());
  Block &body = map.getBody().emplaceBlock();
  body.addArguments({element, element}, {loc, loc});
  detached.setInsertionPointToStart(&body);
  Value product =
      arith::MulFOp::create(detached, loc, body.getArgument(0), body.getArgument(1));
  YieldOp::create(detached, loc, product);
  return insertFolded(builder, map);
}

/// The bias that gives `affine` of a convolution with bias `old` (or none).
Value scaleBias(OpBuilder &builder, Location loc, Value old, const Affine &affine) {
  SmallVector<double> values(affine.shift);
  if (old) {
    auto elements = reference::TensorValue::fromAttr(old.getDefiningOp<ConstOp>().getValue());
    for (auto [c, value] : llvm::enumerate(values))
      value += affine.scale[c] * elements.getDouble(c);
  }
  return vectorConstant(builder, loc, values);
}

/// Whether filter and bias can take in `map`, the only reader of `op`.
template <typename OpTy> bool canAbsorb(OpTy op, MapOp map) {
  return tensorType(op.getFilter()).getElementType().isF32() && op.getType() == map.getType() &&
         isConstant(op.getFilter()) && (!op.getBias() || isConstant(op.getBias())) &&
         isReadOnlyBy(op.getResult(), map);
}

struct FoldIntoConv final : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    for (Value input : map.getInputs()) {
      auto conv = input.getDefiningOp<ConvOp>();
      if (conv && !conv.getScale() && !conv.getPacked() && conv.getEpilogue().empty() &&
          canAbsorb(conv, map))
        return fold(conv, map, rewriter);
      auto transposed = input.getDefiningOp<ConvTransposeOp>();
      if (transposed && transposed.getGroups() == 1 && canAbsorb(transposed, map))
        return fold(transposed, map, rewriter);
    }
    return rewriter.notifyMatchFailure(map, "no input is a convolution for this map alone");
  }

private:
  template <typename OpTy>
  static LogicalResult fold(OpTy conv, MapOp map, PatternRewriter &rewriter) {
    std::optional<Affine> affine = analyze(map, conv.getResult());
    if (!affine)
      return rewriter.notifyMatchFailure(map, "not affine per channel");
    Location loc = rewriter.getFusedLoc({conv.getLoc(), map.getLoc()});
    rewriter.setInsertionPoint(conv);
    Value filter = conv.getFilter();
    if (llvm::any_of(affine->scale, [](double scale) { return scale != 1.0; }))
      filter = scaleFilter(rewriter, loc, filter, vectorConstant(rewriter, loc, affine->scale));
    Value bias = scaleBias(rewriter, loc, conv.getBias(), *affine);
    rewriter.modifyOpInPlace(conv, [&] {
      conv.getFilterMutable().assign(filter);
      conv.getBiasMutable().assign(bias);
      conv->setLoc(loc);
    });
    rewriter.replaceOp(map, conv.getResult());
    return success();
  }
};

struct FoldBatchNormPass final : impl::FoldBatchNormPassBase<FoldBatchNormPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FoldIntoConv>(&getContext());
    populateSinkReshapePatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace nestor

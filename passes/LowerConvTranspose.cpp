//===- LowerConvTranspose.cpp - Transposed convolutions as convolutions ---===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Output e of a transposed convolution with stride s gathers input d and tap k
// where e + padBegin = d*s + k. With e + padBegin = q*s + r that is tap
// k = j*s + r and input d = q - j: for each phase r a convolution over q with
// J = ceil(K/s) taps. All phases read the same inputs, so one convolution with
// s times the output channels computes them together. The phases of one channel
// lie side by side, so that the first channels are the convolution's first.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

#include "compiler/ir/Convolutions.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_LOWERCONVTRANSPOSEPASS
#include "passes/Passes.h.inc"

namespace {

using Extents = SmallVector<int64_t>;

/// Sizes per spatial dimension of the convolution that replaces `op`.
struct Phases {
  Extents taps;      ///< J.
  Extents positions; ///< Values of q that are computed,
  Extents first;     ///< from this one on.
  Extents padBegin, padEnd;
  int64_t count = 1; ///< Phases over all dimensions.

  explicit Phases(ConvTransposeOp op) {
    ArrayRef<int64_t> in = shapeOf(op.getInput()), out = shapeOf(op.getResult());
    for (auto [i, stride] : llvm::enumerate(op.getStrides())) {
      int64_t kernel = shapeOf(op.getFilter())[i], crop = op.getPadBegin()[i];
      int64_t dilation = op.getDilations()[i];
      taps.push_back(llvm::divideCeil(kernel, stride));
      int64_t reach = (taps.back() - 1) * dilation;
      first.push_back(std::clamp<int64_t>(crop / stride, 0, reach));
      positions.push_back(llvm::divideCeil(crop + out[i + 1], stride) - first.back());
      padBegin.push_back(reach - first.back());
      padEnd.push_back(positions.back() - in[i + 1] + reach - padBegin.back());
      count *= stride;
    }
  }
};

struct LowerConvTranspose final : OpRewritePattern<ConvTransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvTransposeOp op, PatternRewriter &rewriter) const override {
    if (op.getGroups() != 1)
      return rewriter.notifyMatchFailure(op, "has groups");
    if (!areOnes(op.getStrides()) && !areOnes(op.getDilations()))
      return rewriter.notifyMatchFailure(op, "has a dilation together with a stride");
    if (llvm::any_of(op.getPadBegin(), [](int64_t pad) { return pad < 0; }))
      return rewriter.notifyMatchFailure(op, "has a negative pad at the beginning");

    Location loc = op.getLoc();
    Phases phases(op);
    int64_t outputs = shapeOf(op.getResult()).back();
    Value filter = phaseFilter(rewriter, loc, op, phases);
    Value bias = op.getBias();
    if (bias && phases.count > 1)
      bias = repeat(rewriter, loc, bias, phases.count);

    Extents shape{shapeOf(op.getInput()).front()};
    llvm::append_range(shape, phases.positions);
    shape.push_back(phases.count * outputs);
    auto conv = ConvOp::create(
        rewriter, loc, op.getType().clone(shape), op.getInput(), filter, /*scale=*/Value(), bias,
        /*extras=*/ValueRange(), phases.taps, Extents(phases.taps.size(), 1), op.getDilations(),
        phases.padBegin, phases.padEnd, /*groups=*/1, /*packed=*/false);
    MapOp activation = activationOf(op);
    Value result = conv.getResult();
    if (activation)
      result = applyTo(rewriter, activation, result);
    Value full = depthToSpace(rewriter, loc, result, op.getStrides());

    Extents starts{0}, steps(shape.size(), 1);
    for (auto [i, stride] : llvm::enumerate(op.getStrides()))
      starts.push_back(op.getPadBegin()[i] - phases.first[i] * stride);
    starts.push_back(0);
    Value cropped = SliceOp::create(rewriter, loc, op.getType(), full, starts, steps);
    if (activation)
      rewriter.replaceOp(activation, cropped);
    rewriter.replaceOp(op, cropped);
    return success();
  }

private:
  /// The map that is all that reads `op` and treats its elements alike. It is
  /// applied before depth to space, where it can join the convolution.
  static MapOp activationOf(ConvTransposeOp op) {
    auto map = op->hasOneUse() ? dyn_cast<MapOp>(*op->user_begin()) : nullptr;
    return map && map.getInputs().size() == 1 && map.getType() == op.getType() ? map : nullptr;
  }

  static Value applyTo(OpBuilder &builder, MapOp map, Value value) {
    auto applied = cast<MapOp>(builder.clone(*map));
    applied->setOperand(0, value);
    applied.getResult().setType(tensorType(value));
    return applied.getResult();
  }

  /// [K.., C, O] -> [J.., C, O*s..] with tap J-1-j of phase r the original's
  /// j*s + r, zero where that is beyond K.
  static Value phaseFilter(OpBuilder &builder, Location loc, ConvTransposeOp op,
                           const Phases &phases) {
    int64_t n = phases.taps.size();
    Value filter = op.getFilter();
    Extents padded(shapeOf(filter)), low(n + 2, 0), high(n + 2, 0), split, order, shape;
    Extents starts, steps;
    for (int64_t i = 0; i < n; ++i) {
      high[i] = phases.taps[i] * op.getStrides()[i] - padded[i];
      padded[i] += high[i];
      split.append({phases.taps[i], op.getStrides()[i]});
      starts.append({phases.taps[i] - 1, 0});
      steps.append({-1, 1});
    }
    split.append({padded[n], padded[n + 1]});
    starts.append({0, 0});
    steps.append({1, 1});
    // [J1, s1, .., C, O] -> [J.., C, O, s..]
    for (int64_t i = 0; i < n; ++i)
      order.push_back(2 * i);
    order.append({2 * n, 2 * n + 1});
    for (int64_t i = 0; i < n; ++i)
      order.push_back(2 * i + 1);
    shape = phases.taps;
    shape.append({padded[n], phases.count * padded[n + 1]});

    RankedTensorType type = tensorType(filter);
    if (padded != shapeOf(filter))
      filter = createFolded<PadOp>(builder, loc, type.clone(padded), filter, /*value=*/Value(), low,
                                   high, PadMode::constant);
    filter = reshapeTo(builder, loc, filter, split);
    filter = createFolded<SliceOp>(builder, loc, type.clone(split), filter, starts, steps);
    return reshapeTo(builder, loc, transposeTo(builder, loc, filter, order), shape);
  }

  /// [O] -> [O*count]
  static Value repeat(OpBuilder &builder, Location loc, Value bias, int64_t count) {
    int64_t outputs = shapeOf(bias).front();
    SmallVector<Value> copies(count, reshapeTo(builder, loc, bias, {outputs, 1}));
    Value repeated = createFolded<ConcatOp>(builder, loc, tensorType(bias).clone({outputs, count}),
                                            copies, /*axis=*/1);
    return reshapeTo(builder, loc, repeated, {outputs * count});
  }

  /// [N, Q.., O*s..] -> [N, Q*s.., O]
  static Value depthToSpace(OpBuilder &builder, Location loc, Value value,
                            ArrayRef<int64_t> strides) {
    int64_t n = strides.size();
    ArrayRef<int64_t> shape = shapeOf(value);
    Extents split(shape.drop_back()), order{0}, merged{shape.front()};
    int64_t channels = shape.back();
    for (int64_t stride : strides)
      channels /= stride;
    split.push_back(channels);
    for (int64_t i = 0; i < n; ++i) {
      split.push_back(strides[i]);
      order.append({1 + i, n + 2 + i});
      merged.push_back(shape[1 + i] * strides[i]);
    }
    order.push_back(n + 1);
    merged.push_back(channels);
    value = transposeTo(builder, loc, reshapeTo(builder, loc, value, split), order);
    return reshapeTo(builder, loc, value, merged);
  }
};

struct LowerConvTransposePass final : impl::LowerConvTransposePassBase<LowerConvTransposePass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerConvTranspose>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace nestor

//===- BatchNorm.cpp - Layers that normalise while they train -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/BatchNorm.h"

#include "compiler/learn/GradientRules.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace nestor::learn {

/// The parameter that `value` is; -1 if it is none, or not for one operation
/// alone.
static int parameterOf(const ParameterizedFunction &function, Value value) {
  auto argument = dyn_cast_or_null<BlockArgument>(value);
  if (!argument || !argument.hasOneUse() || argument.getArgNumber() < function.inputs)
    return -1;
  return int(function.parameters[argument.getArgNumber() - function.inputs]);
}

static std::optional<NormalizedLayer> layerOf(const ParameterizedFunction &function,
                                              nest::ConvOp conv) {
  int scale = parameterOf(function, conv.getScale()), bias = parameterOf(function, conv.getBias());
  if (scale < 0 || bias < 0)
    return std::nullopt;
  return NormalizedLayer{unsigned(scale), unsigned(bias)};
}

std::vector<NormalizedLayer> normalizableLayers(const ParameterizedFunction &function) {
  std::vector<NormalizedLayer> layers;
  func::FuncOp func = function.func;
  for (auto conv : func.getOps<nest::ConvOp>()) {
    RankedTensorType type = tensorType(conv.getResult());
    if (type.getRank() < 3 || type.getNumElements() / type.getShape().back() < kLeastNormalized)
      continue;
    if (std::optional<NormalizedLayer> layer = layerOf(function, conv))
      layers.push_back(*layer);
  }
  return layers;
}

namespace {

/// Unfolds one layer.
class Normalizer {
public:
  explicit Normalizer(nest::ConvOp conv)
      : g(OpBuilder(conv), conv.getLoc(), {}), conv(conv), scale(conv.getScale()),
        bias(conv.getBias()) {
    g.setInsertionPointAfter(conv);
  }

  /// Where `share` is given, it is how much of the statistics counts: 0 or 1.
  LayerMoments run(NormalizedLayer layer, Value share) {
    conv.getScaleMutable().clear();
    conv.getBiasMutable().clear();
    Value sums = conv.getResult();
    SmallVector<int64_t> shape(shapeOf(sums));
    vector.assign(shape.size(), 1);
    vector.back() = shape.back();
    auto axes = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(shape.size()) - 1));
    Value mean = g.mean(sums, axes), squares = g.dot(sums, sums);
    Value variance = varianceOf(squares, mean, sums);
    Value factor = factorOf(variance, share), center = share ? g.multiply(mean, share) : mean;
    Value offset = g.map({bias, factor, center}, vector, [](auto &b, ValueRange in) {
      return arith::SubFOp::create(b, in[0], arith::MulFOp::create(b, in[1], in[2])).getResult();
    });
    Value result = g.map({sums, factor, offset}, shape, [](auto &b, ValueRange in) {
      return arith::AddFOp::create(b, arith::MulFOp::create(b, in[0], in[1]), in[2]).getResult();
    });
    Operation *own[] = {mean.getDefiningOp(), squares.getDefiningOp(), result.getDefiningOp()};
    sums.replaceUsesWithIf(
        result, [&](OpOperand &use) { return !llvm::is_contained(own, use.getOwner()); });
    return {layer, mean, variance};
  }

private:
  /// The mean of squares, whose sums are given, less the square of the mean;
  /// rounding may not make it negative.
  Value varianceOf(Value squares, Value mean, Value sums) {
    double count = double(tensorType(sums).getNumElements()) / double(shapeOf(sums).back());
    return g.map({squares, mean}, vector, [&](auto &b, ValueRange in) {
      Value square = arith::MulFOp::create(b, in[0], scalar(b, in[0].getType(), 1 / count));
      Value difference = arith::SubFOp::create(b, square, arith::MulFOp::create(b, in[1], in[1]));
      Value zero = scalar(b, difference.getType(), 0);
      return arith::MaximumFOp::create(b, difference, zero).getResult();
    });
  }

  /// What the convolution's sums are multiplied by.
  Value factorOf(Value variance, Value share) {
    Value factor = g.map({scale, variance}, vector, [](auto &b, ValueRange in) {
      Value epsilon = scalar(b, in[1].getType(), kNormEpsilon);
      Value inverse = math::RsqrtOp::create(b, arith::AddFOp::create(b, in[1], epsilon));
      return arith::MulFOp::create(b, in[0], inverse).getResult();
    });
    if (!share)
      return factor;
    return g.map({factor, scale, share}, vector, [](auto &b, ValueRange in) {
      Value difference = arith::SubFOp::create(b, in[0], in[1]);
      Value part = arith::MulFOp::create(b, in[2], difference);
      return arith::AddFOp::create(b, in[1], part).getResult();
    });
  }

  Gradients g;
  nest::ConvOp conv;
  Value scale, bias;
  SmallVector<int64_t> vector; ///< The shape of one value per output.
};

} // namespace

static std::vector<LayerMoments> unfold(ParameterizedFunction &function,
                                        ArrayRef<NormalizedLayer> layers, Value share) {
  std::vector<LayerMoments> moments;
  for (auto conv : llvm::make_early_inc_range(function.func.getOps<nest::ConvOp>())) {
    std::optional<NormalizedLayer> layer = layerOf(function, conv);
    auto isThis = [&](const NormalizedLayer &other) { return other.scale == layer->scale; };
    if (layer && llvm::any_of(layers, isThis))
      moments.push_back(Normalizer(conv).run(*layer, share));
  }
  return moments;
}

void normalizeLayers(ParameterizedFunction &function, ArrayRef<NormalizedLayer> layers) {
  unfold(function, layers, /*share=*/{});
}

void returnMoments(ParameterizedFunction &function, ArrayRef<NormalizedLayer> layers) {
  func::FuncOp func = function.func;
  unsigned number = func.getNumArguments();
  auto one = RankedTensorType::get({1}, Float32Type::get(func.getContext()));
  (void)func.insertArgument(number, one, {}, func.getLoc());
  SmallVector<Value> results;
  for (const LayerMoments &moments : unfold(function, layers, func.getArgument(number)))
    results.append({moments.mean, moments.variance});
  func.front().getTerminator()->setOperands(results);
  func.setType(FunctionType::get(func.getContext(), func.getArgumentTypes(),
                                 ValueRange(results).getTypes()));
}

} // namespace nestor::learn

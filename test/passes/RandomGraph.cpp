//===- RandomGraph.cpp - Networks as an importer would leave them ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "RandomGraph.h"

#include "compiler/reference/Evaluator.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <random>

using namespace mlir;
using namespace nestor::nest;

namespace nestor::test {
namespace {

using Shape = SmallVector<int64_t>;

class GraphBuilder {
public:
  GraphBuilder(MLIRContext &context, unsigned seed)
      : builder(&context), loc(builder.getUnknownLoc()), random(seed) {}

  OwningOpRef<ModuleOp> buildGraph() {
    begin();
    for (int64_t steps = 4 + pick(12); steps > 0; --steps)
      step();
    SmallVector<Value> outputs{live.back(), choose()};
    if (pick(2))
      outputs.push_back(dense(outputs[1]));
    return finish(outputs);
  }

  OwningOpRef<ModuleOp> buildNetwork() {
    begin();
    live = {sameConv(live.back(), 8)};
    for (int64_t steps = 4 + pick(12); steps > 0; --steps)
      networkStep();
    SmallVector<Value> outputs{dense(live.back()), conv(choose())};
    if (pick(2))
      outputs.push_back(dense(pool(choose())));
    return finish(outputs);
  }

private:
  OpBuilder builder;
  Location loc;
  std::mt19937 random;
  OwningOpRef<ModuleOp> module;
  func::FuncOp func;
  SmallVector<Value> live; ///< Rank 4, channels first.

  void begin() {
    module = ModuleOp::create(loc);
    Type input = tensor({1 + pick(2), 1 + pick(4), 6 + pick(4), 6 + pick(4)});
    builder.setInsertionPointToEnd(module->getBody());
    func = func::FuncOp::create(builder, loc, "main", builder.getFunctionType(input, {}));
    builder.setInsertionPointToStart(func.addEntryBlock());
    live.push_back(func.getArgument(0));
  }
  OwningOpRef<ModuleOp> finish(ValueRange outputs) {
    func::ReturnOp::create(builder, loc, outputs);
    func.setFunctionType(builder.getFunctionType(func.getArgumentTypes(), TypeRange(outputs)));
    return std::move(module);
  }

  int64_t pick(int64_t count) { return random() % count; }
  RankedTensorType tensor(ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, builder.getF32Type());
  }
  /// A recent value more often than an old one.
  Value choose() { return live[live.size() - 1 - pick(1 + pick(live.size()))]; }

  Value constant(ArrayRef<int64_t> shape) {
    std::normal_distribution<float> normal;
    auto value = reference::TensorValue::zeros(tensor(shape));
    for (float &element : value.as<float>())
      element = normal(random);
    return ConstOp::create(builder, loc, value.toAttr());
  }
  Value transpose(Value value, ArrayRef<int64_t> perm) {
    Shape shape;
    for (int64_t dim : perm)
      shape.push_back(shapeOf(value)[dim]);
    return TransposeOp::create(builder, loc, tensor(shape), value, perm);
  }
  Value toLast(Value value) { return transpose(value, {0, 2, 3, 1}); }
  Value toFirst(Value value) { return transpose(value, {0, 3, 1, 2}); }
  Value reshape(Value value, ArrayRef<int64_t> shape) {
    return ReshapeOp::create(builder, loc, tensor(shape), value);
  }

  template <typename Body> Value map(ValueRange inputs, Body body) {
    auto op = MapOp::create(builder, loc, inputs[0].getType(), inputs);
    Block &block = op.getBody().emplaceBlock();
    for (size_t i = 0; i < inputs.size(); ++i)
      block.addArgument(builder.getF32Type(), loc);
    OpBuilder inner = OpBuilder::atBlockEnd(&block);
    YieldOp::create(inner, loc, body(inner, block.getArguments()));
    return op.getResult();
  }
  template <typename OpTy> Value binary(Value lhs, Value rhs) {
    return map({lhs, rhs}, [&](OpBuilder &b, ValueRange in) -> Value {
      return OpTy::create(b, loc, in[0], in[1]);
    });
  }
  template <typename OpTy> Value unary(Value value) {
    return map(value,
               [&](OpBuilder &b, ValueRange in) -> Value { return OpTy::create(b, loc, in[0]); });
  }

  void step() {
    using Step = Value (GraphBuilder::*)(Value);
    static constexpr Step steps[] = {
        &GraphBuilder::conv,    &GraphBuilder::conv,          &GraphBuilder::depthwise,
        &GraphBuilder::deconv,  &GraphBuilder::batchNorm,     &GraphBuilder::batchNorm,
        &GraphBuilder::relu,    &GraphBuilder::silu,          &GraphBuilder::residual,
        &GraphBuilder::concat,  &GraphBuilder::slice,         &GraphBuilder::pad,
        &GraphBuilder::pool,    &GraphBuilder::squeezeExcite, &GraphBuilder::shuffle,
        &GraphBuilder::resize,  &GraphBuilder::softmax,       &GraphBuilder::attention,
        &GraphBuilder::permute, &GraphBuilder::layerNorm,
    };
    live.push_back((this->*steps[pick(std::size(steps))])(choose()));
  }

  void networkStep() {
    using Step = Value (GraphBuilder::*)(Value);
    static constexpr Step steps[] = {
        &GraphBuilder::residualBlock, &GraphBuilder::residualBlock, &GraphBuilder::zeroShortcut,
        &GraphBuilder::wideConv,      &GraphBuilder::depthwise,     &GraphBuilder::groupedConv,
        &GraphBuilder::batchNorm,     &GraphBuilder::relu,          &GraphBuilder::slopes,
        &GraphBuilder::silu,          &GraphBuilder::residual,      &GraphBuilder::concat,
        &GraphBuilder::sliceChannels, &GraphBuilder::pickChannels,  &GraphBuilder::pool,
        &GraphBuilder::squeezeExcite, &GraphBuilder::shuffle,       &GraphBuilder::resize,
        &GraphBuilder::headAttention, &GraphBuilder::deconv,        &GraphBuilder::attention,
        &GraphBuilder::mixedConcat,   &GraphBuilder::recurrent,
    };
    live.push_back((this->*steps[pick(std::size(steps))])(choose()));
  }

  //===--- networks' parts, channels first in and out ---------------------===//

  Value window(Value x, Value filter, int64_t groups, bool biased) {
    ArrayRef<int64_t> in = shapeOf(x), taps = shapeOf(filter);
    Shape strides{1 + pick(2), 1 + pick(2)}, begin{pick(2), pick(2)}, end{pick(2), pick(2)};
    Shape out{in[0]};
    for (int i = 0; i < 2; ++i) {
      end[i] += std::max<int64_t>(0, taps[i] - in[i + 1] - begin[i]);
      out.push_back((in[i + 1] + begin[i] + end[i] - taps[i]) / strides[i] + 1);
    }
    out.push_back(taps[3]);
    Value bias = biased ? constant({taps[3]}) : Value();
    return ConvOp::create(builder, loc, tensor(out), x, filter, Value(), bias, ValueRange(),
                          taps.take_front(2), strides, Shape{1, 1}, begin, end, groups,
                          /*packed=*/false);
  }
  /// Pixels one after the other; both directions' states, or the last ones, too.
  Value recurrent(Value x) {
    ArrayRef<int64_t> in = shapeOf(x);
    if (in[2] * in[3] > 64)
      return conv(x);
    int64_t gates = ArrayRef<int64_t>{1, 3, 4}[pick(3)], hidden = 2 + pick(4), both = pick(2);
    int64_t steps = in[2] * in[3], batch = in[0], directions = 1 + both;
    Value input = transpose(reshape(x, {batch, in[1], steps}), {2, 0, 1});
    Value weights = constant({directions, gates * hidden, in[1]});
    Value recurrence = constant({directions, gates * hidden, hidden});
    Value bias = pick(2) ? constant({directions, 2 * gates * hidden}) : Value();
    Value initial = pick(2) ? constant({directions, batch, hidden}) : Value();
    RankedTensorType state = tensor({directions, batch, hidden});
    RankedTensorType all = tensor({steps, directions, batch, hidden});
    auto direction = both ? Direction::bidirectional : Direction::reverse;
    StringRef names[] = {"Sigmoid", "Tanh", "Tanh"};
    ArrayRef<StringRef> uses = gates == 4   ? ArrayRef(names)
                               : gates == 3 ? ArrayRef(names).take_front(2)
                                            : ArrayRef(names).take_back();
    SmallVector<StringRef> activations;
    for (int64_t d = 0; d < directions; ++d)
      llvm::append_range(activations, uses);
    SmallVector<double> ones(activations.size(), 1);
    ArrayAttr used = builder.getStrArrayAttr(activations);
    Operation *op;
    if (gates == 4) {
      Value peephole = pick(2) ? constant({directions, 3 * hidden}) : Value();
      Value cell = pick(2) ? constant({directions, batch, hidden}) : Value();
      op =
          LstmOp::create(builder, loc, all, state, state, input, weights, recurrence, bias, Value(),
                         initial, cell, peephole, direction, used, ones, ones, FloatAttr());
    } else if (gates == 3) {
      op = GruOp::create(builder, loc, all, state, input, weights, recurrence, bias, Value(),
                         initial, direction, used, ones, ones, FloatAttr(),
                         /*linearBeforeReset=*/bool(pick(2)));
    } else {
      op = RnnOp::create(builder, loc, all, state, input, weights, recurrence, bias, Value(),
                         initial, direction, used, ones, ones, FloatAttr());
    }
    Value states = transpose(op->getResult(0), {2, 1, 3, 0}); // Batch, direction, unit, step.
    Value last =
        reshape(transpose(op->getResults().back(), {1, 0, 2}), {batch, directions * hidden, 1, 1});
    if (pick(4) == 0)
      return last;
    return reshape(states, {batch, directions * hidden, in[2], in[3]});
  }
  Value conv(Value x) {
    int64_t channels = shapeOf(x)[1], outputs = 1 + pick(9);
    Value filter = constant({1 + pick(3), 1 + pick(3), channels, outputs});
    return toFirst(window(toLast(x), filter, 1, pick(2)));
  }
  Value depthwise(Value x) {
    int64_t channels = shapeOf(x)[1];
    Value filter = constant({1 + pick(3), 1 + pick(3), 1, channels});
    return toFirst(window(toLast(x), filter, channels, pick(2)));
  }
  Value deconv(Value x) {
    if (shapeOf(x)[2] > 12 || shapeOf(x)[3] > 12)
      return conv(x);
    Value input = toLast(x);
    ArrayRef<int64_t> in = shapeOf(input);
    int64_t outputs = 1 + pick(4);
    Shape kernel{1 + pick(4), 1 + pick(4)}, strides{1 + pick(3), 1 + pick(3)};
    Shape begin, end, out{in[0]};
    for (int i = 0; i < 2; ++i) {
      begin.push_back(pick(kernel[i]));
      end.push_back(pick(kernel[i] + 1) - 1);
      out.push_back(strides[i] * (in[i + 1] - 1) + kernel[i] - begin[i] - end[i]);
      if (out.back() < 1) {
        out.back() += begin.back() + end.back();
        begin.back() = end.back() = 0;
      }
    }
    out.push_back(outputs);
    Value filter = constant({kernel[0], kernel[1], in[3], outputs});
    Value bias = pick(2) ? constant({outputs}) : Value();
    return toFirst(ConvTransposeOp::create(builder, loc, tensor(out), input, filter, bias, strides,
                                           Shape{1, 1}, begin, end, /*groups=*/1));
  }
  Value batchNorm(Value x) {
    int64_t channels = shapeOf(x)[1];
    Value scaled = binary<arith::MulFOp>(x, constant({channels, 1, 1}));
    return binary<arith::AddFOp>(scaled, constant({1, channels, 1, 1}));
  }
  Value relu(Value x) { return binary<arith::MaximumFOp>(x, constant({})); }
  Value silu(Value x) { return binary<arith::MulFOp>(x, unary<math::TanhOp>(x)); }
  Value residual(Value x) {
    Value other = choose();
    return shapeOf(other) == shapeOf(x) ? binary<arith::AddFOp>(x, other) : relu(x);
  }
  Value concat(Value x) {
    Value other = choose();
    if (shapeOf(other) != shapeOf(x))
      other = relu(x);
    Shape shape(shapeOf(x));
    if (shape[1] > 16)
      return x;
    int64_t axis = 1 + pick(3);
    shape[axis] *= 2;
    return ConcatOp::create(builder, loc, tensor(shape), ValueRange{x, other}, axis);
  }
  Value slice(Value x) {
    Shape starts, steps(4, 1), shape;
    for (int64_t extent : shapeOf(x)) {
      starts.push_back(pick(extent));
      shape.push_back(1 + pick(extent - starts.back()));
    }
    return SliceOp::create(builder, loc, tensor(shape), x, starts, steps);
  }
  Value pad(Value x) {
    Shape low{0, pick(2), pick(2), pick(2)}, high{0, pick(2), pick(2), pick(2)}, shape;
    if (pick(2))
      low[1] = high[1] = 0;
    for (int i = 0; i < 4; ++i)
      shape.push_back(shapeOf(x)[i] + low[i] + high[i]);
    return PadOp::create(builder, loc, tensor(shape), x, Value(), low, high, PadMode::constant);
  }
  Value pool(Value x) {
    Shape shape(shapeOf(x)), two{2, 2}, one{1, 1}, none{0, 0};
    if (shape[2] < 2 || shape[3] < 2)
      return relu(x);
    Value input = toLast(x);
    auto type = tensor({shape[0], shape[2] / 2, shape[3] / 2, shape[1]});
    PoolKind kind = pick(2) ? PoolKind::max : PoolKind::avg;
    return toFirst(PoolOp::create(builder, loc, type, input, kind, two, two, one, none, none,
                                  /*countIncludePad=*/false, /*p=*/2));
  }
  Value squeezeExcite(Value x) {
    Shape shape(shapeOf(x));
    Value mean = ReduceOp::create(builder, loc, tensor({shape[0], shape[1], 1, 1}), x,
                                  ReduceKind::mean, Shape{2, 3});
    Value gate =
        pick(2) ? toFirst(window11(toLast(mean))) : reshape(relu(dense(mean)), shapeOf(mean));
    return binary<arith::MulFOp>(x, unary<math::TanhOp>(gate));
  }
  /// A 1x1 convolution that keeps the channels.
  Value window11(Value x) {
    int64_t channels = shapeOf(x).back();
    Shape one{1, 1}, none{0, 0};
    return ConvOp::create(builder, loc, x.getType(), x, constant({1, 1, channels, channels}),
                          Value(), constant({channels}), ValueRange(), one, one, one, none, none,
                          /*groups=*/1, /*packed=*/false);
  }
  /// Gemm on the flattened tensor, as many outputs as channels: [N, C].
  Value dense(Value x) {
    ArrayRef<int64_t> shape = shapeOf(x);
    int64_t rows = shape[1] * shape[2] * shape[3];
    Shape one{1}, none{0};
    Value flat = reshape(reshape(x, {shape[0], rows}), {1, shape[0], rows});
    Value product = ConvOp::create(builder, loc, tensor({1, shape[0], shape[1]}), flat,
                                   constant({1, rows, shape[1]}), Value(), constant({shape[1]}),
                                   ValueRange(), one, one, one, none, none, /*groups=*/1,
                                   /*packed=*/false);
    return reshape(product, {shape[0], shape[1]});
  }
  Value shuffle(Value x) {
    Shape shape(shapeOf(x));
    if (shape[1] % 2)
      return batchNorm(x);
    Value groups = reshape(x, {shape[0], 2, shape[1] / 2, shape[2], shape[3]});
    return reshape(transpose(groups, {0, 2, 1, 3, 4}), shape);
  }
  Value resize(Value x) {
    Value input = toLast(x);
    Shape shape(shapeOf(input));
    if (shape[1] > 12 || shape[2] > 12)
      return relu(x);
    shape[1] *= 2;
    shape[2] *= 2;
    return toFirst(ResizeOp::create(
        builder, loc, tensor(shape), input, ArrayRef<double>{1.0, 2.0, 2.0, 1.0},
        /*roi=*/DenseF64ArrayAttr(), pick(2) ? ResizeMode::nearest : ResizeMode::linear,
        CoordinateMode::half_pixel, NearestMode::floor, llvm::APFloat(-0.75),
        /*excludeOutside=*/false, /*antialias=*/false, /*extrapolation=*/llvm::APFloat(0.0)));
  }
  Value softmax(Value x) {
    return SoftmaxOp::create(builder, loc, x.getType(), x, 1 + pick(3), /*log=*/false);
  }
  /// softmax(x xT) x over the pixels.
  Value attention(Value x) {
    Shape shape(shapeOf(x));
    int64_t pixels = shape[2] * shape[3];
    if (pixels > 64)
      return relu(x);
    Value tokens = transpose(reshape(x, {shape[0], shape[1], pixels}), {0, 2, 1});
    Value keys = transpose(tokens, {0, 2, 1});
    Value scores = MatmulOp::create(builder, loc, tensor({shape[0], pixels, pixels}), tokens, keys,
                                    ValueRange(), false, false);
    scores = SoftmaxOp::create(builder, loc, scores.getType(),
                               binary<arith::MulFOp>(scores, constant({1})), 2, false);
    Value mixed = MatmulOp::create(builder, loc, tokens.getType(), scores, tokens, ValueRange(),
                                   false, false);
    return reshape(transpose(mixed, {0, 2, 1}), shape);
  }
  /// A 3x3 convolution that keeps the pixels.
  Value sameConv(Value x, int64_t outputs) {
    Shape one{1, 1}, type(shapeOf(x));
    type[1] = outputs;
    Value result = ConvOp::create(builder, loc, tensor({type[0], type[2], type[3], outputs}),
                                  toLast(x), constant({3, 3, shapeOf(x)[1], outputs}), Value(),
                                  pick(2) ? constant({outputs}) : Value(), ValueRange(),
                                  Shape{3, 3}, one, one, one, one, /*groups=*/1, /*packed=*/false);
    return toFirst(result);
  }
  Value wideConv(Value x) { return sameConv(x, 2 + 2 * pick(5)); }
  Value residualBlock(Value x) {
    Value inner = relu(wideConv(x));
    return relu(binary<arith::AddFOp>(sameConv(inner, shapeOf(x)[1]), x));
  }
  /// The shortcut of ResNet's option A: more channels by zeros.
  Value zeroShortcut(Value x) {
    Shape shape(shapeOf(x)), low{0, 1 + pick(3), 0, 0}, high{0, pick(4), 0, 0};
    shape[1] += low[1] + high[1];
    Value wide =
        PadOp::create(builder, loc, tensor(shape), x, Value(), low, high, PadMode::constant);
    return relu(binary<arith::AddFOp>(sameConv(x, shape[1]), wide));
  }
  Value groupedConv(Value x) {
    int64_t channels = shapeOf(x)[1], groups = channels % 3 ? 2 : 3;
    if (channels % groups)
      return wideConv(x);
    Value filter = constant({1 + pick(3), 1, channels / groups, groups * (1 + pick(3))});
    return toFirst(window(toLast(x), filter, groups, pick(2)));
  }
  /// PRelu.
  Value slopes(Value x) {
    return map({x, constant({shapeOf(x)[1], 1, 1})}, [&](OpBuilder &b, ValueRange in) -> Value {
      Value scaled = arith::MulFOp::create(b, loc, in[0], in[1]);
      return arith::MaximumFOp::create(b, loc, in[0], scaled);
    });
  }
  Value sliceChannels(Value x) {
    Shape starts(4, 0), steps(4, 1), shape(shapeOf(x));
    if (shape[1] < 4)
      return wideConv(x);
    steps[1] = 1 + pick(2);
    starts[1] = pick(2);
    shape[1] = 1 + pick((shape[1] - starts[1] - 1) / steps[1] + 1);
    Value part = SliceOp::create(builder, loc, tensor(shape), x, starts, steps);
    return pick(2) ? part : binary<arith::AddFOp>(part, sameConv(x, shape[1]));
  }
  /// A gather in any order, twice the same included.
  Value pickChannels(Value x) {
    Shape shape(shapeOf(x));
    SmallVector<int64_t> indices;
    for (int64_t i = 0; i < shape[1]; ++i)
      indices.push_back(pick(shape[1]));
    auto type = RankedTensorType::get({shape[1]}, builder.getI64Type());
    Value list = ConstOp::create(builder, loc, DenseElementsAttr::get(type, ArrayRef(indices)));
    return GatherOp::create(builder, loc, x.getType(), x, list, /*axis=*/1);
  }
  Value mixedConcat(Value x) {
    Value other = wideConv(x);
    Shape shape(shapeOf(x));
    shape[1] += shapeOf(other)[1];
    Value both = ConcatOp::create(builder, loc, tensor(shape), ValueRange{other, x}, 1);
    return pick(2) ? both : depthwise(both);
  }
  /// Two heads over the pixels: queries, keys and values are convolutions.
  Value headAttention(Value x) {
    Shape shape(shapeOf(x));
    int64_t pixels = shape[2] * shape[3], heads = 2 + pick(2), depth = 1 + pick(3);
    if (pixels > 64)
      return relu(x);
    auto tokens = [&](ArrayRef<int64_t> perm) {
      Value projected = sameConv(x, heads * depth);
      Value split = reshape(projected, {shape[0], heads, depth, pixels});
      return transpose(split, perm);
    };
    Value queries = tokens({0, 1, 3, 2}), keys = tokens({0, 1, 2, 3});
    Value values = tokens({0, 1, 3, 2});
    Value scores = MatmulOp::create(builder, loc, tensor({shape[0], heads, pixels, pixels}),
                                    queries, keys, ValueRange(), false, false);
    scores = SoftmaxOp::create(builder, loc, scores.getType(), scores, 3, false);
    Value mixed = MatmulOp::create(builder, loc, values.getType(), scores, values, ValueRange(),
                                   false, false);
    Value merged =
        reshape(transpose(mixed, {0, 1, 3, 2}), {shape[0], heads * depth, shape[2], shape[3]});
    return binary<arith::AddFOp>(sameConv(merged, shape[1]), x);
  }
  Value permute(Value x) {
    Shape perm{0, 1, 2, 3};
    std::shuffle(perm.begin() + 1, perm.end(), random);
    return transpose(x, perm);
  }
  Value layerNorm(Value x) {
    Shape shape(shapeOf(x));
    shape.back() = 1;
    auto mean = [&](Value value) -> Value {
      return ReduceOp::create(builder, loc, tensor(shape), value, ReduceKind::mean, Shape{3});
    };
    Value centred = binary<arith::SubFOp>(x, mean(x));
    Value variance = mean(binary<arith::MulFOp>(centred, centred));
    Value epsilon =
        ConstOp::create(builder, loc, DenseElementsAttr::get(tensor({}), ArrayRef<float>{0.01f}));
    Value deviation = unary<math::SqrtOp>(binary<arith::AddFOp>(variance, epsilon));
    Value result = binary<arith::DivFOp>(centred, deviation);
    return pick(2) ? binary<arith::MulFOp>(result, constant({shapeOf(x)[3]})) : result;
  }
};

} // namespace

OwningOpRef<ModuleOp> randomGraph(MLIRContext &context, unsigned seed) {
  return GraphBuilder(context, seed).buildGraph();
}

OwningOpRef<ModuleOp> randomNetwork(MLIRContext &context, unsigned seed) {
  return GraphBuilder(context, seed).buildNetwork();
}

} // namespace nestor::test

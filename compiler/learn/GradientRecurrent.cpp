//===- GradientRecurrent.cpp - Recurrent layers step by step --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// An LSTM or GRU becomes one product that projects the inputs of all steps, and
// for each step a product with the hidden state and maps. Their gradients are
// those of products and maps.
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/GradientRules.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;
using namespace nestor::nest;

namespace {

using Scalars = ImplicitLocOpBuilder;

/// An activation of a gate, by its ONNX name.
struct Activation {
  StringRef name;
  double alpha, beta;

  static bool isKnown(StringRef name) {
    return llvm::StringSwitch<bool>(name)
        .Cases({"Affine", "HardSigmoid", "Relu", "ScaledTanh", "Sigmoid", "Tanh"}, true)
        .Default(false);
  }

  Value apply(Scalars &s, Value x) const {
    auto number = [&](double value) { return scalar(s, x.getType(), value); };
    auto line = [&](Value x) -> Value {
      return arith::AddFOp::create(s, arith::MulFOp::create(s, x, number(alpha)), number(beta));
    };
    if (name == "Affine")
      return line(x);
    if (name == "HardSigmoid")
      return arith::MinimumFOp::create(s, arith::MaximumFOp::create(s, line(x), number(0)),
                                       number(1));
    if (name == "Relu")
      return arith::MaximumFOp::create(s, x, number(0));
    if (name == "ScaledTanh") {
      Value inner = math::TanhOp::create(s, arith::MulFOp::create(s, x, number(beta)));
      return arith::MulFOp::create(s, inner, number(alpha));
    }
    if (name == "Tanh")
      return math::TanhOp::create(s, x);
    assert(name == "Sigmoid" && "was checked to be known");
    Value power = math::ExpOp::create(s, arith::NegFOp::create(s, x));
    return arith::DivFOp::create(s, number(1), arith::AddFOp::create(s, power, number(1)));
  }
};

/// What the layers have in common: sizes, operands of a direction, gates.
template <typename Op> class Unroller {
public:
  Unroller(Op op, int64_t gates) : g(OpBuilder(op), op.getLoc(), {}), op(op), gates(gates) {
    ArrayRef<int64_t> x = shapeOf(op.getInput()), r = shapeOf(op.getRecurrence());
    steps = x[0], batch = x[1], inputs = x[2], directions = r[0], hidden = r[2];
  }

protected:
  /// Part `d` of an operand's first dimension, which goes.
  Value ofDirection(Value operand, int64_t d) {
    SmallVector<int64_t> shape(shapeOf(operand)), starts(shape.size()), steps(shape.size(), 1);
    shape[0] = 1, starts[0] = d;
    Value part = g.slice(operand, starts, steps, shape);
    return reshapeTo(g, op.getLoc(), part, ArrayRef(shape).drop_front());
  }
  /// Elements [first, first + count) along the last dimension.
  Value columns(Value value, int64_t first, int64_t count) {
    SmallVector<int64_t> shape(shapeOf(value)), starts(shape.size()), steps(shape.size(), 1);
    shape.back() = count, starts.back() = first;
    return g.slice(value, starts, steps, shape);
  }
  Value gate(Value gates, int64_t index) { return columns(gates, index * hidden, hidden); }
  Value add(Value a, Value b) {
    return g.map({a, b}, shapeOf(a),
                 [](Scalars &s, ValueRange in) { return arith::AddFOp::create(s, in[0], in[1]); });
  }
  Value product(Value x, Value rows) {
    auto type = tensorType(x).clone({shapeOf(x)[0], shapeOf(rows)[0]});
    return MatmulOp::create(g, type, x, rows, /*extras=*/ValueRange(), /*transposeLhs=*/false,
                            /*transposeRhs=*/true);
  }
  /// [steps*batch, gates*hidden]: the inputs of all steps times the weights.
  Value project(int64_t d, Value bias) {
    Value x = reshapeTo(g, op.getLoc(), op.getInput(), {steps * batch, inputs});
    Value projected = product(x, ofDirection(op.getWeights(), d));
    return bias ? add(projected, bias) : projected;
  }
  /// Half 0 (of the input) or 1 (of the hidden state) of a direction's bias.
  Value biasHalf(int64_t d, int64_t half) {
    if (!op.getBias())
      return {};
    return columns(ofDirection(op.getBias(), d), half * gates * hidden, gates * hidden);
  }
  Value stateOrZeros(Value initial, int64_t d) {
    if (initial)
      return ofDirection(initial, d);
    return g.filled(tensorType(op.getInput()).clone({batch, hidden}), 0);
  }
  /// The time of a direction's step `i`.
  int64_t timeOf(int64_t d, int64_t i) {
    bool backward = d == 1 || op.getDirection() == Direction::reverse;
    return backward ? steps - 1 - i : i;
  }
  Value rowsAt(Value projected, int64_t time) {
    return g.slice(projected, {time * batch, 0}, {1, 1}, {batch, gates * hidden});
  }
  Activation activation(int64_t index) {
    return {cast<StringAttr>(op.getActivations()[index]).getValue(), op.getActivationAlpha()[index],
            op.getActivationBeta()[index]};
  }
  Value clipped(Scalars &s, Value x) {
    if (!op.getClip())
      return x;
    double limit = op.getClip()->convertToDouble();
    x = arith::MaximumFOp::create(s, x, scalar(s, x.getType(), -limit));
    return arith::MinimumFOp::create(s, x, scalar(s, x.getType(), limit));
  }
  /// states[d][t] as [steps, directions, batch, hidden].
  Value stack(ArrayRef<SmallVector<Value>> states) {
    SmallVector<Value> all;
    for (int64_t t = 0; t < steps; ++t)
      for (int64_t d = 0; d < directions; ++d)
        all.push_back(reshapeTo(g, op.getLoc(), states[d][t], {1, batch, hidden}));
    return reshapeTo(g, op.getLoc(), join(all), {steps, directions, batch, hidden});
  }
  /// One state of each direction as [directions, batch, hidden].
  Value join(ArrayRef<Value> states) {
    SmallVector<Value> all;
    for (Value state : states)
      all.push_back(reshapeTo(g, op.getLoc(), state, {1, batch, hidden}));
    auto type = tensorType(op.getInput()).clone({int64_t(all.size()), batch, hidden});
    return all.size() == 1 ? all.front() : ConcatOp::create(g, type, all, /*axis=*/0).getResult();
  }

  Gradients g;
  Op op;
  int64_t gates, steps, batch, inputs, directions, hidden;
};

class LstmUnroller : Unroller<LstmOp> {
public:
  explicit LstmUnroller(LstmOp op) : Unroller(op, /*gates=*/4) {}

  void run() {
    SmallVector<SmallVector<Value>> states(directions, SmallVector<Value>(steps));
    SmallVector<Value> lastHidden, lastCell;
    for (int64_t d = 0; d < directions; ++d) {
      Value bias = op.getBias() ? add(biasHalf(d, 0), biasHalf(d, 1)) : Value();
      Value projected = project(d, bias), recurrence = ofDirection(op.getRecurrence(), d);
      Value h = stateOrZeros(op.getInitialHidden(), d), c = stateOrZeros(op.getInitialCell(), d);
      for (int64_t i = 0; i < steps; ++i) {
        int64_t time = timeOf(d, i);
        Value sums = add(product(h, recurrence), rowsAt(projected, time));
        std::tie(h, c) = step(d, sums, c);
        states[d][time] = h;
      }
      lastHidden.push_back(h);
      lastCell.push_back(c);
    }
    op.getHidden().replaceAllUsesWith(stack(states));
    op.getLastHidden().replaceAllUsesWith(join(lastHidden));
    op.getLastCell().replaceAllUsesWith(join(lastCell));
    op.erase();
  }

private:
  enum Gate { I, O, F, C };

  Value activate(int64_t d, Gate which, Value sums, Value cell) {
    Activation function = activation(d * 3 + (which == C ? 1 : 0));
    SmallVector<Value> inputs{gate(sums, which)};
    if (op.getPeephole() && which != C)
      inputs.append({cell, gate(ofDirection(op.getPeephole(), d), which)});
    return g.map(inputs, shapeOf(inputs.front()), [&](Scalars &s, ValueRange in) {
      Value x = in[0];
      if (in.size() > 1)
        x = arith::AddFOp::create(s, x, arith::MulFOp::create(s, in[1], in[2]));
      return function.apply(s, clipped(s, x));
    });
  }

  /// The next hidden and cell state.
  std::pair<Value, Value> step(int64_t d, Value sums, Value cell) {
    ArrayRef<int64_t> shape = shapeOf(cell);
    Value in = activate(d, I, sums, cell), candidate = activate(d, C, sums, cell), forget;
    if (op.getInputForget())
      forget = g.map(in, shape, [](Scalars &s, ValueRange in) {
        return arith::SubFOp::create(s, scalar(s, in[0].getType(), 1), in[0]);
      });
    else
      forget = activate(d, F, sums, cell);
    Value next = add(g.multiply(forget, cell), g.multiply(in, candidate));
    Value out = activate(d, O, sums, next);
    Activation function = activation(d * 3 + 2);
    Value seen =
        g.map(next, shape, [&](Scalars &s, ValueRange in) { return function.apply(s, in[0]); });
    return {g.multiply(out, seen), next};
  }
};

class GruUnroller : Unroller<GruOp> {
public:
  explicit GruUnroller(GruOp op) : Unroller(op, /*gates=*/3) {}

  void run() {
    SmallVector<SmallVector<Value>> states(directions, SmallVector<Value>(steps));
    SmallVector<Value> lastHidden;
    for (int64_t d = 0; d < directions; ++d) {
      Value projected = project(d, biasHalf(d, 0)), hiddenBias = biasHalf(d, 1);
      Value h = stateOrZeros(op.getInitialHidden(), d);
      for (int64_t i = 0; i < steps; ++i) {
        int64_t time = timeOf(d, i);
        h = states[d][time] = step(d, rowsAt(projected, time), h, hiddenBias);
      }
      lastHidden.push_back(h);
    }
    op.getHidden().replaceAllUsesWith(stack(states));
    op.getLastHidden().replaceAllUsesWith(join(lastHidden));
    op.erase();
  }

private:
  enum Gate { Z, R, H };

  /// The part of a gate that comes from `h`, its bias included.
  Value fromHidden(int64_t d, Gate which, Value h, Value bias) {
    Value recurrence = ofDirection(op.getRecurrence(), d);
    Value rows = g.slice(recurrence, {which * hidden, 0}, {1, 1}, {hidden, hidden});
    Value sums = product(h, rows);
    return bias ? add(sums, gate(bias, which)) : sums;
  }
  Value activate(int64_t index, Value fromInput, Value fromHidden) {
    Activation function = activation(index);
    return g.map({fromInput, fromHidden}, shapeOf(fromHidden), [&](Scalars &s, ValueRange in) {
      return function.apply(s, clipped(s, arith::AddFOp::create(s, in[0], in[1])));
    });
  }
  Value step(int64_t d, Value projected, Value h, Value bias) {
    Value update = activate(d * 2, gate(projected, Z), fromHidden(d, Z, h, bias));
    Value reset = activate(d * 2, gate(projected, R), fromHidden(d, R, h, bias));
    Value recurrent = op.getLinearBeforeReset() ? g.multiply(reset, fromHidden(d, H, h, bias))
                                                : fromHidden(d, H, g.multiply(reset, h), bias);
    Value candidate = activate(d * 2 + 1, gate(projected, H), recurrent);
    return g.map({update, candidate, h}, shapeOf(h), [](Scalars &s, ValueRange in) {
      Value rest = arith::SubFOp::create(s, scalar(s, in[0].getType(), 1), in[0]);
      Value fresh = arith::MulFOp::create(s, rest, in[1]);
      return arith::AddFOp::create(s, fresh, arith::MulFOp::create(s, in[0], in[2]));
    });
  }
};

template <typename Op> bool isPlain(Op op) {
  return !op.getPacked() && !op.getLengths() &&
         llvm::all_of(op.getActivations().template getAsValueRange<StringAttr>(),
                      Activation::isKnown);
}

} // namespace

bool nestor::learn::canUnroll(LstmOp op) { return isPlain(op); }
bool nestor::learn::canUnroll(GruOp op) { return isPlain(op); }
void nestor::learn::unroll(LstmOp op) { LstmUnroller(op).run(); }
void nestor::learn::unroll(GruOp op) { GruUnroller(op).run(); }

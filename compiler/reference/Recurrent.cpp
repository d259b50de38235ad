//===- Recurrent.cpp - LSTM, GRU and plain recurrent layers ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Families.h"
#include "compiler/reference/Indices.h"

#include "llvm/ADT/StringSwitch.h"

#include <algorithm>

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

namespace {

/// An activation of a gate, with its input clipped before it where the layer
/// asks for that.
struct Activation {
  double (*function)(double x, double alpha, double beta);
  double alpha, beta;

  double operator()(double x) const { return function(x, alpha, beta); }
};

using Row = std::vector<double>;

} // namespace

static Activation activationOf(StringRef name, double alpha, double beta) {
  using Function = double (*)(double, double, double);
  Function function =
      llvm::StringSwitch<Function>(name)
          .Case("Affine", [](double x, double a, double b) { return a * x + b; })
          .Case("Elu", [](double x, double a, double) { return x < 0 ? a * std::expm1(x) : x; })
          .Case("HardSigmoid",
                [](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); })
          .Case("LeakyRelu", [](double x, double a, double) { return x < 0 ? a * x : x; })
          .Case("Relu", [](double x, double, double) { return x < 0 ? 0 : x; })
          .Case("ScaledTanh", [](double x, double a, double b) { return a * std::tanh(b * x); })
          .Case("Sigmoid", [](double x, double, double) { return 1 / (1 + std::exp(-x)); })
          .Case("Softplus",
                [](double x, double, double) {
                  return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
                })
          .Case("Softsign", [](double x, double, double) { return x / (1 + std::fabs(x)); })
          .Case("Tanh", [](double x, double, double) { return std::tanh(x); })
          .Case("ThresholdedRelu", [](double x, double a, double) { return x > a ? x : 0; })
          .Default(nullptr);
  return {function, alpha, beta};
}

namespace {

/// What the three layers have in common: sizes, operands, and the walk over
/// directions, sequences and steps. `Op` is one of the operations.
template <typename Op> class Layer {
public:
  Layer(Op op, const Operands &operands, int64_t gates, int64_t activationsPerDirection);

  /// Looks the activations up; fails, with an error, for a layer that cannot be
  /// evaluated.
  LogicalResult prepare();

  /// Calls `step(direction, x, h, sequence)` for each step in processing
  /// order; it updates the hidden state `h` in place. `x` is the input row and
  /// `sequence` numbers (direction, batch) pairs.
  template <typename Step> void scan(Step &&step, Results &results);

  /// Row `gate*H + j` of the weights times x, plus its bias.
  double fromInput(int64_t d, int64_t gate, int64_t j, const double *x) const;
  /// Row `gate*H + j` of the recurrence times h, plus its bias.
  double fromHidden(int64_t d, int64_t gate, int64_t j, const Row &h) const;
  double clip(double x) const { return limit > 0 ? std::clamp(x, -limit, limit) : x; }
  const Activation &activation(int64_t d, int64_t which) const {
    return activations[d * activationsPerDirection + which];
  }

  int64_t steps, batch, inputs, hidden, directions;

private:
  double dot(const double *row, const double *x, int64_t n) const;

  Op op;
  const Operands &operands;
  int64_t gates, activationsPerDirection;
  double limit;
  Row input, weights, recurrence, bias;
  SmallVector<Activation> activations;
};

} // namespace

template <typename Op>
Layer<Op>::Layer(Op op, const Operands &operands, int64_t gates, int64_t activationsPerDirection)
    : op(op), operands(operands), gates(gates), activationsPerDirection(activationsPerDirection),
      limit(op.getClip() ? op.getClip()->convertToDouble() : 0),
      input(toVector<double>(operands[op.getInput()])),
      weights(toVector<double>(operands[op.getWeights()])),
      recurrence(toVector<double>(operands[op.getRecurrence()])) {
  ArrayRef<int64_t> x = op.getInput().getType().getShape();
  ArrayRef<int64_t> r = op.getRecurrence().getType().getShape();
  steps = x[0], batch = x[1], inputs = x[2];
  directions = r[0], hidden = r[2];
  bias = operands.doublesOr(op.getBias(), directions * 2 * gates * hidden, 0);
}

template <typename Op> LogicalResult Layer<Op>::prepare() {
  if (op.getPacked())
    return op.emitError("is evaluated with weights in ONNX's layout, before they are packed");
  for (auto [i, name] : llvm::enumerate(op.getActivations().template getAsRange<StringAttr>())) {
    activations.push_back(
        activationOf(name, op.getActivationAlpha()[i], op.getActivationBeta()[i]));
    if (!activations.back().function)
      return op.emitError("unknown activation '") << name.getValue() << "'";
  }
  return success();
}

template <typename Op>
double Layer<Op>::dot(const double *row, const double *x, int64_t n) const {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += row[i] * x[i];
  return sum;
}

template <typename Op>
double Layer<Op>::fromInput(int64_t d, int64_t gate, int64_t j, const double *x) const {
  int64_t row = (d * gates + gate) * hidden + j;
  return dot(weights.data() + row * inputs, x, inputs) +
         bias[(d * 2 * gates + gate) * hidden + j];
}

template <typename Op>
double Layer<Op>::fromHidden(int64_t d, int64_t gate, int64_t j, const Row &h) const {
  int64_t row = (d * gates + gate) * hidden + j;
  return dot(recurrence.data() + row * hidden, h.data(), hidden) +
         bias[((d * 2 + 1) * gates + gate) * hidden + j];
}

template <typename Op>
template <typename Step>
void Layer<Op>::scan(Step &&step, Results &results) {
  Row initial = operands.doublesOr(op.getInitialHidden(), directions * batch * hidden, 0);
  Row lengths = operands.doublesOr(op.getLengths(), batch, steps);
  Row all(steps * directions * batch * hidden), last;
  for (int64_t d = 0; d < directions; ++d)
    for (int64_t b = 0; b < batch; ++b) {
      int64_t sequence = d * batch + b;
      bool backward = d == 1 || op.getDirection() == Direction::reverse;
      auto length = int64_t(std::clamp<double>(lengths[b], 0, steps));
      Row h(initial.begin() + sequence * hidden, initial.begin() + (sequence + 1) * hidden);
      for (int64_t i = 0; i < length; ++i) {
        int64_t t = backward ? length - 1 - i : i;
        step(d, input.data() + (t * batch + b) * inputs, h, sequence);
        llvm::copy(h, all.begin() + ((t * directions + d) * batch + b) * hidden);
      }
      last.insert(last.end(), h.begin(), h.end());
    }
  results.push_back(fromVector(op.getHidden().getType(), all));
  results.push_back(fromVector(op.getLastHidden().getType(), last));
}

TensorValue nestor::reference::evaluatePackRecurrent(PackRecurrentOp op, const Operands &operands) {
  const TensorValue &weights = operands[op.getWeights()];
  ArrayRef<int64_t> in = weights.type.getShape(), out = op.getType().getShape();
  int64_t panels = out[1], gates = op.getGates(), hidden = in[1] / gates, lanes = out[4];
  int64_t unit = elementBytes(weights.type.getElementType()), from = 0;
  TensorValue packed = TensorValue::zeros(op.getType());
  forEachIndex({in[0], gates, hidden, in[2]}, [&](ArrayRef<int64_t> index) {
    int64_t panel = index[0] * panels + index[2] / lanes;
    int64_t to = ((panel * in[2] + index[3]) * gates + index[1]) * lanes + index[2] % lanes;
    std::copy_n(&weights.bytes[from++ * unit], unit, &packed.bytes[to * unit]);
  });
  return packed;
}

LogicalResult nestor::reference::evaluateLstm(LstmOp op, const Operands &operands,
                                              Results &results) {
  Layer<LstmOp> layer(op, operands, /*gates=*/4, /*activationsPerDirection=*/3);
  if (failed(layer.prepare()))
    return failure();
  enum Gate { I, O, F, C };
  int64_t hidden = layer.hidden;
  Row cells = operands.doublesOr(op.getInitialCell(), layer.directions * layer.batch * hidden, 0);
  Row peephole = operands.doublesOr(op.getPeephole(), layer.directions * 3 * hidden, 0);

  auto step = [&](int64_t d, const double *x, Row &h, int64_t sequence) {
    const Activation &f = layer.activation(d, 0), &g = layer.activation(d, 1),
                     &out = layer.activation(d, 2);
    Row before = h;
    for (int64_t j = 0; j < hidden; ++j) {
      double &cell = cells[sequence * hidden + j];
      // `look` is the cell state that the gate sees through its peephole.
      auto gate = [&](Gate which, double look) {
        double seen = which == C ? 0 : peephole[(d * 3 + which) * hidden + j] * look;
        return layer.clip(layer.fromInput(d, which, j, x) + layer.fromHidden(d, which, j, before) +
                          seen);
      };
      double inputGate = f(gate(I, cell));
      double forgetGate = op.getInputForget() ? 1 - inputGate : f(gate(F, cell));
      cell = forgetGate * cell + inputGate * g(gate(C, cell));
      h[j] = f(gate(O, cell)) * out(cell);
    }
  };
  layer.scan(step, results);
  results.push_back(fromVector(op.getLastCell().getType(), cells));
  return success();
}

LogicalResult nestor::reference::evaluateGru(GruOp op, const Operands &operands, Results &results) {
  Layer<GruOp> layer(op, operands, /*gates=*/3, /*activationsPerDirection=*/2);
  if (failed(layer.prepare()))
    return failure();
  enum Gate { Z, R, H };
  int64_t hidden = layer.hidden;

  auto step = [&](int64_t d, const double *x, Row &h, int64_t) {
    const Activation &f = layer.activation(d, 0), &g = layer.activation(d, 1);
    auto gate = [&](Gate which, int64_t j) {
      return f(layer.clip(layer.fromInput(d, which, j, x) + layer.fromHidden(d, which, j, h)));
    };
    Row reset(hidden), resetHidden(hidden), next(hidden);
    for (int64_t j = 0; j < hidden; ++j) {
      reset[j] = gate(R, j);
      resetHidden[j] = reset[j] * h[j];
    }
    for (int64_t j = 0; j < hidden; ++j) {
      double recurrent = op.getLinearBeforeReset() ? reset[j] * layer.fromHidden(d, H, j, h)
                                                   : layer.fromHidden(d, H, j, resetHidden);
      double candidate = g(layer.clip(layer.fromInput(d, H, j, x) + recurrent));
      double update = gate(Z, j);
      next[j] = (1 - update) * candidate + update * h[j];
    }
    h = next;
  };
  layer.scan(step, results);
  return success();
}

LogicalResult nestor::reference::evaluateRnn(RnnOp op, const Operands &operands, Results &results) {
  Layer<RnnOp> layer(op, operands, /*gates=*/1, /*activationsPerDirection=*/1);
  if (failed(layer.prepare()))
    return failure();
  auto step = [&](int64_t d, const double *x, Row &h, int64_t) {
    Row before = h;
    for (int64_t j = 0; j < layer.hidden; ++j)
      h[j] = layer.activation(d, 0)(
          layer.clip(layer.fromInput(d, 0, j, x) + layer.fromHidden(d, 0, j, before)));
  };
  layer.scan(step, results);
  return success();
}

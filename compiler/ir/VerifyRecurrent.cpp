//===- VerifyRecurrent.cpp - Verifiers of recurrent layers ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Verify.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor::nest;

namespace {

/// The sizes of a recurrent layer.
struct Sizes {
  int64_t steps, batch, inputs, hidden, directions;
};

} // namespace

/// Checks an operand that may be absent.
static LogicalResult verifyOptional(Operation *op, StringRef name, Value value,
                                    ArrayRef<int64_t> want) {
  return value ? verifyShape(op, name, value, want) : success();
}

/// Panels of 16 hidden units in packed operands.
static int64_t panelsOf(int64_t hidden) { return llvm::divideCeil(hidden, 16); }

/// Checks weights, recurrence and bias; `biasRows` are those of a packed one.
template <typename Op>
static LogicalResult verifyWeights(Op op, const Sizes &s, int64_t gates, int64_t biasRows) {
  SmallVector<int64_t> weights, recurrence, bias;
  if (op.getPacked()) {
    int64_t panels = panelsOf(s.hidden);
    weights = {s.directions, panels, s.inputs, gates, 16};
    recurrence = {s.directions, panels, s.hidden, gates, 16};
    bias = {s.directions, panels, biasRows, 16};
  } else {
    int64_t rows = gates * s.hidden;
    weights = {s.directions, rows, s.inputs};
    recurrence = {s.directions, rows, s.hidden};
    bias = {s.directions, 2 * rows};
  }
  if (failed(verifyShape(op, "weights", op.getWeights(), weights)) ||
      failed(verifyShape(op, "recurrence", op.getRecurrence(), recurrence)))
    return failure();
  return verifyOptional(op, "bias", op.getBias(), bias);
}

/// Checks what LSTM, GRU and RNN have in common: `gates` per cell,
/// `activations` per direction and `biasRows` in a packed bias.
template <typename Op>
static FailureOr<Sizes> verifyLayer(Op op, int64_t gates, int64_t activations, int64_t biasRows) {
  ArrayRef<int64_t> x = shapeOf(op.getInput()), y = shapeOf(op.getHidden());
  if (x.size() != 3 || y.size() != 4)
    return op.emitOpError("input must have rank 3 and the hidden states rank 4");
  Sizes s{x[0], x[1], x[2], y[3], op.getDirection() == Direction::bidirectional ? 2 : 1};
  SmallVector<int64_t> state{s.directions, s.batch, s.hidden};
  if (failed(verifyWeights(op, s, gates, biasRows)) ||
      failed(verifyOptional(op, "lengths", op.getLengths(), s.batch)) ||
      failed(verifyOptional(op, "initialHidden", op.getInitialHidden(), state)) ||
      failed(verifyShape(op, "hidden", op.getHidden(),
                         {s.steps, s.directions, s.batch, s.hidden})) ||
      failed(verifyShape(op, "lastHidden", op.getLastHidden(), state)))
    return failure();
  size_t want = activations * s.directions;
  if (op.getActivations().size() != want || op.getActivationAlpha().size() != want ||
      op.getActivationBeta().size() != want)
    return op.emitOpError("needs ") << want << " activations with as many alphas and betas";
  return s;
}

LogicalResult PackRecurrentOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getWeights());
  int64_t gates = getGates();
  if (in.size() != 3 || gates < 1 || in[1] % gates)
    return emitOpError("weights must be [D, G*H, I] with G = ") << gates << " gates";
  if (failed(verifySameElements(*this, getWeights(), getResult())))
    return failure();
  return verifyShape(*this, "result", getResult(),
                     {in[0], panelsOf(in[1] / gates), in[2], gates, 16});
}

LogicalResult LstmOp::verify() {
  FailureOr<Sizes> s = verifyLayer(*this, /*gates=*/4, /*activations=*/3, /*biasRows=*/4);
  if (failed(s))
    return failure();
  SmallVector<int64_t> state{s->directions, s->batch, s->hidden};
  SmallVector<int64_t> peephole{s->directions, 3 * s->hidden};
  if (getPacked())
    peephole = {s->directions, panelsOf(s->hidden), 3, 16};
  if (failed(verifyOptional(*this, "initialCell", getInitialCell(), state)) ||
      failed(verifyOptional(*this, "peephole", getPeephole(), peephole)))
    return failure();
  return verifyShape(*this, "lastCell", getLastCell(), state);
}

LogicalResult GruOp::verify() {
  return verifyLayer(*this, /*gates=*/3, /*activations=*/2, /*biasRows=*/4);
}

LogicalResult RnnOp::verify() {
  return verifyLayer(*this, /*gates=*/1, /*activations=*/1, /*biasRows=*/1);
}

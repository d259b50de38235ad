//===- VerifyRecurrent.cpp - Verifiers of recurrent layers ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Verify.h"

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

/// Checks what LSTM, GRU and RNN have in common: `gates` per cell and
/// `activations` per direction.
template <typename Op>
static FailureOr<Sizes> verifyLayer(Op op, int64_t gates, int64_t activations) {
  ArrayRef<int64_t> x = shapeOf(op.getInput()), r = shapeOf(op.getRecurrence());
  if (x.size() != 3 || r.size() != 3)
    return op.emitOpError("input and recurrence must have rank 3");
  Sizes s{x[0], x[1], x[2], r[2], op.getDirection() == Direction::bidirectional ? 2 : 1};
  int64_t rows = gates * s.hidden;
  SmallVector<int64_t> state{s.directions, s.batch, s.hidden};
  if (failed(verifyShape(op, "weights", op.getWeights(), {s.directions, rows, s.inputs})) ||
      failed(verifyShape(op, "recurrence", op.getRecurrence(), {s.directions, rows, s.hidden})) ||
      failed(verifyOptional(op, "bias", op.getBias(), {s.directions, 2 * rows})) ||
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

LogicalResult LstmOp::verify() {
  FailureOr<Sizes> s = verifyLayer(*this, /*gates=*/4, /*activations=*/3);
  if (failed(s))
    return failure();
  SmallVector<int64_t> state{s->directions, s->batch, s->hidden};
  if (failed(verifyOptional(*this, "initialCell", getInitialCell(), state)) ||
      failed(verifyOptional(*this, "peephole", getPeephole(), {s->directions, 3 * s->hidden})))
    return failure();
  return verifyShape(*this, "lastCell", getLastCell(), state);
}

LogicalResult GruOp::verify() { return verifyLayer(*this, /*gates=*/3, /*activations=*/2); }

LogicalResult RnnOp::verify() { return verifyLayer(*this, /*gates=*/1, /*activations=*/1); }

//===- Lstm.cpp - The LSTM cell -------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Recurrent.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

namespace {

/// Gates in ONNX's order, rows of the packed peephole in its own.
enum Gate : int64_t { kInput, kOutput, kForget, kCell, kGates };
enum Peephole : int64_t { kPeepInput, kPeepOutput, kPeepForget, kPeepholes };

class LstmScan final : public RecurrentScan {
public:
  LstmScan(KernelBuilder &b, const RecurrentLayer &layer, Pointers pointers, bool inputForget)
      : RecurrentScan(b, layer, pointers), inputForget(inputForget) {}

private:
  void emitCell(Value direction, Value projection, State state,
                ArrayRef<Activation> activations) override {
    forEachParts([&](Value panel, ArrayRef<PanelPart> parts) {
      SmallVector<Value> acc;
      for (PanelPart part : parts)
        for (int64_t gate = 0; gate < kGates; ++gate)
          acc.push_back(loadPart(at.projection, projection, panel, part, kGates, gate));
      accumulate(direction, panel, parts, {kInput, kOutput, kForget, kCell}, state.last, acc);
      for (auto [index, part] : llvm::enumerate(parts))
        update(direction, panel, part, ArrayRef<Value>(acc).slice(index * kGates, kGates), state,
               activations);
    });
  }

  void update(Value direction, Value panel, PanelPart part, ArrayRef<Value> gates, State state,
              ArrayRef<Activation> activations) {
    const Activation &f = activations[0], &g = activations[1], &h = activations[2];
    Value cell = loadState(state.extra, panel, part);
    auto peep = [&](Value gate, int64_t row, Value c) {
      if (!at.peephole)
        return gate;
      Value offset = b.mul(direction, layer.panels * kPeepholes * kRecurrentPanel);
      return b.fma(loadPart(at.peephole, offset, panel, part, kPeepholes, row), c, gate);
    };
    Value in = emitActivation(b, f, clipped(peep(gates[kInput], kPeepInput, cell)));
    Value forget;
    if (inputForget)
      forget = arith::SubFOp::create(b, b.constant(in.getType(), 1), in);
    else
      forget = emitActivation(b, f, clipped(peep(gates[kForget], kPeepForget, cell)));
    Value candidate = emitActivation(b, g, clipped(gates[kCell]));
    Value next = b.fma(forget, cell, arith::MulFOp::create(b, in, candidate));
    Value out = emitActivation(b, f, clipped(peep(gates[kOutput], kPeepOutput, next)));
    storeState(next, state.extra, panel, part);
    storeState(arith::MulFOp::create(b, out, emitActivation(b, h, next)), state.next, panel, part);
  }

  bool inputForget;
};

} // namespace

FailureOr<Calls> nestor::kernels::describeLstm(nest::LstmOp op) {
  FailureOr<RecurrentLayer> layer = recurrentLayerOf(op, kGates);
  if (failed(layer))
    return failure();
  RecurrentOperands operands{op.getInput(),       op.getWeights(), op.getRecurrence(),
                             op.getBias(),        op.getLengths(), op.getInitialHidden(),
                             op.getInitialCell(), op.getPeephole()};
  bool inputForget = op.getInputForget();
  return describeRecurrent(
      *layer, operands, kGates, "lstm",
      [=](KernelBuilder &b, const RecurrentLayer &l, RecurrentScan::Pointers pointers) {
        return std::make_unique<LstmScan>(b, l, pointers, inputForget);
      });
}

//===- Gru.cpp - The GRU cell ---------------------------------------------===//
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

enum Gate : int64_t { kUpdate, kReset, kHidden, kGates };
/// The packed bias has the projection's rows, then the recurrent bias of the
/// hidden gate, which linearBeforeReset multiplies.
constexpr int64_t kRecurrentBias = kGates, kBiasRows = kGates + 1;

class GruScan final : public RecurrentScan {
public:
  GruScan(KernelBuilder &b, const RecurrentLayer &layer, Pointers pointers, bool linearBeforeReset)
      : RecurrentScan(b, layer, pointers), linearBeforeReset(linearBeforeReset) {}

private:
  void emitCell(Value direction, Value projection, State state,
                ArrayRef<Activation> activations) override {
    if (linearBeforeReset)
      return emitOnePass(direction, projection, state, activations);
    emitTwoPasses(direction, projection, state, activations);
  }

  /// h~ = g(x W + r * (h R + b)): all three products at once.
  void emitOnePass(Value direction, Value projection, State state,
                   ArrayRef<Activation> activations) {
    forEachParts([&](Value panel, ArrayRef<PanelPart> parts) {
      SmallVector<Value> acc;
      for (PanelPart part : parts) {
        acc.push_back(loadPart(at.projection, projection, panel, part, kGates, kUpdate));
        acc.push_back(loadPart(at.projection, projection, panel, part, kGates, kReset));
        acc.push_back(recurrentBias(direction, panel, part));
      }
      accumulate(direction, panel, parts, {kUpdate, kReset, kHidden}, state.last, acc);
      for (auto [index, part] : llvm::enumerate(parts)) {
        Value update = emitActivation(b, activations[0], clipped(acc[index * kGates + kUpdate]));
        Value reset = emitActivation(b, activations[0], clipped(acc[index * kGates + kReset]));
        Value linear = loadPart(at.projection, projection, panel, part, kGates, kHidden);
        Value hidden = b.fma(reset, acc[index * kGates + kHidden], linear);
        finish(update, emitActivation(b, activations[1], clipped(hidden)), panel, part, state);
      }
    });
  }

  /// h~ = g(x W + (r * h) R + b): r * h of all units must be there before the
  /// product. The update gate waits in `next` meanwhile.
  void emitTwoPasses(Value direction, Value projection, State state,
                     ArrayRef<Activation> activations) {
    forEachParts([&](Value panel, ArrayRef<PanelPart> parts) {
      SmallVector<Value> acc;
      for (PanelPart part : parts)
        for (int64_t gate : {kUpdate, kReset})
          acc.push_back(loadPart(at.projection, projection, panel, part, kGates, gate));
      accumulate(direction, panel, parts, {kUpdate, kReset}, state.last, acc);
      for (auto [index, part] : llvm::enumerate(parts)) {
        Value update = emitActivation(b, activations[0], clipped(acc[index * 2]));
        Value reset = emitActivation(b, activations[0], clipped(acc[index * 2 + 1]));
        Value last = loadState(state.last, panel, part);
        storeState(update, state.next, panel, part);
        storeState(arith::MulFOp::create(b, reset, last), state.extra, panel, part);
      }
    });
    forEachParts([&](Value panel, ArrayRef<PanelPart> parts) {
      SmallVector<Value> acc;
      for (PanelPart part : parts) {
        Value linear = loadPart(at.projection, projection, panel, part, kGates, kHidden);
        acc.push_back(arith::AddFOp::create(b, linear, recurrentBias(direction, panel, part)));
      }
      accumulate(direction, panel, parts, {kHidden}, state.extra, acc);
      for (auto [index, part] : llvm::enumerate(parts)) {
        Value hidden = emitActivation(b, activations[1], clipped(acc[index]));
        finish(loadState(state.next, panel, part), hidden, panel, part, state);
      }
    });
  }

  /// next = (1 - z) * h~ + z * last.
  void finish(Value update, Value hidden, Value panel, PanelPart part, State state) {
    Value rest = arith::SubFOp::create(b, b.constant(update.getType(), 1), update);
    Value last = loadState(state.last, panel, part);
    storeState(b.fma(update, last, arith::MulFOp::create(b, rest, hidden)), state.next, panel,
               part);
  }

  Value recurrentBias(Value direction, Value panel, PanelPart part) {
    if (!at.bias)
      return b.constant(withLanes(layer.element, lanes), 0);
    Value offset = b.mul(direction, layer.panels * kBiasRows * kRecurrentPanel);
    return loadPart(at.bias, offset, panel, part, kBiasRows, kRecurrentBias);
  }

  bool linearBeforeReset;
};

} // namespace

FailureOr<Calls> nestor::kernels::describeGru(nest::GruOp op) {
  FailureOr<RecurrentLayer> layer = recurrentLayerOf(op, kGates);
  if (failed(layer))
    return failure();
  RecurrentOperands operands{op.getInput(), op.getWeights(), op.getRecurrence(),
                             op.getBias(),  op.getLengths(), op.getInitialHidden(),
                             nullptr,       nullptr};
  bool linearBeforeReset = op.getLinearBeforeReset();
  return describeRecurrent(
      *layer, operands, kBiasRows, "gru",
      [=](KernelBuilder &b, const RecurrentLayer &l, RecurrentScan::Pointers pointers) {
        return std::make_unique<GruScan>(b, l, pointers, linearBeforeReset);
      });
}

//===- Rnn.cpp - The plain recurrent cell ---------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Recurrent.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

namespace {

class RnnScan final : public RecurrentScan {
public:
  using RecurrentScan::RecurrentScan;

private:
  void emitCell(Value direction, Value projection, State state,
                ArrayRef<Activation> activations) override {
    forEachParts([&](Value panel, ArrayRef<PanelPart> parts) {
      SmallVector<Value> acc;
      for (PanelPart part : parts)
        acc.push_back(loadPart(at.projection, projection, panel, part, 1, 0));
      accumulate(direction, panel, parts, {0}, state.last, acc);
      for (auto [index, part] : llvm::enumerate(parts))
        storeState(emitActivation(b, activations[0], clipped(acc[index])), state.next, panel, part);
    });
  }
};

} // namespace

FailureOr<Calls> nestor::kernels::describeRnn(nest::RnnOp op) {
  FailureOr<RecurrentLayer> layer = recurrentLayerOf(op, /*gates=*/1);
  if (failed(layer))
    return failure();
  RecurrentOperands operands{op.getInput(), op.getWeights(), op.getRecurrence(),
                             op.getBias(),  op.getLengths(), op.getInitialHidden(),
                             nullptr,       nullptr};
  return describeRecurrent(
      *layer, operands, /*biasRows=*/1, "rnn",
      [](KernelBuilder &b, const RecurrentLayer &l, RecurrentScan::Pointers pointers) {
        return std::make_unique<RnnScan>(b, l, pointers);
      });
}

//===- SharedWeights.cpp - Operands that capacities share -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/SharedWeights.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {
namespace {

OpOperand *given(MutableOperandRange range) { return range.empty() ? nullptr : &range[0]; }

bool isSharable(Value value) {
  return isConstant(value) && tensorType(value).getElementType().isF32();
}

template <typename OpTy> RecurrentOperands commonOf(OpTy op, int64_t gates) {
  RecurrentOperands operands{op,
                             gates,
                             &op.getInputMutable(),
                             &op.getWeightsMutable(),
                             &op.getRecurrenceMutable(),
                             given(op.getBiasMutable()),
                             given(op.getLengthsMutable()),
                             nullptr,
                             {}};
  if (OpOperand *initial = given(op.getInitialHiddenMutable()))
    operands.initialStates.push_back(initial);
  return operands;
}

} // namespace

std::optional<RecurrentOperands> RecurrentOperands::of(Operation *op) {
  using Found = std::optional<RecurrentOperands>;
  return llvm::TypeSwitch<Operation *, Found>(op)
      .Case([](LstmOp lstm) -> Found {
        RecurrentOperands operands = commonOf(lstm, 4);
        operands.peephole = given(lstm.getPeepholeMutable());
        if (OpOperand *initial = given(lstm.getInitialCellMutable()))
          operands.initialStates.push_back(initial);
        return operands;
      })
      .Case([](GruOp gru) -> Found { return commonOf(gru, 3); })
      .Case([](RnnOp rnn) -> Found { return commonOf(rnn, 1); })
      .Default([](Operation *) -> Found { return std::nullopt; });
}

bool RecurrentOperands::hasSharedWeights() const {
  return !op->hasAttr("packed") && isSharable(weights->get()) && isSharable(recurrence->get());
}

bool hasSharedFilter(ConvOp conv) { return isSharable(conv.getFilter()) && !conv.getPacked(); }

SmallVector<OpOperand *, 2> sharedOperands(Operation *op) {
  if (auto conv = dyn_cast<ConvOp>(op); conv && hasSharedFilter(conv))
    return {&conv.getFilterMutable()};
  if (auto layer = RecurrentOperands::of(op); layer && layer->hasSharedWeights())
    return {layer->weights, layer->recurrence};
  return {};
}

} // namespace nestor

//===- SharedWeights.h - Operands that capacities share ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_SHAREDWEIGHTS_H
#define NESTOR_PASSES_SHAREDWEIGHTS_H

#include "passes/Utils.h"

#include <optional>

namespace nestor {

/// The operands of an LSTM, GRU or RNN, one view of all three.
struct RecurrentOperands {
  mlir::Operation *op;
  int64_t gates;
  mlir::OpOperand *input, *weights, *recurrence;
  /// Null where the layer has none.
  mlir::OpOperand *bias, *lengths, *peephole;
  /// Hidden and cell, as far as they are given.
  llvm::SmallVector<mlir::OpOperand *, 2> initialStates;

  /// None if `op` is no recurrent layer.
  static std::optional<RecurrentOperands> of(mlir::Operation *op);

  /// Whether capacities can share the weights: f32, constant and not packed.
  bool hasSharedWeights() const;
  /// All hidden states, [steps, directions, batch, hidden].
  mlir::Value hidden() const { return op->getResult(0); }
  /// The last hidden (and cell) state, [directions, batch, hidden].
  mlir::ResultRange lastStates() const { return op->getResults().drop_front(); }
};

/// Whether capacities can share the filter of `conv`: f32 and constant.
bool hasSharedFilter(nest::ConvOp conv);

/// The operands of `op` that capacities share: the filter of a convolution, the
/// weights and the recurrence of a recurrent layer.
llvm::SmallVector<mlir::OpOperand *, 2> sharedOperands(mlir::Operation *op);

} // namespace nestor

#endif // NESTOR_PASSES_SHAREDWEIGHTS_H

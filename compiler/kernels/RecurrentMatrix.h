//===- RecurrentMatrix.h - Reading the weights of a layer -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_RECURRENTMATRIX_H
#define NESTOR_KERNELS_RECURRENTMATRIX_H

#include "compiler/kernels/FilterBlocks.h"
#include "compiler/kernels/KernelBuilder.h"

namespace nestor::kernels {

/// Finds rows of the weights or the recurrence of a layer in their blocks
/// (FilterBlocks.h). A row is what a panel has for one input: 16 values for
/// each gate. The inputs of a part are a sequence of loops over runs, which lie
/// side by side in every panel at hand: one up to the first panel's shell, and one
/// for each later shell.
class RecurrentMatrix {
public:
  /// `blocks` points to the blocks up to the capacity's shell.
  RecurrentMatrix(KernelBuilder &builder, mlir::Type element, const FilterBlocks &layout,
                  llvm::ArrayRef<mlir::Value> blocks);

  /// Runs `body` for each input in order, with the rows of `panels` of one
  /// direction, carrying `sums`.
  using Body = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::Value input, llvm::ArrayRef<mlir::Value> rows, mlir::ValueRange carried)>;
  llvm::SmallVector<mlir::Value> forEachInput(mlir::Value direction,
                                              llvm::ArrayRef<mlir::Value> panels,
                                              mlir::ValueRange sums, Body body);

private:
  struct Panel {
    mlir::Value number, direction;
    mlir::Value own; ///< Its rows in the block of its own shell.
  };
  mlir::Value ownRows(mlir::Value direction, mlir::Value panel);
  mlir::Value ownStart(const Panel &panel, unsigned part);
  mlir::Value laterStart(const Panel &panel, unsigned part, unsigned shell);
  mlir::Value row(unsigned shell, mlir::Value direction, mlir::Value index);
  mlir::Value ofShell(mlir::Value panel, llvm::function_ref<mlir::Value(unsigned shell)> valueOf);
  mlir::Value move(mlir::Value pointer, mlir::Value rows);

  KernelBuilder &b;
  mlir::Type element;
  FilterBlocks layout;
  llvm::SmallVector<mlir::Value> blocks;
  /// By shell: inputs that it adds, inputs up to it, panels of smaller shells.
  llvm::SmallVector<int64_t> added, kept, smaller;
};

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_RECURRENTMATRIX_H

//===- NestedFilter.h - Reading a filter that lies in shells ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_NESTEDFILTER_H
#define NESTOR_KERNELS_NESTEDFILTER_H

#include "compiler/kernels/KernelBuilder.h"

namespace nestor::kernels {

/// The structure of a filter in shells, which all capacities have in common.
struct Nesting {
  unsigned shells = 0; ///< 0: the filter lies in one piece.
  unsigned parts = 1;  ///< Of the input channels.
  /// Only the outputs shrink: the input channels are one run for every panel.
  bool wholeInputs = false;
  /// The outputs are a slice of the result's channels: the result's number of
  /// channels is a parameter of its own.
  bool slice = false;

  // Places of a kernel's arguments and parameters. Arguments: input, blocks by
  // shell, epilogue. Parameters: outputs, result channels of a slice, panels by
  // shell, input channels by part and shell (all in the first one where they
  // do not shrink). Shells beyond the capacity are 0.
  unsigned firstBlock() const { return 1; }
  unsigned panels(unsigned shell) const { return (slice ? 2 : 1) + shell; }
  unsigned inputShells() const { return wholeInputs ? 1 : shells; }
  unsigned inputs(unsigned part, unsigned shell) const { return panels(shells) + part * inputShells() + shell; }
  unsigned paramCount() const { return inputs(parts, 0); }
};

/// Input channels that lie side by side both in a pixel and in the filter.
struct ChannelRun {
  mlir::Value count, first;                 ///< Of the pixel's channels.
  llvm::SmallVector<mlir::Value> panels;    ///< The first weight of each panel of the tile.
  llvm::SmallVector<mlir::Value> tapStride; ///< Elements from one tap to the next, in each panel.
};

/// Finds the weights of a tile of panels in the blocks of a filter (see
/// FilterBlocks.h). Panels of one tile may lie in different shells.
class NestedFilter {
public:
  /// `element`: of the blocks.
  NestedFilter(KernelBuilder &builder, mlir::func::FuncOp func, const Nesting &nesting, mlir::Type element,
               int64_t taps, int64_t maxPanels);

  mlir::Value inputs() const { return inputsUpTo.back(); }
  mlir::Value panels() const { return panelsUpTo.back(); }

  /// Goes to panels [first, first + count).
  void enterPanels(mlir::Value first, int64_t count);

  /// Runs `body` for each run of channels of the panels at hand, carrying `sums`.
  using Body = llvm::function_ref<llvm::SmallVector<mlir::Value>(const ChannelRun &, mlir::ValueRange)>;
  llvm::SmallVector<mlir::Value> forEachRun(mlir::ValueRange sums, Body body);

private:
  /// A panel of the tile at hand.
  struct Panel {
    mlir::Value number, shell;
    mlir::Value start, tapStride; ///< In the block of its own shell.
  };
  void readShells();
  Panel enterPanel(mlir::Value number);
  void findRuns();
  llvm::SmallVector<mlir::Value> addRun(mlir::Value part, mlir::Value shell, mlir::Value count,
                                        mlir::ValueRange state);
  mlir::Value inputsOf(mlir::Value part, mlir::Value shell);
  mlir::Value blockOf(mlir::Value shell);
  mlir::Value fieldOf(mlir::Value run, unsigned field);

  KernelBuilder &b;
  mlir::func::FuncOp func;
  Nesting nesting;
  mlir::Type element;
  int64_t taps, fields;
  llvm::SmallVector<mlir::Value> inputsUpTo, panelsUpTo; ///< By shell.
  // On the stack, by shell: channels that it adds, those up to it, panels of
  // smaller shells; by part and shell: channels that it adds to earlier parts.
  mlir::Value addedTable, keptTable, smallerTable, beforeTable;
  mlir::Value runTable; ///< Of the panels at hand: count, first, (panel, tap stride)...
  mlir::Value runCount;
  llvm::SmallVector<Panel> tile;
};

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_NESTEDFILTER_H

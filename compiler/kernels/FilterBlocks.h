//===- FilterBlocks.h - How capacities share a packed filter ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A filter that shrinks is stored in shells: shell s is what capacity s reads
// and smaller ones do not. Outputs lie in panels of 16 everywhere; the shell of
// a panel is that of its first output. A block is what one shell holds for one
// part of the outputs (the parts of a nest.global's dimension):
//
//   [panels of smaller shells][taps][input channels that the shell adds][16]
//   [panels of this shell]    [taps][all input channels up to the shell][16]
//
// Input channels lie in the order of the filter: by part, then ascending. So a
// capacity reads its own blocks and those before them, where they lie, and the
// input channels of a panel are one run for all shells up to its own, and one
// run more for each later shell and part.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_FILTERBLOCKS_H
#define NESTOR_KERNELS_FILTERBLOCKS_H

#include "compiler/ir/Nested.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <optional>

namespace nestor::kernels {

class FilterBlocks {
public:
  /// How convolutions of one group read `global`; none if it does not shrink
  /// or in a way that kernels cannot follow (then every capacity has a copy).
  static std::optional<FilterBlocks> nested(nest::GlobalOp global);

  /// One block for all capacities: the packed filter (`nest.pack`) of a global
  /// of which they read whole panels from the first one on, `groupOutputs`
  /// outputs to a group (a depthwise filter: one group). None otherwise.
  static std::optional<FilterBlocks> whole(nest::GlobalOp global, int64_t groupOutputs);

  /// The same filter for capacities up to `shell` alone: its first shells, and
  /// the channels that those have.
  FilterBlocks upTo(unsigned shell) const;

  unsigned shells() const { return inputs.front().size(); }
  unsigned inputParts() const { return inputs.size(); }
  unsigned outputParts() const { return outputs.size(); }
  /// Whether only the outputs shrink; then there is one input part.
  bool wholeInputs() const;
  /// Blocks are numbered by output part, then by shell.
  unsigned count() const { return outputParts() * shells(); }
  unsigned block(unsigned outputPart, unsigned shell) const { return outputPart * shells() + shell; }

  int64_t taps() const { return tapCount; }
  /// What capacity `shell` keeps of a part.
  int64_t keptInputs(unsigned part, unsigned shell) const { return inputs[part][shell]; }
  int64_t keptOutputs(unsigned part, unsigned shell) const { return outputs[part][shell]; }
  /// What the shell adds to the one before.
  int64_t addedInputs(unsigned part, unsigned shell) const;
  int64_t addedPanels(unsigned part, unsigned shell) const;

  uint64_t bytes(unsigned block) const;

  /// Fills a block from a filter [K1.., Kn, I, O].
  void pack(unsigned block, llvm::ArrayRef<float> filter, llvm::MutableArrayRef<float> out) const;
  /// Puts what a block holds where it lies in a filter.
  void unpack(unsigned block, llvm::ArrayRef<float> in, llvm::MutableArrayRef<float> filter) const;

private:
  using Edges = llvm::SmallVector<llvm::SmallVector<int64_t>, 1>; ///< [part][shell]

  /// Calls `body` with the place in the block, the place in the filter and the
  /// length of each run of outputs that lie side by side in both.
  void forEachRun(unsigned block, llvm::function_ref<void(int64_t, int64_t, int64_t)> body) const;
  int64_t panelsUpTo(unsigned part, unsigned shell) const;

  int64_t tapCount = 1;
  Edges inputs, outputs;
};

/// A filter operand as kernels read it: `nest.pack` of a `nest.weight`.
struct SharedFilter {
  nest::GlobalOp global;
  unsigned capacity;
  FilterBlocks blocks;

  /// None where `packed` is anything else, or every capacity has a copy.
  static std::optional<SharedFilter> get(mlir::Value packed);
};

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_FILTERBLOCKS_H

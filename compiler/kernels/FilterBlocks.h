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
// What Winograd convolutions read of a filter (compiler/ir/Winograd.h) lies the
// same way, with the positions of transformed taps for taps. With Strassen's
// algorithm (compiler/ir/Strassen.h) inputs and outputs are counted in packed ones,
// too: what a span of channels becomes belongs to the shell of its first.
//
// The weights of a recurrent layer lie the same way: hidden units are the
// outputs, there is one tap, and for each input there are the 16 units of the
// panel once for every gate. A block has that for one direction after the other.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_FILTERBLOCKS_H
#define NESTOR_KERNELS_FILTERBLOCKS_H

#include "compiler/ir/FilterForm.h"
#include "compiler/ir/Nested.h"
#include "compiler/ir/Strassen.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <optional>
#include <string>

namespace nestor::kernels {

class FilterBlocks {
public:
  FilterBlocks() = default; ///< Nothing.

  /// How convolutions of one group read `global`; none if it does not shrink
  /// or in a way that kernels cannot follow (then every capacity has a copy).
  /// `transform`: see `nest::filterForm`.
  static std::optional<FilterBlocks> nested(nest::GlobalOp global, nest::FilterForm transform = {});

  /// One block for all capacities: the packed filter (`nest.pack`) of a global
  /// of which they read whole panels from the first one on, `groupOutputs`
  /// outputs to a group (a depthwise filter: one group). None otherwise.
  static std::optional<FilterBlocks> whole(nest::GlobalOp global, int64_t groupOutputs,
                                           nest::FilterForm transform = {});

  /// How layers of `gates` gates read their weights or recurrence `global`,
  /// [D, G*H, I]; one shell if it does not shrink. None if the hidden units
  /// shrink in several parts.
  static std::optional<FilterBlocks> recurrent(nest::GlobalOp global, int64_t gates);
  /// The same for a matrix of one layer alone: one block.
  static FilterBlocks recurrent(int64_t directions, int64_t gates, int64_t hidden, int64_t inputs);

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
  nest::FilterForm transform() const { return form; }
  int64_t directions() const { return directionCount; }
  /// 0: a filter.
  int64_t gates() const { return gateCount; }
  /// What a panel has for one input and tap.
  int64_t rowFloats() const;
  /// What capacity `shell` keeps of a part.
  int64_t keptInputs(unsigned part, unsigned shell) const { return inputs[part][shell]; }
  int64_t keptOutputs(unsigned part, unsigned shell) const { return outputs[part][shell]; }
  /// What the shell adds to the one before; inputs and panels are packed ones.
  int64_t addedInputs(unsigned part, unsigned shell) const;
  int64_t addedPanels(unsigned part, unsigned shell) const;
  /// Panels of the shells up to this one.
  int64_t panelsUpTo(unsigned part, unsigned shell) const;

  uint64_t elements(unsigned block) const;
  uint64_t bytes(unsigned block) const;
  /// The same text for equal structures.
  std::string identity() const;

  /// Fills a block from a filter [K1.., Kn, I, O] or a matrix [D, G*H, I], whose
  /// bytes are those of its global.
  void pack(unsigned block, llvm::ArrayRef<char> filter, llvm::MutableArrayRef<char> out) const;
  /// Puts what a block holds where it lies in a filter. What was transformed
  /// comes back with the rounding of `nest::Winograd::restoreFilters` or
  /// `nest::StrassenFilter::restore`.
  void unpack(unsigned block, llvm::ArrayRef<char> in, llvm::MutableArrayRef<char> filter) const;

private:
  using Edges = llvm::SmallVector<llvm::SmallVector<int64_t>, 1>; ///< [part][shell]

  /// Of one filter, without its edges.
  FilterBlocks(nest::GlobalOp global, nest::FilterForm transform);

  /// Outputs of one input, for all taps: side by side in the block,
  /// `outputStride` apart in the filter.
  struct Run {
    int64_t place, from, length; ///< In the block and in the filter, of the first tap.
    int64_t input, output;       ///< Numbers of the input and the first output.
    int64_t tapFloats;           ///< From one tap to the next in the block.
  };
  void forEachRun(unsigned block, llvm::function_ref<void(const Run &)> body) const;
  void transformBlock(unsigned block, llvm::ArrayRef<float> filter, llvm::MutableArrayRef<float> out) const;
  void restoreBlock(unsigned block, llvm::ArrayRef<float> in, llvm::MutableArrayRef<float> filter) const;
  /// Of so many first channels of a part: as blocks count them.
  int64_t packedChannels(int64_t channels) const;
  int64_t packedPanels(int64_t outputs) const;
  int64_t allInputs() const;
  int64_t allOutputs() const;
  int64_t outputStride() const { return gateCount ? allInputs() : 1; }
  /// From one tap to the next in the filter.
  int64_t planeFloats() const { return allInputs() * allOutputs(); }

  mlir::Type element, packedElement; ///< None: f32.
  int64_t tapCount = 1, directionCount = 1, gateCount = 0;
  nest::FilterForm form;
  Edges inputs, outputs;
};

/// An operand as kernels read it: `nest.pack` or `nest.pack_recurrent` of a
/// `nest.weight`.
struct SharedFilter {
  nest::GlobalOp global;
  unsigned capacity;
  FilterBlocks blocks;

  /// None where `packed` is anything else, or every capacity has a copy.
  static std::optional<SharedFilter> get(mlir::Value packed);
};

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_FILTERBLOCKS_H

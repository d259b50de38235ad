//===- stream_plan.h - Running within a memory budget --------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// With a memory budget a plan is a series of pieces: calls in a row, the ranges
// of the file that they read, and where in the session's memory those go. A
// piece is a block, or where that is too large some of its steps, or a part of
// a step. Pieces that save most waiting stay where they are; the others take
// turns in a ring, as far ahead of the run as it has room.
//
//   memory:  | inputs, outputs | arena of the capacity | pinned | ring |
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_STREAM_PLAN_H
#define NESTOR_SRC_STREAM_PLAN_H

#include "nestor/session.hpp"
#include "plan.h"

namespace nestor::detail {

constexpr uint32_t kNoPiece = UINT32_MAX;

/// Bytes of the file that a piece needs.
struct StreamRange {
  uint64_t offset; ///< In the artifact.
  uint64_t bytes;
  uint64_t place;  ///< From the start of the piece.
  uint32_t entry;  ///< Into Manifest::block_weights: where it lies.
  bool whole;      ///< It is all of the entry.
};

/// An argument that follows the memory of a piece.
struct WeightPatch {
  uint32_t arg;
  /// From the start of the piece, modulo 2^64: the kernel of a part gets the
  /// address that the first byte of the whole would have.
  uint64_t place;
};

struct Piece {
  uint32_t firstCall, endCall;
  uint32_t firstRange, endRange;
  uint32_t firstPatch, endPatch;
  uint64_t bytes; ///< Room that its ranges take.
  uint64_t place; ///< From the start of the session's memory.
  /// Its room is free once this piece has run in the same run; kNoPiece: always.
  uint32_t after;
  bool pinned;
  float computeNs;
};

struct StreamPlan {
  std::vector<Piece> pieces;
  std::vector<StreamRange> ranges;
  std::vector<WeightPatch> patches;
  std::vector<uint32_t> blockPieces; ///< By block of the session, and the end.
  uint64_t minimum = 0; ///< The smallest budget.
  bool fits = false;    ///< In the budget of the session; otherwise there are no pieces.
  StreamPrediction prediction;

  uint64_t heap_bytes() const;
};

/// What streams are planned for.
struct StreamSetup {
  const Model &model;
  BlockRange blocks;
  unsigned threads;
  uint32_t shareAboveNs; ///< As in PlanContext.
  uint64_t tensors; ///< Bytes in front of the arena.
};

/// All capacities of a session, as far as they fit.
struct StreamSet {
  std::vector<Plan> plans;
  std::vector<StreamPlan> streams;
  uint64_t bytes = 0;     ///< Of memory, whole pages.
  uint64_t heapBytes = 0; ///< Of everything else that the session holds.
};

/// Plans every capacity for a budget, and fails if the one that the session
/// starts with does not fit. `alignment` is as in PlanContext.
Result<StreamSet> plan_streams(const StreamSetup &setup, uint64_t budget, uint32_t capacity,
                               std::vector<uint32_t> &alignment);

/// The smallest budget of a session that starts with that capacity.
Result<uint64_t> minimum_budget(const StreamSetup &setup, uint32_t capacity);

/// "capacity 0.5 needs a memory budget of at least ...".
Status budget_too_small(const Model &model, uint32_t capacity, uint64_t minimum, uint64_t budget);

} // namespace nestor::detail

#endif // NESTOR_SRC_STREAM_PLAN_H

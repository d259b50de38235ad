//===- stream_division.h - Cutting a plan into pieces --------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_STREAM_DIVISION_H
#define NESTOR_SRC_STREAM_DIVISION_H

#include "stream_plan.h"

namespace nestor::detail {

/// A plan cut into pieces, which have no place yet.
struct Division {
  std::vector<Call> calls;
  StreamPlan stream;
  uint64_t largest = 0; ///< Bytes of the largest piece.
};

/// Cuts a plan into as few pieces as go with `target` bytes each: blocks, steps
/// in a row of one block, parts of a step. A larger piece is a step that cannot
/// be cut, or one tile of one that can.
Division divide(const Model &model, BlockRange blocks, const Plan &plan,
                const PlanWeights &weights, uint64_t target);

} // namespace nestor::detail

#endif // NESTOR_SRC_STREAM_DIVISION_H

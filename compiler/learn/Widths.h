//===- Widths.h - How much of each group a capacity keeps -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_WIDTHS_H
#define NESTOR_LEARN_WIDTHS_H

#include "compiler/learn/Ordering.h"

namespace nestor::learn {

/// Widths for every capacity of `options.capacities`: those that cost the least
/// error (by `importance.curve`) within (C - 0.02, C] of the full MACs and, with
/// Budget::Latency, the fewest microseconds inside that bound; widths that
/// kernels like (multiples of 16, of 8 below 64 channels) where they reach the
/// bound, others where not. `groups` are those after the channels were ordered.
/// A capacity that cannot be reached gets the nearest widths; the plan then
/// still has one entry for each requested capacity.
CapacityPlan planWidths(mlir::func::FuncOp main, const ChannelGroups &groups,
                        const Importance &importance, const NestOptions &options);

} // namespace nestor::learn

#endif // NESTOR_LEARN_WIDTHS_H

//===- Ordering.h - Channels by importance ----------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_ORDERING_H
#define NESTOR_LEARN_ORDERING_H

#include "compiler/learn/Options.h"
#include "passes/ChannelGroups.h"

namespace nestor::learn {

/// An order of every group's channels, and what dropping them costs.
struct Importance {
  ChannelOrder order; ///< Most important first.
  /// curve[g][c]: estimated error of the network's output when group g keeps
  /// its first c channels and all others keep everything, c = 0 .. channels;
  /// non-increasing, 0 at the end, comparable between groups.
  std::vector<std::vector<double>> curve;
};

/// Orders the channels of `main` (prepared, not nested). Reads options.order,
/// data, seed, threads, progress. Obs and Activation fall back to L1 without
/// data, Trr to Obs without labels, with a note in the log. Fails where the
/// network cannot be run on the data.
llvm::Expected<Importance> orderChannels(mlir::func::FuncOp main, const ChannelGroups &groups,
                                         const NestOptions &options);

} // namespace nestor::learn

#endif // NESTOR_LEARN_ORDERING_H

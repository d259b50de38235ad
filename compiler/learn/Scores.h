//===- Scores.h - Importance of channels, one number each -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_SCORES_H
#define NESTOR_LEARN_SCORES_H

#include "compiler/learn/Options.h"
#include "passes/ChannelGroups.h"

namespace nestor::learn {

/// A score for each channel of each group; the largest are the most important.
using ChannelScores = std::vector<std::vector<double>>;

/// The indices of the last dimension of `value` that each channel of a group
/// is.
std::vector<llvm::SmallVector<int64_t>> channelIndices(const ChannelGroups &groups, int32_t group,
                                                       mlir::Value value);

/// The sum of the magnitudes of a channel's filters (rows of a recurrent layer's
/// weights), over its producers, or,
/// where it has none, over its consumers.
ChannelScores scoreByMagnitude(const ChannelGroups &groups);

/// The mean magnitude of what consumers read of a channel.
llvm::Expected<ChannelScores> scoreByActivation(mlir::func::FuncOp main,
                                                const ChannelGroups &groups, const Dataset &data,
                                                unsigned threads);

/// NestDNN's triplet response residual (Fang et al., MobiCom 2018): over random
/// triplets of an anchor, a sample of its class and one of another, the squared
/// distance of the feature maps to the other class less that within the class.
/// `data` has labels, of at least two classes.
llvm::Expected<ChannelScores> scoreByTriplets(mlir::func::FuncOp main, const ChannelGroups &groups,
                                              const Dataset &data, const NestOptions &options);

} // namespace nestor::learn

#endif // NESTOR_LEARN_SCORES_H

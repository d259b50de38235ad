//===- Readers.h - Who reads a group of channels, and how -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_READERS_H
#define NESTOR_LEARN_READERS_H

#include "compiler/learn/Elimination.h"
#include "compiler/learn/Options.h"
#include "passes/ChannelGroups.h"

#include <Eigen/Core>

namespace nestor::learn {

/// One convolution group of a convolution that reads channels of a group, as a
/// linear map of its features. A feature stands for some rows of the filter,
/// [taps * channels][outputs]: for one, or, where there would be too many
/// features, for all that belong to one channel of the group.
struct Reader {
  nest::ConvOp conv;
  int64_t firstOutput, outputs;                 ///< Of the convolution group.
  int64_t stride;                               ///< Outputs of the convolution.
  std::vector<llvm::SmallVector<int64_t>> rows; ///< Of the filter, by feature.
  LinearReader linear;  ///< Weights: [feature][row of the feature * outputs].
  Eigen::VectorXd mean; ///< Of the features.
};

/// The readers of each group, with their statistics on `data`. A convolution
/// whose filter is not constant is left out.
llvm::Expected<std::vector<std::vector<Reader>>> collectReaders(mlir::func::FuncOp main,
                                                                const ChannelGroups &groups,
                                                                const Dataset &data,
                                                                const NestOptions &options);

/// Writes `weights`, as `Reader::linear` has them, into a filter.
void storeWeights(const Reader &reader, const Eigen::MatrixXd &weights,
                  llvm::MutableArrayRef<float> filter);

} // namespace nestor::learn

#endif // NESTOR_LEARN_READERS_H

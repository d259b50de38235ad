//===- Elimination.h - Second-order order of channels -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_ELIMINATION_H
#define NESTOR_LEARN_ELIMINATION_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <Eigen/Core>

#include <vector>

namespace nestor::learn {

/// A linear map that reads channels: y = weights^T x.
struct LinearReader {
  Eigen::MatrixXd covariance; ///< Of the features x.
  Eigen::MatrixXd weights;    ///< [features][outputs]
  /// The features of each channel that may be dropped. Features of no channel
  /// are always kept.
  std::vector<llvm::SmallVector<int64_t>> features;

  /// Variance of the outputs, summed.
  double variance() const { return (weights.transpose() * covariance * weights).trace(); }
};

struct Elimination {
  std::vector<int64_t> order; ///< Most important channel first.
  /// error[c]: sum over the readers of the share of their output's variance
  /// that is lost when the first c channels of `order` are left, and the weights
  /// of these are fitted anew.
  std::vector<double> error;
};

/// Drops one channel after the other, always the one whose loss the others make
/// up for best (optimal brain surgeon, on blocks of features). The readers, at
/// least one, have the same number of channels.
Elimination eliminate(llvm::ArrayRef<LinearReader> readers);

/// The weights that come closest to y when only the features in `kept` are
/// left; the rows of the others are zero. `ridge` is relative to the features'
/// mean variance.
Eigen::MatrixXd refit(const Eigen::MatrixXd &covariance, const Eigen::MatrixXd &weights,
                      llvm::ArrayRef<int64_t> kept, double ridge = 1e-3);

} // namespace nestor::learn

#endif // NESTOR_LEARN_ELIMINATION_H

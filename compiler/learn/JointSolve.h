//===- JointSolve.h - One filter for several capacities ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_JOINTSOLVE_H
#define NESTOR_LEARN_JOINTSOLVE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <Eigen/Core>

#include <vector>

namespace nestor::learn {

/// What one capacity wants of a linear map, as statistics of the features x
/// that it reads and the targets t of the outputs that it has.
struct CapacityFit {
  llvm::SmallVector<int64_t> features, outputs; ///< Rows and columns of the map.
  Eigen::VectorXd meanFeatures, meanTargets;
  Eigen::MatrixXd square; ///< Covariance of x.
  Eigen::MatrixXd cross;  ///< Covariance of x and t, [features][outputs].
  Eigen::VectorXd spread; ///< Variance of t.
  double weight = 1;      ///< In the sum of errors.
};

/// The map [features][outputs] that minimises the capacities' weighted squared
/// errors, each of which sees its rows and columns only. What the data leave
/// open stays as in `present`: `ridge` is relative to the features' mean
/// variance.
Eigen::MatrixXd solveJointly(const Eigen::MatrixXd &present, llvm::ArrayRef<CapacityFit> fits,
                             double ridge);

/// The ridge whose map, found from `fits`, errs least on `judge`: the same
/// capacities' statistics of other samples. For few samples, which would fit
/// anything.
double chooseRidge(const Eigen::MatrixXd &present, llvm::ArrayRef<CapacityFit> fits,
                   llvm::ArrayRef<CapacityFit> judge);

/// A scale and a bias for each output.
struct Affine {
  Eigen::VectorXd scale, bias;
};

enum class AffineRule {
  Match, ///< The outputs get the targets' mean and variance.
  Fit,   ///< Least squares.
};

/// Scales and biases of `map`'s outputs for one capacity.
Affine fitAffine(const Eigen::MatrixXd &map, const CapacityFit &fit, AffineRule rule);

/// The same from the outputs' own statistics; `both` is their covariance with
/// the targets.
struct OutputMoments {
  double mean, variance, targetMean, targetVariance, both;
};
std::pair<double, double> fitAffine(const OutputMoments &moments, AffineRule rule);

} // namespace nestor::learn

#endif // NESTOR_LEARN_JOINTSOLVE_H

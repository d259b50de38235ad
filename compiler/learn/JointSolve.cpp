//===- JointSolve.cpp - One filter for several capacities -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/JointSolve.h"

#include "llvm/ADT/STLExtras.h"

#include <Eigen/Cholesky>

#include <cmath>
#include <map>

using namespace Eigen;

namespace nestor::learn {

/// Adds the wishes of `fit` for the outputs in `columns` to the normal
/// equations.
static void addNormal(const CapacityFit &fit, llvm::ArrayRef<int64_t> columns, MatrixXd &square,
                      MatrixXd &cross) {
  std::vector<int64_t> rows(fit.features.begin(), fit.features.end());
  square(rows, rows) += fit.weight * fit.square;
  for (auto [i, column] : llvm::enumerate(columns)) {
    int64_t own = llvm::find(fit.outputs, column) - fit.outputs.begin();
    cross(rows, i) += fit.weight * fit.cross.col(own);
  }
}

MatrixXd solveJointly(const MatrixXd &present, llvm::ArrayRef<CapacityFit> fits, double ridge) {
  // Outputs that the same capacities have share a factorisation.
  std::map<std::vector<bool>, std::vector<int64_t>> classes;
  for (int64_t output = 0; output < present.cols(); ++output) {
    std::vector<bool> has;
    for (const CapacityFit &fit : fits)
      has.push_back(llvm::is_contained(fit.outputs, output));
    classes[has].push_back(output);
  }
  MatrixXd result = present;
  for (const auto &[has, columns] : classes) {
    if (!llvm::is_contained(has, true))
      continue;
    MatrixXd square = MatrixXd::Zero(present.rows(), present.rows());
    MatrixXd cross = MatrixXd::Zero(present.rows(), columns.size());
    for (size_t i = 0; i < fits.size(); ++i)
      if (has[i])
        addNormal(fits[i], columns, square, cross);
    MatrixXd start = present(Eigen::all, columns);
    MatrixXd open = cross - square * start;
    double mean = square.diagonal().mean();
    if (mean <= 0)
      continue;
    square.diagonal().array() += ridge * mean;
    MatrixXd solved = start + square.llt().solve(open);
    if (solved.allFinite())
      result(Eigen::all, columns) = solved;
  }
  return result;
}

/// The weighted sum of the capacities' squared errors.
static double errorOf(const MatrixXd &map, llvm::ArrayRef<CapacityFit> fits) {
  double error = 0;
  for (const CapacityFit &fit : fits) {
    std::vector<int64_t> rows(fit.features.begin(), fit.features.end());
    std::vector<int64_t> columns(fit.outputs.begin(), fit.outputs.end());
    MatrixXd own = map(rows, columns);
    double fitted = (own.array() * (fit.square * own - 2 * fit.cross).array()).sum();
    error += fit.weight * (fit.spread.sum() + fitted);
  }
  return error;
}

double chooseRidge(const MatrixXd &present, llvm::ArrayRef<CapacityFit> fits,
                   llvm::ArrayRef<CapacityFit> judge) {
  double best = 0, least = INFINITY;
  for (double ridge : {1e-3, 1e-2, 1e-1, 1., 10., 100.}) {
    double error = errorOf(solveJointly(present, fits, ridge), judge);
    if (error < least)
      best = ridge, least = error;
  }
  return best;
}

std::pair<double, double> fitAffine(const OutputMoments &moments, AffineRule rule) {
  double scale = 1, targetVariance = std::max(moments.targetVariance, 0.); // Rounding.
  // An output that never changes is replaced by the target's mean.
  if (moments.variance > 1e-12 * (targetVariance + 1e-30))
    scale = rule == AffineRule::Match ? std::sqrt(targetVariance / moments.variance)
                                      : moments.both / moments.variance;
  scale = std::min(std::max(scale, rule == AffineRule::Match ? 0.2 : 0.), 5.);
  return {scale, moments.targetMean - scale * moments.mean};
}

Affine fitAffine(const MatrixXd &map, const CapacityFit &fit, AffineRule rule) {
  int64_t count = fit.outputs.size();
  Affine affine{VectorXd(count), VectorXd(count)};
  std::vector<int64_t> rows(fit.features.begin(), fit.features.end());
  for (int64_t i = 0; i < count; ++i) {
    VectorXd column = map(rows, fit.outputs[i]);
    OutputMoments moments{column.dot(fit.meanFeatures), column.dot(fit.square * column),
                          fit.meanTargets[i], fit.spread[i], column.dot(fit.cross.col(i))};
    std::tie(affine.scale[i], affine.bias[i]) = fitAffine(moments, rule);
  }
  return affine;
}

} // namespace nestor::learn

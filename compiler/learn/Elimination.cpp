//===- Elimination.cpp - Second-order order of channels -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Elimination.h"

#include <Eigen/Cholesky>

#include <algorithm>
#include <limits>

using namespace Eigen;

namespace nestor::learn {
namespace {

constexpr double kRidge = 1e-3;

MatrixXd withRidge(const MatrixXd &covariance, double ridge) {
  double mean = covariance.diagonal().mean();
  MatrixXd result = covariance;
  // Features that never vary have no say, but must not make it singular.
  result.diagonal().array() += ridge * mean + std::numeric_limits<double>::min();
  if (mean <= 0)
    result.diagonal().array() += 1;
  return result;
}

/// One reader while channels are dropped.
class Remaining {
public:
  explicit Remaining(const LinearReader &reader);

  /// What dropping `channel` adds to the error.
  double cost(int64_t channel) const;
  void drop(int64_t channel);

private:
  MatrixXd blockOf(int64_t channel) const;
  MatrixXd rowsOf(int64_t channel) const;

  std::vector<llvm::SmallVector<int64_t>> places; ///< Of each channel's features.
  MatrixXd inverse, weights;
  double scale; ///< One over the variance of the outputs.
};

Remaining::Remaining(const LinearReader &reader)
    : places(reader.features), weights(reader.weights) {
  MatrixXd covariance = withRidge(reader.covariance, kRidge);
  inverse = covariance.llt().solve(MatrixXd::Identity(covariance.rows(), covariance.cols()));
  double variance = reader.variance();
  scale = variance > 0 ? 1 / variance : 0;
}

MatrixXd Remaining::blockOf(int64_t channel) const {
  const auto &at = places[channel];
  MatrixXd block(at.size(), at.size());
  for (size_t i = 0; i < at.size(); ++i)
    for (size_t j = 0; j < at.size(); ++j)
      block(i, j) = inverse(at[i], at[j]);
  return block;
}

MatrixXd Remaining::rowsOf(int64_t channel) const {
  const auto &at = places[channel];
  MatrixXd rows(at.size(), weights.cols());
  for (size_t i = 0; i < at.size(); ++i)
    rows.row(i) = weights.row(at[i]);
  return rows;
}

double Remaining::cost(int64_t channel) const {
  if (places[channel].empty())
    return 0;
  MatrixXd rows = rowsOf(channel);
  return scale * blockOf(channel).llt().matrixL().solve(rows).squaredNorm();
}

void Remaining::drop(int64_t channel) {
  const auto &at = places[channel];
  if (at.empty())
    return;
  MatrixXd columns(inverse.rows(), at.size());
  for (size_t i = 0; i < at.size(); ++i)
    columns.col(i) = inverse.col(at[i]);
  LLT<MatrixXd> factor = blockOf(channel).llt();
  weights -= columns * factor.solve(rowsOf(channel));
  // inverse -= columns * block^-1 * columns^T, by a square root of the middle.
  MatrixXd root = factor.matrixL().solve(columns.transpose()).transpose();
  inverse.noalias() -= root * root.transpose();
  for (int64_t i : at)
    weights.row(i).setZero();
}

} // namespace

Elimination eliminate(llvm::ArrayRef<LinearReader> readers) {
  std::vector<Remaining> remaining(readers.begin(), readers.end());
  size_t channels = readers.front().features.size();
  std::vector<int64_t> left(channels);
  for (size_t i = 0; i < channels; ++i)
    left[i] = i;
  Elimination result;
  result.error.assign(channels + 1, 0);
  while (!left.empty()) {
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < left.size(); ++i) {
      double cost = 0;
      for (const Remaining &reader : remaining)
        cost += reader.cost(left[i]);
      if (cost < least)
        least = cost, best = i;
    }
    for (Remaining &reader : remaining)
      reader.drop(left[best]);
    result.error[left.size() - 1] = result.error[left.size()] + least;
    result.order.push_back(left[best]);
    left.erase(left.begin() + best);
  }
  std::reverse(result.order.begin(), result.order.end());
  return result;
}

MatrixXd refit(const MatrixXd &covariance, const MatrixXd &weights, llvm::ArrayRef<int64_t> kept,
               double ridge) {
  MatrixXd result = MatrixXd::Zero(weights.rows(), weights.cols());
  if (kept.empty())
    return result;
  std::vector<int64_t> indices(kept.begin(), kept.end());
  MatrixXd target = covariance(indices, Eigen::all) * weights;
  MatrixXd square = covariance(indices, indices);
  // Towards the present weights: what the data do not decide stays.
  MatrixXd present = weights(indices, Eigen::all);
  square = withRidge(square, ridge);
  MatrixXd change = square.llt().solve(target - covariance(indices, indices) * present);
  MatrixXd fitted = present + change;
  for (size_t i = 0; i < indices.size(); ++i)
    result.row(indices[i]) = fitted.row(i);
  return result;
}

} // namespace nestor::learn

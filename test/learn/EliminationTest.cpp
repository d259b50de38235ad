//===- EliminationTest.cpp - The second-order order of channels -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Elimination.h"

#include "gtest/gtest.h"

#include <Eigen/Cholesky>

#include <random>

using namespace Eigen;
using namespace nestor::learn;

namespace {

class EliminationTest : public testing::Test {
protected:
  MatrixXd draw(int64_t rows, int64_t columns) {
    std::normal_distribution<double> normal;
    return MatrixXd::NullaryExpr(rows, columns, [&] { return normal(random); });
  }

  /// Channels of `taps` features each, features in the order of a filter.
  LinearReader reader(const MatrixXd &samples, const MatrixXd &weights, int64_t channels) {
    LinearReader result;
    MatrixXd centred = samples.rowwise() - samples.colwise().mean();
    result.covariance = centred.transpose() * centred / double(samples.rows());
    result.weights = weights;
    result.features.resize(channels);
    for (int64_t i = 0; i < samples.cols(); ++i)
      result.features[i % channels].push_back(i);
    return result;
  }

  /// The least error that is left with the features of `channels` only.
  double leastSquares(const LinearReader &reader, llvm::ArrayRef<int64_t> channels) {
    std::vector<int64_t> kept;
    for (int64_t channel : channels)
      kept.insert(kept.end(), reader.features[channel].begin(), reader.features[channel].end());
    MatrixXd change = reader.weights;
    if (!kept.empty()) {
      MatrixXd square = reader.covariance(kept, kept);
      MatrixXd cross = reader.covariance(kept, Eigen::all) * reader.weights;
      MatrixXd fitted = square.ldlt().solve(cross);
      for (size_t i = 0; i < kept.size(); ++i)
        change.row(kept[i]) -= fitted.row(i);
    }
    return (change.transpose() * reader.covariance * change).trace() / reader.variance();
  }

  std::mt19937_64 random{11};
};

TEST_F(EliminationTest, KeepsWhatOthersCannotReplace) {
  MatrixXd samples = draw(400, 5);
  // All that is read is about 2 * channel 1 + channel 3.
  samples.col(1) = samples.col(0) + samples.col(2);
  MatrixXd weights = MatrixXd::Ones(5, 3) + 0.1 * draw(5, 3);
  weights.row(4) *= 1e-3;
  Elimination result = eliminate(reader(samples, weights, 5));
  EXPECT_EQ(result.order[4], 4);
  EXPECT_EQ(result.order[0] + result.order[1], 4) << "channels 1 and 3 first";
  EXPECT_LT(result.error[2], 0.01);
  EXPECT_GT(result.error[1], 0.05);
}

TEST_F(EliminationTest, ErrorIsThatOfTheBestFit) {
  constexpr int64_t channels = 6, taps = 3;
  MatrixXd samples = draw(500, channels * taps) * draw(channels * taps, channels * taps);
  LinearReader only = reader(samples, draw(channels * taps, 4), channels);
  Elimination result = eliminate(only);
  EXPECT_EQ(result.error.size(), size_t(channels + 1));
  EXPECT_EQ(result.error[channels], 0);
  EXPECT_NEAR(result.error[0], 1, 0.02);
  for (int64_t count = 0; count < channels; ++count) {
    EXPECT_GE(result.error[count], result.error[count + 1]);
    double expected = leastSquares(only, llvm::ArrayRef(result.order).take_front(count));
    EXPECT_NEAR(result.error[count], expected, 0.02) << count << " channels";
  }
}

TEST_F(EliminationTest, EveryReaderCounts) {
  // Each reader needs the channel that the other one ignores; nobody needs 2.
  MatrixXd samples = draw(300, 3);
  MatrixXd first = MatrixXd::Zero(3, 1), second = first;
  first(0, 0) = second(1, 0) = 1;
  Elimination result = eliminate({reader(samples, first, 3), reader(samples, second, 3)});
  EXPECT_EQ(result.order[2], 2);
  EXPECT_NEAR(result.error[2], 0, 1e-3);
  EXPECT_NEAR(result.error[0], 2, 1e-2);
}

TEST_F(EliminationTest, SilentFeaturesDoNoHarm) {
  MatrixXd samples = draw(100, 4);
  samples.col(2).setZero();
  LinearReader only = reader(samples, draw(4, 2), 4);
  EXPECT_EQ(eliminate(only).order.back(), 2);
  only.covariance.setZero();
  Elimination none = eliminate(only);
  EXPECT_EQ(none.order.size(), 4u);
  EXPECT_EQ(none.error[0], 0);
}

TEST_F(EliminationTest, RefitReachesTheLeastSquares) {
  MatrixXd samples = draw(300, 8) * draw(8, 8);
  LinearReader only = reader(samples, draw(8, 3), 8);
  std::vector<int64_t> kept{0, 3, 4, 6};
  MatrixXd fitted = refit(only.covariance, only.weights, kept, 1e-9);
  EXPECT_EQ(fitted.row(1).norm(), 0);
  MatrixXd change = only.weights - fitted;
  double error = (change.transpose() * only.covariance * change).trace() / only.variance();
  EXPECT_NEAR(error, leastSquares(only, kept), 1e-6);
  EXPECT_NEAR(
      (refit(only.covariance, only.weights, {0, 1, 2, 3, 4, 5, 6, 7}) - only.weights).norm(), 0,
      1e-9);
}

} // namespace

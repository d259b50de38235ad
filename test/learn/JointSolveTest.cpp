//===- JointSolveTest.cpp - One filter for several capacities -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/JointSolve.h"
#include "compiler/learn/Moments.h"

#include "compiler/driver/Compile.h"
#include "gtest/gtest.h"

#include <numeric>
#include <random>

using namespace Eigen;
using namespace nestor::learn;

namespace {

class JointSolveTest : public testing::Test {
protected:
  MatrixXd draw(int64_t rows, int64_t columns) {
    std::normal_distribution<double> normal;
    return MatrixXd::NullaryExpr(rows, columns, [&] { return normal(random); });
  }

  /// A capacity that reads the first `features` columns of `x` and wants the
  /// first `outputs` columns of `t`.
  CapacityFit fit(const MatrixXd &x, const MatrixXd &t, int64_t features, int64_t outputs) {
    CapacityFit result;
    for (int64_t i = 0; i < features; ++i)
      result.features.push_back(i);
    for (int64_t i = 0; i < outputs; ++i)
      result.outputs.push_back(i);
    MatrixXd own = x.leftCols(features), wanted = t.leftCols(outputs);
    result.meanFeatures = own.colwise().mean().transpose();
    result.meanTargets = wanted.colwise().mean().transpose();
    MatrixXd centredX = own.rowwise() - own.colwise().mean();
    MatrixXd centredT = wanted.rowwise() - wanted.colwise().mean();
    result.square = centredX.transpose() * centredX / double(x.rows());
    result.cross = centredX.transpose() * centredT / double(x.rows());
    result.spread = centredT.colwise().squaredNorm().transpose() / double(x.rows());
    return result;
  }

  std::mt19937_64 random{5};
};

TEST_F(JointSolveTest, OneCapacityIsLeastSquares) {
  MatrixXd x = draw(300, 6), map = draw(6, 3), t = x * map;
  MatrixXd solved = solveJointly(draw(6, 3), {fit(x, t, 6, 3)}, 1e-10);
  EXPECT_NEAR((solved - map).norm(), 0, 1e-6);
}

TEST_F(JointSolveTest, StaysWhereTheDataSayNothing) {
  MatrixXd x = draw(300, 4), map = draw(4, 2), present = draw(4, 2);
  x.col(3).setZero();
  MatrixXd solved = solveJointly(present, {fit(x, x * map, 4, 2)}, 1e-8);
  EXPECT_NEAR((solved.topRows(3) - map.topRows(3)).norm(), 0, 1e-5);
  EXPECT_EQ(solved.row(3), present.row(3));
}

TEST_F(JointSolveTest, MinimisesTheWeightedSum) {
  // Targets that neither capacity can reach, so that they compete.
  MatrixXd x = draw(400, 6), t = draw(400, 4) + x * draw(6, 4);
  for (double weight : {1., 10.}) {
    std::vector<CapacityFit> fits{fit(x, t, 3, 2), fit(x, t, 6, 4)};
    fits[1].weight = weight;
    MatrixXd solved = solveJointly(MatrixXd::Zero(6, 4), fits, 1e-12);
    auto error = [&](const MatrixXd &map) {
      double sum = 0;
      for (const CapacityFit &one : fits) {
        MatrixXd own = map.topLeftCorner(one.features.size(), one.outputs.size());
        sum += one.weight * ((own.transpose() * one.square * own).trace() -
                             2 * (own.transpose() * one.cross).trace() + one.spread.sum());
      }
      return sum;
    };
    double least = error(solved);
    for (int i = 0; i < 50; ++i)
      EXPECT_GE(error(solved + 0.01 * draw(6, 4)), least);
  }
}

TEST_F(JointSolveTest, OutputsThatNobodyHasStay) {
  MatrixXd x = draw(100, 3), present = draw(3, 4);
  MatrixXd solved = solveJointly(present, {fit(x, x * draw(3, 4), 3, 2)}, 1e-3);
  EXPECT_EQ(solved.rightCols(2), present.rightCols(2));
  EXPECT_NE(solved.leftCols(2), present.leftCols(2));
}

TEST_F(JointSolveTest, AffineMatchesOrFits) {
  MatrixXd x = draw(500, 2), t = 3 * x.col(0) + draw(500, 1);
  t.array() += 7;
  MatrixXd map(2, 1);
  map << 1, 0;
  CapacityFit only = fit(x, t, 2, 1);
  nestor::learn::Affine matched = fitAffine(map, only, AffineRule::Match);
  VectorXd y = (matched.scale[0] * x * map).array() + matched.bias[0];
  EXPECT_NEAR(y.mean(), t.mean(), 1e-9);
  EXPECT_NEAR((y.array() - y.mean()).square().mean(), only.spread[0], 1e-9);
  nestor::learn::Affine fitted = fitAffine(map, only, AffineRule::Fit);
  EXPECT_NEAR(fitted.scale[0], 3, 0.2);
  EXPECT_LT(fitted.scale[0], matched.scale[0]);
}

TEST_F(JointSolveTest, AffineOfASilentOutputIsTheTargetsMean) {
  auto [scale, bias] = fitAffine(OutputMoments{2, 0, 5, 1, 0}, AffineRule::Match);
  EXPECT_EQ(scale * 2 + bias, 5);
  // Rounding may leave a variance of less than nothing.
  for (AffineRule rule : {AffineRule::Match, AffineRule::Fit}) {
    std::tie(scale, bias) = fitAffine(OutputMoments{2, 0, 5, -1e-17, 0}, rule);
    EXPECT_EQ(scale * 2 + bias, 5);
  }
}

TEST_F(JointSolveTest, FewSamplesAreTrustedLess) {
  constexpr int64_t features = 30;
  MatrixXd map = draw(features, 2), present = map + 0.1 * draw(features, 2);
  auto ridgeOf = [&](int64_t rows) {
    auto sample = [&](int64_t count) {
      MatrixXd x = draw(count, features);
      return fit(x, x * map + 2 * draw(count, 2), features, 2);
    };
    return chooseRidge(present, {sample(rows)}, {sample(rows)});
  };
  EXPECT_LE(ridgeOf(20000), 0.1);
  EXPECT_GE(ridgeOf(20), 1);
}

TEST_F(JointSolveTest, MomentsAreMeansAndCovariances) {
  auto context = nestor::driver::createContext();
  auto moments = Moments::create({3, 20}, *context, 2);
  ASSERT_TRUE(bool(moments)) << llvm::toString(moments.takeError());
  constexpr int64_t rows = 1500; // More than a chunk, and not a multiple of one.
  MatrixXd first = draw(rows, 3) * draw(3, 3), second = draw(rows, 20);
  first.array() += 4;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < 3; ++j)
      moments->row(0)[j] = float(first(i, j));
    for (int64_t j = 0; j < 20; ++j)
      moments->row(1)[j] = float(second(i, j));
    moments->next();
  }
  moments->finish();
  EXPECT_EQ(moments->rows(), rows);
  for (auto [set, samples] : {std::pair(0, first), std::pair(1, second)}) {
    MatrixXd centred = samples.rowwise() - samples.colwise().mean();
    MatrixXd covariance = centred.transpose() * centred / double(rows);
    EXPECT_NEAR((moments->mean(set) - samples.colwise().mean().transpose()).norm(), 0, 1e-5);
    EXPECT_NEAR((moments->covariance(set) - covariance).norm() / covariance.norm(), 0, 1e-4);
  }
}

} // namespace

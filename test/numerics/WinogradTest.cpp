//===- WinogradTest.cpp - The algorithms themselves -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Winograd.h"

#include "gtest/gtest.h"

#include <random>

using namespace nestor::nest;

namespace {

const WinogradTile tiles[] = {{2, 1}, {4, 1}, {6, 1}, {2, 2}, {4, 2}};

Matrix randomMatrix(std::mt19937 &random, int64_t rows, int64_t columns) {
  Matrix matrix{rows, columns, std::vector<double>(rows * columns)};
  for (double &value : matrix.values)
    value = std::uniform_real_distribution<>(-1, 1)(random);
  return matrix;
}

Matrix product(const Matrix &a, const Matrix &b) {
  Matrix c{a.rows, b.columns, std::vector<double>(a.rows * b.columns, 0.0)};
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < b.columns; ++j)
      for (int64_t k = 0; k < a.columns; ++k)
        c(i, j) += a(i, k) * b(k, j);
  return c;
}

/// a x a'
Matrix around(const Matrix &a, const Matrix &x) {
  Matrix transposed{a.columns, a.rows, std::vector<double>(a.values.size())};
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j)
      transposed(j, i) = a(i, j);
  return product(product(a, x), transposed);
}

TEST(WinogradTest, ComputesConvolutions) {
  std::mt19937 random(1);
  for (WinogradTile tile : tiles) {
    ASSERT_TRUE(tile.exists());
    Winograd winograd(tile);
    Matrix input = randomMatrix(random, tile.extent(), tile.extent()), filter = randomMatrix(random, 3, 3);
    Matrix products = around(winograd.input(), input), weights = around(winograd.filter(), filter);
    ASSERT_EQ(int64_t(weights.values.size()), tile.filterPositions());
    auto weightOf = [&](int64_t position) { return std::min(position, tile.filterExtent() - 1); };
    for (int64_t i = 0; i < tile.extent(); ++i)
      for (int64_t j = 0; j < tile.extent(); ++j)
        products(i, j) *= weights(weightOf(i), weightOf(j));
    Matrix output = around(winograd.output(), products);
    for (int64_t i = 0; i < tile.m; ++i)
      for (int64_t j = 0; j < tile.m; ++j) {
        double expected = 0;
        for (int64_t k = 0; k < winograd.taps(); ++k)
          expected += filter(k / 3, k % 3) * input(i * tile.stride + k / 3, j * tile.stride + k % 3);
        EXPECT_NEAR(output(i, j), expected, 1e-12) << "F(" << tile.m << ") of stride " << tile.stride;
      }
  }
}

TEST(WinogradTest, RestoresFilters) {
  std::mt19937 random(2);
  constexpr int64_t plane = 20; ///< Filters beside each other.
  for (WinogradTile tile : tiles) {
    Winograd winograd(tile);
    Matrix drawn = randomMatrix(random, winograd.taps(), plane);
    std::vector<float> filters(drawn.values.begin(), drawn.values.end());
    std::vector<float> transformed(tile.filterPositions() * plane), restored(filters.size());
    for (int64_t position = 0; position < tile.filterPositions(); ++position)
      winograd.transformFilters(position, filters.data(), plane,
                                llvm::MutableArrayRef(transformed).slice(position * plane, plane));
    for (int64_t tap = 0; tap < winograd.taps(); ++tap)
      winograd.restoreFilters(tap, transformed.data(), plane,
                              llvm::MutableArrayRef(restored).slice(tap * plane, plane));
    for (size_t i = 0; i < filters.size(); ++i)
      EXPECT_NEAR(restored[i], filters[i], 1e-6) << "F(" << tile.m << ") of stride " << tile.stride;
  }
}

TEST(WinogradTest, OthersDoNotExist) {
  for (WinogradTile tile : {WinogradTile{0, 1}, {3, 1}, {8, 1}, {1, 2}, {3, 2}, {6, 2}, {2, 3}, {2, 0}, {-2, 1}})
    EXPECT_FALSE(tile.exists()) << "F(" << tile.m << ") of stride " << tile.stride;
}

} // namespace

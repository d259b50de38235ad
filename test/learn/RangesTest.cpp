//===- RangesTest.cpp - What values a byte can stand for ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Ranges.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace nestor::learn;
using nestor::ByteRange;

namespace {

ByteRange rangeOf(std::vector<float> values) {
  Histogram histogram;
  histogram.add(values);
  return histogram.bestRange();
}

/// `count` values that lie evenly between `low` and `high`, both included.
std::vector<float> evenly(float low, float high, size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = low + (high - low) * float(i) / float(count - 1);
  return values;
}

/// The value that is left of `value` when a byte stands for it.
float throughByte(float value, const ByteRange &range) {
  float byte = std::nearbyint(value / range.scale) + float(range.zero);
  return (std::min(std::max(byte, 0.0f), 255.0f) - float(range.zero)) * range.scale;
}

TEST(HistogramTest, ConstantActivationIsExact) {
  for (float value : {3.0f, -2.0f, 1e-20f, 1e20f}) {
    ByteRange range = rangeOf(std::vector<float>(64, value));
    EXPECT_EQ(range.zero, value > 0 ? 0 : 255);
    EXPECT_NEAR(throughByte(value, range) / value, 1, 1e-6) << value;
    EXPECT_EQ(throughByte(0, range), 0);
  }
}

TEST(HistogramTest, NothingButZeros) {
  for (const ByteRange &range : {rangeOf({0, 0, 0}), rangeOf({-0.0f}), rangeOf({})})
    EXPECT_EQ(range, (ByteRange{1, 0}));
}

/// 0 is among the values of every range, however far away the measured ones lie.
TEST(HistogramTest, ZeroIsAByte) {
  EXPECT_EQ(rangeOf(evenly(5, 6, 100)).zero, 0);
  EXPECT_EQ(rangeOf(evenly(-6, -5, 100)).zero, 255);
  ByteRange range = rangeOf(evenly(-1, 3, 1000));
  EXPECT_EQ(range.zero, 64);
  EXPECT_NEAR(range.lowest(), -1, range.scale);
  EXPECT_NEAR(range.highest(), 3, range.scale);
}

TEST(HistogramTest, AnOutlierAmongManyIsCutOff) {
  std::vector<float> values = evenly(0, 1, 1000000);
  values.push_back(4);
  ByteRange range = rangeOf(values);
  EXPECT_LT(range.highest(), 2.5f);
  EXPECT_GE(range.highest(), 1);
  EXPECT_EQ(throughByte(4, range), range.highest());
  EXPECT_EQ(throughByte(-1, range), range.lowest());
}

TEST(HistogramTest, AnOutlierAmongFewIsKept) {
  std::vector<float> values = evenly(0, 1, 100);
  values.push_back(4);
  EXPECT_NEAR(rangeOf(values).highest(), 4, 1e-6);
}

/// Bins that have grown hold the same counts as bins that were large at once.
TEST(HistogramTest, GrowsWithoutLoss) {
  std::vector<float> small = evenly(-1, 1, 5000), large = evenly(-64, 32, 50);
  Histogram grown, atOnce;
  grown.add(small);
  grown.add(large);
  atOnce.add(large);
  atOnce.add(small);
  EXPECT_EQ(grown.bestRange(), atOnce.bestRange());
}

TEST(HistogramTest, IgnoresWhatNoRangeHolds) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  Histogram histogram;
  histogram.add({1, 2, -infinity, 100}); // A sample that overflowed counts nothing.
  histogram.add({infinity});
  EXPECT_EQ(histogram.bestRange(), ByteRange());
  histogram.add({nan, 1, 2, nan});
  EXPECT_EQ(histogram.bestRange(), rangeOf({1, 2}));
}

} // namespace

//===- StrassenTest.cpp - The algorithm itself ----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Strassen.h"

#include "gtest/gtest.h"

#include <random>

using namespace nestor::nest;

namespace {

std::vector<float> randomFloats(std::mt19937 &random, int64_t count) {
  std::vector<float> floats(count);
  for (float &value : floats)
    value = std::uniform_real_distribution<float>(-1, 1)(random);
  return floats;
}

/// [position][packed input][packed output]
std::vector<float> transformed(const StrassenFilter &filter, const std::vector<float> &weights) {
  int64_t inputs = filter.packedInputs(), outputs = filter.packedOutputs();
  std::vector<float> result(Strassen::positions * inputs * outputs);
  for (int64_t position = 0; position < Strassen::positions; ++position)
    for (int64_t i = 0; i < inputs; ++i)
      for (int64_t o = 0; o < outputs; o += Strassen::run)
        filter.transform(position, i, o, weights.data(),
                         llvm::MutableArrayRef(result).slice((position * inputs + i) * outputs + o, Strassen::run));
  return result;
}

/// The blocks of a tile times those of a filter, by the matrices.
TEST(StrassenTest, MultipliesBlocks) {
  std::mt19937 random(1);
  constexpr int64_t inputs = 2 * Strassen::run, outputs = 2 * Strassen::run;
  StrassenFilter filter(inputs, outputs);
  std::vector<float> weights = randomFloats(random, inputs * outputs), tile = randomFloats(random, 2 * inputs);
  std::vector<float> packed = transformed(filter, weights);
  double products[7][Strassen::run] = {};
  for (int64_t position = 0; position < 7; ++position)
    for (int64_t i = 0; i < Strassen::run; ++i) {
      double sum = 0;
      for (int64_t block = 0; block < 4; ++block)
        sum += Strassen::input()(position, block) * tile[block / 2 * inputs + block % 2 * Strassen::run + i];
      for (int64_t o = 0; o < Strassen::run; ++o)
        products[position][o] += sum * packed[(position * Strassen::run + i) * Strassen::run + o];
    }
  for (int64_t block = 0; block < 4; ++block)
    for (int64_t o = 0; o < Strassen::run; ++o) {
      double actual = 0, expected = 0;
      for (int64_t position = 0; position < 7; ++position)
        actual += Strassen::output()(block, position) * products[position][o];
      for (int64_t i = 0; i < inputs; ++i)
        expected += tile[block / 2 * inputs + i] * weights[i * outputs + block % 2 * Strassen::run + o];
      EXPECT_NEAR(actual, expected, 1e-5) << "block " << block << ", output " << o;
    }
}

/// Also of spans that are not whole, whose missing weights are zeros.
TEST(StrassenTest, RestoresFilters) {
  std::mt19937 random(2);
  for (auto [inputs, outputs] : {std::pair<int64_t, int64_t>(1, 1), {33, 70}, {128, 64}, {16, 95}}) {
    StrassenFilter filter(inputs, outputs);
    std::vector<float> weights = randomFloats(random, inputs * outputs), restored(weights.size());
    std::vector<float> packed = transformed(filter, weights);
    int64_t plane = filter.packedInputs() * filter.packedOutputs();
    for (int64_t i = 0; i < filter.packedInputs(); ++i)
      for (int64_t o = 0; o < filter.packedOutputs(); o += Strassen::run)
        filter.restore(i, o, packed.data() + i * filter.packedOutputs() + o, plane, restored);
    for (size_t i = 0; i < weights.size(); ++i)
      EXPECT_NEAR(restored[i], weights[i], 1e-6) << inputs << " inputs, weight " << i;
  }
}

TEST(StrassenTest, CountsSpans) {
  EXPECT_EQ(Strassen::packedChannels(1), 16);
  EXPECT_EQ(Strassen::packedChannels(32), 16);
  EXPECT_EQ(Strassen::packedChannels(33), 32);
}

} // namespace

//===- WidthSearchTest.cpp - The best widths inside a bound ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/WidthSearch.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>

using namespace nestor::learn;

namespace {

/// A chain of layers: the MACs of layer i are channels[i] * channels[i + 1],
/// with a first and a last dimension of `ends`.
WidthProblem chain(std::vector<int64_t> channels, int64_t ends) {
  WidthProblem problem;
  problem.channels = channels;
  problem.macs = [=](const WidthChoice &choice) {
    uint64_t sum = 0;
    int64_t before = ends;
    for (int64_t width : choice.widths) {
      sum += before * width;
      before = width;
    }
    return sum + before * ends;
  };
  for (int64_t count : channels) {
    auto &curve = problem.curve.emplace_back();
    for (int64_t kept = 0; kept <= count; ++kept)
      curve.push_back(std::pow(1 - double(kept) / count, 2));
  }
  return problem;
}

/// Makes some groups matter more than others.
void weigh(WidthProblem &problem, std::mt19937 &random) {
  for (auto &curve : problem.curve) {
    double weight = 0.1 + random() % 30;
    for (double &value : curve)
      value *= weight;
  }
}

double share(const WidthProblem &problem, const WidthChoice &choice) {
  return double(problem.macs(choice)) / double(problem.macs(problem.full()));
}

void expectNested(const WidthProblem &problem, llvm::ArrayRef<WidthChoice> choices,
                  llvm::ArrayRef<double> capacities) {
  for (size_t i = 0; i < choices.size(); ++i) {
    EXPECT_LE(share(problem, choices[i]), capacities[i] * (1 + 1e-9));
    EXPECT_GT(share(problem, choices[i]), capacities[i] - kSlack);
    for (size_t group = 0; i && group < problem.channels.size(); ++group) {
      EXPECT_LE(choices[i - 1].widths[group], choices[i].widths[group]);
      EXPECT_GE(choices[i - 1].widths[group], 1);
    }
    for (size_t block = 0; i && block < problem.skipError.size(); ++block)
      EXPECT_GE(choices[i - 1].skipped[block], choices[i].skipped[block]);
  }
}

const std::vector<double> quarters{0.25, 0.5, 0.75, 1};

TEST(WidthSearch, FriendlyWidths) {
  EXPECT_EQ(friendlyWidths(64), (llvm::SmallVector<int64_t>{16, 32, 48, 64}));
  EXPECT_EQ(friendlyWidths(32), (llvm::SmallVector<int64_t>{8, 16, 24, 32}));
  EXPECT_EQ(friendlyWidths(24), (llvm::SmallVector<int64_t>{8, 16, 24}));
  EXPECT_EQ(friendlyWidths(3), (llvm::SmallVector<int64_t>{1, 2, 3}));
}

TEST(WidthSearch, StaysInTheBoundAndNests) {
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<int64_t> channels;
    for (int i = 0; i < 3 + round % 6; ++i)
      channels.push_back(16 * (1 + random() % 12));
    WidthProblem problem = chain(channels, 32);
    weigh(problem, random);
    std::vector<WidthChoice> choices = searchWidths(problem, quarters);
    expectNested(problem, choices, quarters);
    EXPECT_EQ(problem.error(choices.back()), 0);
  }
}

TEST(WidthSearch, NarrowsWhatCostsLeast) {
  WidthProblem problem = chain({64, 64, 64}, 64);
  for (double &value : problem.curve[1])
    value *= 1e-3;
  WidthChoice choice = searchWidths(problem, {0.75}).front();
  EXPECT_LT(choice.widths[1], 64);
  EXPECT_GE(choice.widths[0], 48);
  EXPECT_GE(choice.widths[2], 48);
}

TEST(WidthSearch, FindsTheOptimumOfSmallProblems) {
  std::mt19937 random(5);
  for (int round = 0; round < 10; ++round) {
    WidthProblem problem = chain({64, 64, 64}, 64);
    weigh(problem, random);
    WidthChoice choice = searchWidths(problem, {0.5}).front();
    double least = std::numeric_limits<double>::infinity();
    WidthChoice any = problem.full();
    for (any.widths[0] = 16; any.widths[0] <= 64; any.widths[0] += 16)
      for (any.widths[1] = 16; any.widths[1] <= 64; any.widths[1] += 16)
        for (any.widths[2] = 16; any.widths[2] <= 64; any.widths[2] += 16)
          if (double at = share(problem, any); at <= 0.5 && at > 0.5 - kSlack)
            least = std::min(least, problem.error(any));
    if (std::isfinite(least)) {
      EXPECT_LE(problem.error(choice), least * 1.05);
    }
  }
}

TEST(WidthSearch, LeavesFriendlyWidthsWhereTheyMissTheBound) {
  // One group of 32: friendly widths give shares of 1/4, 1/2, 3/4 only.
  WidthProblem problem = chain({32}, 8);
  WidthChoice choice = searchWidths(problem, {0.66}).front();
  EXPECT_GT(share(problem, choice), 0.64);
  EXPECT_LE(share(problem, choice), 0.66);
}

TEST(WidthSearch, FindsPairsWhereOneChannelIsTooMuch) {
  // Channels of group 0 are 6 % each, of group 1 7 %; the bound is 2 % wide.
  WidthProblem problem = chain({8, 7}, 1);
  problem.macs = [](const WidthChoice &choice) {
    return 60 * choice.widths[0] + 74 * choice.widths[1];
  };
  for (double capacity : {0.3, 0.45, 0.5, 0.62})
    expectNested(problem, searchWidths(problem, {capacity, 1}), {capacity, 1});
}

TEST(WidthSearch, TakesTheNearestWhereTheBoundIsOutOfReach) {
  WidthProblem problem = chain({16, 16}, 16);
  // Most of the work does not shrink.
  problem.macs = [macs = problem.macs](const WidthChoice &choice) { return macs(choice) + 100000; };
  std::vector<WidthChoice> choices = searchWidths(problem, quarters);
  EXPECT_GT(share(problem, choices[0]), 0.9);
  EXPECT_EQ(choices[0].widths, (llvm::SmallVector<int64_t>{1, 1}));
}

TEST(WidthSearch, SkipsABlockThatIsCheap) {
  WidthProblem problem = chain({64, 64, 64, 64}, 64);
  problem.skipError = {std::numeric_limits<double>::infinity(), 1e-3};
  problem.inside = {{0}, {2}};
  problem.macs = [macs = problem.macs](const WidthChoice &choice) {
    return macs(choice) - (choice.skipped[1] ? 32 * choice.widths[2] : 0);
  };
  std::vector<WidthChoice> choices = searchWidths(problem, quarters);
  EXPECT_TRUE(choices[0].skipped[1]);
  EXPECT_FALSE(choices[0].skipped[0]);
  EXPECT_FALSE(choices[3].skipped[1]);
  expectNested(problem, choices, quarters);
}

TEST(WidthSearch, LatencyDecidesInsideTheBound) {
  // The same error and MACs everywhere; group 1 is slow.
  WidthProblem problem = chain({64, 64}, 64);
  problem.macs = [](const WidthChoice &choice) { return choice.widths[0] + choice.widths[1]; };
  problem.microseconds = [](const WidthChoice &choice) {
    return choice.widths[0] + 20. * choice.widths[1];
  };
  for (auto &curve : problem.curve)
    for (int64_t kept = 0; kept <= 64; ++kept)
      curve[kept] = 64 - kept;
  WidthChoice choice = searchWidths(problem, {0.75}).front();
  EXPECT_LT(choice.widths[1], choice.widths[0]);
}

/// With half of the input, half of the work of every layer goes.
WidthProblem scaled(std::vector<double> inputError) {
  WidthProblem problem = chain({64, 96, 64}, 16);
  problem.inputError = inputError;
  auto whole = problem.macs;
  problem.macs = [=](const WidthChoice &choice) { return whole(choice) >> choice.input; };
  return problem;
}

TEST(WidthSearch, TakesASmallerInputWhereThatIsCheaper) {
  const std::vector<double> halves{0.25, 0.5, 1};
  WidthProblem cheap = scaled({0, 1e-3, 2e-3});
  std::vector<WidthChoice> choices = searchWidths(cheap, halves);
  expectNested(cheap, choices, halves);
  EXPECT_EQ(choices[0].input, 2u);
  EXPECT_EQ(choices[1].input, 1u);
  EXPECT_EQ(choices[1].widths, cheap.full().widths);
  EXPECT_EQ(choices[2].input, 0u);

  WidthProblem dear = scaled({0, 100, 200});
  for (const WidthChoice &choice : searchWidths(dear, halves))
    EXPECT_EQ(choice.input, 0u);
}

TEST(WidthSearch, InputsDoNotGrowAgain) {
  // The second size is the better one alone, the first not for what is below it.
  WidthProblem problem = scaled({0, 0.05, 0.01});
  std::vector<WidthChoice> choices = searchWidths(problem, quarters);
  expectNested(problem, choices, quarters);
  for (size_t i = 1; i < choices.size(); ++i)
    EXPECT_GE(choices[i - 1].input, choices[i].input);
}

} // namespace

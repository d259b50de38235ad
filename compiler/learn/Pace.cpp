//===- Pace.cpp - How many steps, and when to look ------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Pace.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace llvm;

namespace nestor::learn {

/// Without any limit: so many epochs, and no fewer steps than that.
static constexpr int64_t kDefaultEpochs = 20, kDefaultSteps = 500;
/// Of the time, for what takes longer than expected.
static constexpr double kReserve = 0.05;
/// Forward and backward passes of a step, in runs of what is scored.
static constexpr double kStepInRuns = 4;
static constexpr int64_t kMostScorings = 10;
/// Scoring may take that share of the time of training.
static constexpr double kScoringShare = 0.1;

static double sum(ArrayRef<double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

Pace::Pace(const TrainOptions &options, size_t batch, size_t samples, size_t heldOut)
    : options(options), limitSeconds(options.minutes > 0 ? options.minutes * 60
                                                         : std::numeric_limits<double>::infinity()),
      batch(batch), samples(samples), heldOut(heldOut) {}

Error Pace::setStages(std::vector<double> newShares) {
  shares = std::move(newShares);
  if (options.steps.size() > 1 && options.steps.size() != shares.size())
    return createStringError(formatv("--steps: {0} numbers, but this training has {1} stage{2}",
                                     options.steps.size(), shares.size(),
                                     shares.size() == 1 ? "" : "s"));
  return Error::success();
}

double Pace::shareBefore(size_t stage) const {
  return std::accumulate(shares.begin(), shares.begin() + stage, 0.0) / sum(shares);
}

void Pace::beginStage(size_t stage) {
  timed = 0;
  stageBegan = seconds();
  double share = shares[stage] / sum(ArrayRef(shares).drop_front(stage));
  stageEnds = stageBegan + share * (limitSeconds - stageBegan);
}

std::optional<int64_t> Pace::fixedSteps(size_t stage) const {
  auto stepsOf = [&](int64_t epochs) { return std::max<int64_t>(1, epochs * samples / batch); };
  // Epochs are not divided: each stage of freeze-and-grow, whose share is 1, makes all.
  auto shareOf = [&](int64_t steps) {
    return std::max<int64_t>(1, std::llround(shares[stage] * double(steps)));
  };
  if (options.steps.size() > 1)
    return options.steps[stage];
  if (options.steps.size() == 1) { // Of all stages together.
    auto before = [&](size_t stage) {
      // Shares of thirds are not exact.
      return int64_t(shareBefore(stage) * double(options.steps.front()) + 1e-6);
    };
    return before(stage + 1) - before(stage);
  }
  if (options.epochs > 0)
    return shareOf(stepsOf(options.epochs));
  if (options.minutes > 0)
    return std::nullopt;
  return shareOf(std::max(kDefaultSteps, stepsOf(kDefaultEpochs)));
}

double Pace::seconds() const {
  std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began;
  return secondsBefore + passed.count();
}

void Pace::countStep(double seconds) {
  ++timed;
  // The first step warms caches; it counts until there is another.
  stepSeconds = timed <= 2 ? seconds : stepSeconds + (seconds - stepSeconds) / (timed - 1);
}

int64_t Pace::scorings(int64_t steps) const {
  double affordable = kScoringShare * steps * batch * kStepInRuns / heldOut;
  return std::clamp<int64_t>(std::llround(affordable), 1, std::min(kMostScorings, steps));
}

double Pace::expectedSeconds(int64_t steps) const {
  return steps * stepSeconds + scorings(steps) * scoringSeconds;
}

void Pace::decide(TrainingState &state) const {
  if (state.steps > 0)
    return;
  if (auto steps = fixedSteps(state.stage)) {
    state.steps = *steps;
    return;
  }
  double share = shares[state.stage] / sum(shares);
  double available = stageEnds - stageBegan - kReserve * share * limitSeconds;
  if (timed == 0 || expectedSeconds(3 * (state.step + 1)) <= available)
    return;
  int64_t fitting = int64_t(std::max(0.0, available / stepSeconds));
  while (fitting > state.step && expectedSeconds(fitting) > available)
    fitting -= std::max<int64_t>(1, fitting / 100);
  // The rate has been constant so far: the cosine begins now.
  state.steps = std::clamp(fitting, 3 * state.step, 3 * state.step + 2);
}

bool Pace::isOver() const { return seconds() + stepSeconds + scoringSeconds > stageEnds; }

bool Pace::scoresAfter(int64_t step, int64_t steps) const {
  int64_t start = cosineStart(steps), count = scorings(steps);
  if (steps == 0 || step <= start)
    return false;
  auto number = [&](int64_t at) { return (at - start) * count / (steps - start); };
  return number(step) != number(step - 1);
}

double Pace::done(const TrainingState &state) const {
  double byTime = std::isinf(limitSeconds) ? 0 : seconds() / limitSeconds;
  double before = shareBefore(state.stage), own = shares[state.stage] / sum(shares);
  double bySteps = state.steps ? before + own * double(state.step) / double(state.steps) : before;
  return std::min(1.0, std::max(byTime, bySteps));
}

double Pace::secondsLeft(const TrainingState &state) const {
  double left = std::max(0.0, limitSeconds - seconds());
  if (state.steps == 0)
    return left;
  double expected = (state.steps - state.step) * stepSeconds;
  for (size_t stage = state.stage + 1; stage < shares.size(); ++stage) {
    auto steps = fixedSteps(stage);
    if (!steps)
      return std::min(left, expected + limitSeconds - stageEnds);
    expected += expectedSeconds(*steps);
  }
  return std::min(left, expected);
}

} // namespace nestor::learn

//===- Pace.cpp - How many steps, and when to look ------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Pace.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

Pace::Pace(const TrainOptions &options, size_t batch, size_t samples, size_t heldOut)
    : options(options), limitSeconds(options.minutes > 0 ? options.minutes * 60
                                                         : std::numeric_limits<double>::infinity()),
      batch(batch), samples(samples), heldOut(heldOut) {}

int64_t Pace::fixedSteps() const {
  auto stepsOf = [&](int64_t epochs) { return std::max<int64_t>(1, epochs * samples / batch); };
  if (options.steps > 0)
    return std::max<int64_t>(1, options.steps / stages);
  if (options.epochs > 0)
    return stepsOf(options.epochs);
  if (options.minutes > 0)
    return 0;
  return std::max(kDefaultSteps, stepsOf(kDefaultEpochs));
}

double Pace::seconds() const {
  std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began;
  return secondsBefore + passed.count();
}

void Pace::countStep(double seconds) {
  if (timed++ == 0)
    startSeconds = this->seconds() - seconds;
  // The first step warms caches; it counts until there is another.
  stepSeconds = timed <= 2 ? seconds : stepSeconds + (seconds - stepSeconds) / (timed - 1);
}

int64_t Pace::scorings(int64_t steps) const {
  double affordable = kScoringShare * steps * batch * kStepInRuns / heldOut;
  return std::clamp<int64_t>(std::llround(affordable), 1, std::min(kMostScorings, steps));
}

double Pace::expectedSeconds(int64_t steps) const {
  return stages * (steps * stepSeconds + scorings(steps) * scoringSeconds);
}

void Pace::decide(TrainingState &state) const {
  if (state.steps > 0)
    return;
  if (int64_t steps = fixedSteps()) {
    state.steps = steps;
    return;
  }
  double available = limitSeconds * (1 - kReserve) - startSeconds;
  if (timed == 0 || expectedSeconds(3 * (state.step + 1)) <= available)
    return;
  int64_t fitting = int64_t(std::max(0.0, available / stages / stepSeconds));
  while (fitting > state.step && expectedSeconds(fitting) > available)
    fitting -= std::max<int64_t>(1, fitting / 100);
  // The rate has been constant so far: the cosine begins now.
  state.steps = std::clamp(fitting, 3 * state.step, 3 * state.step + 2);
}

bool Pace::isOver() const { return seconds() + stepSeconds + scoringSeconds > limitSeconds; }

bool Pace::scoresAfter(int64_t step, int64_t steps) const {
  int64_t start = cosineStart(steps), count = scorings(steps);
  if (steps == 0 || step <= start)
    return false;
  auto number = [&](int64_t at) { return (at - start) * count / (steps - start); };
  return number(step) != number(step - 1);
}

double Pace::done(const TrainingState &state) const {
  double byTime = std::isinf(limitSeconds) ? 0 : seconds() / limitSeconds;
  double bySteps = state.steps ? (state.stage + double(state.step) / state.steps) / stages : 0;
  return std::min(1.0, std::max(byTime, bySteps));
}

double Pace::secondsLeft(const TrainingState &state) const {
  if (state.steps == 0)
    return std::max(0.0, limitSeconds - seconds());
  double stagesAfter = stages - state.stage - 1;
  double left = expectedSeconds(state.steps) / stages * stagesAfter +
                (state.steps - state.step) * stepSeconds;
  return std::min(left, std::max(0.0, limitSeconds - seconds()));
}

} // namespace nestor::learn

//===- Pace.h - How many steps, and when to look ----------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_PACE_H
#define NESTOR_LEARN_PACE_H

#include "compiler/learn/Checkpoint.h"

#include <chrono>

namespace nestor::learn {

/// Decides how many steps a stage of training makes and after which of them
/// the held-out samples are scored. Only a limit of time makes it look at the
/// clock: what it decides can then be repeated by number of steps.
class Pace {
public:
  /// A step takes `batch` out of `samples`; `heldOut` samples are scored. The
  /// clock starts.
  Pace(const TrainOptions &options, size_t batch, size_t samples, size_t heldOut);

  /// Training has so many stages of equally many steps; one if not called.
  void setStages(size_t count) { stages = count; }

  /// Earlier runs took `seconds`.
  void resumeAfter(double seconds) { secondsBefore = seconds; }
  double seconds() const;                       ///< Of all runs.
  double limit() const { return limitSeconds; } ///< Infinite without one.

  void countStep(double seconds);
  void countScoring(double seconds) { scoringSeconds = seconds; }

  /// Sets `state.steps` when it is known: at once, or after as many steps as
  /// make a third of those that fit into the time (learningRateAt).
  void decide(TrainingState &state) const;
  /// Whether no time is left for another step and the scoring after it.
  bool isOver() const;
  /// Whether to score after step number `step` (from 1 on) of `steps`.
  bool scoresAfter(int64_t step, int64_t steps) const;

  double done(const TrainingState &state) const;
  double secondsLeft(const TrainingState &state) const;

private:
  int64_t scorings(int64_t steps) const;
  double expectedSeconds(int64_t steps) const;

  /// Of one stage; 0: as the limit allows.
  int64_t fixedSteps() const;

  TrainOptions options;
  double limitSeconds;
  size_t stages = 1, batch, samples, heldOut;
  double stepSeconds = 0, scoringSeconds = 0;
  int64_t timed = 0;
  double secondsBefore = 0, startSeconds = 0;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_PACE_H

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

  /// Training has stages that take such shares, of the steps or of the time; one
  /// if not called. The error says that --steps names another number of them.
  llvm::Error setStages(std::vector<double> shares);
  /// What comes is of stage number `stage`, which has its share of the time left.
  void beginStage(size_t stage);

  /// Earlier runs took `seconds`.
  void resumeAfter(double seconds) { secondsBefore = seconds; }
  double seconds() const;                       ///< Of all runs.
  double limit() const { return limitSeconds; } ///< Infinite without one.

  void countStep(double seconds);
  void countScoring(double seconds) { scoringSeconds = seconds; }

  /// How many steps a stage makes, which may be none; nothing: as many as fit
  /// into its time.
  std::optional<int64_t> fixedSteps(size_t stage) const;
  /// Sets `state.steps` when it is known: at once, or after as many steps as
  /// make a third of those that fit into the time (learningRateAt).
  void decide(TrainingState &state) const;
  /// Whether the stage has no time left for another step and the scoring after it.
  bool isOver() const;
  /// Whether to score after step number `step` (from 1 on) of `steps`.
  bool scoresAfter(int64_t step, int64_t steps) const;

  double done(const TrainingState &state) const;
  double secondsLeft(const TrainingState &state) const;

private:
  int64_t scorings(int64_t steps) const;
  double expectedSeconds(int64_t steps) const;
  double shareBefore(size_t stage) const; ///< Of all stages before.

  TrainOptions options;
  double limitSeconds;
  std::vector<double> shares{1};
  size_t batch, samples, heldOut;
  double stepSeconds = 0, scoringSeconds = 0;
  int64_t timed = 0; ///< Steps of this stage.
  double secondsBefore = 0, stageBegan = 0, stageEnds = 0;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_PACE_H

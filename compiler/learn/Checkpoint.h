//===- Checkpoint.h - Training that goes on later ---------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_CHECKPOINT_H
#define NESTOR_LEARN_CHECKPOINT_H

#include "compiler/learn/Optimizer.h"
#include "compiler/learn/Options.h"

#include "llvm/Support/Error.h"

#include <numeric>

namespace nestor::learn {

/// All that a training run has made: with it, the run goes on as if it had not
/// been interrupted.
struct TrainingState {
  int64_t stage = 0;
  int64_t step = 0;     ///< Steps made in this stage.
  int64_t steps = 0;    ///< Steps of a stage; 0: not decided on yet.
  double seconds = 0;   ///< Spent, in all runs so far.
  double rate = 0;      ///< The learning rate; 0: not decided on yet.
  AlignedFloats values; ///< Parameters (ParameterBlock.h) as they train.
  AlignedFloats mean;   ///< Of `values` (shareOfMean); empty: none.
  OptimizerState optimizer;
  AlignedFloats best; ///< Of the best state so far, as they run; empty: none.
  std::vector<double> bestScores;
  int64_t bestStage = 0;
  std::vector<int64_t> made; ///< Steps of the stages before.
  bool cutShort = false;     ///< One of them ended with its time, before its steps.
  std::vector<Progress> history;

  /// Of all stages so far.
  int64_t allSteps() const { return std::accumulate(made.begin(), made.end(), step); }
  /// Whether this stage has made all that were planned.
  bool isStageWhole() const { return step > 0 && step == steps; }
};

/// The file `recover.ckpt` of a directory. It is replaced in one move, so that
/// a run killed at any moment leaves a whole one.
class Checkpoint {
public:
  /// `key`: a hash of what the run depends on.
  Checkpoint(std::string directory, uint64_t key) : directory(std::move(directory)), key(key) {}

  /// Makes the directory, too.
  llvm::Error save(const TrainingState &state) const;
  /// Nothing where there is no file. The error says that it is damaged, or of
  /// another model, data or options.
  llvm::Expected<std::optional<TrainingState>> load() const;

private:
  std::string path() const;

  std::string directory;
  uint64_t key;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_CHECKPOINT_H

//===- TrainerRate.cpp - How far a step of training goes ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Networks differ in how much change they stand, even where a step is a share of
// what it changes (StepUnits.h): what is right for one destroys another within a
// few steps. So rates are tried, and the largest that makes the loss smaller is
// taken.
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Trainer.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>

using namespace mlir;

namespace nestor::learn {

/// The labels of few samples are soon known by heart, and the sooner the larger
/// steps are (KWS in test/bench/RESULTS.md).
static constexpr double kAdamRate = 1e-2, kAdamRateOfFewLabels = 1e-3, kMomentumRate = 2e-1;
/// Each rate that is tried is so much smaller than the one before.
static constexpr double kRatio = 2;
static constexpr int kMostTrials = 5;
/// A trial makes so many steps, the warm-up among them, and its loss is that of
/// the batches after them.
static constexpr int64_t kTrialSteps = 60, kTrialBatches = 4;
/// What counts as smaller: less is chance.
static constexpr double kShareToGain = 0.01;
/// Training of fewer steps is not worth trials, which end early after that share
/// of the time.
static constexpr int64_t kStepsWorthTrials = 10 * kTrialSteps;
static constexpr double kShareOfTrials = 0.2;

/// The loss of all capacities of the stage. Here the full one counts like the
/// others: what a rate costs it at first, it wins back when the rate falls.
double Trainer::lossOf(const TrainingStage &stage) {
  double sum = 0;
  for (int64_t i = 0; i < kTrialBatches; ++i) {
    batches->load(kTrialSteps + i, nets->inputs());
    setTargets();
    for (unsigned capacity : stage.capacities)
      sum += addGradient(capacity, 0);
  }
  return sum;
}

/// Whether `state.rate` makes the loss, `before` now, smaller once it has fallen
/// as it does in the end: a rate that training thrives on may well raise the loss
/// while it lasts. The values change, and with them how many steps are planned.
bool Trainer::improves(double before, const TrainingStage &stage, const Optimizer &optimizer) {
  begin(stage, optimizer);
  state.steps = kTrialSteps;
  for (int64_t i = 0; i < kTrialSteps; ++i)
    makeStep(stage, optimizer);
  double after = lossOf(stage);
  return std::isfinite(after) && after < (1 - kShareToGain) * before;
}

/// For a stage of so many steps, if that is known.
void Trainer::chooseRate(const TrainingStage &stage, std::optional<int64_t> steps) {
  state.rate = options.train.learningRate;
  if (state.rate > 0)
    return;
  bool fewLabels = batches->mixes() && options.data->labelled();
  state.rate = !options.train.adam ? kMomentumRate : fewLabels ? kAdamRateOfFewLabels : kAdamRate;
  if (steps && *steps < kStepsWorthTrials)
    return;
  TrainingState start = state;
  start.values = nets->values();
  Optimizer optimizer = optimizerFor(stage);
  begin(stage, optimizer);
  double began = pace->seconds(), before = lossOf(stage);
  for (int trial = 0; trial < kMostTrials && !stopped(); ++trial) {
    bool found = improves(before, stage, optimizer);
    double spent = pace->seconds() - began;
    start.rate = state.rate / (found ? 1 : kRatio);
    state = start;
    std::memcpy(nets->values().data(), start.values.data(), start.values.size() * sizeof(float));
    if (found || spent > kShareOfTrials * pace->limit())
      break;
  }
  if (options.log)
    options.log(llvm::formatv("learning rate {0}: larger ones do not lower the loss at once",
                              llvm::format("%g", state.rate)));
}

} // namespace nestor::learn

//===- TrainerSteps.cpp - One step of training ----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/StepUnits.h"
#include "compiler/learn/Trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace mlir;

namespace nestor::learn {

static constexpr double kTemperature = 2;
/// Of labels, beside the teacher; the rest is the teacher's.
static constexpr double kLabelShare = 0.1;
/// Of values inside, beside the results.
static constexpr double kHintWeight = 2;
static constexpr double kAdamDecay = 1e-3, kMomentumDecay = 1e-4;
/// With few samples filters decay towards those that training begins with, which
/// suit samples that it never sees (Li, Grandvalet, Davoine: Explicit inductive
/// bias for transfer learning, ICML 2018, section 3). More of it costs the smallest
/// capacities (KWS in test/bench/RESULTS.md).
static constexpr double kAdamPull = 0.3, kMomentumPull = 1.5e-3;
static constexpr double kClip = 2;
/// The full capacity's loss counts that much, and twice as much again each time
/// it failed on the held-out samples, up to a limit: beyond it the smaller
/// capacities learn nothing any more. From few samples there is nothing that it
/// could learn itself.
static constexpr double kTopWeight = 2, kTopWeightOfFew = 12;
static constexpr int64_t kMostDoublings = 1;
static constexpr float kSecondWeight = 1.5f;

LossOptions Trainer::lossOptions() const {
  return {kTemperature, nets->isClassifier() && options.data->labelled(), heldOut->weights(), {},
          kHintWeight};
}

Optimizer Trainer::optimizerFor(const TrainingStage &stage) const {
  OptimizerOptions chosen;
  chosen.adam = options.train.adam;
  bool few = batches->mixes();
  if (chosen.adam)
    chosen.weightDecay = few ? kAdamPull : kAdamDecay;
  else
    chosen.weightDecay = few ? kMomentumPull : kMomentumDecay;
  chosen.clip = kClip;
  std::vector<TrainedRange> ranges;
  for (auto [i, parameter] : llvm::enumerate(nets->parameters().parameters()))
    if (stage.trains[i])
      ranges.push_back({nets->layout().begin(i), nets->layout().end(i),
                        parameter.role == Parameter::Filter && stage.mask.size() == 0});
  return Optimizer(std::move(ranges), chosen, stepUnits(nets->parameters(), nets->layout()),
                   few ? initial : AlignedFloats());
}

/// Softmax of a row at a temperature, times `weight`. Returns its entropy, times
/// `weight`.
static double softmax(llvm::ArrayRef<float> row, double temperature, float weight, float *out) {
  float largest = *std::max_element(row.begin(), row.end()), sum = 0;
  for (size_t i = 0; i < row.size(); ++i)
    sum += out[i] = std::exp(float((row[i] - largest) / temperature));
  double entropy = std::log(sum);
  for (size_t i = 0; i < row.size(); ++i) {
    entropy -= out[i] / sum * (row[i] - largest) / temperature;
    out[i] *= weight / sum;
  }
  return weight * entropy;
}

/// What the batch should give: the teacher's results on it, and labels.
void Trainer::setTargets() {
  nets->runTeacher();
  leastLoss = 0;
  auto targets = nets->targets();
  size_t hints = nets->hints();
  for (auto [hint, target] : llvm::enumerate(targets.take_back(hints)))
    llvm::copy(nets->teacherResult(nets->results() + hint), target.data());
  if (!nets->isClassifier()) {
    for (size_t result = 0; result < nets->results(); ++result)
      llvm::copy(nets->teacherResult(result), targets[result].data());
    return;
  }
  size_t classes = nets->classCount();
  bool labelled = options.data->labelled();
  for (auto [i, mixture] : llvm::enumerate(batches->mixtures())) {
    size_t row = i * classes;
    float hard = labelled ? addLabels(mixture, targets[1].data() + row) : 0;
    double entropy = softmax(nets->teacherResult(0).slice(row, classes), kTemperature, 1 - hard,
                             targets[0].data() + row);
    leastLoss += kTemperature * kTemperature * entropy / double(nets->batch());
  }
}

/// Sets a row to what labels say, and returns how much that is. The held-out
/// ones say nothing.
float Trainer::addLabels(const Mixture &mixture, float *row) const {
  std::fill_n(row, nets->classCount(), 0.f);
  float sum = 0;
  auto add = [&](size_t sample, float share) {
    if (sample < unlabelled)
      return;
    row[batches->samples().label(sample)] += float(kLabelShare) * share;
    sum += float(kLabelShare) * share;
  };
  add(mixture.sample, 1 - mixture.share);
  add(mixture.other, mixture.share);
  return sum;
}

SmallVector<Turn> sandwich(llvm::ArrayRef<unsigned> all, int64_t step) {
  if (all.size() <= 2)
    return llvm::map_to_vector(all, [](unsigned capacity) { return Turn{capacity, 1}; });
  int64_t others = int64_t(all.size()) - 2;
  if (step % 2)
    return {{all.front(), 1}, {all[2 + step / 2 % others], float(2 * others)}};
  return {{all.front(), 1}, {all[1], others > 1 ? 2 * kSecondWeight : 2}};
}

float Trainer::weightOf(unsigned capacity) const {
  if (capacity + 1 < nets->capacities())
    return 1;
  int64_t failures =
      llvm::count_if(state.history, [&](const Progress &entry) { return !passes(entry.scores); });
  return float(std::ldexp(batches->mixes() ? kTopWeightOfFew : kTopWeight,
                          int(std::min(failures, kMostDoublings))));
}

double Trainer::addGradient(unsigned capacity, float weight) {
  return nets->trains(capacity) ? nets->addGradient(capacity, weight, gradient) - leastLoss : 0;
}

void Trainer::makeStep(const TrainingStage &stage, const Optimizer &optimizer) {
  batches->load(state.step, nets->inputs());
  setTargets();
  std::memset(gradient.data(), 0, gradient.size() * sizeof(float));
  double sum = 0;
  SmallVector<Turn> turns = sandwich(stage.capacities, state.step);
  for (auto [capacity, weight] : turns)
    sum += addGradient(capacity, weightOf(capacity) * weight / float(stage.capacities.size()));
  for (size_t i = 0; i < stage.mask.size(); ++i)
    gradient.data()[i] *= stage.mask.data()[i];
  optimizer.step(state.optimizer, nets->values(), gradient,
                 state.rate * learningRateAt(state.step, state.steps));
  double mean = sum / double(turns.size());
  loss = state.step == 0 ? mean : loss + (mean - loss) / 20;
  ++state.step;
  average();
}

/// What is kept of few samples is a mean over late steps: so few leave the values
/// in doubt, and each step moves them for the sake of its own batch.
void Trainer::average() {
  float share = batches->mixes() ? float(shareOfMean(state.step, state.steps)) : 0;
  if (share == 0)
    return;
  if (state.mean.size() == 0)
    state.mean = nets->values();
  const float *values = nets->values().data();
  float *mean = state.mean.data();
  for (size_t i = 0; i < state.mean.size(); ++i)
    mean[i] += share * (values[i] - mean[i]);
}

/// What `fold` makes of the mean, or where there is none yet of the values as
/// they are.
const AlignedFloats &Trainer::foldMean() {
  if (state.mean.size() == 0)
    return nets->fold();
  // Executors read the values where they are.
  llvm::MutableArrayRef<float> values = nets->values(), mean = state.mean;
  std::swap_ranges(values.begin(), values.end(), mean.begin());
  const AlignedFloats &folded = nets->fold();
  std::swap_ranges(values.begin(), values.end(), mean.begin());
  return folded;
}

} // namespace nestor::learn

//===- Distill.cpp - All capacities learn from the original ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Sandwich training with in-place distillation as in US-Nets, but the teacher
// is the original network rather than the full capacity of the moment: that one
// is here from the start and does not move.
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Trainer.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;

static constexpr char kWhole[] = "distilling";
/// Of the mean score, what training filters must gain over training private
/// vectors, which leaves the full capacity as it is.
static constexpr double kLeastGain = 0.01;
/// Of the steps, those that train private vectors first.
static constexpr double kPrivateShare = 0.25;

static bool isPrivate(const Parameter &parameter, int top) {
  return parameter.capacity >= 0 && parameter.capacity < top;
}

/// The full capacity reads all filters, and so it stays as it is where only the
/// private vectors of the others train.
static TrainingStage privateStage(const TrainingNetworks &networks) {
  TrainingStage stage;
  stage.name = "distilling scales and biases";
  int top = int(networks.capacities()) - 1;
  for (int capacity = 0; capacity < top; ++capacity)
    stage.capacities.push_back(capacity);
  for (const Parameter &parameter : networks.parameters().parameters())
    stage.trains.push_back(isPrivate(parameter, top));
  return stage;
}

static TrainingStage wholeStage(const TrainingNetworks &networks) {
  TrainingStage stage;
  stage.name = kWhole;
  for (unsigned capacity = 0; capacity < networks.capacities(); ++capacity)
    stage.capacities.push_back(capacity);
  stage.trains.assign(networks.parameters().size(), true);
  return stage;
}

namespace {

/// Recovers in closed form, which saves the first epochs, and then trains.
class Distillation {
public:
  Distillation(ModuleOp nested, ModuleOp teacher, const NestOptions &options)
      : nested(nested), teacher(teacher), options(options) {}

  llvm::Expected<Recovery> run();

private:
  using ClosedForm = decltype(recoverSolve);
  llvm::Error fit(ClosedForm &form, TopRule rule);
  llvm::Error fitBothWays();
  AlignedFloats values() const;
  void setValues(const AlignedFloats &block);
  std::vector<TrainingStage> stages(const TrainingNetworks &networks) const;
  void describe(Recovery &recovery) const;

  ModuleOp nested, teacher;
  const NestOptions &options;
  std::vector<std::string> notes;
  double seconds = 0;
  bool topChanged = false;
  AlignedFloats solved; ///< Parameters that change the full capacity; empty: none.
};

} // namespace

AlignedFloats Distillation::values() const {
  ParameterSet set(nested);
  return ParameterBlock(set).read(set);
}

void Distillation::setValues(const AlignedFloats &block) {
  ParameterSet set(nested);
  ParameterBlock(set).write(block, set);
  set.writeBack();
}

llvm::Error Distillation::fit(ClosedForm &form, TopRule rule) {
  NestOptions closed = options;
  closed.top = rule;
  llvm::Expected<Recovery> recovery = form(nested, teacher, closed);
  if (!recovery)
    return recovery.takeError();
  seconds += recovery->seconds;
  topChanged |= recovery->topChanged;
  notes.insert(notes.end(), recovery->notes.begin(), recovery->notes.end());
  return llvm::Error::success();
}

/// Solves for filters, and then starts over with what leaves the full capacity.
llvm::Error Distillation::fitBothWays() {
  AlignedFloats original = values();
  if (llvm::Error error = fit(recoverSolve, TopRule::Free))
    return error;
  solved = values();
  setValues(original);
  topChanged = false;
  return fit(recoverAffine, TopRule::Exact);
}

std::vector<TrainingStage> Distillation::stages(const TrainingNetworks &networks) const {
  if (options.top == TopRule::Exact)
    return {privateStage(networks)};
  if (solved.size() == 0)
    return {wholeStage(networks)};
  TrainingStage first = privateStage(networks), second = wholeStage(networks);
  first.share = kPrivateShare;
  second.share = 1 - kPrivateShare;
  second.leastGain = kLeastGain;
  second.start = solved;
  return {first, second};
}

void Distillation::describe(Recovery &recovery) const {
  recovery.notes.insert(recovery.notes.begin(), notes.begin(), notes.end());
  if (options.top == TopRule::Exact)
    recovery.notes.push_back("--top exact: only the private scales and biases of the smaller "
                             "capacities were trained");
  else if (solved.size() && !recovery.topChanged && recovery.history.back().stage == kWhole)
    recovery.notes.push_back(
        llvm::formatv("filters, and with them the full capacity, stay as they were: to train them "
                      "gained less than {0:F0} point in the mean of the held-out scores; --top free "
                      "trains them anyway",
                      100 * kLeastGain));
}

llvm::Expected<Recovery> Distillation::run() {
  bool tolerant = options.top == TopRule::Tolerance;
  // What a closed form does to the full capacity is for training to mend, and for
  // the held-out samples to judge in the end.
  llvm::Error error = tolerant && hasFewSamples(options) && !options.train.batchNorm
                          ? fitBothWays()
                          : fit(recoverSolve, tolerant ? TopRule::Free : options.top);
  if (error)
    return std::move(error);
  auto trainer = Trainer::create(nested, teacher, options, seconds);
  if (!trainer)
    return trainer.takeError();
  if (options.train.batchNorm && options.top != TopRule::Exact)
    if (llvm::Error error = (*trainer)->normalize())
      return std::move(error);
  llvm::Expected<Recovery> recovery =
      (*trainer)->run(stages((*trainer)->networks()), /*keepLast=*/false);
  if (!recovery)
    return recovery.takeError();
  recovery->topChanged |= topChanged;
  describe(*recovery);
  return recovery;
}

llvm::Expected<Recovery> nestor::learn::recoverDistill(ModuleOp nested, ModuleOp teacher,
                                                       const NestOptions &options) {
  return Distillation(nested, teacher, options).run();
}

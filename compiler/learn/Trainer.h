//===- Trainer.h - Training the capacities of a network ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What distillation and freeze-and-grow have in common: steps over batches,
// held-out scores, time, checkpoints, and which state is kept.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_TRAINER_H
#define NESTOR_LEARN_TRAINER_H

#include "compiler/learn/Batches.h"
#include "compiler/learn/HeldOut.h"
#include "compiler/learn/Pace.h"
#include "compiler/learn/Recover.h"

namespace nestor::learn {

/// Training with one set of capacities and of values that change.
struct TrainingStage {
  std::string name;                       ///< "distilling"
  llvm::SmallVector<unsigned> capacities; ///< Ascending.
  std::vector<bool> trains;               ///< By parameter.
  /// By value of the parameter block: zero where it stays as it is. Empty: all
  /// that `trains` says changes, and filters decay.
  AlignedFloats mask;
  /// The parameter block that it begins with. Empty: what the stage before left.
  AlignedFloats start;
  double share = 1; ///< Of the steps or of the time.
  /// Of the mean score, by which it must surpass earlier stages to be kept.
  double leastGain = 0;
};

/// Whether so few samples train that more must be made of each.
bool hasFewSamples(const NestOptions &options);

/// A capacity that a step trains.
struct Turn {
  unsigned capacity;
  float weight; ///< Of its loss.
};

/// Those of step number `step`: the smallest, every other time the second
/// smallest, which has most to learn after it, and in between by turns one of
/// the others. The sandwich rule (Yu and Huang: US-Nets, ICCV 2019) spread over
/// steps: more of them fit into the time. In the long run all weigh 1, but where
/// there are four or more the second 1.5.
llvm::SmallVector<Turn> sandwich(llvm::ArrayRef<unsigned> all, int64_t step);

/// Trains a nested module in stages.
class Trainer {
public:
  /// Splits off the held-out samples and compiles the networks. Of the time
  /// that options allow, `secondsSpent` are over. The error is about data,
  /// options or the network.
  static llvm::Expected<std::unique_ptr<Trainer>> create(mlir::ModuleOp nested,
                                                         mlir::ModuleOp teacher,
                                                         const NestOptions &options,
                                                         double secondsSpent = 0);

  TrainingNetworks &networks() { return *nets; }

  /// Lets layers normalise while they train (BatchNorm.h). For stages in which all
  /// filters and vectors train: comes before `run`.
  llvm::Error normalize() { return nets->normalize(batches->samples()); }

  /// Runs the stages and stores the parameters that are kept in the module: of
  /// the states that were scored the best, or with `keepLast` the last. One learning
  /// rate serves all stages: of the first that trains most capacities.
  llvm::Expected<Recovery> run(llvm::ArrayRef<TrainingStage> stages, bool keepLast);

private:
  Trainer(mlir::ModuleOp nested, const NestOptions &options);

  llvm::Error resume();
  llvm::Error prepare(llvm::ArrayRef<TrainingStage> stages);
  void begin(const TrainingStage &stage, const Optimizer &optimizer);
  llvm::Error runStages(llvm::ArrayRef<TrainingStage> stages);
  llvm::Error runStage(const TrainingStage &stage);
  LossOptions lossOptions() const;
  Optimizer optimizerFor(const TrainingStage &stage) const;
  void chooseRate(const TrainingStage &stage, std::optional<int64_t> steps);
  bool improves(double before, const TrainingStage &stage, const Optimizer &optimizer);
  double lossOf(const TrainingStage &stage);
  void makeStep(const TrainingStage &stage, const Optimizer &optimizer);
  void setTargets();
  void average();
  const AlignedFloats &foldMean();
  double addGradient(unsigned capacity, float weight);
  float addLabels(const Mixture &mixture, float *row) const;
  float weightOf(unsigned capacity) const;

  Progress progress(const std::string &stage) const;
  /// Scores the current state, and keeps it where it is the best.
  void score(const std::string &stage, double leastGain = 0);
  bool passes(llvm::ArrayRef<double> scores) const;
  bool isBest(llvm::ArrayRef<double> scores, double leastGain) const;

  bool stopped() const { return options.stop && *options.stop; }
  llvm::Error save();
  llvm::Error saveNowAndThen();
  uint64_t key() const;
  Recovery finish(bool keepLast);
  std::string steps() const;
  void describeEnd(Recovery &recovery) const;

  mlir::ModuleOp nested;
  NestOptions options;
  std::unique_ptr<TrainingNetworks> nets;
  std::optional<HeldOut> heldOut;
  std::optional<Batches> batches;
  size_t unlabelled = 0; ///< The first samples of `batches` keep their labels back.
  std::optional<Pace> pace;
  std::optional<Checkpoint> checkpoint;
  TrainingState state; ///< Its values are current when it is saved.
  AlignedFloats before;  ///< What runs before training.
  AlignedFloats initial; ///< What trains, before that.
  AlignedFloats gradient;
  double loss = 0;      ///< Running mean, of what is above `leastLoss`.
  double leastLoss = 0; ///< Of a capacity that does as the targets say.
  double savedAt = 0;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_TRAINER_H

//===- TrainingNetworks.h - What a training step runs -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_TRAININGNETWORKS_H
#define NESTOR_LEARN_TRAININGNETWORKS_H

#include "compiler/learn/Executor.h"
#include "compiler/learn/Hints.h"
#include "compiler/learn/LayerStatistics.h"
#include "compiler/learn/Loss.h"
#include "compiler/learn/ParameterBlock.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace nestor::learn {

/// The teacher and the capacities of a nested module, compiled for batches:
/// each capacity once to run and, where something of it trains, once with
/// gradients. They read one block of parameters and one batch of inputs.
class TrainingNetworks {
public:
  /// With `hints`, losses compare values inside, too (Hints.h). The error names
  /// the operation that stands in the way: one that mixes samples, has no
  /// gradient, or cannot be compiled.
  static llvm::Expected<std::unique_ptr<TrainingNetworks>>
  compile(mlir::ModuleOp nested, mlir::ModuleOp teacher, int64_t batch, unsigned threads,
          bool hints = false);

  size_t batch() const { return batchSize; }
  size_t capacities() const { return runners.size(); }
  bool isClassifier() const { return classes.has_value(); }
  /// Scores of one sample of a classifier.
  size_t classCount() const { return *classes; }

  const ParameterSet &parameters() const { return set; }
  const ParameterBlock &layout() const { return block; }
  /// The parameters that train; change them in place.
  AlignedFloats &values() { return current; }

  /// From now on layers normalise while they train (BatchNorm.h), and `values` has
  /// their gammas and betas in place of scales and biases, which statistics of
  /// `samples` convert.
  llvm::Error normalize(const Dataset &samples);
  /// How many layers of all capacities do.
  size_t normalizedLayers() const;
  /// Makes what `values` stands for now the parameters that `run` reads, and
  /// returns them: scales and biases.
  const AlignedFloats &fold();

  /// One buffer of a batch for each input.
  llvm::MutableArrayRef<AlignedFloats> inputs() { return inputBuffers; }
  /// Results for the batch in `inputs`: logits of a classifier. Hints follow
  /// them; a capacity's have its own channels only.
  size_t results() const { return teacher.outputs() - hints(); }
  size_t hints() const { return hintChannels.front().size(); }
  void runTeacher() { teacher.run(); }
  llvm::ArrayRef<float> teacherResult(size_t index) const { return teacher.output(index); }
  void run(unsigned capacity) { runners[capacity].run(); }
  llvm::ArrayRef<float> result(unsigned capacity, size_t index) const {
    return runners[capacity].output(index);
  }

  /// Compiles losses (Loss.h) of those capacities and their gradients with
  /// respect to those parameters that `trains` names. Earlier ones go.
  llvm::Error compileGradients(const LossOptions &options, llvm::ArrayRef<unsigned> capacities,
                               llvm::function_ref<bool(unsigned parameter)> trains);
  /// What losses compare with: `soft`, then `hard` if there are labels; or one
  /// buffer for each result. Then one for each hint.
  llvm::MutableArrayRef<AlignedFloats> targets() { return targetBuffers; }
  /// Whether anything of the capacity trains.
  bool trains(unsigned capacity) const { return bool(gradients[capacity]); }
  /// Returns the loss of the batch, and adds its gradient, times `weight`, to
  /// `sum`.
  double addGradient(unsigned capacity, float weight, AlignedFloats &sum);

private:
  /// One capacity's loss and gradients, for a part of the batch.
  struct Gradient {
    std::vector<Executor> executors;        ///< One for each worker.
    llvm::SmallVector<unsigned> parameters; ///< Of results 1, 2, ...
  };
  /// What one of the threads that share the parts of a batch writes.
  struct Worker {
    AlignedFloats gradient; ///< Of one part.
    AlignedFloats sum;      ///< Of its parts.
    double loss = 0;
  };

  TrainingNetworks(mlir::OwningOpRef<mlir::ModuleOp> nested, Executor teacher, int64_t batch,
                   HintChannels hintChannels);
  llvm::Error compileRunners();
  llvm::Expected<std::unique_ptr<Gradient>>
  compileGradient(unsigned capacity, const LossOptions &options,
                  llvm::function_ref<bool(unsigned)> trains);
  void work(Gradient &gradient, size_t worker, float weight);
  void bindInputs(Executor &executor);
  void bindParameters(Executor &executor, const ParameterizedFunction &function,
                      const AlignedFloats &values);

  mlir::OwningOpRef<mlir::ModuleOp> module; ///< The nested one, for this batch.
  /// And for the part of a batch that gradients are computed of at once
  /// (`samplesAtOnce`); its parameters are the same.
  mlir::OwningOpRef<mlir::ModuleOp> partModule;
  std::optional<ParameterSet> partSet;
  size_t partSize = 0;
  Executor teacher;
  size_t batchSize;
  unsigned threads = 1;
  HintChannels hintChannels;
  std::optional<int64_t> classes;
  ParameterSet set;
  ParameterBlock block;
  AlignedFloats current; ///< Values that train.
  AlignedFloats folded;  ///< Values that run.
  std::vector<std::vector<NormalizedLayer>> normalized; ///< By capacity.
  std::unique_ptr<LayerStatistics> statistics;          ///< Null: nothing is normalised.
  std::vector<Worker> workers;
  std::vector<AlignedFloats> inputBuffers, targetBuffers;
  std::vector<Executor> runners;
  std::vector<std::unique_ptr<Gradient>> gradients; ///< Null where nothing trains.
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_TRAININGNETWORKS_H

//===- Divergence.h - How far a changed network is from itself --*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_DIVERGENCE_H
#define NESTOR_LEARN_DIVERGENCE_H

#include "compiler/learn/Dataset.h"
#include "compiler/learn/Executor.h"

#include "compiler/ir/NestDialect.h"
#include "passes/SharedWeights.h"

namespace nestor::learn {

/// Compares outputs with those of the original network: by the
/// Kullback-Leibler divergence of class probabilities where the only output is
/// a list of logits or probabilities, else by the squared error over the
/// variance.
class Divergence {
public:
  /// `reference[output]` are the original's values, of all samples.
  Divergence(std::vector<std::vector<float>> reference, size_t samples);

  bool isClassifier() const { return classifier; }
  /// Mean over all samples.
  double operator()(llvm::ArrayRef<std::vector<float>> outputs) const;
  /// Share of the samples of a classifier whose class is the same.
  double agreement(llvm::ArrayRef<std::vector<float>> outputs) const;

private:
  std::vector<std::vector<float>> reference;
  size_t samples;
  bool classifier = false, logits = false;
};

/// A network of which some convolutions' filters and biases and some recurrent
/// layers' weights can be exchanged without compiling it again.
class Trial {
public:
  /// `convs` are convolutions of `func` with constant f32 filters, and biases
  /// that are constant or absent.
  /// `layers` are recurrent layers of `func` with shared weights.
  static llvm::Expected<Trial> create(mlir::func::FuncOp func, llvm::ArrayRef<nest::ConvOp> convs,
                                      llvm::ArrayRef<mlir::Operation *> layers, const Dataset &data,
                                      unsigned threads);

  /// Present values for convolution number `conv`; at first the network's own.
  std::vector<float> &filter(size_t conv) { return values[2 * conv]; }
  std::vector<float> &bias(size_t conv) { return values[2 * conv + 1]; }
  const std::vector<float> &originalFilter(size_t conv) const { return originals[2 * conv]; }
  const std::vector<float> &originalBias(size_t conv) const { return originals[2 * conv + 1]; }
  /// The same for recurrent layer number `layer`: weights, recurrence and, if it
  /// has a constant one, bias.
  llvm::MutableArrayRef<std::vector<float>> recurrent(size_t layer) {
    return llvm::MutableArrayRef(values).slice(firstOf[layer], firstOf[layer + 1] - firstOf[layer]);
  }
  void reset() { values = originals; }

  /// How far the outputs with the present values are from the network's own.
  double divergence();

private:
  explicit Trial(Executor executor) : executor(std::move(executor)) {}
  std::vector<std::vector<float>> run();

  Executor executor;
  size_t inputs = 0, samples = 0, batch = 1;
  std::vector<std::vector<float>> data; ///< By input: all samples.
  std::vector<std::vector<float>> values, originals;
  std::vector<size_t> firstOf; ///< By recurrent layer: its first value.
  std::optional<Divergence> compare;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_DIVERGENCE_H

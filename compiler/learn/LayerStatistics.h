//===- LayerStatistics.h - What batch norms are folded with -----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_LAYERSTATISTICS_H
#define NESTOR_LEARN_LAYERSTATISTICS_H

#include "compiler/learn/BatchNorm.h"
#include "compiler/learn/Dataset.h"
#include "compiler/learn/Executor.h"
#include "compiler/learn/ParameterBlock.h"

namespace nestor::learn {

/// Measures means and deviations of what layers compute, of each capacity for
/// itself, on samples that are always the same. Statistics are right for one
/// network only: those of another width, or of other weights, are of no use
/// (slimmable_networks issues 27 and 35).
class LayerStatistics {
public:
  /// Of the layers `layers[capacity]`. `module` is a nested one whose capacities
  /// take `batch` samples, `set` its parameters. Refers to `values`, a block of
  /// them, which it reads when it measures, and to the samples.
  static llvm::Expected<std::unique_ptr<LayerStatistics>>
  compile(mlir::ModuleOp module, const ParameterSet &set,
          std::vector<std::vector<NormalizedLayer>> layers, const AlignedFloats &values,
          Dataset samples, unsigned threads);

  /// How many samples `compile` should have in a batch, out of so many: a lot,
  /// since they are normalised together, but no more than memory allows.
  static int64_t batchFor(mlir::func::FuncOp func, size_t samples);

  /// Takes `values` as scales and biases, and makes gammas and betas of them with
  /// which the layers compute the same on these samples.
  void unfold(AlignedFloats &values);
  /// Takes `values` as gammas and betas; the result has scales and biases instead.
  AlignedFloats fold(const AlignedFloats &values);

private:
  /// Per output.
  struct Moments {
    std::vector<double> mean, square;
    double deviation(size_t output) const;
  };
  struct Capacity {
    std::vector<NormalizedLayer> layers;
    Executor executor; ///< Means and variances, layer by layer.
    std::vector<Moments> moments;
  };

  LayerStatistics(const ParameterSet &set, Dataset samples) : block(set), samples(samples) {}
  void measure(bool normalizes);
  void add(Capacity &capacity, double share);

  ParameterBlock block;
  Dataset samples;
  size_t batch = 0;
  std::vector<AlignedFloats> inputs;
  AlignedFloats share; ///< One element: whether layers normalise.
  std::vector<Capacity> capacities;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_LAYERSTATISTICS_H

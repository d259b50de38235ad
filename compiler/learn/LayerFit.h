//===- LayerFit.h - Layer by layer, in closed form --------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_LAYERFIT_H
#define NESTOR_LEARN_LAYERFIT_H

#include "compiler/learn/NestedLayers.h"
#include "compiler/learn/Options.h"

#include "llvm/Support/Error.h"

namespace nestor::learn {

/// How layers are fitted.
struct FitOptions {
  bool solveFilters = false; ///< Else scales and biases alone.
  bool touchTop = false;     ///< The full capacity's vectors may change.
  double topWeight = 4;      ///< Of the full capacity; the others have 1.
  double ridge = 1e-3;
  /// Whether an output inside a block, once its filter is solved, gets the
  /// teacher's variance rather than the least squared error.
  bool matchInside = false;
  /// Rows of statistics for each feature, and at least.
  int64_t rowsPerFeature = 40, leastRows = 8192;
  uint64_t seed = 0;
  unsigned threads = 2;
  const std::atomic<bool> *stop = nullptr;
  std::function<void(double done)> progress;
};

/// Fits the parameters of all layers, in topological order, so that every
/// capacity's activations, as they are after the layers before, come close to
/// the teacher's on `data`. Changes `set`. Convolutions with more features than
/// the normal equations can have keep their filters, with a note.
llvm::Error fitLayers(const NestedLayers &layers, ParameterSet &set, const Dataset &data,
                      const FitOptions &options, std::vector<std::string> &notes);

} // namespace nestor::learn

#endif // NESTOR_LEARN_LAYERFIT_H

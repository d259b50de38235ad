//===- MixedEvaluation.h - Heads and tails of different capacities -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_SUPPORT_MIXEDEVALUATION_H
#define NESTOR_TOOLS_SUPPORT_MIXEDEVALUATION_H

#include "tools/support/Evaluation.h"

namespace nestor::support {

struct MixedOptions {
  unsigned threads = 1;
  /// Of the samples about so many are taken, evenly: every pair runs them.
  int64_t samples = 512;
  SampleProgress progress;
};

/// What the pairs of `Artifact::mixed` are worth, in their order: the share of
/// samples with the right class or, where `samples` have no labels, with the class
/// that the full capacity gives them.
Result<std::vector<double>> evaluateMixed(const Artifact &artifact, const Samples &samples,
                                          const MixedOptions &options);

} // namespace nestor::support

#endif // NESTOR_TOOLS_SUPPORT_MIXEDEVALUATION_H

//===- Evaluation.h - What the capacities of an artifact are worth -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// `nestor eval` and `nestorc compile --eval` measure the same way.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_SUPPORT_EVALUATION_H
#define NESTOR_TOOLS_SUPPORT_EVALUATION_H

#include "tools/support/Samples.h"

#include <functional>
#include <optional>

namespace nestor::support {

/// The class of each sample.
using Classes = std::vector<int64_t>;

/// Called now and then with the number of samples done and their total.
using SampleProgress = std::function<void(int64_t, int64_t)>;

/// Reads classes from the first output of a session: the largest value of each
/// sample's part.
class Classifier {
public:
  /// Fails for outputs that are not scores for each sample of a batch.
  static Result<Classifier> make(const Session &session, int64_t batch);
  /// Appends the classes of the first `count` samples of the last run.
  void read(const Session &session, int64_t count, Classes &classes) const;

private:
  std::string dtype;
  size_t elements = 0, classCount = 0; ///< Of the output, and of one sample.
};

/// The class that the session's capacity gives each sample.
Result<Classes> classify(Session &session, const Samples &samples, const SampleProgress &progress);

/// Share of equal elements; both have the same size, which is not 0.
double shareOfEqual(const Classes &a, const Classes &b);

/// What one capacity is worth.
struct Score {
  float capacity = 1;
  int64_t samples = 0;
  std::optional<double> top1; ///< Without labels there is none.
  double agreement = 1;       ///< With `EvaluationOptions::reference`.
};

struct EvaluationOptions {
  std::vector<float> capacities; ///< Empty: all.
  unsigned threads = 1;
  /// What the original model says; null: what the full capacity says.
  const Classes *reference = nullptr;
  SampleProgress progress;
};

Result<std::vector<Score>> evaluate(const Artifact &artifact, const Samples &samples,
                                    const EvaluationOptions &options);

} // namespace nestor::support

#endif // NESTOR_TOOLS_SUPPORT_EVALUATION_H

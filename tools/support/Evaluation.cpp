//===- Evaluation.cpp - What the capacities of an artifact are worth ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Evaluation.h"

#include "tools/support/Tensor.h"

#include <algorithm>

namespace nestor::support {

Result<Classifier> Classifier::make(const Session &session, int64_t batch) {
  Tensor output = session.output(0);
  Classifier classifier;
  classifier.dtype = npyDtype(output.info().dtype);
  classifier.elements = output.bytes() / size_of(output.info().dtype);
  classifier.classCount = classifier.elements / static_cast<size_t>(batch);
  bool whole = classifier.classCount * static_cast<size_t>(batch) == classifier.elements;
  if (classifier.classCount == 0 || !whole || classifier.dtype.empty())
    return Status(StatusCode::invalid_argument, "output '" + output.info().name + "' is " +
                                                    describe(output.info()) +
                                                    ", not scores for each sample");
  return classifier;
}

void Classifier::read(const Session &session, int64_t count, Classes &classes) const {
  std::vector<double> scores = toDoubles(dtype, session.output(0).data(), elements);
  for (int64_t i = 0; i < count; ++i) {
    auto begin = scores.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(i) * classCount);
    classes.push_back(std::max_element(begin, begin + static_cast<ptrdiff_t>(classCount)) - begin);
  }
}

Result<Classes> classify(Session &session, const Samples &samples, const SampleProgress &progress) {
  Result<Classifier> classifier = Classifier::make(session, samples.batch());
  if (!classifier.ok())
    return classifier.status();
  Classes result;
  for (int64_t first = 0; first < samples.count(); first += samples.batch()) {
    samples.write(first, session);
    if (Status status = session.run(); !status.ok())
      return status;
    classifier.value().read(session, std::min(samples.batch(), samples.count() - first), result);
    if (progress && first % 100 < samples.batch())
      progress(first, samples.count());
  }
  return result;
}

double shareOfEqual(const Classes &a, const Classes &b) {
  size_t equal = 0;
  for (size_t i = 0; i < a.size(); ++i)
    equal += a[i] == b[i];
  return static_cast<double>(equal) / static_cast<double>(a.size());
}

Result<std::vector<Score>> evaluate(const Artifact &artifact, const Samples &samples,
                                    const EvaluationOptions &options) {
  std::vector<float> capacities = options.capacities;
  if (capacities.empty())
    for (const CapacityInfo &info : artifact.capacities())
      capacities.push_back(info.capacity);
  float full = artifact.capacities().back().capacity;
  Result<Session> session =
      artifact.session(SessionOptions().capacity(full).threads(options.threads));
  if (!session.ok())
    return session.status();
  Result<Classes> whole = classify(session.value(), samples, options.progress);
  if (!whole.ok())
    return whole.status();
  const Classes &reference = options.reference ? *options.reference : whole.value();

  std::vector<Score> scores;
  for (float capacity : capacities) {
    if (Status status = session.value().set_capacity(capacity); !status.ok())
      return status;
    Result<Classes> classes = session.value().capacity() == full
                                  ? whole
                                  : classify(session.value(), samples, options.progress);
    if (!classes.ok())
      return classes.status();
    Score score;
    score.capacity = session.value().capacity();
    score.samples = samples.count();
    if (!samples.labels().empty())
      score.top1 = shareOfEqual(classes.value(), samples.labels());
    score.agreement = shareOfEqual(classes.value(), reference);
    scores.push_back(score);
  }
  return scores;
}

} // namespace nestor::support

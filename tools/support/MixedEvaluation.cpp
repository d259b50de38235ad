//===- MixedEvaluation.cpp - Heads and tails of different capacities ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "MixedEvaluation.h"

#include <algorithm>

namespace nestor::support {
namespace {

/// Runs all pairs on one batch after the other.
class MixedEvaluator {
public:
  MixedEvaluator(const Samples &samples, std::vector<MixedInfo> pairs, Session head, Session tail,
                 Classifier classifier)
      : samples(samples), pairs(std::move(pairs)), hits(this->pairs.size()), head(std::move(head)),
        tail(std::move(tail)), classifier(std::move(classifier)) {}

  Status add(int64_t first);
  std::vector<double> shares() const;

private:
  Status find_expected(int64_t first, int64_t count, Classes &expected);
  Status run_head(const MixedInfo &pair, int64_t first, LiveTensors &live);

  const Samples &samples;
  std::vector<MixedInfo> pairs;
  std::vector<int64_t> hits; ///< By pair.
  int64_t done = 0;          ///< Samples.
  Session head, tail;
  Classifier classifier;
};

/// Labels, or without them what the session, at its full capacity, says.
Status MixedEvaluator::find_expected(int64_t first, int64_t count, Classes &expected) {
  if (!samples.labels().empty()) {
    auto begin = samples.labels().begin() + first;
    expected.assign(begin, begin + count);
    return Status();
  }
  samples.write(first, tail);
  if (Status status = tail.set_capacity(1); !status.ok())
    return status;
  if (Status status = tail.run(); !status.ok())
    return status;
  classifier.read(tail, count, expected);
  return Status();
}

Status MixedEvaluator::run_head(const MixedInfo &pair, int64_t first, LiveTensors &live) {
  samples.write(first, head);
  if (Status status = head.set_capacity(pair.head); !status.ok())
    return status;
  return head.run_head(pair.cut, live);
}

/// Pairs with the same head follow each other, so it runs once for them.
Status MixedEvaluator::add(int64_t first) {
  const int64_t count = std::min(samples.batch(), samples.count() - first);
  Classes expected, classes;
  if (Status status = find_expected(first, count, expected); !status.ok())
    return status;
  LiveTensors live;
  for (size_t i = 0; i < pairs.size(); ++i) {
    bool sameHead = i != 0 && pairs[i].head == pairs[i - 1].head && pairs[i].cut == pairs[i - 1].cut;
    if (Status status = sameHead ? Status() : run_head(pairs[i], first, live); !status.ok())
      return status;
    if (Status status = tail.set_capacity(pairs[i].tail); !status.ok())
      return status;
    if (Status status = tail.run_tail(pairs[i].cut, live); !status.ok())
      return status;
    classes.clear();
    classifier.read(tail, count, classes);
    for (size_t j = 0; j < classes.size(); ++j)
      hits[i] += classes[j] == expected[j];
  }
  done += count;
  return Status();
}

std::vector<double> MixedEvaluator::shares() const {
  std::vector<double> result;
  for (int64_t count : hits)
    result.push_back(static_cast<double>(count) / static_cast<double>(done));
  return result;
}

} // namespace

Result<std::vector<double>> evaluateMixed(const Artifact &artifact, const Samples &samples,
                                          const MixedOptions &options) {
  SessionOptions sessionOptions = SessionOptions().threads(options.threads);
  Result<Session> head = artifact.session(sessionOptions), tail = artifact.session(sessionOptions);
  for (const Result<Session> *made : {&head, &tail})
    if (!made->ok())
      return made->status();
  Result<Classifier> classifier = Classifier::make(tail.value(), samples.batch());
  if (!classifier.ok())
    return classifier.status();
  MixedEvaluator evaluator(samples, artifact.mixed(), std::move(head).value(),
                           std::move(tail).value(), classifier.value());
  const int64_t step = std::max<int64_t>(1, samples.count() / options.samples);
  for (int64_t first = 0; first < samples.count(); first += step * samples.batch()) {
    if (options.progress)
      options.progress(first, samples.count());
    if (Status status = evaluator.add(first); !status.ok())
      return status;
  }
  return evaluator.shares();
}

} // namespace nestor::support

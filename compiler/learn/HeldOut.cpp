//===- HeldOut.cpp - What a state of training is worth --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/HeldOut.h"

#include <algorithm>
#include <cmath>

using namespace llvm;

namespace nestor::learn {

/// DESIGN section 4, --top tolerance.
static constexpr double kLeastAgreement = 0.995;

/// The loss of top-1 that is accepted on labelled samples. Most often, the
/// original has been trained on them: of ResNet-20, a loss of 3.2 points on such
/// samples is one of 0.2 points on others (test/bench/RESULTS.md).
static constexpr double kKnownByHeart = 0.04;

static size_t argmax(ArrayRef<float> values) { return max_element(values) - values.begin(); }

HeldOut::HeldOut(Dataset samples, TrainingNetworks &networks)
    : data(std::move(samples)), networks(networks) {
  size_t results = networks.results() + networks.hints(), right = 0;
  std::vector<double> sum(results), squares(results), elements(results);
  for (size_t first = 0; first < data.size(); first += networks.batch()) {
    size_t count = load(first);
    networks.runTeacher();
    for (size_t result = 0; result < results; ++result)
      for (float value : networks.teacherResult(result)) {
        sum[result] += value;
        squares[result] += double(value) * value;
        ++elements[result];
      }
    for (size_t i = 0; networks.isClassifier() && i < count; ++i) {
      size_t size = networks.classCount();
      size_t own = argmax(networks.teacherResult(0).slice(i * size, size));
      classes.push_back(data.labelled() ? size_t(data.label(first + i)) : own);
      right += classes.back() == own;
    }
  }
  for (size_t result = 0; result < results; ++result) {
    double mean = sum[result] / elements[result];
    double variance = squares[result] / elements[result] - mean * mean;
    inverseVariance.push_back(1 / std::max(variance, 1e-12));
  }
  if (networks.isClassifier())
    original = double(right) / data.size();
}

double HeldOut::requiredOfTop() const {
  if (!networks.isClassifier())
    return kLeastAgreement;
  if (data.labelled())
    return original -
           std::max(kKnownByHeart, std::sqrt(original * (1 - original) / double(data.size())));
  double variance = kLeastAgreement * (1 - kLeastAgreement) / double(data.size());
  return kLeastAgreement - 2 * std::sqrt(variance);
}

size_t HeldOut::load(size_t first) const {
  size_t count = std::min(networks.batch(), data.size() - first);
  for (auto [index, buffer] : enumerate(networks.inputs())) {
    size_t elements = buffer.size() / networks.batch();
    for (size_t i = 0; i < networks.batch(); ++i) // The last sample fills the batch.
      data.copy(first + std::min(i, count - 1), index,
                MutableArrayRef<float>(buffer).slice(i * elements, elements));
  }
  return count;
}

double HeldOut::hits(ArrayRef<float> logits, size_t first, size_t count) const {
  size_t size = networks.classCount(), right = 0;
  for (size_t i = 0; i < count; ++i)
    right += argmax(logits.slice(i * size, size)) == classes[first + i];
  return double(right);
}

/// The sum over samples of their mean error, weighted, over all results.
double HeldOut::squaredError(unsigned capacity, size_t count) const {
  double total = 0;
  for (size_t result = 0; result < networks.results(); ++result) {
    ArrayRef<float> have = networks.result(capacity, result), want = networks.teacherResult(result);
    size_t elements = want.size() / networks.batch();
    double error = 0;
    for (size_t i = 0; i < count * elements; ++i)
      error += double(have[i] - want[i]) * (have[i] - want[i]);
    total += inverseVariance[result] * error / elements / networks.results();
  }
  return total;
}

std::vector<double> HeldOut::scores() const {
  std::vector<double> sums(networks.capacities());
  for (size_t first = 0; first < data.size(); first += networks.batch()) {
    size_t count = load(first);
    if (!networks.isClassifier())
      networks.runTeacher();
    for (unsigned capacity = 0; capacity < sums.size(); ++capacity) {
      networks.run(capacity);
      sums[capacity] += networks.isClassifier() ? hits(networks.result(capacity, 0), first, count)
                                                : squaredError(capacity, count);
    }
  }
  for (double &sum : sums) {
    sum /= data.size();
    sum = networks.isClassifier() ? sum : std::max(0.0, 1 - sum);
  }
  return sums;
}

} // namespace nestor::learn

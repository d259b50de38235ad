//===- Optimizer.cpp - Steps along gradients ------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Optimizer.h"

#include <algorithm>
#include <cmath>

using namespace llvm;

namespace nestor::learn {

static constexpr int64_t kWarmUpSteps = 20;
/// Of the steps, how many a running mean looks back.
static constexpr double kMeanLength = 0.15;

int64_t cosineStart(int64_t steps) { return steps / 3; }

double learningRateAt(int64_t step, int64_t steps) {
  double rate = std::min(1.0, double(step + 1) / kWarmUpSteps);
  int64_t start = cosineStart(steps);
  if (steps && step >= start)
    rate *= 0.5 * (1 + std::cos(M_PI * double(step - start) / double(steps - start)));
  return rate;
}

double shareOfMean(int64_t step, int64_t steps) {
  int64_t count = step - cosineStart(steps);
  if (steps == 0 || count <= 0)
    return 0;
  return 1 / std::min(double(count), 1 + kMeanLength * double(steps));
}

/// In lanes, so that the order of additions is fixed and still fills registers.
static double squaredNorm(ArrayRef<float> values) {
  constexpr size_t lanes = 8;
  double sums[lanes] = {};
  size_t whole = values.size() / lanes * lanes;
  for (size_t i = 0; i < whole; i += lanes)
    for (size_t lane = 0; lane < lanes; ++lane)
      sums[lane] += double(values[i + lane]) * double(values[i + lane]);
  for (size_t i = whole; i < values.size(); ++i)
    sums[i - whole] += double(values[i]) * double(values[i]);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

OptimizerState Optimizer::start(size_t size) const {
  return {AlignedFloats(size), AlignedFloats(options.adam ? size : 0), 0};
}

double Optimizer::step(OptimizerState &state, AlignedFloats &values, AlignedFloats &gradients,
                       double rate) const {
  for (const TrainedRange &range : ranges)
    for (size_t i = range.begin; i < range.end; ++i)
      gradients.data()[i] *= units.data()[i];
  double squares = 0;
  for (const TrainedRange &range : ranges)
    squares += squaredNorm({gradients.data() + range.begin, range.end - range.begin});
  double norm = std::sqrt(squares);
  if (options.clip > 0 && norm > options.clip) {
    float factor = float(options.clip / norm);
    for (const TrainedRange &range : ranges)
      for (size_t i = range.begin; i < range.end; ++i)
        gradients.data()[i] *= factor;
  }
  ++state.updates;
  for (const TrainedRange &range : ranges) {
    if (options.adam)
      stepAdam(state, range, values.data(), gradients.data(), rate);
    else
      stepMomentum(state, range, values.data(), gradients.data(), rate);
  }
  return norm;
}

void Optimizer::stepAdam(OptimizerState &state, const TrainedRange &range, float *__restrict values,
                         const float *__restrict gradients, double rate) const {
  float *__restrict first = state.first.data(), *__restrict second = state.second.data();
  const float *__restrict unit = units.data(), *__restrict middle = center.data();
  float keep1 = float(options.momentum), keep2 = float(options.secondMoment);
  // Both moments start at zero, and are too small at first.
  double correction1 = 1 - std::pow(options.momentum, double(state.updates));
  double correction2 = 1 - std::pow(options.secondMoment, double(state.updates));
  float length = float(rate / correction1), bias = float(1 / std::sqrt(correction2));
  float epsilon = float(options.epsilon);
  float shrink = range.decays ? float(1 - rate * options.weightDecay) : 1.f, pull = 1 - shrink;
  for (size_t i = range.begin; i < range.end; ++i) {
    first[i] = keep1 * first[i] + (1 - keep1) * gradients[i];
    second[i] = keep2 * second[i] + (1 - keep2) * gradients[i] * gradients[i];
    values[i] = shrink * values[i] + pull * middle[i] -
                unit[i] * (length * first[i] / (std::sqrt(second[i]) * bias + epsilon));
  }
}

void Optimizer::stepMomentum(OptimizerState &state, const TrainedRange &range,
                             float *__restrict values, const float *__restrict gradients,
                             double rate) const {
  float *__restrict first = state.first.data();
  const float *__restrict unit = units.data(), *__restrict middle = center.data();
  float momentum = float(options.momentum), length = float(rate);
  float decay = range.decays ? float(options.weightDecay) : 0.f;
  for (size_t i = range.begin; i < range.end; ++i) {
    float gradient = gradients[i] + decay * (values[i] - middle[i]) / unit[i];
    first[i] = momentum * first[i] + gradient;
    values[i] -= unit[i] * (length * (gradient + momentum * first[i]));
  }
}

} // namespace nestor::learn

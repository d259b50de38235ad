//===- StepUnits.cpp - How large a step is for each value -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/StepUnits.h"

#include <cmath>

using namespace llvm;

namespace nestor::learn {

/// What is much smaller than the rest of its tensor, or zero, moves like so much
/// of it.
static constexpr float kLeastShare = 0.1f;
/// Where all of a tensor is zero.
static constexpr float kOfZeros = 0.1f;

/// The root mean square of every `stride`th value from `first` on.
static float rootMeanSquare(ArrayRef<float> values, size_t first, size_t stride) {
  double sum = 0;
  size_t count = 0;
  for (size_t i = first; i < values.size(); i += stride, ++count)
    sum += double(values[i]) * values[i];
  return count ? float(std::sqrt(sum / double(count))) : 0;
}

AlignedFloats stepUnits(const ParameterSet &set, const ParameterBlock &layout) {
  AlignedFloats units(layout.size());
  for (unsigned i = 0; i < set.size(); ++i) {
    const Parameter &parameter = set[i];
    float whole = rootMeanSquare(parameter.value, 0, 1);
    // Outputs are the last dimension of filters.
    size_t stride = parameter.role == Parameter::Filter ? parameter.shape.back() : 1;
    for (size_t output = 0; output < stride; ++output) {
      float own = rootMeanSquare(parameter.value, output, stride);
      float unit = whole > 0 ? std::max(own, kLeastShare * whole) : kOfZeros;
      for (size_t at = layout.begin(i) + output; at < layout.end(i); at += stride)
        units.data()[at] = unit;
    }
  }
  return units;
}

} // namespace nestor::learn

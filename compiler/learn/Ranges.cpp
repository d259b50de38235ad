//===- Ranges.cpp - What values a byte can stand for ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Ranges.h"

#include "compiler/learn/Walk.h"

#include <cmath>

using namespace mlir;

namespace nestor::learn {

/// Doubles the bins' width until `magnitude` lies in one.
void Histogram::widen(float magnitude) {
  if (limit == 0)
    limit = std::max(magnitude, std::numeric_limits<float>::min());
  while (magnitude > limit) {
    std::vector<uint64_t> wider(2 * kBins);
    for (int64_t i = 0; i < 2 * kBins; ++i)
      wider[kBins / 2 + i / 2] += counts[i];
    counts = std::move(wider);
    limit *= 2;
  }
}

void Histogram::add(llvm::ArrayRef<float> values) {
  float low = 0, high = 0;
  for (float value : values) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // No range holds infinities; NaN is in none.
  if (!std::isfinite(low) || !std::isfinite(high))
    return;
  lowest = std::min(lowest, low);
  highest = std::max(highest, high);
  widen(std::max(-low, high));
  const float perBin = float(kBins) / limit;
  for (float value : values)
    if (!std::isnan(value))
      ++counts[std::clamp<int64_t>(kBins + int64_t(std::floor(value * perBin)), 0, 2 * kBins - 1)];
}

double Histogram::errorOf(const ByteRange &range) const {
  double error = 0;
  const double width = double(limit) / kBins;
  for (int64_t i = 0; i < 2 * kBins; ++i) {
    if (!counts[i])
      continue;
    double value = (double(i - kBins) + 0.5) * width;
    double byte = std::clamp(std::nearbyint(value / range.scale) + range.zero, 0.0, 255.0);
    double off = value - (byte - range.zero) * range.scale;
    error += double(counts[i]) * off * off;
  }
  return error;
}

static ByteRange rangeOf(float low, float high) {
  ByteRange range;
  range.scale = std::max((high - low) / 255, std::numeric_limits<float>::min());
  range.zero = int32_t(std::clamp(std::nearbyint(-low / range.scale), 0.0f, 255.0f));
  return range;
}

ByteRange Histogram::bestRange() const {
  if (lowest == highest)
    return ByteRange(); // Nothing but zeros.
  ByteRange best = rangeOf(lowest, highest);
  double least = errorOf(best);
  constexpr int steps = 40;
  for (int step = steps / 4; step < steps; ++step) {
    float share = float(step) / steps;
    ByteRange range = rangeOf(lowest * share, highest * share);
    if (double error = errorOf(range); error < least) {
      least = error;
      best = range;
    }
  }
  return best;
}

llvm::Expected<llvm::DenseMap<Value, ByteRange>>
measureRanges(func::FuncOp func, ArrayRef<Value> values, const Dataset &samples,
              unsigned threads) {
  std::vector<Histogram> histograms(values.size());
  Walk walk(func, samples, threads);
  llvm::Error error =
      walk.run(values, [&](size_t, size_t count, ArrayRef<const float *> tensors) {
        for (auto [value, histogram, floats] : llvm::zip_equal(values, histograms, tensors))
          histogram.add({floats, count * size_t(elementsOf(value))});
      });
  if (error)
    return error;
  llvm::DenseMap<Value, ByteRange> ranges;
  for (auto [value, histogram] : llvm::zip_equal(values, histograms))
    ranges[value] = histogram.bestRange();
  return ranges;
}

} // namespace nestor::learn

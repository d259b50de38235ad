//===- Patches.h - What a convolution sees at some positions ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_PATCHES_H
#define NESTOR_LEARN_PATCHES_H

#include "compiler/ir/NestDialect.h"
#include "compiler/learn/Dataset.h"

#include <cstdint>
#include <vector>

namespace nestor::learn {

/// Random bits that are the same on every machine (SplitMix64).
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t operator()();
  /// Below `limit`, which is not 0.
  uint64_t below(uint64_t limit) { return (*this)() % limit; }

private:
  uint64_t state;
};

/// The first `count` of a random order of 0 .. size - 1, ascending.
std::vector<int64_t> choose(int64_t size, int64_t count, Random &random);

/// `count` samples of `data` in a random order of `seed`, or all of them.
Dataset chooseSamples(const Dataset &data, size_t count, uint64_t seed);

/// Reads the windows of a convolution out of its input for one sample. Row
/// elements are in the order of the filter's: taps first, then channels. What
/// lies in the padding is zero.
class PatchReader {
public:
  explicit PatchReader(nest::ConvOp conv);

  /// Positions of one sample: elements of the result, without channels.
  int64_t positions() const { return positionCount; }
  int64_t taps() const { return tapCount; }
  int64_t channels() const { return channelCount; } ///< Of the input, all groups.
  int64_t features() const { return tapCount * channelCount; }

  /// Writes the window of `position`, features() floats.
  void read(const float *sample, int64_t position, float *row) const;

private:
  llvm::SmallVector<int64_t> input, output; ///< Spatial extents.
  llvm::SmallVector<int64_t> kernel, strides, dilations, padBegin;
  int64_t positionCount, tapCount, channelCount;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_PATCHES_H

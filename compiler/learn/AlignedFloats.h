//===- AlignedFloats.h - Memory that executors bind -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_ALIGNEDFLOATS_H
#define NESTOR_LEARN_ALIGNEDFLOATS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/MathExtras.h"

#include <vector>

namespace nestor::learn {

/// Floats that begin at a multiple of 64 bytes, zero at first. A value type.
class AlignedFloats {
public:
  static constexpr size_t kLine = 16; ///< Floats in 64 bytes.

  AlignedFloats() = default;
  explicit AlignedFloats(size_t size) : count(size), lines(llvm::divideCeil(size, kLine)) {}

  size_t size() const { return count; }
  float *data() { return reinterpret_cast<float *>(lines.data()); }
  const float *data() const { return reinterpret_cast<const float *>(lines.data()); }
  operator llvm::MutableArrayRef<float>() { return {data(), count}; }
  operator llvm::ArrayRef<float>() const { return {data(), count}; }

private:
  struct alignas(64) Line {
    float values[kLine] = {};
  };
  size_t count = 0;
  std::vector<Line> lines;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_ALIGNEDFLOATS_H

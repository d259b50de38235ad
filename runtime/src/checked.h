//===- checked.h - Arithmetic that notices overflow ----------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_CHECKED_H
#define NESTOR_SRC_CHECKED_H

#include <cstdint>

namespace nestor::detail {

/// Each returns false, and leaves `result` alone, when it does not fit.
template <typename T> [[nodiscard]] bool checked_add(T a, T b, T &result) {
  T sum;
  return !__builtin_add_overflow(a, b, &sum) && (result = sum, true);
}
template <typename T> [[nodiscard]] bool checked_mul(T a, T b, T &result) {
  T product;
  return !__builtin_mul_overflow(a, b, &product) && (result = product, true);
}

/// Whether [offset, offset + size) lies in [0, limit).
inline bool fits(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

/// `value` up to a multiple of `alignment`, a power of two.
[[nodiscard]] inline bool checked_align(uint64_t value, uint64_t alignment, uint64_t &result) {
  uint64_t padded;
  return checked_add(value, alignment - 1, padded) && (result = padded & ~(alignment - 1), true);
}

} // namespace nestor::detail

#endif // NESTOR_SRC_CHECKED_H

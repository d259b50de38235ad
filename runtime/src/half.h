//===- half.h - Floats of two bytes --------------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// By integer arithmetic, since not every CPU that the runtime is built for
// converts them. Rounds to nearest, ties to even.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_HALF_H
#define NESTOR_SRC_HALF_H

#include <cstdint>
#include <cstring>

namespace nestor::detail {

struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint16_t float_to_half(float value) {
  uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) // NaN; a quiet one with the top of its payload.
    return static_cast<uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) // Rounds to 65536 or more.
    return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 0x38800000) { // Subnormal: adding 0.5 leaves the bits at the bottom.
    uint32_t rounded = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    return static_cast<uint16_t>(sign | rounded);
  }
  uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | (rounded - 0x38000000) >> 13);
}

inline float half_to_float(uint16_t half) {
  uint32_t sign = uint32_t{half} << 16 & 0x80000000, magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00)
    return float_of(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  if (magnitude < 0x400) // Zero or subnormal: a multiple of 2^-24.
    return float_of(sign | bits_of(static_cast<float>(magnitude) * 0x1p-24f));
  return float_of(sign | ((magnitude << 13) + 0x38000000));
}

inline uint16_t float_to_bfloat(float value) {
  uint32_t bits = bits_of(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float bfloat_to_float(uint16_t bfloat) { return float_of(uint32_t{bfloat} << 16); }

} // namespace nestor::detail

#endif // NESTOR_SRC_HALF_H

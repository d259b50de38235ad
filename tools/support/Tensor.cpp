//===- Tensor.cpp - Arrays of files and tensors of artifacts --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Tensor.h"

#include <cstring>

namespace nestor::support {

std::string npyDtype(DType type) {
  static constexpr const char *names[] = {"",   "f4", "f8", "f2", "",   "i1", "i2",
                                          "i4", "i8", "u1", "u2", "u4", "u8", "b1"};
  return names[static_cast<size_t>(type)];
}

static std::string describeShape(const std::vector<int64_t> &shape) {
  std::string text;
  for (int64_t extent : shape)
    text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

std::string describe(const TensorInfo &info) {
  return std::string(to_string(info.dtype)) + " " + describeShape(info.dims);
}

std::string describe(const NpyArray &array) {
  return array.dtype + " " + describeShape(array.shape);
}

template <typename T> static std::vector<double> widen(const void *data, size_t count) {
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, static_cast<const char *>(data) + i * sizeof value, sizeof value);
    values[i] = static_cast<double>(value);
  }
  return values;
}

static double halfToDouble(uint16_t half) {
  int exponent = half >> 10 & 31, mantissa = half & 1023;
  double sign = half & 0x8000 ? -1 : 1;
  if (exponent == 31)
    return mantissa ? __builtin_nan("") : sign * __builtin_inf();
  return sign * (exponent ? __builtin_ldexp(mantissa + 1024, exponent - 25)
                          : __builtin_ldexp(mantissa, -24));
}

std::vector<double> toDoubles(const std::string &dtype, const void *data, size_t count) {
  if (dtype == "f4")
    return widen<float>(data, count);
  if (dtype == "f8")
    return widen<double>(data, count);
  if (dtype == "i1")
    return widen<int8_t>(data, count);
  if (dtype == "i2")
    return widen<int16_t>(data, count);
  if (dtype == "i4")
    return widen<int32_t>(data, count);
  if (dtype == "i8")
    return widen<int64_t>(data, count);
  if (dtype == "u1" || dtype == "b1")
    return widen<uint8_t>(data, count);
  if (dtype == "u2")
    return widen<uint16_t>(data, count);
  if (dtype == "u4")
    return widen<uint32_t>(data, count);
  if (dtype == "u8")
    return widen<uint64_t>(data, count);
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, static_cast<const char *>(data) + i * sizeof half, sizeof half);
    values[i] = halfToDouble(half);
  }
  return values;
}

} // namespace nestor::support

//===- Element.h - Tensor elements as C++ values ----------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The evaluator computes in three types only: double for floats, int64_t for
// signed and signless integers, uint64_t for unsigned ones. This file is the
// way from the bytes of a tensor to vectors of those, and back.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_REFERENCE_ELEMENT_H
#define NESTOR_REFERENCE_ELEMENT_H

#include "compiler/reference/Evaluator.h"

#include "llvm/Support/ErrorHandling.h"

#include <cmath>
#include <limits>
#include <type_traits>

namespace nestor::reference {

/// A binary float of 16 bits, `Mantissa` of which are explicit: f16 or bf16.
template <unsigned Mantissa> class Float16Bits {
public:
  Float16Bits() = default;
  /// Rounds to nearest, ties to even.
  explicit Float16Bits(double value);
  explicit operator double() const;

private:
  static constexpr int kMaxExponentField = (1 << (15 - Mantissa)) - 1;
  static constexpr int kBias = kMaxExponentField / 2;
  static constexpr int kImplicit = 1 << Mantissa;

  uint16_t bits = 0;
};

template <unsigned Mantissa> Float16Bits<Mantissa>::Float16Bits(double value) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  uint16_t infinity = kMaxExponentField << Mantissa;
  if (std::isnan(value)) {
    bits = sign | infinity | kImplicit / 2;
  } else if (std::isinf(value)) {
    bits = sign | infinity;
  } else {
    // The unit in the last place, that of subnormals at least. A mantissa that
    // rounds up to the next power of two carries into the exponent field.
    int exponent = std::max(value == 0 ? 1 - kBias : std::ilogb(value), 1 - kBias);
    auto mantissa = static_cast<int>(
        std::nearbyint(std::ldexp(std::fabs(value), int(Mantissa) - exponent)));
    int field = mantissa + (exponent + kBias - 1) * kImplicit;
    bits = sign | uint16_t(std::min<int>(field, infinity));
  }
}

template <unsigned Mantissa> Float16Bits<Mantissa>::operator double() const {
  int field = (bits >> Mantissa) & kMaxExponentField, mantissa = bits & (kImplicit - 1);
  double magnitude;
  if (field == kMaxExponentField)
    magnitude = mantissa ? std::numeric_limits<double>::quiet_NaN()
                         : std::numeric_limits<double>::infinity();
  else if (field == 0)
    magnitude = std::ldexp(mantissa, 1 - kBias - int(Mantissa));
  else
    magnitude = std::ldexp(kImplicit + mantissa, field - kBias - int(Mantissa));
  return bits & 0x8000 ? -magnitude : magnitude;
}

using Half = Float16Bits<10>;
using BFloat16 = Float16Bits<7>;

/// Converts between any two element types. Floats to integers truncate, go to
/// the nearest end of the range outside it, and make NaN zero; integers to
/// narrower ones keep their low bits.
template <typename To, typename From> To convertElement(From value) {
  constexpr bool fromFloat = !std::is_integral_v<From>;
  if constexpr (fromFloat && std::is_integral_v<To>) {
    // Both ends are compared as doubles; the upper one may round up, to a
    // value that is out of range itself.
    double x = static_cast<double>(value);
    if (std::isnan(x))
      return 0;
    if (x >= static_cast<double>(std::numeric_limits<To>::max()))
      return std::numeric_limits<To>::max();
    if (x <= static_cast<double>(std::numeric_limits<To>::min()))
      return std::numeric_limits<To>::min();
    return static_cast<To>(x);
  } else if constexpr (fromFloat) {
    return static_cast<To>(static_cast<double>(value));
  } else {
    return static_cast<To>(value);
  }
}

/// Calls `f` with a value of the C++ type that stores elements of `element`.
template <typename F> decltype(auto) visitStorage(mlir::Type element, F &&f) {
  if (element.isF32())
    return f(float{});
  if (element.isF64())
    return f(double{});
  if (element.isF16())
    return f(Half{});
  if (element.isBF16())
    return f(BFloat16{});
  bool isUnsigned = element.isUnsignedInteger();
  switch (element.getIntOrFloatBitWidth()) {
  case 1:
    return f(uint8_t{});
  case 8:
    return isUnsigned ? f(uint8_t{}) : f(int8_t{});
  case 16:
    return isUnsigned ? f(uint16_t{}) : f(int16_t{});
  case 32:
    return isUnsigned ? f(uint32_t{}) : f(int32_t{});
  case 64:
    return isUnsigned ? f(uint64_t{}) : f(int64_t{});
  }
  llvm_unreachable("no tensors of this element type");
}

/// Calls `f` with a value of the type in which elements of `element` are
/// computed: double, int64_t or uint64_t.
template <typename F> decltype(auto) visitCompute(mlir::Type element, F &&f) {
  if (!element.isInteger())
    return f(double{});
  if (element.isUnsignedInteger())
    return f(uint64_t{});
  return f(int64_t{});
}

// Sums and products in a compute type; integers wrap.
template <typename T> T wrappingAdd(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) + uint64_t(b));
  else
    return a + b;
}
template <typename T> T wrappingMul(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) * uint64_t(b));
  else
    return a * b;
}

/// All elements of `tensor`, converted.
template <typename T> std::vector<T> toVector(const TensorValue &tensor) {
  std::vector<T> values(tensor.size());
  visitStorage(tensor.type.getElementType(), [&](auto zero) {
    auto from = tensor.as<decltype(zero)>();
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = convertElement<T>(from[i]);
  });
  return values;
}

/// A tensor of `type` with elements converted from `values`.
template <typename T>
TensorValue fromVector(mlir::RankedTensorType type, llvm::ArrayRef<T> values) {
  TensorValue tensor = TensorValue::zeros(type);
  visitStorage(type.getElementType(), [&](auto zero) {
    auto to = tensor.as<decltype(zero)>();
    for (size_t i = 0; i < to.size(); ++i)
      to[i] = convertElement<decltype(zero)>(values[i]);
  });
  return tensor;
}
template <typename T>
TensorValue fromVector(mlir::RankedTensorType type, const std::vector<T> &values) {
  return fromVector(type, llvm::ArrayRef<T>(values));
}

} // namespace nestor::reference

#endif // NESTOR_REFERENCE_ELEMENT_H

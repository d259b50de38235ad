//===- ByteRange.h - What the bytes of a tensor stand for -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_BYTERANGE_H
#define NESTOR_PASSES_BYTERANGE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"

#include <optional>

namespace nestor {

/// A byte b of a tensor stands for (b - zero) * scale; 0 is among these values.
struct ByteRange {
  float scale = 1;
  int32_t zero = 0;

  float lowest() const { return float(-zero) * scale; }
  float highest() const { return float(255 - zero) * scale; }
  bool operator==(const ByteRange &other) const {
    return scale == other.scale && zero == other.zero;
  }
};

/// Attributes of a `nest.conv` that `nest-quantize` makes one of bytes: the range
/// of its input, and that of its result where bytes are to be made of that, too.
/// An `array<f32: scale, zero>` each.
constexpr llvm::StringLiteral kInputRangeAttr = "nest.input_range";
constexpr llvm::StringLiteral kResultRangeAttr = "nest.result_range";

inline void setByteRange(mlir::Operation *op, llvm::StringRef name, const ByteRange &range) {
  float values[] = {range.scale, float(range.zero)};
  op->setAttr(name, mlir::DenseF32ArrayAttr::get(op->getContext(), values));
}

/// None where `op` has no such attribute, or one that is no range.
inline std::optional<ByteRange> byteRangeOf(mlir::Operation *op, llvm::StringRef name) {
  auto values = op->getAttrOfType<mlir::DenseF32ArrayAttr>(name);
  if (!values || values.size() != 2 || !(values[0] > 0) || !(values[1] >= 0 && values[1] <= 255))
    return std::nullopt;
  return ByteRange{values[0], int32_t(values[1])};
}

} // namespace nestor

#endif // NESTOR_PASSES_BYTERANGE_H

//===- Quantized.h - Convolutions of bytes ----------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A `nest.conv` whose input is ui8 and that has a scale is one of bytes:
//
// - `filter` holds i32 words [K1.., Kn, C/4, O], each of four weights (i8, the
//   lowest byte first) of four inputs that lie side by side; a depthwise one holds
//   whole numbers as f32. Both are packed as any filter is. So what is known of
//   filters of floats (shells, edges, panels) holds for words.
// - Products are summed exactly; taps in the padding are left out, so an input
//   whose zero is not the byte 0 is padded beforehand.
// - `scale`, `bias` [O] of f32 make f32 of a sum: fma(sum, scale, bias). The
//   epilogue is given that f32; extras are ui8 or f32. The result is ui8 (the
//   epilogue yields its bits, i8) or f32.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_QUANTIZED_H
#define NESTOR_IR_QUANTIZED_H

#include "compiler/ir/NestDialect.h"

namespace nestor::nest {

/// Inputs whose weights share a word.
constexpr int64_t kInputsPerWord = 4;

inline bool isOfBytes(ConvOp op) {
  return op.getScale() &&
         mlir::cast<mlir::RankedTensorType>(op.getInput().getType()).getElementType().isUnsignedInteger(8);
}

} // namespace nestor::nest

#endif // NESTOR_IR_QUANTIZED_H

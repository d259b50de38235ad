//===- HalfFilter.h - Filters of two bytes a weight -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A `nest.conv` from f32 to f32 may have a filter of f16 or bf16, which takes half
// the room. A kernel widens the weights where it loads them; all arithmetic, the
// bias and the epilogue stay f32. `nest-round-filters` makes such filters, and what
// is known of filters of f32 (shells, edges, panels) holds for them.
//
// Winograd's transforms make up for their few products by large factors behind
// them, which the rounding of a transformed filter goes through: measured per
// layer, 2e-4 of a result's range for tiles of 2 in f16, but 2e-3 in bf16 or for
// larger tiles. Those filters are packed as f32.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_HALFFILTER_H
#define NESTOR_IR_HALFFILTER_H

#include "compiler/ir/NestDialect.h"

namespace nestor::nest {

inline bool isHalf(mlir::Type element) { return element.isF16() || element.isBF16(); }

/// Whether `op` computes in f32, in whatever its filter is stored.
inline bool computesInF32(ConvOp op) {
  mlir::Type filter = op.getFilter().getType().getElementType();
  return op.getInput().getType().getElementType().isF32() && op.getType().getElementType().isF32() &&
         (filter.isF32() || isHalf(filter));
}

/// What a filter of `element` holds once it is packed for kernels; `winograd`: the
/// outputs of a tile (compiler/ir/Winograd.h), or 0.
inline mlir::Type packedElement(mlir::Type element, int64_t winograd) {
  bool roundsTooMuch = winograd > 2 || (winograd && element.isBF16());
  return isHalf(element) && roundsTooMuch ? mlir::Float32Type::get(element.getContext()) : element;
}

} // namespace nestor::nest

#endif // NESTOR_IR_HALFFILTER_H

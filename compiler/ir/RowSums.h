//===- RowSums.h - Sums that a convolution leaves for a mean ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A global pooling reads a whole tensor that its convolution has just had in
// registers. A depthwise `nest.conv` that carries `nest.row_sums` also adds up the
// pixels of every row of its result: [N, rows, C] floats, which lie behind the
// result's elements in the same memory. The mean of the result over all pixels
// (`nest.reduce`, in the same block) then reads these few in place of the tensor.
//
// The attribute says how the mean is computed and not what: without it the function
// computes the same, up to rounding.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_ROWSUMS_H
#define NESTOR_IR_ROWSUMS_H

#include "compiler/ir/NestDialect.h"

namespace nestor::nest {

inline constexpr llvm::StringLiteral kRowSumsAttr = "nest.row_sums";

inline bool leavesRowSums(mlir::Operation *op) { return op && op->hasAttr(kRowSumsAttr); }

/// The sums behind the elements of `value`, [N, rows, C]; nothing where there are
/// none.
inline llvm::SmallVector<int64_t, 3> rowSumsShape(mlir::Value value) {
  if (!leavesRowSums(value.getDefiningOp()))
    return {};
  auto shape = mlir::cast<mlir::RankedTensorType>(value.getType()).getShape();
  return {shape[0], shape[1], shape[3]};
}

/// Whether `op` is the mean of each channel over all pixels of [N, H, W, C].
inline bool isMeanOfPixels(ReduceOp op) {
  auto type = mlir::cast<mlir::RankedTensorType>(op.getInput().getType());
  return op.getKind() == ReduceKind::mean && type.getRank() == 4 && type.getElementType().isF32() &&
         op.getAxes() == llvm::ArrayRef<int64_t>{1, 2};
}

} // namespace nestor::nest

#endif // NESTOR_IR_ROWSUMS_H

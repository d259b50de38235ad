//===- Rows.h - Tensors inside larger ones ----------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Some channels of a tensor are a tensor whose rows, along the last dimension,
// lie further apart than they are long. Kernels that write such rows fill a part
// of a concatenation in place, and those that read them need no copy of a slice.
// The pitch is a parameter like the channels, so that capacities share the code.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_ROWS_H
#define NESTOR_KERNELS_ROWS_H

#include "compiler/ir/NestDialect.h"
#include "compiler/kernels/Kernel.h"

namespace nestor::kernels {

/// How far apart the rows of an operation's tensors lie, in elements; 0: dense.
struct RowPitches {
  llvm::SmallVector<int64_t> operands; ///< Parallel to the operands.
  int64_t result = 0;                  ///< Of the first result.
  /// Concatenations only: operands that lie in their part of the result already.
  llvm::SmallVector<bool> inPlace;

  static RowPitches dense(mlir::Operation *op);
};

/// Whether the first result of `op` may have rows that lie apart.
bool writesRows(mlir::Operation *op);
/// Whether its operands may.
bool readsRows(mlir::Operation *op);

/// As `describeCalls(op)`, for tensors that lie as `pitches` says. Nothing is
/// called where all operands of a concatenation are in place.
mlir::FailureOr<llvm::SmallVector<KernelCall, 1>> describeCalls(mlir::Operation *op, const RowPitches &pitches);

// Of the families that `writesRows` names.
mlir::FailureOr<llvm::SmallVector<KernelCall, 1>> describeConv(nest::ConvOp op, int64_t resultPitch);
mlir::FailureOr<llvm::SmallVector<KernelCall, 1>> describePool(nest::PoolOp op, int64_t resultPitch);
mlir::FailureOr<llvm::SmallVector<KernelCall, 1>> describeConcat(nest::ConcatOp op, const RowPitches &pitches);

/// The extent of rows of `rowBytes` that lie as far apart as parameter `pitch`
/// says; `oneApart` is what they would take with a pitch of 1. The last row ends
/// where its elements do.
Polynomial pitchedBytes(Term oneApart, uint32_t pitch, const Term &rowBytes);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_ROWS_H

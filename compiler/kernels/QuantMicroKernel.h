//===- QuantMicroKernel.h - The inner loop of products of bytes -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_QUANTMICROKERNEL_H
#define NESTOR_KERNELS_QUANTMICROKERNEL_H

#include "compiler/kernels/MicroKernel.h"
#include "compiler/kernels/TileTable.h"

namespace nestor::kernels {

/// The tile of a product of bytes; as `matmulTile`.
Tile quantTile(const TargetInfo &target, int64_t rows, bool narrow, bool aliased);

/// As `accumulate`, exactly, of words of four bytes instead of floats: ui8 on the
/// left, i8 in the panels, sums of i32.
llvm::SmallVector<mlir::Value> accumulateBytes(KernelBuilder &b, llvm::ArrayRef<mlir::Value> sums,
                                               llvm::ArrayRef<int64_t> rows, int64_t vectors, int64_t lanes,
                                               RowsOperand lhs, llvm::ArrayRef<mlir::Value> panels,
                                               mlir::Value depth);

/// What kernels of bytes are made for where others are made for `targets`:
/// besides those themselves the ones with more instructions for bytes.
llvm::SmallVector<const TargetInfo *> quantTargets(llvm::ArrayRef<const TargetInfo *> targets);
/// The best of them for this host.
const TargetInfo &quantHostTarget();

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_QUANTMICROKERNEL_H

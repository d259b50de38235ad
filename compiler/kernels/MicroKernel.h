//===- MicroKernel.h - The inner loop of matrix products --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_MICROKERNEL_H
#define NESTOR_KERNELS_MICROKERNEL_H

#include "compiler/kernels/KernelBuilder.h"

namespace nestor::kernels {

/// The left side of a product: element (row, k) lies at
/// pointer[row * rowStride + k * depthStride].
struct RowsOperand {
  mlir::Value pointer, rowStride, depthStride;
};

/// The right side, packed: element (panel, k, channel) lies at
/// pointer[panel * panelStride + k * 16 + channel].
struct PanelsOperand {
  mlir::Value pointer, panelStride;

  /// The first element of each of `count` panels.
  llvm::SmallVector<mlir::Value> panels(KernelBuilder &b, int64_t count) const;
};

/// sums[row][vector] += lhs[row][k] * rhs[k][vector] over k in [0, depth), for
/// the given rows of the tile only. `sums` has `vectors` vectors of `lanes` a
/// row; lanes * vectors is a whole number of panels. `panels` has a pointer to
/// the first element of each. With `ahead`, what lies so many floats behind the
/// weights is fetched into the second-level cache meanwhile.
llvm::SmallVector<mlir::Value> accumulate(KernelBuilder &b, llvm::ArrayRef<mlir::Value> sums,
                                          llvm::ArrayRef<int64_t> rows, int64_t vectors, int64_t lanes,
                                          RowsOperand lhs, llvm::ArrayRef<mlir::Value> panels, mlir::Value depth,
                                          mlir::Value ahead = {});

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_MICROKERNEL_H

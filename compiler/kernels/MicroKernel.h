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
  mlir::Type element;

  /// The first element of each of `count` panels.
  llvm::SmallVector<mlir::Value> panels(KernelBuilder &b, int64_t count) const;
};

/// Calls `body(panel, count)` in loops over panels [first, last) of `outputs`
/// channels: `together` at a time while all of them are whole, then one by one.
void forEachPanels(KernelBuilder &b, mlir::Value first, mlir::Value last, mlir::Value outputs, int64_t together,
                   llvm::function_ref<void(mlir::Value, int64_t)> body);

/// How a vector of weights and an element of a row meet. Both are prepared once,
/// as one value or several, for all that they meet.
struct ElementProduct {
  using Prepared = llvm::SmallVector<mlir::Value, 4>;

  mlir::Type weights, input; ///< Of an element in memory.
  llvm::function_ref<Prepared(mlir::Value)> prepareWeights, prepareInput;
  llvm::function_ref<mlir::Value(mlir::Value sum, const Prepared &input, const Prepared &weights)> add;
  /// By what `prepareInput` changes every input, prepared, where it does (i32 only):
  /// the products with it are taken off the sums.
  Prepared offset = {};
};

/// sums[row][vector] += lhs[row][k] * rhs[k][vector] over k in [0, depth), for
/// the given rows of the tile only. `sums` has `vectors` vectors of `lanes` a
/// row; lanes * vectors is a whole number of panels. `panels` has a pointer to
/// the first element of each. With `ahead`, what lies so many elements behind the
/// weights is fetched into the second-level cache meanwhile. Weights of `stored`, in
/// place of f32, are widened where they are loaded.
llvm::SmallVector<mlir::Value> accumulate(KernelBuilder &b, llvm::ArrayRef<mlir::Value> sums,
                                          llvm::ArrayRef<int64_t> rows, int64_t vectors, int64_t lanes,
                                          RowsOperand lhs, llvm::ArrayRef<mlir::Value> panels, mlir::Value depth,
                                          mlir::Value ahead = {}, mlir::Type stored = {});
/// The same with another product than that of floats.
llvm::SmallVector<mlir::Value> accumulate(KernelBuilder &b, const ElementProduct &product,
                                          llvm::ArrayRef<mlir::Value> sums, llvm::ArrayRef<int64_t> rows,
                                          int64_t vectors, int64_t lanes, RowsOperand lhs,
                                          llvm::ArrayRef<mlir::Value> panels, mlir::Value depth,
                                          mlir::Value ahead = {});

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_MICROKERNEL_H

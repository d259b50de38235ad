//===- PoolWindow.h - What a pooling sees of one dimension ------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_POOLWINDOW_H
#define NESTOR_KERNELS_POOLWINDOW_H

#include "compiler/kernels/KernelBuilder.h"

namespace nestor::kernels {

/// A spatial dimension of a pooling.
struct PoolWindow {
  int64_t in, out, kernel, stride, dilation, padBegin, padEnd;

  /// How many taps of the window that begins at `start` lie before `bound`.
  mlir::Value tapsBefore(KernelBuilder &b, mlir::Value bound, mlir::Value start) const {
    mlir::Value distance = b.max(b.sub(bound, start), b.i64(0));
    return b.min(b.div(b.add(distance, dilation - 1), dilation), b.i64(kernel));
  }
};

/// The windows of `op`, a pooling or the gradient of one, by spatial dimension:
/// `in` and `out` are the shapes [N, spatial..., C] of what is pooled and of
/// what comes out.
template <typename OpT>
llvm::SmallVector<PoolWindow> poolWindows(OpT op, llvm::ArrayRef<int64_t> in,
                                          llvm::ArrayRef<int64_t> out) {
  llvm::SmallVector<PoolWindow> windows;
  for (size_t i = 0; i < op.getKernel().size(); ++i)
    windows.push_back({in[i + 1], out[i + 1], op.getKernel()[i], op.getStrides()[i],
                       op.getDilations()[i], op.getPadBegin()[i], op.getPadEnd()[i]});
  return windows;
}

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_POOLWINDOW_H

//===- WinogradTransform.h - Products with constant matrices ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_WINOGRADTRANSFORM_H
#define NESTOR_KERNELS_WINOGRADTRANSFORM_H

#include "compiler/ir/Winograd.h"
#include "compiler/kernels/KernelBuilder.h"

namespace nestor::kernels {

/// matrix * values; the values are floats or vectors of them. Points come with
/// their negatives, so that rows or columns of a transform's matrix differ in
/// signs only: what they have in common is computed once.
llvm::SmallVector<mlir::Value> applyMatrix(KernelBuilder &b, const nest::Matrix &matrix, mlir::ValueRange values);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_WINOGRADTRANSFORM_H

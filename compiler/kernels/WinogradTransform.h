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

/// A matrix to multiply values by. Its entries lie in read-only data and are
/// read from there at each use: constants of the code would be kept in registers
/// across all loops of a kernel, which its products need.
class ConstantMatrix {
public:
  /// Made where all uses are within reach of the builder's place.
  ConstantMatrix(KernelBuilder &b, nest::Matrix matrix);

  /// matrix * values; the values are floats or vectors of them. Points come with
  /// their negatives, so that rows or columns of a transform's matrix differ in
  /// signs only: what they have in common is computed once.
  llvm::SmallVector<mlir::Value> apply(mlir::ValueRange values) const;

  int64_t columns() const { return matrix.columns; }

private:
  KernelBuilder &b;
  nest::Matrix matrix;
  llvm::SmallVector<float> factors; ///< Different entries that are not 0, 1 or -1.
  mlir::Value table;                ///< Each factor in all lanes of a full vector.
};

/// The second pass of a transform of two dimensions: multiplies the columns of what
/// the first left in `stage`, [rows][columns] of vectors that are 16 floats apart, and
/// stores the results, of `lanes`, at `first` of `to`, where rows lie `columns`
/// strides and columns a stride apart.
void transformColumns(KernelBuilder &b, const ConstantMatrix &matrix, mlir::Value stage, int64_t columns,
                      mlir::Value to, mlir::Value first, mlir::Value stride, Lanes lanes);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_WINOGRADTRANSFORM_H

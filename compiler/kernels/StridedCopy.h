//===- StridedCopy.h - Rearranging elements ---------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Transposing and slicing are one thing: every element of the result is read
// from a place that is linear in its coordinates. A `StridedCopy` is that
// relation in its smallest form, and chooses how to run it:
//
//   runs    the innermost dimension is contiguous on both sides;
//   tiles   it is contiguous in the result and another one is contiguous in
//           the input: squares of registers, transposed by shuffles;
//   woven   the same where one of the two dimensions is a few elements long
//           and dense (RGB pixels, the channel shuffle of two groups): whole
//           vectors of one are woven from, or unravelled into, the other's;
//   single  element by element: whatever is left.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_STRIDEDCOPY_H
#define NESTOR_KERNELS_STRIDEDCOPY_H

#include "compiler/kernels/KernelBuilder.h"

namespace nestor::kernels {

/// A dimension of the result: its extent, and the elements from one coordinate
/// to the next in the input and in the result.
struct CopyDim {
  int64_t extent, from, to;
};

class StridedCopy {
public:
  /// Copies elements of type `element` (only its width matters) from
  /// input[start + ...] to result[...]. `dims` are in the result's order, and
  /// the result is dense.
  StridedCopy(mlir::Type element, llvm::ArrayRef<CopyDim> dims, int64_t start = 0);

  int64_t grains() const;
  /// Emits the part [begin, end) of the grains.
  void emit(KernelBuilder &b, mlir::Value source, mlir::Value target) const;

private:
  enum class Kind { Runs, Tiles, Woven, Single };
  void chooseKind();
  llvm::SmallVector<int64_t> outerExtents() const;
  void emitRuns(KernelBuilder &b, mlir::Value source, mlir::Value target) const;
  void emitBands(KernelBuilder &b, mlir::Value source, mlir::Value target) const;
  void emitTiles(KernelBuilder &b, mlir::Value source, mlir::Value target, mlir::Value band) const;
  void emitWeave(KernelBuilder &b, mlir::Value source, mlir::Value target, mlir::Value band) const;
  void emitSingle(KernelBuilder &b, mlir::Value source, mlir::Value target) const;

  mlir::Type element;
  llvm::SmallVector<CopyDim> dims; ///< Collapsed; without `rows` and `columns`.
  CopyDim rows{1, 1, 1};           ///< Contiguous in the input (tiles, woven).
  CopyDim columns{1, 1, 1};        ///< Contiguous in the result.
  int64_t start;
  Kind kind = Kind::Single;
};

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_STRIDEDCOPY_H

//===- StaticCall.h - Calls of kernels with static shapes -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The families that move data by index are static in every shape. Their calls
// look alike: one argument per operand, then one per result, no parameters.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_STATICCALL_H
#define NESTOR_KERNELS_STATICCALL_H

#include "compiler/kernels/KernelBuilder.h"

namespace nestor::kernels {

/// Fills a kernel's body; argument i of the builder is operand i, followed by
/// the results.
using StaticBody = std::function<void(KernelBuilder &)>;

/// Describes `op` as one call with `grains` units of work. `family` names the
/// kernel, `detail` whatever shapes the code beyond the types of operands and
/// results (an axis, a mode).
KernelCall staticCall(mlir::Operation *op, llvm::StringRef family, llvm::StringRef detail,
                      int64_t grains, StaticBody body);

inline mlir::RankedTensorType typeOf(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}

/// The product of shape[first, last).
int64_t product(llvm::ArrayRef<int64_t> shape, size_t first, size_t last);
inline int64_t product(llvm::ArrayRef<int64_t> shape) { return product(shape, 0, shape.size()); }
/// Row-major strides in elements.
llvm::SmallVector<int64_t> stridesOf(llvm::ArrayRef<int64_t> shape);

/// The coordinates of element `linear` of a row-major tensor.
llvm::SmallVector<mlir::Value> unravel(KernelBuilder &b, mlir::Value linear,
                                       llvm::ArrayRef<int64_t> shape);
/// The sum of coordinates[i] * strides[i].
mlir::Value ravel(KernelBuilder &b, mlir::ValueRange coordinates, llvm::ArrayRef<int64_t> strides);

/// Reads an index tensor's element as i64 and brings it into [0, extent):
/// negative ones count from the end, the rest is clamped, so that no index can
/// reach outside its tensor.
mlir::Value loadIndex(KernelBuilder &b, mlir::RankedTensorType type, mlir::Value pointer,
                      mlir::Value position, int64_t extent);

/// The same without the clamp, for indices that are only compared.
mlir::Value loadIndexUnclamped(KernelBuilder &b, mlir::RankedTensorType type, mlir::Value pointer,
                               mlir::Value position, int64_t extent);

/// Reads the length of a sequence, clamped to [0, most].
mlir::Value loadLength(KernelBuilder &b, mlir::RankedTensorType type, mlir::Value pointer,
                       mlir::Value position, int64_t most);

/// Copies `count` elements from source[from] to target[to].
void copyRun(KernelBuilder &b, mlir::Type element, mlir::Value source, mlir::Value from,
             mlir::Value target, mlir::Value to, int64_t count);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_STATICCALL_H

//===- Layout.h - Running operations under permuted dimensions --*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// An operation runs *in layout p* when it is computed on tensors `new` with
// value = transpose(new, p) for every tensor `value` it had before: dimension
// i of the value is dimension p[i] of the new one.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_LAYOUT_H
#define NESTOR_PASSES_LAYOUT_H

#include "passes/Utils.h"

#include <optional>

namespace nestor {

llvm::SmallVector<int64_t> inversePermutation(llvm::ArrayRef<int64_t> perm);

/// Whether transposing a tensor of `shape` changes the order of its elements,
/// that is, moves more than dimensions of extent 1.
bool movesData(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> perm);

/// Whether `op` can run in layout `perm` at no higher cost.
bool canRunInLayout(mlir::Operation *op, llvm::ArrayRef<int64_t> perm);

/// The operands that have the layout of the result.
mlir::ValueRange layoutOperands(mlir::Operation *op);

/// Bytes that have to be moved to bring `value` into the layout: none for a
/// constant, or where that undoes a transpose.
int64_t costInLayout(mlir::Value value, llvm::ArrayRef<int64_t> perm);

/// Whether the program has `value` in the layout already.
bool existsInLayout(mlir::Value value, llvm::ArrayRef<int64_t> perm);

/// Builds `op` in layout `perm`; the result still has that layout.
mlir::Value runInLayout(mlir::RewriterBase &rewriter, mlir::Operation *op,
                        llvm::ArrayRef<int64_t> perm);

/// Dimensions of a reshape's two sides that hold the same elements. Those of
/// extent 1 are in no group.
struct ReshapeGroup {
  llvm::SmallVector<int64_t, 4> from, to;
};
/// The finest grouping, in order; none where a side is empty.
std::optional<llvm::SmallVector<ReshapeGroup>> groupDims(llvm::ArrayRef<int64_t> from,
                                                         llvm::ArrayRef<int64_t> to);

} // namespace nestor

#endif // NESTOR_PASSES_LAYOUT_H

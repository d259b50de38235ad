//===- Views.h - Tensors that lie inside others -----------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Joining and slicing channels moves nothing where kernels can do without:
//
//   the result of an operation that writes rows apart (kernels/Rows.h) is
//   computed in its part of the tensor that a concatenation makes of it, unless
//   that is too large to stay near;
//   a slice of channels that only concatenations read stays where it is.
//
// Both only where every reader can do with rows that lie apart, and only for
// tensors of the plan's own memory: what a model takes and gives is dense.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_VIEWS_H
#define NESTOR_PACKAGE_VIEWS_H

#include "compiler/kernels/Rows.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>

namespace nestor::package {

/// The value whose memory `value` is: reshapes are free.
mlir::Value rootOf(mlir::Value value);

/// Some channels of another tensor.
struct View {
  mlir::Value whole;     ///< The root of a tensor that lies in no other one.
  int64_t channel;       ///< Of each of its rows: where those of the view begin.
};

/// Which tensors of a function, given by their roots, lie inside others.
class Views {
public:
  explicit Views(mlir::func::FuncOp func);

  std::optional<View> lookup(mlir::Value root) const;
  /// For the kernels of `op`.
  kernels::RowPitches pitchesOf(mlir::Operation *op) const;
  /// Whether nothing is to be run for `op`.
  bool isView(mlir::Operation *op) const { return slices.contains(op); }

private:
  bool isOwn(mlir::Value root) const;
  bool allReadRows(mlir::Value value) const;
  bool staysInPlace(nest::SliceOp op) const;
  void placeOperands(nest::ConcatOp op);

  llvm::SmallPtrSet<mlir::Value, 4> returned;
  llvm::SmallPtrSet<mlir::Operation *, 16> slices;
  /// By root: the tensor that it is a part of, which may lie in another one.
  llvm::DenseMap<mlir::Value, View> parts;
};

} // namespace nestor::package

#endif // NESTOR_PACKAGE_VIEWS_H

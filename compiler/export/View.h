//===- View.h - How a nest value lies in an ONNX tensor ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// nest is channels last, ONNX channels first. Instead of a Transpose wherever
// the two meet, a value is a *view* of an ONNX tensor: each of its dimensions
// is a product of dimensions of the tensor, in whatever order. Transposes of
// views are free, and so are reshapes that merge dimensions, add or drop ones.
// Only an operator that wants a tensor with its dimensions in another order
// makes it move.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_EXPORT_VIEW_H
#define NESTOR_EXPORT_VIEW_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <optional>
#include <string>

namespace nestor::onnx_export {

using Dims = llvm::SmallVector<int64_t>;

struct View {
  std::string tensor;
  Dims shape; ///< Of the tensor.
  /// For each dimension of the value those of the tensor that make it up,
  /// outermost first. One of extent 1 may have none.
  llvm::SmallVector<llvm::SmallVector<int64_t, 2>> factors;

  /// A tensor whose dimension i is dimension `order[i]` of a value of `shape`.
  static View direct(std::string tensor, llvm::ArrayRef<int64_t> shape,
                     llvm::ArrayRef<int64_t> order);

  /// The value's dimensions as they lie in the tensor.
  Dims order() const;

  /// Dimensions of the tensor in the order in which the value's `order` needs
  /// them, without those of extent 1.
  Dims sequence(llvm::ArrayRef<int64_t> order) const;

  /// A permutation of the tensor's dimensions, all of them, that brings those
  /// of the value into `order`.
  Dims permutation(llvm::ArrayRef<int64_t> order) const;

  View transposed(llvm::ArrayRef<int64_t> perm) const;
};

/// A view under another shape. Where a dimension of the tensor has to be split
/// for that, `splitShape` is the shape to give it first, and the view one of
/// the tensor that results.
struct ReshapedView {
  View view;
  std::optional<Dims> splitShape;
};

/// `view`, of a value of shape `from`, as one of shape `to`; none where only
/// elements in the value's own order have that shape.
std::optional<ReshapedView> reshaped(const View &view, llvm::ArrayRef<int64_t> from,
                                     llvm::ArrayRef<int64_t> to);

} // namespace nestor::onnx_export

#endif // NESTOR_EXPORT_VIEW_H

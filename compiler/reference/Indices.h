//===- Indices.h - Walks over multi-dimensional index spaces ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_REFERENCE_INDICES_H
#define NESTOR_REFERENCE_INDICES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace nestor::reference {

inline int64_t product(llvm::ArrayRef<int64_t> extents) {
  int64_t result = 1;
  for (int64_t extent : extents)
    result *= extent;
  return result;
}

/// Row-major strides of a dense tensor of `shape`, in elements.
inline llvm::SmallVector<int64_t> stridesOf(llvm::ArrayRef<int64_t> shape) {
  llvm::SmallVector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * shape[i];
  return strides;
}

/// Steps `index` to the next in row-major order within `shape`; false after
/// the last.
inline bool nextIndex(llvm::MutableArrayRef<int64_t> index, llvm::ArrayRef<int64_t> shape) {
  for (size_t i = shape.size(); i-- > 0;) {
    if (++index[i] < shape[i])
      return true;
    index[i] = 0;
  }
  return false;
}

/// Calls `f(index)` for every index of `shape` in row-major order.
template <typename F> void forEachIndex(llvm::ArrayRef<int64_t> shape, F &&f) {
  if (product(shape) == 0)
    return;
  llvm::SmallVector<int64_t> index(shape.size());
  do
    f(llvm::ArrayRef<int64_t>(index));
  while (nextIndex(index, shape));
}

/// Calls `f(base + sum of index * strides)` for every index of `shape` in
/// row-major order.
template <typename F>
void forEachOffset(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> strides, int64_t base,
                   F &&f) {
  if (shape.empty()) {
    f(base);
    return;
  }
  forEachIndex(shape.drop_back(), [&](llvm::ArrayRef<int64_t> index) {
    int64_t offset = base;
    for (size_t i = 0; i < index.size(); ++i)
      offset += index[i] * strides[i];
    for (int64_t i = 0; i < shape.back(); ++i, offset += strides.back())
      f(offset);
  });
}

/// A tensor seen along one axis: [outer, extent, inner].
struct AxisView {
  int64_t outer, extent, inner;

  AxisView(llvm::ArrayRef<int64_t> shape, int64_t axis)
      : outer(product(shape.take_front(axis))), extent(shape[axis]),
        inner(product(shape.drop_front(axis + 1))) {}

  int64_t offset(int64_t o, int64_t e, int64_t i) const { return (o * extent + e) * inner + i; }

  /// Calls `f(o, i)` for each line along the axis.
  template <typename F> void forEachLine(F &&f) const {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i)
        f(o, i);
  }
};

} // namespace nestor::reference

#endif // NESTOR_REFERENCE_INDICES_H

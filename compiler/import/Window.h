//===- Window.h - Sliding windows and products ------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What convolution, pooling and the quantized operators share.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IMPORT_WINDOW_H
#define NESTOR_IMPORT_WINDOW_H

#include "compiler/import/NodeImporter.h"

namespace nestor::import {

/// A window sliding over the spatial dimensions; one entry per dimension.
struct Window {
  llvm::SmallVector<int64_t> kernel, strides, dilations, padBegin, padEnd;

  size_t rank() const { return kernel.size(); }
  /// Input extent that one position of the window covers.
  int64_t span(size_t i) const { return dilations[i] * (kernel[i] - 1) + 1; }
  /// Positions along dimension `i` of extent `extent`. With `ceil`, also the
  /// last partial one, if it starts inside the input or its leading pad.
  int64_t positions(size_t i, int64_t extent, bool ceil = false) const;
};

/// Reads strides, dilations, pads and auto_pad; checks their counts and ranges.
/// `spatial` are the input's extents, which auto_pad depends on.
mlir::FailureOr<Window> readWindow(NodeImporter &n, llvm::ArrayRef<int64_t> spatial,
                                   llvm::ArrayRef<int64_t> kernel);

/// The convolution of channels-first `input` with ONNX-ordered `filter`
/// [O, C/group, K..], by the node's attributes; `bias` [O] may be null. The
/// result is channels first and f32: integer operands are exact up to 2^24.
mlir::FailureOr<mlir::Value> convolve(NodeImporter &n, mlir::Value input, mlir::Value filter,
                                      mlir::Value bias);

/// numpy.matmul, with a vector [K] on either side allowed. A product with a
/// constant f32 [K, N] becomes a 1x1 convolution over pixels; `bias` [N] or
/// null is added.
mlir::FailureOr<mlir::Value> matmul(NodeImporter &n, mlir::Value lhs, mlir::Value rhs,
                                    mlir::Value bias = {});

} // namespace nestor::import

#endif // NESTOR_IMPORT_WINDOW_H

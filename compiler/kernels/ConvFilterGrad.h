//===- ConvFilterGrad.h - Filter gradients as kernels see them --*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_CONVFILTERGRAD_H
#define NESTOR_KERNELS_CONVFILTERGRAD_H

#include "compiler/kernels/ConvSpec.h"

#include "llvm/Support/MathExtras.h"

namespace nestor::kernels {

/// Columns of a strip: what is counted must not depend on the target.
constexpr int64_t stripWidth = 64;

/// The gradient of one filter, and how its work is cut.
struct FilterGradSpec {
  ConvGeometry g; ///< Of the convolution.
  int64_t groups, inputs, outputs; ///< Channels of a group.
  bool depthwise;
  int64_t imagesPerBlock, rowsPerBlock;
  int64_t parts; ///< 1: the result is written directly.

  explicit FilterGradSpec(nest::ConvFilterGradOp op);

  /// Floats from one pixel to the next, and from one row of the filter.
  int64_t inputStride() const { return depthwise ? outputs : inputs * groups; }
  int64_t outputStride() const { return outputs * groups; }
  int64_t filterFloats() const { return g.taps() * inputs * outputStride(); }
  int64_t imageBlocks() const { return llvm::divideCeil(g.batch, imagesPerBlock); }
  int64_t rowBlocks() const { return llvm::divideCeil(g.out[1], rowsPerBlock); }
  int64_t blocks() const { return imageBlocks() * rowBlocks(); }
  /// Units: kernel rows of one strip of columns.
  int64_t strips() const { return llvm::divideCeil(outputs, stripWidth); }
  int64_t units() const { return groups * g.kernel[0] * g.kernel[1] * strips(); }
  std::string describe() const;
};

/// Emits a kernel body: arguments are the input, the gradient, and the sums of
/// all parts. Grains are parts, or, with one part, units.
void emitConvFilterGrad(KernelBuilder &b, const FilterGradSpec &spec);

/// The calls of one by Winograd's algorithm, in tiles of m x m outputs.
llvm::SmallVector<KernelCall, 1> describeWinogradFilterGrad(nest::ConvFilterGradOp op, int64_t m);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_CONVFILTERGRAD_H

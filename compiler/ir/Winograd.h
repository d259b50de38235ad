//===- Winograd.h - The transforms of Winograd's algorithm ------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// F(m x m, 3 x 3): the m x m outputs of a tile come from the inputs that they
// see by
//
//   output = A' [ sum over channels of (G filter G') * (B' input B) ] A
//
// where * is element by element: fewer multiplications than the 9 m^2 of the
// direct algorithm. A convolution of one dimension is the product of two
// polynomials; A, B and G evaluate them at points and infinity and interpolate
// (Toom and Cook).
//
// With stride 1 a tile sees m + 2 inputs in each dimension, and there are as many
// points. With stride 2 it sees 2 m + 1 inputs: y[i] = w0 x[2i] + w1 x[2i + 1] +
// w2 x[2i + 2] is a convolution of the even inputs with two taps, by m + 1 points,
// plus one multiplication for each odd input. All of those are by w1, so that a
// transformed filter has m + 2 values in each dimension in either case.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_WINOGRAD_H
#define NESTOR_IR_WINOGRAD_H

#include "mlir/IR/Operation.h"
#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <vector>

namespace nestor::nest {

/// On a `nest.conv`: m of the algorithm that computes it; on the `nest.pack` of
/// its filter: m + 2 by m + 2 transformed taps are packed in place of 3 by 3. For
/// f32 convolutions of one group with a stride of 1 or 2 and without dilations.
inline constexpr llvm::StringLiteral kWinogradAttr = "nest.winograd";
/// Beside it, on anything but a convolution: the stride, where it is not 1.
inline constexpr llvm::StringLiteral kWinogradStrideAttr = "nest.winograd_stride";

/// Names an algorithm: how many outputs and inputs it sees at a time.
struct WinogradTile {
  int64_t m = 0; ///< Outputs in each dimension; 0: no algorithm, computed directly.
  int64_t stride = 1;

  explicit operator bool() const { return m != 0; }
  bool operator==(const WinogradTile &other) const { return m == other.m && stride == other.stride; }
  bool operator!=(const WinogradTile &other) const { return !(*this == other); }

  /// Whether there is such an algorithm.
  bool exists() const;
  /// Inputs in each dimension, and how far tiles are apart in them.
  int64_t extent() const { return stride == 1 ? m + 2 : 2 * m + 1; }
  int64_t step() const { return m * stride; }
  /// Products in each channel: one for each (transformed) input.
  int64_t positions() const { return extent() * extent(); }
  /// Values of a transformed filter in each dimension, and all of them.
  int64_t filterExtent() const { return m + 2; }
  int64_t filterPositions() const { return filterExtent() * filterExtent(); }
};

/// What `op` carries.
WinogradTile winogradTile(mlir::Operation *op);
/// A convolution has the stride itself.
void setWinogradTile(mlir::Operation *op, WinogradTile tile);

struct Matrix {
  int64_t rows, columns;
  std::vector<double> values; ///< Row by row.

  double operator()(int64_t row, int64_t column) const { return values[row * columns + column]; }
  double &operator()(int64_t row, int64_t column) { return values[row * columns + column]; }
};

class Winograd {
public:
  explicit Winograd(WinogradTile tile);

  int64_t taps() const { return 9; } ///< Of a filter.

  const Matrix &input() const { return inputMatrix; }   ///< B', [extent, extent].
  /// G, [filterExtent, 3]. Position i of a dimension is multiplied by row
  /// min(i, m + 1): from there on all inputs are odd ones.
  const Matrix &filter() const { return filterMatrix; }
  const Matrix &output() const { return outputMatrix; } ///< A', [m, extent].

  /// One position of transformed filters, out[i], whose 9 taps begin at
  /// `taps + i` and lie `plane` floats apart. Computed in double.
  void transformFilters(int64_t position, const float *taps, int64_t plane,
                        llvm::MutableArrayRef<float> out) const;
  /// One tap of filters from their positions, which lie `plane` floats apart:
  /// by least squares, since what was rounded is not quite a transform any more.
  /// The result differs from the original by a few units in the last place.
  void restoreFilters(int64_t tap, const float *positions, int64_t plane,
                      llvm::MutableArrayRef<float> out) const;

private:
  Matrix inputMatrix, filterMatrix, outputMatrix;
  Matrix forward, backward; ///< [filterPositions, 9] and [9, filterPositions].
};

} // namespace nestor::nest

#endif // NESTOR_IR_WINOGRAD_H

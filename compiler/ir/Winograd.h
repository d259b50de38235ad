//===- Winograd.h - The transforms of Winograd's algorithm ------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// F(m x m, 3 x 3): the m x m outputs of a tile come from the (m + 2) x (m + 2)
// inputs that they see by
//
//   output = A' [ sum over channels of (G filter G') * (B' input B) ] A
//
// where * is element by element: (m + 2)^2 multiplications in place of 9 m^2.
// A convolution of one dimension is the product of two polynomials; A, B and G
// evaluate them at m + 1 points and infinity and interpolate (Toom and Cook).
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
/// f32 convolutions of one group without strides and dilations.
inline constexpr llvm::StringLiteral kWinogradAttr = "nest.winograd";

/// What `op` carries; 0 where it carries nothing and is computed directly.
int64_t winogradTile(mlir::Operation *op);
void setWinogradTile(mlir::Operation *op, int64_t m);

struct Matrix {
  int64_t rows, columns;
  std::vector<double> values; ///< Row by row.

  double operator()(int64_t row, int64_t column) const { return values[row * columns + column]; }
  double &operator()(int64_t row, int64_t column) { return values[row * columns + column]; }
};

class Winograd {
public:
  /// Whether there is an algorithm for tiles of m x m outputs.
  static bool hasTile(int64_t m) { return m == 2 || m == 4 || m == 6; }

  explicit Winograd(int64_t m);

  int64_t tile() const { return m; }           ///< Outputs in each dimension.
  int64_t extent() const { return m + 2; }     ///< Inputs in each dimension.
  int64_t positions() const { return extent() * extent(); }
  int64_t taps() const { return 9; }           ///< Of a filter.

  const Matrix &input() const { return inputMatrix; }   ///< B', [m + 2, m + 2].
  const Matrix &filter() const { return filterMatrix; } ///< G, [m + 2, 3].
  const Matrix &output() const { return outputMatrix; } ///< A', [m, m + 2].

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
  int64_t m;
  Matrix inputMatrix, filterMatrix, outputMatrix;
  Matrix forward, backward; ///< [positions, 9] and [9, positions].
};

} // namespace nestor::nest

#endif // NESTOR_IR_WINOGRAD_H

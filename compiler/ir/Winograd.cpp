//===- Winograd.cpp - The transforms of Winograd's algorithm --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Winograd.h"

#include "compiler/ir/NestDialect.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cassert>

using namespace nestor::nest;

bool WinogradTile::exists() const {
  return m == 2 || m == 4 ? stride == 1 || stride == 2 : m == 6 && stride == 1;
}

WinogradTile nestor::nest::winogradTile(mlir::Operation *op) {
  auto read = [&](llvm::StringRef name, int64_t absent) {
    auto attribute = op->getAttrOfType<mlir::IntegerAttr>(name);
    return attribute ? attribute.getInt() : absent;
  };
  WinogradTile tile{read(kWinogradAttr, 0), read(kWinogradStrideAttr, 1)};
  if (auto conv = mlir::dyn_cast<ConvOp>(op); conv && !conv.getStrides().empty())
    tile.stride = conv.getStrides().front();
  return tile;
}

void nestor::nest::setWinogradTile(mlir::Operation *op, WinogradTile tile) {
  auto set = [&](llvm::StringRef name, int64_t value, bool present) {
    if (present)
      op->setAttr(name, mlir::Builder(op->getContext()).getI64IntegerAttr(value));
    else
      op->removeAttr(name);
  };
  set(kWinogradAttr, tile.m, bool(tile));
  set(kWinogradStrideAttr, tile.stride, tile && tile.stride != 1 && !mlir::isa<ConvOp>(op));
}

namespace {

/// Points that are small powers of two and their negatives make transforms of
/// few, exact operations; 1/2 beside 2 keeps the rounding errors of F(6) small.
constexpr double allPoints[] = {0, 1, -1, 2, -2, 0.5, -0.5};

Matrix zeros(int64_t rows, int64_t columns) {
  return {rows, columns, std::vector<double>(rows * columns, 0.0)};
}

/// Coefficients, lowest first, of the product of (x - p) over all points but
/// number `left`.
std::vector<double> polynomialWithout(llvm::ArrayRef<double> points, size_t left) {
  std::vector<double> polynomial{1};
  for (size_t i = 0; i < points.size(); ++i) {
    if (i == left)
      continue;
    polynomial.push_back(0);
    for (size_t k = polynomial.size() - 1; k > 0; --k)
      polynomial[k] = polynomial[k - 1] - points[i] * polynomial[k];
    polynomial[0] *= -points[i];
  }
  return polynomial;
}

double valueAt(llvm::ArrayRef<double> polynomial, double x) {
  double value = 0;
  for (double coefficient : llvm::reverse(polynomial))
    value = value * x + coefficient;
  return value;
}

Matrix product(const Matrix &a, const Matrix &b) {
  Matrix c = zeros(a.rows, b.columns);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < b.columns; ++j)
      for (int64_t k = 0; k < a.columns; ++k)
        c(i, j) += a(i, k) * b(k, j);
  return c;
}

Matrix transposed(const Matrix &a) {
  Matrix t = zeros(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j)
      t(j, i) = a(i, j);
  return t;
}

/// Of a 3 x 3 matrix, by cofactors.
Matrix inverse(const Matrix &a) {
  Matrix result = zeros(3, 3);
  double determinant = 0;
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 3; ++j) {
      int64_t r0 = (j + 1) % 3, r1 = (j + 2) % 3, c0 = (i + 1) % 3, c1 = (i + 2) % 3;
      result(i, j) = a(r0, c0) * a(r1, c1) - a(r0, c1) * a(r1, c0);
    }
    determinant += a(0, i) * result(i, 0);
  }
  for (double &value : result.values)
    value /= determinant;
  return result;
}

/// What takes a matrix X, row by row, to a X a'.
Matrix inBothDimensions(const Matrix &a) {
  Matrix both = zeros(a.rows * a.rows, a.columns * a.columns);
  for (int64_t r = 0; r < both.rows; ++r)
    for (int64_t c = 0; c < both.columns; ++c)
      both(r, c) = a(r / a.rows, c / a.columns) * a(r % a.rows, c % a.columns);
  return both;
}

/// The matrices of one dimension.
struct Transforms {
  Matrix input, filter, output;
};

/// m outputs of stride 1 of a filter of `taps`.
Transforms toomCook(int64_t m, int64_t taps) {
  int64_t extent = m + taps - 1;
  Transforms t{zeros(extent, extent), zeros(extent, taps), zeros(m, extent)};
  llvm::ArrayRef<double> points = llvm::ArrayRef(allPoints).take_front(extent - 1);
  for (size_t i = 0; i < points.size(); ++i) {
    std::vector<double> polynomial = polynomialWithout(points, i);
    double norm = valueAt(polynomial, points[i]), power = 1;
    for (size_t k = 0; k < polynomial.size(); ++k)
      t.input(i, k) = polynomial[k];
    for (int64_t k = 0; k < std::max(m, taps); ++k, power *= points[i]) {
      if (k < m)
        t.output(k, i) = power;
      if (k < taps)
        t.filter(i, k) = power / norm;
    }
  }
  // The point at infinity sees the highest coefficients.
  std::vector<double> all = polynomialWithout(points, points.size());
  for (size_t k = 0; k < all.size(); ++k)
    t.input(extent - 1, k) = all[k];
  t.filter(extent - 1, taps - 1) = 1;
  t.output(m - 1, extent - 1) = 1;
  return t;
}

/// m outputs of stride 2 of a filter of 3 taps: a convolution of the even inputs,
/// and behind its positions the odd inputs as they are.
Transforms withStride2(int64_t m) {
  Transforms even = toomCook(m, 2);
  int64_t extent = 2 * m + 1, evenExtent = m + 1;
  Transforms t{zeros(extent, extent), zeros(m + 2, 3), zeros(m, extent)};
  for (int64_t i = 0; i < evenExtent; ++i) {
    for (int64_t k = 0; k < evenExtent; ++k)
      t.input(i, 2 * k) = even.input(i, k);
    for (int64_t k = 0; k < 2; ++k)
      t.filter(i, 2 * k) = even.filter(i, k);
    for (int64_t k = 0; k < m; ++k)
      t.output(k, i) = even.output(k, i);
  }
  t.filter(evenExtent, 1) = 1;
  for (int64_t k = 0; k < m; ++k) {
    t.input(evenExtent + k, 2 * k + 1) = 1;
    t.output(k, evenExtent + k) = 1;
  }
  return t;
}

} // namespace

Winograd::Winograd(WinogradTile tile) {
  assert(tile.exists() && "no algorithm for such tiles");
  Transforms t = tile.stride == 1 ? toomCook(tile.m, 3) : withStride2(tile.m);
  Matrix adjoint = transposed(t.filter);
  forward = inBothDimensions(t.filter);
  backward = inBothDimensions(product(inverse(product(adjoint, t.filter)), adjoint));
  inputMatrix = std::move(t.input), filterMatrix = std::move(t.filter), outputMatrix = std::move(t.output);
}

/// out = row `row` of `matrix` times columns that lie `plane` floats apart.
static void multiplyRow(const Matrix &matrix, int64_t row, const float *columns, int64_t plane,
                        llvm::MutableArrayRef<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    double sum = 0;
    for (int64_t column = 0; column < matrix.columns; ++column)
      sum += matrix(row, column) * columns[column * plane + i];
    out[i] = sum;
  }
}

void Winograd::transformFilters(int64_t position, const float *taps, int64_t plane,
                                llvm::MutableArrayRef<float> out) const {
  multiplyRow(forward, position, taps, plane, out);
}

void Winograd::restoreFilters(int64_t tap, const float *positions, int64_t plane,
                              llvm::MutableArrayRef<float> out) const {
  multiplyRow(backward, tap, positions, plane, out);
}

//===- Winograd.cpp - The transforms of Winograd's algorithm --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Winograd.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cassert>

using namespace nestor::nest;

int64_t nestor::nest::winogradTile(mlir::Operation *op) {
  auto tile = op->getAttrOfType<mlir::IntegerAttr>(kWinogradAttr);
  return tile ? tile.getInt() : 0;
}

void nestor::nest::setWinogradTile(mlir::Operation *op, int64_t m) {
  if (m)
    op->setAttr(kWinogradAttr, mlir::Builder(op->getContext()).getI64IntegerAttr(m));
  else
    op->removeAttr(kWinogradAttr);
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

} // namespace

Winograd::Winograd(int64_t m)
    : m(m), inputMatrix(zeros(m + 2, m + 2)), filterMatrix(zeros(m + 2, 3)),
      outputMatrix(zeros(m, m + 2)) {
  assert(hasTile(m) && "no algorithm for such tiles");
  llvm::ArrayRef<double> points = llvm::ArrayRef(allPoints).take_front(m + 1);
  for (size_t i = 0; i < points.size(); ++i) {
    std::vector<double> polynomial = polynomialWithout(points, i);
    double norm = valueAt(polynomial, points[i]), power = 1;
    for (size_t k = 0; k < polynomial.size(); ++k)
      inputMatrix(i, k) = polynomial[k];
    for (int64_t k = 0; k < std::max<int64_t>(m, 3); ++k, power *= points[i]) {
      if (k < m)
        outputMatrix(k, i) = power;
      if (k < 3)
        filterMatrix(i, k) = power / norm;
    }
  }
  // The point at infinity sees the highest coefficients.
  std::vector<double> all = polynomialWithout(points, points.size());
  for (size_t k = 0; k < all.size(); ++k)
    inputMatrix(m + 1, k) = all[k];
  filterMatrix(m + 1, 2) = 1;
  outputMatrix(m - 1, m + 1) = 1;

  Matrix adjoint = transposed(filterMatrix);
  forward = inBothDimensions(filterMatrix);
  backward = inBothDimensions(product(inverse(product(adjoint, filterMatrix)), adjoint));
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

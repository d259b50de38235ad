//===- WinogradTransform.cpp - Products with constant matrices ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/WinogradTransform.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace nestor::kernels;
using nestor::nest::Matrix;

namespace {

struct Summand {
  double factor;
  Value value;
};

/// Null where nothing is added up.
Value sumOf(KernelBuilder &b, SmallVector<Summand> summands) {
  llvm::erase_if(summands, [](const Summand &s) { return s.factor == 0; });
  // What needs no multiplication comes first.
  llvm::stable_sort(summands, [](const Summand &x, const Summand &y) { return (x.factor == 1) > (y.factor == 1); });
  Value sum;
  for (const Summand &summand : summands) {
    Value factor = b.constant(summand.value.getType(), summand.factor);
    if (!sum)
      sum = summand.factor == 1 ? summand.value : arith::MulFOp::create(b, summand.value, factor).getResult();
    else if (summand.factor == 1)
      sum = arith::AddFOp::create(b, sum, summand.value);
    else if (summand.factor == -1)
      sum = arith::SubFOp::create(b, sum, summand.value);
    else
      sum = b.fma(summand.value, factor, sum);
  }
  return sum;
}

/// Whether entries of a matrix, f(k) and g(k), differ in signs only, and in some.
template <typename F, typename G> bool differInSigns(int64_t count, F &&f, G &&g) {
  bool differ = false;
  for (int64_t k = 0; k < count; ++k) {
    if (std::abs(f(k)) != std::abs(g(k)))
      return false;
    differ |= f(k) != g(k);
  }
  return differ;
}

class MatrixProduct {
public:
  MatrixProduct(KernelBuilder &b, const Matrix &matrix, ValueRange values) : b(b), matrix(matrix), values(values) {}

  SmallVector<Value> run() {
    addColumns();
    SmallVector<Value> results(matrix.rows);
    for (int64_t row = 0; row < matrix.rows; ++row)
      if (!results[row])
        emitRow(row, results);
    return results;
  }

private:
  /// Columns whose entries differ in signs take the sum or the difference of
  /// their values.
  void addColumns() {
    for (int64_t c = 0; c < matrix.columns; ++c) {
      bool paired = c + 1 < matrix.columns &&
                    differInSigns(matrix.rows, [&](int64_t r) { return matrix(r, c); },
                                  [&](int64_t r) { return matrix(r, c + 1); });
      Value sum = values[c], difference = values[c];
      if (paired) {
        sum = arith::AddFOp::create(b, values[c], values[c + 1]);
        difference = arith::SubFOp::create(b, values[c], values[c + 1]);
      }
      columns.push_back({c, paired ? c + 1 : c, sum, difference});
      c += paired;
    }
  }

  SmallVector<Summand> summandsOf(int64_t row) {
    SmallVector<Summand> summands;
    for (const Column &column : columns) {
      bool equal = matrix(row, column.first) == matrix(row, column.second);
      summands.push_back({matrix(row, column.first), equal ? column.sum : column.difference});
    }
    return summands;
  }

  /// A row, and the one after it if they differ in signs.
  void emitRow(int64_t row, SmallVectorImpl<Value> &results) {
    SmallVector<Summand> summands = summandsOf(row);
    bool paired = columns.size() == size_t(matrix.columns) && row + 1 < matrix.rows &&
                  differInSigns(matrix.columns, [&](int64_t c) { return matrix(row, c); },
                                [&](int64_t c) { return matrix(row + 1, c); });
    if (!paired) {
      results[row] = sumOf(b, summands);
      return;
    }
    SmallVector<Summand> same, opposite;
    for (auto [c, summand] : llvm::enumerate(summands))
      (matrix(row, c) == matrix(row + 1, c) ? same : opposite).push_back(summand);
    Value common = sumOf(b, same), other = sumOf(b, opposite);
    results[row] = arith::AddFOp::create(b, common, other);
    results[row + 1] = arith::SubFOp::create(b, common, other);
  }

  struct Column {
    int64_t first, second;
    Value sum, difference;
  };
  KernelBuilder &b;
  const Matrix &matrix;
  ValueRange values;
  SmallVector<Column> columns;
};

} // namespace

SmallVector<Value> nestor::kernels::applyMatrix(KernelBuilder &b, const Matrix &matrix, ValueRange values) {
  return MatrixProduct(b, matrix, values).run();
}

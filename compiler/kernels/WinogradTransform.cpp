//===- WinogradTransform.cpp - Products with constant matrices ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/WinogradTransform.h"

#include "compiler/kernels/TileTable.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <cmath>

using namespace mlir;
using namespace nestor::kernels;
using nestor::nest::Matrix;

namespace {

struct Summand {
  double factor;
  Value value;
};

/// Entries that take no multiplication.
bool isTrivial(double factor) { return factor == 0 || std::abs(factor) == 1; }

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
  /// `table` has each of `factors` in all lanes of a full vector.
  MatrixProduct(KernelBuilder &b, const Matrix &matrix, ArrayRef<float> factors, Value table, ValueRange values)
      : b(b), matrix(matrix), factors(factors), table(table), values(values) {}

  SmallVector<Value> run() {
    addColumns();
    SmallVector<Value> results(matrix.rows);
    for (int64_t row = 0; row < matrix.rows; ++row)
      if (!results[row])
        emitRow(row, results);
    return results;
  }

private:
  Value factor(double value) {
    Type type = values.front().getType();
    if (isTrivial(value))
      return b.constant(type, value);
    auto vector = dyn_cast<VectorType>(type);
    int64_t index = llvm::find(factors, float(value)) - factors.begin(), lanes = vector ? vector.getNumElements() : 1;
    Value pointer = b.at(table, b.i64(index * b.target.vectorLanes), b.getF32Type());
    return LLVM::LoadOp::create(b, type, pointer, /*alignment=*/lanes * 4);
  }

  /// Null where nothing is added up.
  Value sumOf(SmallVector<Summand> summands) {
    llvm::erase_if(summands, [](const Summand &s) { return s.factor == 0; });
    // What needs no multiplication comes first.
    llvm::stable_sort(summands, [](const Summand &x, const Summand &y) { return (x.factor == 1) > (y.factor == 1); });
    Value sum;
    for (const Summand &summand : summands) {
      if (!sum)
        sum = summand.factor == 1 ? summand.value
                                  : arith::MulFOp::create(b, summand.value, factor(summand.factor)).getResult();
      else if (summand.factor == 1)
        sum = arith::AddFOp::create(b, sum, summand.value);
      else if (summand.factor == -1)
        sum = arith::SubFOp::create(b, sum, summand.value);
      else
        sum = b.fma(summand.value, factor(summand.factor), sum);
    }
    return sum;
  }

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

  /// Has what follows read its factors anew. These are no instructions, but they
  /// stay in their loop and nobody knows what they return: what is read from
  /// there is not known either, and neither leaves the loop nor serves other rows.
  void hideTable() {
    if (table)
      table = LLVM::InlineAsmOp::create(b, table.getType(), table, "", "=r,0", /*has_side_effects=*/true,
                                        /*is_align_stack=*/false, LLVM::TailCallKind::None, LLVM::AsmDialectAttr(),
                                        ArrayAttr())
                  .getRes();
  }

  /// A row, and the one after it if they differ in signs.
  void emitRow(int64_t row, SmallVectorImpl<Value> &results) {
    hideTable();
    SmallVector<Summand> summands = summandsOf(row);
    bool paired = columns.size() == size_t(matrix.columns) && row + 1 < matrix.rows &&
                  differInSigns(matrix.columns, [&](int64_t c) { return matrix(row, c); },
                                [&](int64_t c) { return matrix(row + 1, c); });
    if (!paired) {
      results[row] = sumOf(summands);
      return;
    }
    SmallVector<Summand> same, opposite;
    for (auto [c, summand] : llvm::enumerate(summands))
      (matrix(row, c) == matrix(row + 1, c) ? same : opposite).push_back(summand);
    Value common = sumOf(same), other = sumOf(opposite);
    results[row] = arith::AddFOp::create(b, common, other);
    results[row + 1] = arith::SubFOp::create(b, common, other);
  }

  struct Column {
    int64_t first, second;
    Value sum, difference;
  };
  KernelBuilder &b;
  const Matrix &matrix;
  ArrayRef<float> factors;
  Value table;
  ValueRange values;
  SmallVector<Column> columns;
};

} // namespace

ConstantMatrix::ConstantMatrix(KernelBuilder &b, Matrix values) : b(b), matrix(std::move(values)) {
  for (double value : matrix.values)
    if (!isTrivial(value) && !llvm::is_contained(factors, float(value)))
      factors.push_back(float(value));
  SmallVector<float> lanes;
  for (float factor : factors)
    lanes.append(b.target.vectorLanes, factor);
  if (!lanes.empty())
    table = b.table(lanes);
}

SmallVector<Value> ConstantMatrix::apply(ValueRange values) const {
  return MatrixProduct(b, matrix, factors, table, values).run();
}

void nestor::kernels::transformColumns(KernelBuilder &b, const ConstantMatrix &matrix, Value stage, int64_t columns,
                                       Value to, Value first, Value stride, Lanes lanes) {
  b.loop(b.i64(0), b.i64(columns), 1, [&](Value j) {
    SmallVector<Value> column;
    Value place = b.mul(j, panelWidth), target = b.add(b.mul(j, stride), first);
    for (int64_t i = 0; i < matrix.columns(); ++i)
      column.push_back(b.load(b.getF32Type(), stage, b.add(place, i * columns * panelWidth), {lanes.count}));
    for (auto [i, value] : llvm::enumerate(matrix.apply(column)))
      b.store(value, to, b.add(target, b.mul(stride, i * columns)), lanes);
  });
}

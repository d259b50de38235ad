//===- Moments.cpp - Second moments of many features ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Moments.h"

#include "compiler/ir/NestDialect.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace nestor::learn {

/// Rows that are multiplied at once.
static constexpr int64_t kRows = 1024;

/// A function of `kRows` rows of each set that returns their products.
static OwningOpRef<func::FuncOp> createProducts(ArrayRef<int64_t> widths, MLIRContext &context) {
  OpBuilder builder(&context);
  Location loc = builder.getUnknownLoc();
  SmallVector<Type> rows, products;
  for (int64_t width : widths) {
    rows.push_back(RankedTensorType::get({1, kRows, width}, builder.getF32Type()));
    products.push_back(RankedTensorType::get({1, width, width}, builder.getF32Type()));
  }
  auto func = func::FuncOp::create(loc, "main", builder.getFunctionType(rows, products));
  builder.setInsertionPointToEnd(func.addEntryBlock());
  SmallVector<Value> results;
  for (auto [argument, type] : llvm::zip(func.getArguments(), products))
    results.push_back(nest::MatmulOp::create(builder, loc, type, argument, argument,
                                             /*extras=*/ValueRange(), /*transposeLhs=*/true,
                                             /*transposeRhs=*/false));
  func::ReturnOp::create(builder, loc, results);
  return func;
}

llvm::Expected<Moments> Moments::create(ArrayRef<int64_t> features, MLIRContext &context,
                                        unsigned threads) {
  SmallVector<int64_t> widths;
  for (int64_t count : features)
    widths.push_back(llvm::alignTo(count + 1, 16));
  OwningOpRef<func::FuncOp> func = createProducts(widths, context);
  llvm::Expected<Executor> executor = Executor::compile(*func, threads);
  if (!executor)
    return executor.takeError();
  Moments moments(std::move(*executor));
  for (auto [count, width] : llvm::zip(features, widths))
    moments.sets.push_back({count, width, Eigen::MatrixXd::Zero(width, width)});
  for (size_t set = 0; set < widths.size(); ++set)
    llvm::fill(moments.executor.input(set), 0.f);
  return moments;
}

float *Moments::inputRow(size_t set, int64_t number) {
  return executor.input(set).data() + number * sets[set].padded;
}

llvm::MutableArrayRef<float> Moments::row(size_t set) {
  return {inputRow(set, filled), size_t(sets[set].features)};
}

void Moments::next() {
  for (size_t set = 0; set < sets.size(); ++set)
    inputRow(set, filled)[sets[set].features] = 1;
  ++rowCount;
  if (++filled == kRows)
    flush();
}

void Moments::finish() {
  for (size_t set = 0; set < sets.size(); ++set)
    std::fill(inputRow(set, filled), inputRow(set, kRows), 0.f);
  if (filled)
    flush();
}

void Moments::clear() {
  filled = rowCount = 0;
  for (auto [i, set] : llvm::enumerate(sets)) {
    set.products.setZero();
    llvm::fill(executor.input(i), 0.f);
  }
}

void Moments::add(const Moments &other) {
  rowCount += other.rowCount;
  for (auto [set, more] : llvm::zip_equal(sets, other.sets))
    set.products += more.products;
}

void Moments::flush() {
  executor.run();
  for (auto [i, set] : llvm::enumerate(sets))
    set.products +=
        Eigen::Map<const Eigen::MatrixXf>(executor.output(i).data(), set.padded, set.padded)
            .cast<double>();
  filled = 0;
}

Eigen::VectorXd Moments::mean(size_t set) const {
  int64_t features = sets[set].features;
  return sets[set].products.col(features).head(features) / double(rowCount);
}

Eigen::MatrixXd Moments::covariance(size_t set) const {
  int64_t features = sets[set].features;
  Eigen::VectorXd average = mean(set);
  return sets[set].products.topLeftCorner(features, features) / double(rowCount) -
         average * average.transpose();
}

} // namespace nestor::learn

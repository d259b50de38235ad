//===- Moments.h - Second moments of many features --------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_MOMENTS_H
#define NESTOR_LEARN_MOMENTS_H

#include "compiler/learn/Executor.h"

#include <Eigen/Core>

#include <vector>

namespace nestor::learn {

/// Means and covariances of several sets of features over rows that come one
/// after the other. Rows are multiplied in chunks, in single precision and by
/// code that Nestor generates; chunks are added up in double precision.
class Moments {
public:
  /// Set i has `features[i]` features.
  static llvm::Expected<Moments> create(llvm::ArrayRef<int64_t> features,
                                        mlir::MLIRContext &context, unsigned threads);

  /// Where to write the next row of a set.
  llvm::MutableArrayRef<float> row(size_t set);
  /// The row is complete in every set.
  void next();
  /// There are no more rows.
  void finish();

  /// Forgets all rows.
  void clear();

  /// As if the rows of `other`, which has the same sets, had come here. Both
  /// are finished.
  void add(const Moments &other);

  int64_t rows() const { return rowCount; }
  Eigen::VectorXd mean(size_t set) const;
  /// Mean of the products of deviations from the mean.
  Eigen::MatrixXd covariance(size_t set) const;

private:
  /// The sums of products, of a constant feature of one too: it comes last.
  struct Set {
    int64_t features, padded;
    Eigen::MatrixXd products;
  };
  explicit Moments(Executor executor) : executor(std::move(executor)) {}
  float *inputRow(size_t set, int64_t number);
  void flush();

  Executor executor;
  std::vector<Set> sets;
  int64_t filled = 0, rowCount = 0;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_MOMENTS_H

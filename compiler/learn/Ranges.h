//===- Ranges.h - What values a byte can stand for --------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_RANGES_H
#define NESTOR_LEARN_RANGES_H

#include "compiler/learn/Dataset.h"
#include "passes/ByteRange.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

#include <vector>

namespace nestor::learn {

/// Counts values in equal bins around zero, which grow wider as values do, so
/// that one pass over the samples is enough.
class Histogram {
public:
  Histogram() : counts(2 * kBins) {}
  void add(llvm::ArrayRef<float> values);
  /// The range of least squared error, of rounding and of cutting off what lies
  /// outside: few outliers do not cost all others their precision.
  ByteRange bestRange() const;

private:
  static constexpr int64_t kBins = 2048; ///< On either side of zero.
  void widen(float magnitude);
  double errorOf(const ByteRange &range) const;

  float limit = 0; ///< Of the bins.
  float lowest = 0, highest = 0;
  std::vector<uint64_t> counts;
};

/// The best range of each of `values`, f32 values of `func`, over `samples`.
llvm::Expected<llvm::DenseMap<mlir::Value, ByteRange>>
measureRanges(mlir::func::FuncOp func, llvm::ArrayRef<mlir::Value> values, const Dataset &samples,
              unsigned threads);

} // namespace nestor::learn

#endif // NESTOR_LEARN_RANGES_H

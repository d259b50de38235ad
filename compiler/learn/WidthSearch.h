//===- WidthSearch.h - The best widths inside a bound -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_WIDTHSEARCH_H
#define NESTOR_LEARN_WIDTHSEARCH_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace nestor::learn {

/// What a capacity keeps.
struct WidthChoice {
  llvm::SmallVector<int64_t> widths; ///< By group.
  std::vector<bool> skipped;         ///< By block.
  size_t input = 0;                  ///< Which size of the input; 0: its own.
};

/// A network as the search sees it.
struct WidthProblem {
  std::vector<int64_t> channels;          ///< By group.
  std::vector<std::vector<double>> curve; ///< As `Importance::curve`.
  std::vector<double> skipError;          ///< By block; infinite: cannot be skipped.
  /// Groups whose width does not matter when the block is skipped.
  std::vector<std::vector<int64_t>> inside;
  /// By size of the input, descending; the first is the input's own and has none.
  std::vector<double> inputError{0};
  std::function<uint64_t(const WidthChoice &)> macs;
  /// Null where only MACs count.
  std::function<double(const WidthChoice &)> microseconds;

  double error(const WidthChoice &choice) const;
  WidthChoice full() const;
};

/// A capacity of so much of the full MACs lies within (capacity - kSlack,
/// capacity] of them.
constexpr double kSlack = 0.02;

/// Widths that kernels like, ascending, up to `channels`: multiples of 16, of 8
/// below 64 channels, of less where there are fewer than 16.
llvm::SmallVector<int64_t> friendlyWidths(int64_t channels);

/// Choices for `capacities` (ascending, in (0, 1]), each within the larger ones:
/// by marginal cost from the top, then by exchanging channels of one group
/// for those of another while that is better, at each size of the input. Where the bound cannot be
/// reached, the nearest.
std::vector<WidthChoice> searchWidths(const WidthProblem &problem,
                                      llvm::ArrayRef<double> capacities);

} // namespace nestor::learn

#endif // NESTOR_LEARN_WIDTHSEARCH_H

//===- StrassenCost.h - What pointwise convolutions take --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_STRASSENCOST_H
#define NESTOR_PASSES_STRASSENCOST_H

#include "compiler/ir/NestDialect.h"

#include <optional>

namespace nestor {

/// A pointwise convolution, as far as its time depends on it.
struct ProductExtents {
  int64_t pixels;          ///< Of all images.
  int64_t inputs, outputs; ///< Channels.
};

/// Of `conv`; none where Strassen's algorithm cannot compute it.
std::optional<ProductExtents> strassenExtents(nest::ConvOp conv);

/// Nanoseconds of one run on one thread by the direct algorithm and by Strassen's.
struct ProductTimes {
  double direct, strassen;
};

/// From a table of what was measured on instruction set `target`. Compare only
/// results for the same target.
ProductTimes productTimes(const ProductExtents &conv, llvm::StringRef target);

/// What was measured of `conv` on `target` (kMeasuredAttr), if anything.
std::optional<ProductTimes> measuredTimes(nest::ConvOp conv, llvm::StringRef target);

} // namespace nestor

#endif // NESTOR_PASSES_STRASSENCOST_H

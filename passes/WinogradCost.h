//===- WinogradCost.h - What convolutions take, by algorithm ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_WINOGRADCOST_H
#define NESTOR_PASSES_WINOGRADCOST_H

#include "mlir/IR/Types.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace nestor {

/// A 3x3 convolution without strides, as far as its time depends on it.
struct ConvExtents {
  int64_t batch, rows, columns; ///< Of outputs.
  int64_t inputs, outputs;      ///< Channels.
  mlir::Type weights;           ///< Of the filter.
};

/// Tiles of this many outputs squared; 0 is the direct algorithm.
inline constexpr int64_t kWinogradChoices[] = {0, 2, 4, 6};

/// Bytes of the packed filter.
int64_t filterBytes(const ConvExtents &conv, int64_t tile);

/// Nanoseconds of one run on one thread, from a table of what was measured on
/// instruction set `target`, in a network with so many bytes of weights. Compare
/// only results for the same target.
double convTime(const ConvExtents &conv, int64_t tile, llvm::StringRef target, int64_t weightBytes);

} // namespace nestor

#endif // NESTOR_PASSES_WINOGRADCOST_H

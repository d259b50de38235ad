//===- ResizeTaps.h - What a resized position is made of --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_RESIZETAPS_H
#define NESTOR_KERNELS_RESIZETAPS_H

#include "compiler/ir/NestDialect.h"

#include <vector>

namespace nestor::kernels {

/// One dimension of a resize: position x of the result is the sum over i in
/// [0, taps) of weights[x * taps + i] * input[positions[x * taps + i]].
struct AxisTaps {
  int64_t input, output, taps = 1;
  std::vector<int32_t> positions; ///< Inside the input, always.
  std::vector<float> weights;
  /// 1 where the result is the extrapolation value; empty if nowhere.
  std::vector<int32_t> outside;

  /// Whether every position is its own.
  bool isIdentity() const;
};

/// The taps of dimension `dim` of `op`.
AxisTaps computeTaps(nest::ResizeOp op, int64_t dim);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_RESIZETAPS_H

//===- Slices.h - What slices take ------------------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_SLICES_H
#define NESTOR_IR_SLICES_H

#include "compiler/ir/NestDialect.h"

namespace nestor::nest {

/// Whether `slice` takes a run of dimension `axis` and all of the others.
inline bool takesRun(SliceOp slice, size_t axis) {
  llvm::ArrayRef<int64_t> from = slice.getInput().getType().getShape(), to = slice.getType().getShape();
  for (size_t dim = 0; dim < to.size(); ++dim)
    if (slice.getSteps()[dim] != 1 || (dim != axis && from[dim] != to[dim]))
      return false;
  return true;
}

} // namespace nestor::nest

#endif // NESTOR_IR_SLICES_H

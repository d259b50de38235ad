//===- MemoryPlan.h - Offsets for buffers with lifetimes --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_MEMORYPLAN_H
#define NESTOR_PACKAGE_MEMORYPLAN_H

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace nestor::package {

/// Memory that holds something from one point in time to another, both
/// included. Times are positions in the plan.
struct Buffer {
  uint64_t bytes;
  unsigned first, last;
  uint64_t offset = 0; ///< Set by `packBuffers`.

  bool livesWith(const Buffer &other) const { return first <= other.last && other.first <= last; }
};

/// Gives every buffer an offset, a multiple of `alignment`, such that buffers
/// that live at the same time do not overlap. Returns the bytes needed for all.
uint64_t packBuffers(llvm::MutableArrayRef<Buffer> buffers, uint64_t alignment);

/// What no packing can undercut: the most bytes that live at the same time.
uint64_t peakLiveBytes(llvm::ArrayRef<Buffer> buffers, uint64_t alignment);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_MEMORYPLAN_H

//===- guard.h - Files that are truncated while mapped -------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Touching a page of a mapping whose file has become shorter raises SIGBUS. For
// ranges that are guarded, a handler puts zero pages in the place of what is
// lost, and the run that met them fails afterwards.
//
// The handler and the list of ranges belong to the process, because a signal
// has no other way to know about them: the one global state of the runtime, and
// only where an artifact asks for it. A SIGBUS elsewhere goes to the handler
// that was there before. A handler that the app installs later must pass on
// what is not its own.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_GUARD_H
#define NESTOR_SRC_GUARD_H

#include "nestor/status.hpp"

#include <atomic>
#include <cstdint>

namespace nestor::detail {

/// Pages that the handler may replace. Entries of a list that only grows, so
/// that the handler can walk it at any moment; free ones are used again.
struct GuardedRange {
  /// Whether a page of the range was missed since it is guarded.
  bool lost() const { return lostPages.load(std::memory_order_acquire); }

  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0}; ///< 0: free. Written last, read first.
  std::atomic<bool> lostPages{false};
  GuardedRange *next = nullptr;
};

/// Guards [start, +size), a mapping of the caller that starts at a page. The
/// first guard of the process installs the handler.
Result<GuardedRange *> guard_range(void *start, uint64_t size);
/// Guards only the first `size` bytes from now on. Before unmapping the others.
void shrink_guard(GuardedRange *range, uint64_t size);
/// Before unmapping. The last guard takes the handler away, unless the app has
/// installed another one over it.
void unguard_range(GuardedRange *range);

} // namespace nestor::detail

#endif // NESTOR_SRC_GUARD_H

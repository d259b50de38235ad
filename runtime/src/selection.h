//===- selection.h - The capacity that a session runs --------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_SELECTION_H
#define NESTOR_SRC_SELECTION_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace nestor::detail {

/// How many sessions of an artifact use each of its capacities, so that weights
/// which nobody reads can be given back. It changes under a const Model: the
/// counts are about the sessions and not the artifact.
class CapacityUse {
public:
  /// Called once.
  void resize(size_t capacities) {
    counts_ = std::make_unique<std::atomic<uint32_t>[]>(capacities);
    for (size_t i = 0; i < capacities; ++i)
      counts_[i].store(0, std::memory_order_relaxed);
  }
  void add(uint32_t capacity) const { counts_[capacity].fetch_add(1); }
  void remove(uint32_t capacity) const { counts_[capacity].fetch_sub(1); }
  bool used(uint32_t capacity) const { return counts_[capacity].load() != 0; }

private:
  std::unique_ptr<std::atomic<uint32_t>[]> counts_;
};

/// The capacity of a session's next run: one word, which a run reads once. Any
/// thread may change it at any moment.
class Selection {
public:
  explicit Selection(const CapacityUse &use) : use_(use) { use_.add(0); }
  ~Selection() { use_.remove(get()); }
  Selection(const Selection &) = delete;
  Selection &operator=(const Selection &) = delete;

  uint32_t get() const { return static_cast<uint32_t>(ticket()); }

  void set(uint32_t capacity) {
    use_.add(capacity);
    uint64_t last = ticket();
    while (!word_.compare_exchange_weak(last, next(last, capacity)))
      ;
    use_.remove(static_cast<uint32_t>(last));
  }

  /// Changes with every `set`, also with one to the same capacity.
  uint64_t ticket() const { return word_.load(std::memory_order_acquire); }

  /// Sets the capacity unless somebody has done so since `ticket`.
  bool set_if_still(uint64_t ticket, uint32_t capacity) {
    uint64_t last = ticket;
    use_.add(capacity);
    bool done = word_.compare_exchange_strong(last, next(ticket, capacity));
    use_.remove(done ? static_cast<uint32_t>(ticket) : capacity);
    return done;
  }

private:
  static uint64_t next(uint64_t word, uint32_t capacity) {
    return ((word >> 32) + 1) << 32 | capacity;
  }

  const CapacityUse &use_;
  std::atomic<uint64_t> word_{0}; ///< How often it was set, then the capacity: 32 bits each.
};

} // namespace nestor::detail

#endif // NESTOR_SRC_SELECTION_H

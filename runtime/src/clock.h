//===- clock.h - Monotonic time ------------------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_CLOCK_H
#define NESTOR_SRC_CLOCK_H

#include <cstdint>
#include <ctime>

namespace nestor::detail {

/// Nanoseconds since an arbitrary start; never 0.
inline uint64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

} // namespace nestor::detail

#endif // NESTOR_SRC_CLOCK_H

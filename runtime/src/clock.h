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

/// Changes every few milliseconds, and takes a few nanoseconds to read; never 0.
inline uint64_t clock_tick() {
#ifdef CLOCK_MONOTONIC_COARSE
  timespec time;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec) +
         1;
#else
  return (now_ns() >> 22) + 1;
#endif
}

} // namespace nestor::detail

#endif // NESTOR_SRC_CLOCK_H

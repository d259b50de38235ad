//===- Peak.cpp - How fast this core can be -------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace nestor::tool {
namespace {

/// Runs `iterations` rounds of multiply-adds; returns how many in all.
using Loop = double (*)(int64_t iterations);

// An empty statement that uses an accumulator keeps the compiler from dropping
// or merging the rounds. The accumulators are named one by one, since an array
// would live in memory; the loops differ only in the register type, which a
// template cannot have: an instruction set belongs to a function.
#define NESTOR_PEAK_STEP(SUM, CONSTRAINT, FMA)                                                     \
  SUM = FMA(SUM, a, b);                                                                            \
  __asm__ volatile("" : "+" CONSTRAINT(SUM));
#define NESTOR_PEAK_LOOP(NAME, ATTRIBUTE, VECTOR, LANES, CONSTRAINT, SET, FMA)                     \
  ATTRIBUTE double NAME(int64_t iterations) {                                                      \
    VECTOR a = SET(0.5f), b = SET(0.25f);                                                          \
    VECTOR s0 = b, s1 = b, s2 = b, s3 = b, s4 = b, s5 = b, s6 = b, s7 = b, s8 = b, s9 = b;         \
    for (int64_t i = 0; i < iterations; ++i) {                                                     \
      NESTOR_PEAK_STEP(s0, CONSTRAINT, FMA)                                                        \
      NESTOR_PEAK_STEP(s1, CONSTRAINT, FMA)                                                        \
      NESTOR_PEAK_STEP(s2, CONSTRAINT, FMA) NESTOR_PEAK_STEP(s3, CONSTRAINT, FMA)                  \
          NESTOR_PEAK_STEP(s4, CONSTRAINT, FMA) NESTOR_PEAK_STEP(s5, CONSTRAINT, FMA)              \
              NESTOR_PEAK_STEP(s6, CONSTRAINT, FMA) NESTOR_PEAK_STEP(s7, CONSTRAINT, FMA)          \
                  NESTOR_PEAK_STEP(s8, CONSTRAINT, FMA) NESTOR_PEAK_STEP(s9, CONSTRAINT, FMA)      \
    }                                                                                              \
    return double(iterations) * 10 * (LANES);                                                      \
  }

#if defined(__x86_64__)
#define MULTIPLY_THEN_ADD(x, y, z) _mm_add_ps(_mm_mul_ps(x, y), z)
NESTOR_PEAK_LOOP(loopSse, , __m128, 4, "x", _mm_set1_ps, MULTIPLY_THEN_ADD)
NESTOR_PEAK_LOOP(loopAvx2, __attribute__((target("avx2,fma"))), __m256, 8, "x", _mm256_set1_ps,
                 _mm256_fmadd_ps)
NESTOR_PEAK_LOOP(loopAvx512, __attribute__((target("avx512f"))), __m512, 16, "v", _mm512_set1_ps,
                 _mm512_fmadd_ps)

Loop bestLoop() {
  if (__builtin_cpu_supports("avx512f"))
    return loopAvx512;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? loopAvx2 : loopSse;
}
#elif defined(__aarch64__)
#define NEON_FMA(x, y, z) vfmaq_f32(z, x, y)
NESTOR_PEAK_LOOP(loopNeon, , float32x4_t, 4, "w", vdupq_n_f32, NEON_FMA)

Loop bestLoop() { return loopNeon; }
#endif

} // namespace

double measurePeakMacsPerSecond() {
  using Clock = std::chrono::steady_clock;
  Loop loop = bestLoop();
  double best = 0;
  // The first rounds let the core reach its clock; 64 take about 50 ms.
  for (int round = 0; round < 64; ++round) {
    auto start = Clock::now();
    double macs = loop(100'000);
    best = std::max(best, macs / std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

} // namespace nestor::tool

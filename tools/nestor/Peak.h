//===- Peak.h - How fast this core can be --------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_NESTOR_PEAK_H
#define NESTOR_TOOLS_NESTOR_PEAK_H

namespace nestor::tool {

/// Single-precision multiply-adds per second of this core, measured: a loop of
/// independent fused multiply-adds on registers only, as wide as the CPU has
/// them, enough of them in flight to hide their latency; the best of several
/// rounds of about a millisecond. An upper bound of what any kernel can reach.
double measurePeakMacsPerSecond();

} // namespace nestor::tool

#endif // NESTOR_TOOLS_NESTOR_PEAK_H

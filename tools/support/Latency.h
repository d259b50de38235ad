//===- Latency.h - How long a session takes ------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_SUPPORT_LATENCY_H
#define NESTOR_TOOLS_SUPPORT_LATENCY_H

#include "nestor/nestor.hpp"

#include <chrono>
#include <functional>

namespace nestor::support {

using Clock = std::chrono::steady_clock;
double microsecondsSince(Clock::time_point start);

/// Times of all runs in microseconds, sorted; one at least.
struct Latencies {
  std::vector<double> us;
  double percentile(double p) const;
};

/// Runs for `seconds`, three times at least, after a tenth of that to warm up.
/// Of `run`, for that long and three times at least.
Result<Latencies> measureLatencies(const std::function<Status()> &run, double seconds);
Result<Latencies> measureLatencies(Session &session, double seconds);

} // namespace nestor::support

#endif // NESTOR_TOOLS_SUPPORT_LATENCY_H

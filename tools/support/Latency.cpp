//===- Latency.cpp - How long a session takes -----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Latency.h"

#include <algorithm>

namespace nestor::support {

double microsecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double Latencies::percentile(double p) const {
  return us[std::min(us.size() - 1, static_cast<size_t>(p * static_cast<double>(us.size())))];
}

Result<Latencies> measureLatencies(Session &session, double seconds) {
  return measureLatencies([&] { return session.run(); }, seconds);
}

Result<Latencies> measureLatencies(const std::function<Status()> &run, double seconds) {
  Latencies latencies;
  latencies.us.reserve(1 << 16); // No allocation between most of the runs.
  double warmUp = seconds * 1e5, limit = seconds * 1e6;
  for (auto start = Clock::now(); microsecondsSince(start) < warmUp;)
    if (Status status = run(); !status.ok())
      return status;
  for (auto start = Clock::now(); microsecondsSince(start) < limit || latencies.us.size() < 3;) {
    auto before = Clock::now();
    if (Status status = run(); !status.ok())
      return status;
    latencies.us.push_back(microsecondsSince(before));
  }
  std::sort(latencies.us.begin(), latencies.us.end());
  return latencies;
}

} // namespace nestor::support

//===- nestor/calibration.hpp - Choosing a capacity -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_CALIBRATION_HPP
#define NESTOR_CALIBRATION_HPP

#include "nestor/artifact.hpp"

#include <string_view>

namespace nestor {

/// What `Artifact::choose_capacity` must meet. Parts that are not set do not
/// matter; an empty goal gives the best capacity.
struct CapacityGoal {
  std::optional<float> latency_us;      ///< At most, a run.
  std::optional<uint64_t> memory_bytes; ///< At most, `CapacityInfo::resident_bytes`.
  std::optional<float> accuracy;        ///< At least, 0 to 1, as stored at compile time.
};

class CalibrationOptions {
public:
  /// Threads of the session that is measured, as in SessionOptions.
  CalibrationOptions &threads(unsigned count) { return threads_ = count, *this; }
  /// How long to run each capacity; three runs at least.
  CalibrationOptions &seconds(double each) { return seconds_ = each, *this; }

  unsigned threads() const { return threads_; }
  double seconds() const { return seconds_; }

private:
  unsigned threads_ = 1;
  double seconds_ = 0.2;
};

/// Latencies of an artifact's capacities on one device. A value: keep it for
/// as long as you like, also as text, for the next start of the app.
class NESTOR_API Calibration {
public:
  /// Reads what `to_string` wrote; `invalid_argument` for anything else.
  static Result<Calibration> parse(std::string_view text);
  /// One line of printable ASCII.
  std::string to_string() const;

  unsigned threads() const { return threads_; }
  /// Median time of a run at `Artifact::capacities()[index]`; 0 for those that
  /// were not there yet.
  float latency_us(size_t index) const;
  /// How many capacities were measured: the smallest ones.
  size_t size() const { return nanoseconds_.size(); }

private:
  friend class Artifact;
  uint64_t manifest_ = 0; ///< Hash of the manifest: of that artifact and no other.
  unsigned threads_ = 1;
  std::vector<uint64_t> nanoseconds_;
};

} // namespace nestor

#endif // NESTOR_CALIBRATION_HPP

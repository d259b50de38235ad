//===- calibration.cpp - Latencies on this device -------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "nestor/calibration.hpp"
#include "clock.h"
#include "error.h"
#include "model.h"
#include "nestor/session.hpp"

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>

namespace nestor {

using namespace detail;

static constexpr std::string_view kMagic = "nestor-calibration-1:";
/// As many capacities as a manifest may have.
static constexpr size_t kMostLatencies = 64;

/// Takes a number and, unless it is the last, the separator behind it off the
/// front of `text`.
template <typename T>
static bool take_number(std::string_view &text, int base, char separator, T &number) {
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (failure != std::errc())
    return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (text.empty())
    return true;
  if (text.front() != separator)
    return false;
  text.remove_prefix(1);
  return !text.empty();
}

Result<Calibration> Calibration::parse(std::string_view text) {
  Status bad = error(StatusCode::invalid_argument,
                     "not a calibration that this version wrote; calibrate again");
  Calibration calibration;
  if (text.substr(0, kMagic.size()) != kMagic)
    return bad;
  text.remove_prefix(kMagic.size());
  if (!take_number(text, 16, ':', calibration.manifest_) ||
      !take_number(text, 10, ':', calibration.threads_) || text.empty())
    return bad;
  while (!text.empty()) {
    uint64_t nanoseconds = 0;
    if (!take_number(text, 10, ',', nanoseconds) || nanoseconds == 0 ||
        calibration.nanoseconds_.size() == kMostLatencies)
      return bad;
    calibration.nanoseconds_.push_back(nanoseconds);
  }
  return calibration;
}

std::string Calibration::to_string() const {
  char head[32];
  std::snprintf(head, sizeof head, "%016" PRIx64 ":%u:", manifest_, threads_);
  std::string text = std::string(kMagic) + head;
  for (size_t i = 0; i < nanoseconds_.size(); ++i)
    text += (i ? "," : "") + std::to_string(nanoseconds_[i]);
  return text;
}

float Calibration::latency_us(size_t index) const {
  return index < nanoseconds_.size() ? static_cast<float>(nanoseconds_[index]) / 1e3f : 0;
}

/// The median time of a run, after a tenth of the time to warm up.
static Result<uint64_t> measure(Session &session, double seconds) {
  auto limit = static_cast<uint64_t>(std::clamp(seconds, 0.0, 3600.0) * 1e9);
  for (uint64_t start = now_ns(); now_ns() - start < limit / 10;)
    NESTOR_RETURN_IF_ERROR(session.run());
  std::vector<uint64_t> times;
  for (uint64_t start = now_ns(); now_ns() - start < limit || times.size() < 3;) {
    uint64_t before = now_ns();
    NESTOR_RETURN_IF_ERROR(session.run());
    times.push_back(now_ns() - before);
  }
  auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return std::max<uint64_t>(*middle, 1);
}

Result<Calibration> Artifact::calibrate(const CalibrationOptions &options) const {
  SessionOptions how;
  how.threads(options.threads()).capacity(model_->capacities.back().capacity);
  Result<Session> session = this->session(how);
  if (!session.ok())
    return session.status();
  Calibration calibration;
  calibration.manifest_ = model_->manifest.hash();
  calibration.threads_ = session.value().threads();
  for (const CapacityInfo &info : model_->capacities) {
    NESTOR_RETURN_IF_ERROR(session.value().set_capacity(info.capacity));
    Result<uint64_t> time = measure(session.value(), options.seconds());
    if (!time.ok())
      return time.status();
    calibration.nanoseconds_.push_back(time.value());
  }
  return calibration;
}

Result<Calibration> Artifact::calibrate() const { return calibrate(CalibrationOptions()); }

} // namespace nestor

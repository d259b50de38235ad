//===- choose.cpp - The best capacity for a goal --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "error.h"
#include "model.h"
#include "nestor/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace nestor {

using namespace detail;

/// What is not known of a capacity.
static constexpr double kUnknown = -1;

namespace {

/// One part of a goal, and how the capacities do.
struct Bound {
  const char *name;
  const char *unit;
  int digits; ///< That messages show.
  bool atMost; ///< Else: at least.
  double limit;
  const char *cure; ///< Where it is known of no capacity.
  std::vector<double> values;

  bool met(size_t i) const {
    return values[i] >= 0 && (atMost ? values[i] <= limit : values[i] >= limit);
  }
  /// How far off the capacity is, as a part of the limit.
  double miss(size_t i) const {
    if (met(i))
      return 0;
    return values[i] < 0 ? INFINITY : std::fabs(values[i] - limit) / std::max(limit, 1e-9);
  }
};

} // namespace

static std::vector<Bound> bounds_of(const CapacityGoal &goal,
                                    const std::vector<CapacityInfo> &capacities,
                                    const std::vector<double> &latencies) {
  std::vector<Bound> bounds;
  if (goal.latency_us)
    bounds.push_back({"latency", " us", 6, true, *goal.latency_us,
                      "measure it with Artifact::calibrate or nestor calibrate", latencies});
  if (goal.memory_bytes) {
    bounds.push_back(
        {"memory", " bytes", 15, true, static_cast<double>(*goal.memory_bytes), "", {}});
    for (const CapacityInfo &info : capacities)
      bounds.back().values.push_back(static_cast<double>(info.resident_bytes));
  }
  if (goal.accuracy) {
    bounds.push_back({"accuracy", "", 6, false, static_cast<double>(*goal.accuracy),
                      "compile with --eval and labelled samples", {}});
    for (const CapacityInfo &info : capacities)
      bounds.back().values.push_back(info.has_accuracy ? static_cast<double>(info.accuracy)
                                                       : kUnknown);
  }
  return bounds;
}

/// Whether `b`, the larger one, is as good as `a`.
static bool as_good(const CapacityInfo &a, const CapacityInfo &b) {
  if (a.has_accuracy && b.has_accuracy && a.accuracy != b.accuracy)
    return b.accuracy > a.accuracy;
  if (a.has_agreement && b.has_agreement && a.agreement != b.agreement)
    return b.agreement > a.agreement;
  return true;
}

static std::string describe_misses(const std::vector<Bound> &bounds, size_t capacity) {
  std::string text;
  for (const Bound &bound : bounds) {
    if (bound.met(capacity))
      continue;
    char part[160], value[32] = "not known";
    if (bound.values[capacity] >= 0)
      std::snprintf(value, sizeof value, "%.*g%s", bound.digits, bound.values[capacity],
                    bound.unit);
    std::snprintf(part, sizeof part, "%s%s is %s, not at %s %.*g", text.empty() ? "" : " and ",
                  bound.name, value, bound.atMost ? "most" : "least", bound.digits, bound.limit);
    text += part;
  }
  return text;
}

static Status none_meets(const std::vector<Bound> &bounds,
                         const std::vector<CapacityInfo> &capacities) {
  for (const Bound &bound : bounds)
    if (std::all_of(bound.values.begin(), bound.values.end(), [](double v) { return v < 0; }))
      return error(StatusCode::not_found, "the %s of no capacity is known; %s", bound.name,
                   bound.cure);
  size_t closest = 0;
  double least = INFINITY;
  for (size_t i = 0; i < capacities.size(); ++i) {
    double worst = 0;
    for (const Bound &bound : bounds)
      worst = std::max(worst, bound.miss(i));
    if (worst < least) {
      least = worst;
      closest = i;
    }
  }
  return error(StatusCode::not_found, "no capacity meets the goal; %g comes closest, but its %s",
               static_cast<double>(capacities[closest].capacity),
               describe_misses(bounds, closest).c_str());
}

static Result<float> choose(const CapacityGoal &goal, const std::vector<CapacityInfo> &capacities,
                            const std::vector<double> &latencies) {
  std::vector<Bound> bounds = bounds_of(goal, capacities, latencies);
  const CapacityInfo *best = nullptr;
  for (size_t i = 0; i < capacities.size(); ++i) {
    auto met = [&](const Bound &bound) { return bound.met(i); };
    if (std::all_of(bounds.begin(), bounds.end(), met) && (!best || as_good(*best, capacities[i])))
      best = &capacities[i];
  }
  return best ? Result<float>(best->capacity) : none_meets(bounds, capacities);
}

Result<float> Artifact::choose_capacity(const CapacityGoal &goal) const {
  std::vector<double> latencies;
  for (const CapacityInfo &info : model_->capacities)
    latencies.push_back(info.latency_us > 0 ? static_cast<double>(info.latency_us) : kUnknown);
  Result<float> chosen = choose(goal, model_->capacities, latencies);
  return chosen.ok() ? chosen : with_prefix(model_->name, chosen.status());
}

Result<float> Artifact::choose_capacity(const CapacityGoal &goal,
                                        const Calibration &calibration) const {
  if (calibration.manifest_ != model_->manifest.hash())
    return with_prefix(model_->name,
                       error(StatusCode::invalid_argument,
                             "the calibration is of another artifact; calibrate this one"));
  std::vector<double> latencies;
  for (size_t i = 0; i < model_->capacities.size(); ++i) {
    float latency = calibration.latency_us(i);
    latencies.push_back(latency > 0 ? static_cast<double>(latency) : kUnknown);
  }
  Result<float> chosen = choose(goal, model_->capacities, latencies);
  return chosen.ok() ? chosen : with_prefix(model_->name, chosen.status());
}

} // namespace nestor

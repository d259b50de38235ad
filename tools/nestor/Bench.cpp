//===- Bench.cpp - nestor bench -------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Peak.h"
#include "Split.h"

#include "tools/support/Latency.h"

#include <algorithm>
#include <cstdio>
#include <sys/resource.h>

namespace nestor::tool {
namespace {

using support::Clock;
using support::Latencies;
using support::microsecondsSince;

uint64_t peakResidentBytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024; // Linux counts KiB.
}

/// The time of every layer: for each step the median over the runs, and for
/// each layer the sum over its steps.
Expected<std::vector<double>> measureLayers(Session &session, const PlanInfo &plan,
                                            double seconds) {
  size_t steps = plan.steps.size();
  std::vector<std::vector<uint64_t>> samples(steps);
  for (auto start = Clock::now();
       microsecondsSince(start) < seconds * 1e6 || samples.empty() || samples[0].size() < 3;) {
    std::vector<uint64_t> times(steps, 0);
    if (Status status = session.run_timed(times.data(), steps); !status.ok())
      return Failure(status);
    for (size_t i = 0; i < steps; ++i)
      samples[i].push_back(times[i]);
    if (steps == 0)
      break;
  }
  std::vector<double> layers(plan.layers.size(), 0);
  for (size_t i = 0; i < steps; ++i) {
    auto middle = samples[i].begin() + static_cast<ptrdiff_t>(samples[i].size() / 2);
    std::nth_element(samples[i].begin(), middle, samples[i].end());
    layers[plan.steps[i].layer] += static_cast<double>(*middle) / 1e3;
  }
  return layers;
}

struct Profile {
  PlanInfo plan;
  std::vector<double> us; ///< By layer.
  double peak;            ///< MACs per second of all threads together.

  double total() const {
    double sum = 0;
    for (double time : us)
      sum += time;
    return sum;
  }
  double gflops(size_t layer) const {
    return us[layer] > 0 ? 2e-3 * static_cast<double>(plan.layers[layer].macs) / us[layer] : 0;
  }
  double percentOfPeak(size_t layer) const { return gflops(layer) * 1e11 / (2 * peak); }
};

Expected<Profile> makeProfile(const Artifact &artifact, Session &session, double seconds) {
  Profile profile;
  for (size_t i = 0; i < artifact.capacities().size(); ++i)
    if (artifact.capacities()[i].capacity == session.capacity())
      profile.plan = artifact.plan(i);
  Expected<std::vector<double>> layers = measureLayers(session, profile.plan, seconds);
  if (!layers)
    return layers.failure();
  profile.us = std::move(*layers);
  profile.peak = measurePeakMacsPerSecond() * session.threads();
  return profile;
}

Json describeProfile(const Profile &profile) {
  Json list = Json::array();
  for (size_t i = 0; i < profile.us.size(); ++i)
    list.push_back({{"layer", profile.plan.layers[i].name},
                    {"op", profile.plan.layers[i].op},
                    {"macs", profile.plan.layers[i].macs},
                    {"us", profile.us[i]},
                    {"gflops", profile.gflops(i)},
                    {"percent_of_peak", profile.percentOfPeak(i)}});
  return {{"peak_gflops", 2e-9 * profile.peak}, {"layers", std::move(list)}};
}

void printProfile(const Profile &profile) {
  Table table({"layer", "op", "us", "share", "MACs", "GFLOP/s", "of peak"}, 2);
  for (size_t i = 0; i < profile.us.size(); ++i) {
    bool counted = profile.plan.layers[i].macs != 0;
    table.add({profile.plan.layers[i].name, profile.plan.layers[i].op,
               format("%.1f", profile.us[i]),
               format("%.1f %%", 100 * profile.us[i] / std::max(profile.total(), 1e-9)),
               counted ? format("%.2f M", static_cast<double>(profile.plan.layers[i].macs) / 1e6)
                       : "-",
               counted ? format("%.1f", profile.gflops(i)) : "-",
               counted ? format("%.1f %%", profile.percentOfPeak(i)) : "-"});
  }
  std::printf("\n");
  table.print();
  std::printf("\npeak: %.1f GFLOP/s, measured with fused multiply-adds on registers only; a layer's "
              "time is the sum of its calls' medians\n",
              2e-9 * profile.peak);
}

void printResult(const Json &report, const Latencies &latencies) {
  Table table({"capacity", "threads", "runs", "min us", "median us", "p90 us", "p99 us", "load us",
               "first run us", "peak RSS", "mapped"},
              0);
  auto time = [&](const char *key) { return format("%.1f", report[key].get<double>()); };
  table.add({format("%g", report["capacity"].get<double>()), report["threads"].dump(),
             std::to_string(latencies.us.size()), time("min_us"), time("median_us"),
             time("p90_us"), time("p99_us"), time("load_us"), time("first_run_us"),
             humanBytes(report["rss_peak_bytes"]), humanBytes(report["mapped_bytes"])});
  table.print();
}

Json describeStream(const StreamPrediction &stream) {
  return {{"peak_bytes", stream.peak_bytes},         {"pinned_bytes", stream.pinned_bytes},
          {"streamed_bytes", stream.streamed_bytes}, {"buffer_bytes", stream.buffer_bytes},
          {"reads", stream.reads},                   {"predicted_us", stream.us},
          {"predicted_stall_us", stream.stall_us}};
}

void printStream(const StreamPrediction &stream) {
  std::printf("\nthe session holds %s: %s of weights stay, %s are read in %u parts a run into %s; "
              "predicted: %.0f us, of that %.0f us waiting\n",
              humanBytes(stream.peak_bytes).c_str(), humanBytes(stream.pinned_bytes).c_str(),
              humanBytes(stream.streamed_bytes).c_str(), stream.reads,
              humanBytes(stream.buffer_bytes).c_str(), stream.us, stream.stall_us);
}

} // namespace

ExitStatus runBench(const BenchArguments &arguments) {
  auto start = Clock::now();
  Expected<Artifact> artifact = openArtifact(arguments);
  if (!artifact)
    return artifact.exitStatus();
  Expected<Session> session = openSession(*artifact, arguments);
  if (!session)
    return session.exitStatus();
  double load = microsecondsSince(start);
  for (size_t i = 0; i < artifact->inputs().size(); ++i)
    fillRandom(session->input(i), i);
  std::optional<SplitRunner> split;
  if (arguments.split.cut >= 0) {
    Expected<SplitRunner> made =
        SplitRunner::create(*artifact, static_cast<uint32_t>(arguments.split.cut),
                            parseEncoding(arguments.split.liveDtype));
    if (!made)
      return made.exitStatus();
    split = std::move(*made);
  }
  Expected<std::optional<Session>> other = openTail(*artifact, arguments, arguments.split);
  if (!other)
    return other.exitStatus();
  Session &tail = *other ? **other : *session;
  auto run = [&] { return split ? split->run(*session, tail) : session->run(); };
  start = Clock::now();
  if (Status status = run(); !status.ok())
    return Failure(status).exitStatus();
  double firstRun = microsecondsSince(start);
  Result<Latencies> measured = support::measureLatencies(run, arguments.seconds);
  if (!measured.ok())
    return Failure(measured.status()).exitStatus();
  const Latencies &latencies = measured.value();

  Json report = {{"capacity", session->capacity()},
                 {"threads", session->threads()},
                 {"min_us", latencies.us.front()},
                 {"median_us", latencies.percentile(0.5)},
                 {"p90_us", latencies.percentile(0.9)},
                 {"p99_us", latencies.percentile(0.99)},
                 {"load_us", load},
                 {"first_run_us", firstRun},
                 {"runs", latencies.us.size()},
                 {"rss_peak_bytes", peakResidentBytes()},
                 {"mapped_bytes", artifact->mapped_bytes()},
                 {"session_bytes", session->memory_bytes()}};
  if (split)
    report.update({{"cut", arguments.split.cut}, {"live_bytes", split->liveBytes()}});
  if (*other)
    report["tail_capacity"] = tail.capacity();
  if (!arguments.memoryBudget.empty())
    report["stream"] = describeStream(session->predicted());
  std::optional<Profile> profile;
  if (arguments.profile) {
    Expected<Profile> made = makeProfile(*artifact, *session, arguments.seconds);
    if (!made)
      return made.exitStatus();
    profile = std::move(*made);
    report["profile"] = describeProfile(*profile);
  }
  if (arguments.json) {
    printJson(std::move(report));
    return exitOk;
  }
  printResult(report, latencies);
  if (!arguments.memoryBudget.empty())
    printStream(session->predicted());
  if (profile)
    printProfile(*profile);
  return exitOk;
}

} // namespace nestor::tool

//===- ArtifactBench.cpp - Start, memory, capacities, idle sessions -------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
//   nestor_artifact_bench start FILE.nest [PROCESSES]
//   nestor_artifact_bench capacities FILE.nest [SECONDS]
//   nestor_artifact_bench memory FILE.nest
//   nestor_artifact_bench idle FILE.nest [SESSIONS]
//
// What run_artifact.py reports, one JSON object a call. start: from opening to
// the first result, and a warm run, each time in a new process. capacities: the
// latency of each, in turns within one session. memory: what a process has
// resident with the largest capacity alone, with all in turns in one session,
// and with a session for each. idle: CPU time of sessions that ran once and
// wait, each with two threads.
//
//===----------------------------------------------------------------------===//
#include "Process.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

using namespace nestor;
using namespace nestor::bench;

namespace {

using Clock = std::chrono::steady_clock;

double microsecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double median(std::vector<double> &values) {
  auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Floats that do not become denormal in any network.
std::vector<float> makeImage(const Artifact &artifact) {
  std::vector<float> image(artifact.inputs()[0].bytes / sizeof(float));
  for (size_t i = 0; i < image.size(); ++i)
    image[i] = static_cast<float>(i * 2654435761u >> 8 & 0xffff) / 0x8000 - 1;
  return image;
}

void infer(Session &session, const std::vector<float> &image) {
  check(session.input(0).copy_from(image));
  check(session.run());
}

//===----------------------------------------------------------------------===//
// start
//===----------------------------------------------------------------------===//

struct Start {
  double open, session, first, warm; ///< Microseconds.
};

Start measureStart(const char *path) {
  std::vector<float> image = makeImage(check(Artifact::open(path))); // Touches no weights.
  Start times;
  auto start = Clock::now();
  Artifact artifact = check(Artifact::open(path));
  times.open = microsecondsSince(start);
  start = Clock::now();
  Session session = check(artifact.session());
  times.session = microsecondsSince(start);
  start = Clock::now();
  infer(session, image);
  times.first = microsecondsSince(start);
  std::vector<double> runs;
  for (int i = 0; i < 9; ++i) {
    start = Clock::now();
    infer(session, image);
    runs.push_back(microsecondsSince(start));
  }
  times.warm = median(runs);
  return times;
}

void reportStart(const char *path, int processes) {
  std::vector<double> open, session, first, warm, beyond;
  for (int i = 0; i < processes; ++i) {
    Start times = inNewProcess<Start>([&] { return measureStart(path); });
    open.push_back(times.open);
    session.push_back(times.session);
    first.push_back(times.first);
    warm.push_back(times.warm);
    beyond.push_back(times.open + times.session + times.first - times.warm);
  }
  double least = *std::min_element(beyond.begin(), beyond.end());
  std::printf("{\"open_us\": %.1f, \"session_us\": %.1f, \"first_run_us\": %.1f, \"warm_us\": %.1f, "
              "\"beyond_us\": %.1f, \"beyond_min_us\": %.1f}\n",
              median(open), median(session), median(first), median(warm), median(beyond), least);
}

//===----------------------------------------------------------------------===//
// capacities
//===----------------------------------------------------------------------===//

void reportCapacities(const char *path, double seconds) {
  Artifact artifact = check(Artifact::open(path));
  Session session = check(artifact.session());
  std::vector<float> image = makeImage(artifact);
  check(session.input(0).copy_from(image));
  const std::vector<CapacityInfo> &capacities = artifact.capacities();
  std::vector<std::vector<double>> times(capacities.size());
  for (auto start = Clock::now(); microsecondsSince(start) < seconds * 1e6;)
    for (size_t i = 0; i < capacities.size(); ++i) {
      check(session.set_capacity(capacities[i].capacity));
      check(session.run()); // The caches hold another capacity's activations.
      for (int run = 0; run < 4; ++run) {
        auto begin = Clock::now();
        check(session.run());
        times[i].push_back(microsecondsSince(begin));
      }
    }
  std::printf("{\"capacities\": [");
  for (size_t i = 0; i < capacities.size(); ++i)
    std::printf("%s{\"capacity\": %g, \"macs\": %llu, \"min_us\": %.2f, \"median_us\": %.2f}",
                i ? ", " : "", static_cast<double>(capacities[i].requested),
                static_cast<unsigned long long>(capacities[i].macs),
                *std::min_element(times[i].begin(), times[i].end()), median(times[i]));
  std::printf("]}\n");
}

//===----------------------------------------------------------------------===//
// memory
//===----------------------------------------------------------------------===//

struct Memory {
  uint64_t before, after;
};

/// `count` sessions, the last at the largest capacity, the one before at the
/// next smaller; each of them runs all capacities up to its own if `every`.
Memory measureMemory(const char *path, size_t count, bool every) {
  Memory memory = {residentBytes(), 0};
  Artifact artifact = check(Artifact::open(path));
  const std::vector<CapacityInfo> &capacities = artifact.capacities();
  std::vector<Session> sessions;
  for (size_t i = capacities.size() - count; i < capacities.size(); ++i) {
    sessions.push_back(check(artifact.session(SessionOptions().capacity(capacities[i].capacity))));
    for (size_t smaller = every ? 0 : i; smaller <= i; ++smaller) {
      check(sessions.back().set_capacity(capacities[smaller].capacity));
      check(sessions.back().run());
    }
  }
  memory.after = residentBytes();
  return memory;
}

void reportMemory(const char *path) {
  size_t count = check(Artifact::open(path)).capacities().size();
  Memory alone = inNewProcess<Memory>([&] { return measureMemory(path, 1, false); });
  Memory turns = inNewProcess<Memory>([&] { return measureMemory(path, 1, true); });
  Memory each = inNewProcess<Memory>([&] { return measureMemory(path, count, false); });
  std::printf("{\"capacities\": %zu, \"process_bytes\": %llu, \"largest_alone_bytes\": %llu, "
              "\"in_turns_bytes\": %llu, \"session_each_bytes\": %llu}\n",
              count, static_cast<unsigned long long>(alone.before),
              static_cast<unsigned long long>(alone.after),
              static_cast<unsigned long long>(turns.after),
              static_cast<unsigned long long>(each.after));
}

//===----------------------------------------------------------------------===//
// idle
//===----------------------------------------------------------------------===//

double cpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval &time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void reportIdle(const char *path, size_t count) {
  Artifact artifact = check(Artifact::open(path));
  std::vector<float> image = makeImage(artifact);
  std::vector<Session> sessions;
  while (sessions.size() < count)
    sessions.push_back(check(artifact.session(SessionOptions().threads(2))));
  for (Session &session : sessions)
    infer(session, image);
  std::this_thread::sleep_for(std::chrono::milliseconds(100)); // Longer than any spinning.
  double before = cpuSeconds();
  auto start = Clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(2));
  double percent = 1e8 * (cpuSeconds() - before) / microsecondsSince(start);
  std::printf("{\"sessions\": %zu, \"cpu_percent\": %.4f}\n", count, percent);
}

} // namespace

int main(int argc, char **argv) {
  std::string what = argc > 2 ? argv[1] : "";
  const char *number = argc > 3 ? argv[3] : nullptr;
  if (what == "start")
    reportStart(argv[2], number ? std::atoi(number) : 15);
  else if (what == "capacities")
    reportCapacities(argv[2], number ? std::atof(number) : 2);
  else if (what == "memory")
    reportMemory(argv[2]);
  else if (what == "idle")
    reportIdle(argv[2], number ? std::strtoul(number, nullptr, 10) : 50);
  else {
    std::fprintf(stderr, "usage: nestor_artifact_bench start|capacities|memory|idle FILE.nest [N]\n");
    return 2;
  }
  return 0;
}

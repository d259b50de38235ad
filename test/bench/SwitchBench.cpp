//===- SwitchBench.cpp - Switching capacities, and their memory -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
//   nestor_switch_bench FILE.nest [SWITCHES]
//
// Random switches over 4 sessions in 4 threads, every result compared with what
// its capacity computes alone; the time of a switch; and the memory after a
// change from the largest to the smallest capacity beside that of a session
// that was never larger. Exits with 1 if a result was wrong.
//
//===----------------------------------------------------------------------===//
#include "Process.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

using namespace nestor;
using namespace nestor::bench;

namespace {

constexpr unsigned kThreads = 4;

/// Floats in [0, 1); other types stay zero.
void fillInputs(const Artifact &artifact, Session &session) {
  std::mt19937 random(1);
  for (size_t i = 0; i < artifact.inputs().size(); ++i) {
    const TensorInfo &info = artifact.inputs()[i];
    for (size_t at = 0; info.dtype == DType::float32 && at < info.bytes / sizeof(float); ++at)
      session.input(i).data_as<float>()[at] = static_cast<float>(random() >> 8) / (1 << 24);
  }
}

std::vector<uint8_t> outputsOf(const Artifact &artifact, const Session &session) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < artifact.outputs().size(); ++i) {
    const uint8_t *data = session.output(i).data_as<uint8_t>();
    bytes.insert(bytes.end(), data, data + artifact.outputs()[i].bytes);
  }
  return bytes;
}

/// How many of that many results were not those of the session's capacity.
uint64_t countWrong(const Artifact &artifact, uint64_t switches) {
  const std::vector<CapacityInfo> &capacities = artifact.capacities();
  std::vector<std::vector<uint8_t>> references;
  std::vector<Session> sessions;
  for (unsigned i = 0; i < kThreads; ++i) {
    sessions.push_back(check(artifact.session()));
    fillInputs(artifact, sessions.back());
  }
  for (const CapacityInfo &info : capacities) {
    check(sessions[0].set_capacity(info.capacity));
    check(sessions[0].run());
    references.push_back(outputsOf(artifact, sessions[0]));
  }
  std::atomic<uint64_t> wrong{0};
  auto work = [&](unsigned number) {
    std::mt19937 random(number);
    Session &own = sessions[number];
    for (uint64_t i = number; i < switches; i += kThreads) {
      check(sessions[random() % kThreads].set_capacity(
          capacities[random() % capacities.size()].capacity));
      check(own.run());
      size_t by = 0;
      while (capacities[by].capacity != own.last_capacity())
        ++by;
      wrong += outputsOf(artifact, own) != references[by];
    }
  };
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < kThreads; ++i)
    workers.emplace_back(work, i);
  for (std::thread &worker : workers)
    worker.join();
  return wrong;
}

/// Median and 99th percentile of a switch, in nanoseconds; the clock's own time
/// is in them.
void measureSwitch(const Artifact &artifact) {
  Session session = check(artifact.session());
  std::vector<double> times;
  for (int i = 0; i < 100'000; ++i) {
    float capacity = artifact.capacities()[i % artifact.capacities().size()].capacity;
    auto start = std::chrono::steady_clock::now();
    check(session.set_capacity(capacity));
    times.push_back(
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("switch: median %.0f ns, p99 %.0f ns\n", times[times.size() / 2],
              times[times.size() * 99 / 100]);
}

struct Memory {
  uint64_t before, large, small;
};

/// In a process of its own: what a session at the smallest capacity has
/// resident, after runs at the largest one if `downgrade`.
Memory measureMemory(const char *path, bool downgrade) {
  return inNewProcess<Memory>([&] {
    Memory memory = {residentBytes(), 0, 0};
    Artifact artifact = check(Artifact::open(path));
    float least = artifact.capacities().front().capacity;
    float most = downgrade ? artifact.capacities().back().capacity : least;
    Session session = check(artifact.session(SessionOptions().capacity(most)));
    check(session.run());
    memory.large = residentBytes();
    check(session.set_capacity(least));
    session.release_unused();
    check(session.run());
    memory.small = residentBytes();
    return memory;
  });
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: nestor_switch_bench FILE.nest [SWITCHES]\n");
    return 2;
  }
  Memory fresh = measureMemory(argv[1], false), downgraded = measureMemory(argv[1], true);
  auto kilobytes = [](uint64_t a, uint64_t b) { return (static_cast<double>(a) - b) / 1000; };
  std::printf("memory, KB: smallest capacity, fresh %.0f; largest %.0f; after the downgrade %.0f "
              "(%.2f x fresh)\n",
              kilobytes(fresh.small, fresh.before), kilobytes(downgraded.large, downgraded.before),
              kilobytes(downgraded.small, downgraded.before),
              kilobytes(downgraded.small, downgraded.before) /
                  kilobytes(fresh.small, fresh.before));
  Artifact artifact = check(Artifact::open(argv[1]));
  measureSwitch(artifact);
  uint64_t switches = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  uint64_t wrong = countWrong(artifact, switches);
  std::printf("results: %llu wrong of %llu\n", static_cast<unsigned long long>(wrong),
              static_cast<unsigned long long>(switches));
  return wrong != 0;
}

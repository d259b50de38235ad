//===- MachineProbe.cpp - What the CPUs can do right now ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
//   nestor_machine_probe CPU[,CPU...]
//
// Prints JSON: the single-precision multiply-add peak of these CPUs, all busy at
// once, so that two that share one core show; and the time in which one store
// travels between two of them, the worst over neighbours in the list. Takes
// about 0.1 s. A benchmark asks before and after what it measures.
//
//===----------------------------------------------------------------------===//
#include "tools/nestor/Peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sched.h>
#include <thread>
#include <vector>

namespace {

bool pinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

/// Multiply-adds per second of all CPUs together.
double measurePeak(const std::vector<int> &cpus) {
  std::vector<double> macs(cpus.size());
  std::atomic<size_t> waiting{cpus.size()};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < cpus.size(); ++i)
    threads.emplace_back([&, i] {
      pinTo(cpus[i]);
      for (--waiting; waiting != 0;) // Those that start late must not find the others done.
        std::this_thread::yield();
      macs[i] = nestor::tool::measurePeakMacsPerSecond();
    });
  double sum = 0;
  for (size_t i = 0; i < cpus.size(); ++i) {
    threads[i].join();
    sum += macs[i];
  }
  return sum;
}

/// Median nanoseconds of one way between two CPUs. A thread that waits long
/// yields: where another program has its CPU, spinning only delays the answer.
double measurePingPong(int first, int second) {
  constexpr uint32_t kTrips = 20'000, kChunk = 200;
  std::atomic<uint32_t> ball{0};
  auto waitFor = [&](uint32_t value) {
    for (uint32_t spins = 0; ball.load(std::memory_order_acquire) != value;)
      if (++spins % 100'000 == 0)
        std::this_thread::yield();
  };
  std::thread other([&] {
    pinTo(second);
    for (uint32_t trip = 0; trip < kTrips; ++trip) {
      waitFor(2 * trip + 1);
      ball.store(2 * trip + 2, std::memory_order_release);
    }
  });
  std::vector<double> times;
  std::thread one([&] {
    pinTo(first);
    auto start = std::chrono::steady_clock::now();
    for (uint32_t trip = 0; trip < kTrips; ++trip) {
      ball.store(2 * trip + 1, std::memory_order_release);
      waitFor(2 * trip + 2);
      if (trip % kChunk != kChunk - 1)
        continue;
      auto stop = std::chrono::steady_clock::now();
      times.push_back(std::chrono::duration<double, std::nano>(stop - start).count() /
                      (2.0 * kChunk));
      start = stop;
    }
  });
  one.join();
  other.join();
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

std::vector<int> parseCpus(const char *text) {
  std::vector<int> cpus;
  for (char *end = nullptr;; text = end + 1) {
    cpus.push_back(static_cast<int>(std::strtol(text, &end, 10)));
    if (end == text || !pinTo(cpus.back()))
      return {};
    if (*end == '\0')
      return cpus;
  }
}

} // namespace

int main(int argc, char **argv) {
  std::vector<int> cpus = argc == 2 ? parseCpus(argv[1]) : std::vector<int>();
  if (cpus.empty()) {
    std::fprintf(stderr, "usage: nestor_machine_probe CPU[,CPU...], of those that this process "
                         "may use\n");
    return 2;
  }
  double worst = 0;
  for (size_t i = 1; i < cpus.size(); ++i)
    worst = std::max(worst, measurePingPong(cpus[i - 1], cpus[i]));
  std::printf("{\"peak_gflops\": %.2f, \"ping_pong_ns\": %.1f}\n", 2e-9 * measurePeak(cpus), worst);
  return 0;
}

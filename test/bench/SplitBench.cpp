//===- SplitBench.cpp - What a cut costs ----------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
//   nestor_split_bench FILE.nest CUT [ROUNDS]
//
// The time of a run in two parts over that of the whole, with the tensors at the
// cut left in place, copied into another session, and written to and read from a
// stream. All four take turns in one process, so that what else the machine does
// meets them alike; and what counts is the time that the thread had a CPU.
//
//===----------------------------------------------------------------------===//
#include "nestor/nestor.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <time.h>

using namespace nestor;

namespace {

void check(const Status &status) {
  if (status.ok())
    return;
  std::fprintf(stderr, "nestor_split_bench: %s\n", status.message().c_str());
  std::exit(2);
}

template <typename T> T check(Result<T> result) {
  check(result.status());
  return std::move(result).value();
}

/// A way to run the model, and the microseconds of its runs.
struct Way {
  const char *name;
  std::function<Status()> run;
  std::vector<double> times;
};

double threadMicroseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

void takeTurns(std::vector<Way> &ways, unsigned long rounds) {
  for (unsigned long round = 0; round <= rounds; ++round)
    for (Way &way : ways) {
      double start = threadMicroseconds();
      check(way.run());
      if (round != 0) // The first one brings pages in.
        way.times.push_back(threadMicroseconds() - start);
    }
}

void print(std::vector<Way> &ways) {
  for (Way &way : ways)
    std::sort(way.times.begin(), way.times.end());
  for (const Way &way : ways) {
    // The whole of the same round may have met something else, so of the sorted ones.
    auto over = [&](size_t at) { return way.times[at] / ways.front().times[at]; };
    size_t count = way.times.size();
    std::printf("%-12s fastest %.1f us (x %.4f), lower quarter %.1f us (x %.4f), median %.1f us "
                "(x %.4f)\n", way.name, way.times[0], over(0), way.times[count / 4],
                over(count / 4), way.times[count / 2], over(count / 2));
  }
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: nestor_split_bench FILE.nest CUT [ROUNDS]\n");
    return 2;
  }
  const uint32_t cut = static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10));
  Artifact artifact = check(Artifact::open(argv[1]));
  Session session = check(artifact.session()), other = check(artifact.session());
  std::vector<uint8_t> wire(check(artifact.stream_bytes(cut, TensorEncoding::exact)));
  auto inPlace = [&] {
    LiveTensors live;
    Status status = session.run_head(cut, live);
    return status.ok() ? session.run_tail(cut, live) : status;
  };
  auto copied = [&] {
    LiveTensors live;
    Status status = session.run_head(cut, live);
    return status.ok() ? other.run_tail(cut, live) : status;
  };
  auto streamed = [&] {
    TensorSink sink(wire.data(), wire.size());
    Status status = session.run_head(cut, sink);
    return status.ok() ? session.run_tail(cut, TensorSource(wire.data(), sink.size())) : status;
  };
  std::vector<Way> ways = {{"whole", [&] { return session.run(); }, {}},
                           {"in place", inPlace, {}},
                           {"two sessions", copied, {}},
                           {"stream", streamed, {}}};
  takeTurns(ways, argc == 4 ? std::strtoul(argv[3], nullptr, 10) : 100);
  std::printf("cut %u, %zu bytes as a stream\n", cut, wire.size());
  print(ways);
  return 0;
}

//===- Process.h - What the bench programs ask of the system ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_BENCH_PROCESS_H
#define NESTOR_TEST_BENCH_PROCESS_H

#include "nestor/nestor.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace nestor::bench {

/// Ends the program where something fails: there is nothing to measure then.
inline void check(const Status &status) {
  if (status.ok())
    return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::exit(2);
}

template <typename T> T check(Result<T> result) {
  if (!result.ok())
    check(result.status());
  return std::move(result).value();
}

/// Bytes of memory that this process has resident, those of mapped files
/// included.
inline uint64_t residentBytes() {
  unsigned long pages = 0;
  if (FILE *file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*u %lu", &pages) != 1)
      pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

/// What `measure` returns in a process of its own; T is plain data.
template <typename T, typename Measure> T inNewProcess(Measure measure) {
  int ends[2];
  if (pipe(ends) != 0)
    std::exit(2);
  pid_t child = fork();
  if (child == 0) {
    T result = measure();
    _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 2);
  }
  close(ends[1]); // Or a child that fails would be waited for forever.
  T result;
  if (child < 0 || read(ends[0], &result, sizeof result) != sizeof result)
    std::exit(2);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return result;
}

} // namespace nestor::bench

#endif // NESTOR_TEST_BENCH_PROCESS_H

//===- affinity.cpp - Threads on some CPUs only ---------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "affinity.h"
#include "error.h"

#ifdef __linux__
#include <cerrno>
#include <cstring>
#include <pthread.h>
#include <sched.h>
#endif

namespace nestor::detail {

#ifdef __linux__

static bool contains(const cpu_set_t &set, unsigned cpu) {
  return cpu < CPU_SETSIZE && CPU_ISSET(cpu, &set);
}

/// "0-3,6"
static std::string list_of(const cpu_set_t &set) {
  std::string text;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!contains(set, cpu))
      continue;
    unsigned first = cpu;
    while (contains(set, cpu + 1))
      ++cpu;
    text += (text.empty() ? "" : ",") + std::to_string(first);
    if (cpu != first)
      text += "-" + std::to_string(cpu);
  }
  return text;
}

namespace {
struct Usable {
  cpu_set_t cpus;
  int code; ///< An errno, or 0.
};
} // namespace

/// What the process may use is more than what the caller's thread is kept on,
/// and a thread finds out by asking for everything.
static void *find_usable(void *result) {
  auto &usable = *static_cast<Usable *>(result);
  std::memset(&usable.cpus, 0xff, sizeof usable.cpus);
  bool known = sched_setaffinity(0, sizeof usable.cpus, &usable.cpus) == 0 &&
               sched_getaffinity(0, sizeof usable.cpus, &usable.cpus) == 0;
  usable.code = known ? 0 : errno;
  return nullptr;
}

Result<unsigned> check_cpus(const std::vector<unsigned> &cpus) {
  Usable usable;
  pthread_t thread;
  int code = pthread_create(&thread, nullptr, find_usable, &usable);
  if (code == 0) {
    pthread_join(thread, nullptr);
    code = usable.code;
  }
  if (code != 0)
    return error(StatusCode::io_error, "affinity: cannot tell which CPUs there are: %s",
                 std::strerror(code));
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  for (unsigned cpu : cpus) {
    if (!contains(usable.cpus, cpu))
      return error(StatusCode::invalid_argument,
                   "affinity: this process cannot use CPU %u, only %s", cpu,
                   list_of(usable.cpus).c_str());
    CPU_SET(cpu, &wanted);
  }
  return static_cast<unsigned>(CPU_COUNT(&wanted));
}

void stay_on(const std::vector<unsigned> &cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (unsigned cpu : cpus)
    CPU_SET(cpu, &set);
  (void)sched_setaffinity(0, sizeof set, &set);
}

#else

Result<unsigned> check_cpus(const std::vector<unsigned> &) {
  return error(StatusCode::invalid_argument,
               "affinity: only Linux and Android can keep threads on CPUs: leave it out");
}

void stay_on(const std::vector<unsigned> &) {}

#endif

} // namespace nestor::detail

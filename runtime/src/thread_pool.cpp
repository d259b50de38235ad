//===- thread_pool.cpp - Workers that share a kernel call -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "thread_pool.h"
#include "affinity.h"
#include "clock.h"
#include "error.h"
#include "relax.h"

#include <algorithm>
#include <cstring>
#include <sched.h>

namespace nestor::detail {

static constexpr uint64_t kSpinAfterRunNs = 50'000;
/// Fruitless looks at the ticket before a thread offers its CPU to others:
/// there may be more threads than CPUs.
static constexpr unsigned kSpinsBeforeYield = 2000;

/// Part `index` of [0, grains) cut into `parts` pieces that differ by one.
static int64_t part_begin(int64_t grains, uint32_t parts, uint32_t index) {
  int64_t quotient = grains / parts, remainder = grains % parts;
  return quotient * index + std::min<int64_t>(index, remainder);
}

ThreadPool::ThreadPool() = default;

Status ThreadPool::start(unsigned workers, const std::vector<unsigned> &cpus) {
  cpus_ = cpus;
  workers_.reserve(workers);
  for (unsigned i = 0; i < workers; ++i) {
    pthread_t thread;
    if (int code = pthread_create(&thread, nullptr, work, this))
      return error(StatusCode::out_of_memory, "cannot start thread %u: %s", i + 1,
                   std::strerror(code));
    workers_.push_back(thread);
  }
  threads_ = workers + 1;
  return Status();
}

void ThreadPool::use(const Executor &executor, unsigned threads) {
  executor_ = executor;
  threads_ = threads;
}

ThreadPool::~ThreadPool() {
  pthread_mutex_lock(&mutex_);
  stopping_.store(true);
  pthread_cond_broadcast(&wake_);
  pthread_mutex_unlock(&mutex_);
  for (pthread_t thread : workers_)
    pthread_join(thread, nullptr);
  pthread_cond_destroy(&wake_);
  pthread_mutex_destroy(&mutex_);
}

bool ThreadPool::begin(bool wake) {
  if (!wake && parked_.load() != 0)
    return false;
  // Sequentially consistent, as is `park`: either a worker that is about to
  // park sees `running_`, or it is counted here.
  running_.store(true);
  if (wake && parked_.load() != 0) {
    pthread_mutex_lock(&mutex_);
    pthread_cond_broadcast(&wake_);
    pthread_mutex_unlock(&mutex_);
  }
  return true;
}

void ThreadPool::end() { running_.store(false); }

void ThreadPool::parallel(const Call &call, void *const *args, const int64_t *params) {
  call_ = &call;
  args_ = args;
  params_ = params;
  unfinished_.store(call.parts, std::memory_order_relaxed);
  uint64_t generation = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  ticket_.store(generation << 32 | uint64_t{call.parts} << 16, std::memory_order_release);
  if (executor_.run)
    executor_.run(executor_.context, std::min(call.parts, threads_), take_parts, this);
  take_parts(this);
  for (unsigned spins = 0; unfinished_.load(std::memory_order_acquire) != 0;) {
    relax();
    if (++spins % kSpinsBeforeYield == 0)
      sched_yield();
  }
}

bool ThreadPool::take_part() {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  uint32_t parts, part;
  do {
    parts = ticket >> 16 & 0xffff;
    part = ticket & 0xffff;
    if (part >= parts)
      return false;
  } while (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acquire));
  const Call &call = *call_;
  call.function(args_, params_, call.firstGrain + part_begin(call.grains, parts, part),
                call.firstGrain + part_begin(call.grains, parts, part + 1));
  unfinished_.fetch_sub(1, std::memory_order_release);
  return true;
}

void ThreadPool::take_parts(void *pool) {
  while (static_cast<ThreadPool *>(pool)->take_part())
    ;
}

void *ThreadPool::work(void *pool) {
  static_cast<ThreadPool *>(pool)->work();
  return nullptr;
}

void ThreadPool::work() {
  if (!cpus_.empty())
    stay_on(cpus_);
  uint64_t idleSince = 0; // 0 while a run is going on.
  for (unsigned spins = 0; !stopping_.load(std::memory_order_relaxed);) {
    if (take_part()) {
      spins = 0;
      continue;
    }
    relax();
    if (++spins % kSpinsBeforeYield == 0)
      sched_yield();
    if (running_.load(std::memory_order_relaxed)) {
      idleSince = 0;
    } else if (idleSince == 0) {
      idleSince = now_ns();
    } else if (now_ns() - idleSince > kSpinAfterRunNs) {
      park();
      idleSince = 0;
    }
  }
}

void ThreadPool::park() {
  pthread_mutex_lock(&mutex_);
  parked_.fetch_add(1);
  while (!running_.load() && !stopping_.load())
    pthread_cond_wait(&wake_, &mutex_);
  parked_.fetch_sub(1);
  pthread_mutex_unlock(&mutex_);
}

} // namespace nestor::detail

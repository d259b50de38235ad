//===- thread_pool.h - Workers that share a kernel call ------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_THREAD_POOL_H
#define NESTOR_SRC_THREAD_POOL_H

#include "nestor/session.hpp"
#include "plan.h"

#include <atomic>
#include <pthread.h>

namespace nestor::detail {

/// A few threads that help the caller of `parallel`. A call is cut into parts
/// at places that depend on nothing but its size, and threads take parts as
/// they get to them: a worker that the system has put aside delays nobody.
///
/// Workers spin while a run is going on (`begin` to `end`) and for 50 us after
/// it, since waking a thread takes longer than most layers; then they park. An
/// executor of the app takes the place of workers.
class ThreadPool {
public:
  ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;
  ~ThreadPool();

  /// Starts `workers` workers, on `cpus` only, which were checked, if there are
  /// any. Called once, or `use` is.
  Status start(unsigned workers, const std::vector<unsigned> &cpus = {});
  /// Shares calls among the app's threads, `threads` with the caller's.
  void use(const Executor &executor, unsigned threads);
  /// That share a call, the caller's included.
  unsigned threads() const { return threads_; }
  /// Workers that wait for a run without using a CPU.
  unsigned parked() const { return parked_.load(); }

  /// Brackets a series of `parallel` calls. One thread at a time. `wake` is for
  /// workers that are parked; false: there are some and they stay so, and
  /// `parallel` and `end` are not to be called.
  bool begin(bool wake);
  void end();

  /// Runs all parts of a call and returns when the last one is done.
  void parallel(const Call &call, void *const *args, const int64_t *params);

private:
  static void *work(void *pool);
  static void take_parts(void *pool);
  void work();
  void park();
  bool take_part();

  /// The call being worked on. Written only while no part is out.
  const Call *call_ = nullptr;
  void *const *args_ = nullptr;
  const int64_t *params_ = nullptr;

  /// Generation (32 bits), number of parts (16), next part to take (16) of the
  /// current call, in one word: taking a part by compare-and-swap succeeds only
  /// for the call that the thread has seen.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<uint32_t> unfinished_{0};
  alignas(64) std::atomic<bool> running_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<unsigned> parked_{0};

  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake_ = PTHREAD_COND_INITIALIZER;
  std::vector<pthread_t> workers_;
  std::vector<unsigned> cpus_; ///< Of the workers; none: any.
  Executor executor_;          ///< Without `run`: there is none.
  unsigned threads_ = 1;
};

} // namespace nestor::detail

#endif // NESTOR_SRC_THREAD_POOL_H

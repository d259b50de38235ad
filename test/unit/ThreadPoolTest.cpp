//===- ThreadPoolTest.cpp - Workers that share a kernel call --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "runtime/src/thread_pool.h"

#include <chrono>
#include <gtest/gtest.h>
#include <sched.h>
#include <thread>

using namespace nestor::detail;

namespace {

/// Adds 1 to args[0][i] for every grain i.
void count(void *const *args, const int64_t *, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i)
    ++static_cast<int *>(args[0])[i];
}

class ThreadPoolTest : public testing::TestWithParam<unsigned> {
protected:
  /// Runs one call and expects every grain to have been done once.
  void expectEachGrainOnce(ThreadPool &pool, int64_t grains, uint32_t parts) {
    std::vector<int> done(static_cast<size_t>(grains), 0);
    void *args[] = {done.data()};
    Call call = {count, 0, 0, grains, parts};
    pool.parallel(call, args, nullptr);
    for (int64_t i = 0; i < grains; ++i)
      ASSERT_EQ(done[static_cast<size_t>(i)], 1)
          << "grain " << i << " of " << grains << " in " << parts << " parts";
  }
};

TEST_P(ThreadPoolTest, DoesEveryGrainOnce) {
  ThreadPool pool;
  ASSERT_TRUE(pool.start(GetParam()).ok());
  ASSERT_TRUE(pool.begin(true));
  for (int64_t grains : {1, 2, 3, 7, 64, 1000})
    for (uint32_t parts : {1, 2, 3, 7, 32})
      expectEachGrainOnce(pool, grains, parts);
  pool.end();
}

TEST_P(ThreadPoolTest, ManyShortCalls) {
  ThreadPool pool;
  ASSERT_TRUE(pool.start(GetParam()).ok());
  for (int run = 0; run < 50; ++run) {
    ASSERT_TRUE(pool.begin(true));
    for (int i = 0; i < 100; ++i)
      expectEachGrainOnce(pool, 17, 5);
    pool.end();
  }
}

TEST_P(ThreadPoolTest, WakesUpAfterParking) {
  ThreadPool pool;
  ASSERT_TRUE(pool.start(GetParam()).ok());
  for (int run = 0; run < 20; ++run) {
    ASSERT_TRUE(pool.begin(true));
    expectEachGrainOnce(pool, 100, 8);
    pool.end();
    // Around and beyond the time that workers spin after a run.
    std::this_thread::sleep_for(std::chrono::microseconds(20 * run));
  }
}

TEST_P(ThreadPoolTest, ParksWhenThereIsNothingToDo) {
  ThreadPool pool;
  ASSERT_TRUE(pool.start(GetParam()).ok());
  EXPECT_EQ(pool.threads(), GetParam() + 1);
  for (int run = 0; run < 3; ++run) {
    while (pool.parked() != GetParam())
      std::this_thread::yield();
    ASSERT_TRUE(pool.begin(true));
    expectEachGrainOnce(pool, 100, 8);
    pool.end();
  }
}

TEST(ThreadPool, WakesWorkersOnlyIfAsked) {
  ThreadPool pool;
  ASSERT_TRUE(pool.start(2).ok());
  while (pool.parked() != 2)
    std::this_thread::yield();
  EXPECT_FALSE(pool.begin(false));
  EXPECT_EQ(pool.parked(), 2u);
  ASSERT_TRUE(pool.begin(true));
  while (pool.parked() != 0)
    std::this_thread::yield();
  EXPECT_TRUE(pool.begin(false)) << "they are awake";
  pool.end();
}

TEST(ThreadPool, SharesWithNobody) {
  ThreadPool pool;
  EXPECT_EQ(pool.threads(), 1u);
  EXPECT_TRUE(pool.begin(false));
  pool.end();
}

/// What the threads saw that did the parts of one call.
struct Places {
  std::thread::id caller;
  std::atomic<unsigned> byWorkers{0}, elsewhere{0};
  cpu_set_t expected;
};

/// The caller's thread waits in its part until a worker has done one.
void look(void *const *args, const int64_t *, int64_t, int64_t) {
  auto &places = *static_cast<Places *>(args[0]);
  if (std::this_thread::get_id() == places.caller) {
    while (places.byWorkers == 0)
      std::this_thread::yield();
    return;
  }
  cpu_set_t now;
  sched_getaffinity(0, sizeof now, &now);
  if (!CPU_EQUAL(&now, &places.expected))
    ++places.elsewhere;
  ++places.byWorkers;
}

TEST(ThreadPool, WorkersStayOnTheirCpus) {
  auto cpu = static_cast<unsigned>(sched_getcpu());
  Places places;
  places.caller = std::this_thread::get_id();
  CPU_ZERO(&places.expected);
  CPU_SET(cpu, &places.expected);
  ThreadPool pool;
  ASSERT_TRUE(pool.start(2, {cpu}).ok());
  void *args[] = {&places};
  Call call = {look, 0, 0, 4, 4};
  ASSERT_TRUE(pool.begin(true));
  pool.parallel(call, args, nullptr);
  pool.end();
  EXPECT_GT(places.byWorkers, 0u);
  EXPECT_EQ(places.elsewhere, 0u);
}

INSTANTIATE_TEST_SUITE_P(Workers, ThreadPoolTest, testing::Values(0u, 1u, 2u, 5u));

} // namespace

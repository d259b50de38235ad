//===- ThreadsTest.cpp - How the threads of a session are chosen ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "AllocationCount.h"
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"

#include <atomic>
#include <filesystem>
#include <gtest/gtest.h>
#include <sched.h>
#include <thread>

using namespace nestor;
using namespace nestor::test;

namespace {

/// What an executor was asked for.
struct Calls {
  std::atomic<unsigned> count{0}, mostTasks{0};

  static void note(void *context, unsigned tasks) {
    auto &calls = *static_cast<Calls *>(context);
    ++calls.count;
    calls.mostTasks = std::max(calls.mostTasks.load(), tasks);
  }
};

void onThisThread(void *context, unsigned tasks, Executor::Task task, void *data) {
  Calls::note(context, tasks);
  for (unsigned i = 0; i < tasks; ++i)
    task(data);
}

void onThreads(void *context, unsigned tasks, Executor::Task task, void *data) {
  Calls::note(context, tasks);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < tasks; ++i)
    threads.emplace_back(task, data);
  for (std::thread &thread : threads)
    thread.join();
}

void nowhere(void *context, unsigned tasks, Executor::Task, void *) { Calls::note(context, tasks); }

/// More often than asked for.
void tooOften(void *context, unsigned tasks, Executor::Task task, void *data) {
  onThreads(context, tasks, task, data);
  onThisThread(context, 3, task, data);
}

/// The CPU that this thread runs on: one that the process may use.
unsigned someCpu() { return static_cast<unsigned>(sched_getcpu()); }

size_t threadsOfProcess() {
  std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

class ThreadsTest : public testing::Test {
protected:
  Result<Session> make(int64_t rows, const SessionOptions &options) {
    bytes = std::make_unique<AlignedBytes>(exampleArtifact(rows).build());
    x.resize(static_cast<size_t>(rows) * 16);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = 0.3f + static_cast<float>(i % 1001) / 7;
    return Artifact::open(bytes->data(), bytes->size()).value().session(options);
  }
  SessionOptions with(void (*run)(void *, unsigned, Executor::Task, void *), unsigned threads) {
    return SessionOptions().threads(threads).executor({run, &calls});
  }
  void expectResult(Session &session) {
    ASSERT_TRUE(session.input(0).copy_from(x).ok());
    ASSERT_TRUE(session.run().ok());
    std::vector<float> y(x.size());
    ASSERT_TRUE(session.output(0).copy_to(y).ok());
    EXPECT_EQ(y, exampleResult(x));
  }
  void expectError(const SessionOptions &options, const char *part) {
    Status status = make(8, options).status();
    EXPECT_EQ(status.code(), StatusCode::invalid_argument);
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }

  std::unique_ptr<AlignedBytes> bytes;
  std::vector<float> x;
  Calls calls;
};

constexpr int64_t kLarge = 40'000; // Rows: either call is worth sharing.

TEST_F(ThreadsTest, AnyExecutorComputesTheSame) {
  for (auto run : {onThisThread, onThreads, nowhere, tooOften})
    for (unsigned threads : {2, 8}) {
      calls.count = calls.mostTasks = 0;
      Session session = make(kLarge, with(run, threads)).value();
      EXPECT_EQ(session.threads(), threads);
      expectResult(session);
      EXPECT_GE(calls.count, 2u);
      EXPECT_LE(calls.mostTasks, std::max(threads, 3u));
    }
}

TEST_F(ThreadsTest, SmallCallsAreNotShared) {
  Session small = make(8, with(onThisThread, 4)).value();
  expectResult(small);
  EXPECT_EQ(calls.count, 0u);
  Session shared = make(8, with(onThisThread, 4).share_above_ns(0)).value();
  expectResult(shared);
  EXPECT_EQ(calls.count, 2u);
  Session never = make(kLarge, with(onThisThread, 4).share_above_ns(UINT32_MAX)).value();
  expectResult(never);
  Session alone = make(kLarge, with(onThisThread, 1).share_above_ns(0)).value();
  expectResult(alone);
  EXPECT_EQ(calls.count, 2u);
}

TEST_F(ThreadsTest, AnExecutorIsInsteadOfThreads) {
  size_t before = threadsOfProcess();
  Session session = make(kLarge, with(onThisThread, 8)).value();
  EXPECT_EQ(threadsOfProcess(), before);
  expectResult(session);
  size_t allocations = allocationCount();
  bool ok = session.run().ok();
  EXPECT_EQ(allocationCount(), allocations) << "a run allocates nothing around it";
  EXPECT_TRUE(ok);
}

TEST_F(ThreadsTest, SessionsMayShareAnExecutor) {
  Session first = make(kLarge, with(onThreads, 2)).value();
  std::unique_ptr<AlignedBytes> kept = std::move(bytes);
  Session second = make(kLarge, with(onThreads, 2)).value();
  std::thread other([&] { expectResult(first); });
  expectResult(second);
  other.join();
  EXPECT_EQ(calls.count, 4u);
}

TEST_F(ThreadsTest, RunsInPartsOnAnExecutor) {
  ArtifactSpec spec = streamedArtifact();
  bytes = std::make_unique<AlignedBytes>(spec.build());
  Artifact artifact = Artifact::open(bytes->data(), bytes->size()).value();
  SessionOptions options = with(onThreads, 3).share_above_ns(0);
  Session whole = artifact.session(SessionOptions()).value();
  Session parts = artifact.session(options.memory_budget(artifact.minimum_budget().value() * 2)).value();
  std::vector<float> input = streamedInput(spec), expected(input.size()), found(input.size());
  for (Session *session : {&whole, &parts}) {
    ASSERT_TRUE(session->input(0).copy_from(input).ok());
    ASSERT_TRUE(session->run().ok());
  }
  ASSERT_TRUE(whole.output(0).copy_to(expected).ok());
  ASSERT_TRUE(parts.output(0).copy_to(found).ok());
  EXPECT_EQ(found, expected);
  EXPECT_GT(calls.count, 0u);
}

TEST_F(ThreadsTest, AffinityLeavesTheCallersThreadAlone) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  unsigned cpu = someCpu();
  Session session = make(kLarge, SessionOptions().threads(3).affinity({cpu, cpu})).value();
  EXPECT_EQ(session.threads(), 3u);
  expectResult(session);
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST_F(ThreadsTest, AffinitySaysHowManyThreadsThereAre) {
  unsigned cpu = someCpu();
  EXPECT_EQ(make(8, SessionOptions().threads(0).affinity({cpu, cpu})).value().threads(), 1u);
  // What the caller's thread is kept on does not matter for the others.
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  std::vector<unsigned> all;
  for (unsigned i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &before))
      all.push_back(i);
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  Result<Session> session = make(8, SessionOptions().threads(0).affinity(all));
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
  ASSERT_TRUE(session.ok()) << session.status().message();
  EXPECT_EQ(session.value().threads(), all.size());
}

TEST_F(ThreadsTest, RefusesCpusThatDoNotExist) {
  for (unsigned cpu : {CPU_SETSIZE - 1u, CPU_SETSIZE + 0u, 100'000u, UINT32_MAX})
    for (unsigned threads : {0, 1, 2})
      expectError(SessionOptions().threads(threads).affinity({someCpu(), cpu}),
                  ("cannot use CPU " + std::to_string(cpu) + ", only ").c_str());
  expectError(with(onThisThread, 2).affinity({someCpu()}), "executor");
}

} // namespace

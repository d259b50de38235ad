//===- BudgetTest.cpp - Running within a memory budget --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "AllocationCount.h"
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"

#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace nestor;
using namespace nestor::test;

namespace {

/// A file with the model of `streamedArtifact`.
class BudgetTest : public testing::Test {
protected:
  void make(const ArtifactSpec &what, const ArtifactOptions &options = {}) {
    spec = what;
    bytes = spec.build();
    path = testing::TempDir() + "budget" + std::to_string(getpid()) + ".nest";
    writeBytes(path, bytes);
    Result<Artifact> opened = Artifact::open(path, options);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    artifact = std::make_unique<Artifact>(opened.value());
    x = streamedInput(spec);
  }
  void SetUp() override { make(streamedArtifact()); }
  void TearDown() override { std::remove(path.c_str()); }

  Session session(const SessionOptions &options) {
    Result<Session> made = artifact->session(options);
    EXPECT_TRUE(made.ok()) << made.status().message();
    Session session = std::move(made).value();
    EXPECT_TRUE(session.input(0).copy_from(x).ok());
    return session;
  }
  std::vector<float> run(Session &session) {
    Status status = session.run();
    EXPECT_TRUE(status.ok()) << status.message();
    return outputOf(session);
  }
  static std::vector<float> outputOf(const Session &session) {
    std::vector<float> y(session.output(0).bytes() / sizeof(float));
    EXPECT_TRUE(session.output(0).copy_to(y).ok());
    return y;
  }
  std::vector<float> resident(float capacity) {
    Session whole = session(SessionOptions().capacity(capacity));
    return run(whole);
  }
  uint64_t least(float capacity = 1) { return artifact->minimum_budget(capacity).value(); }

  /// Changes a byte of a block's weights in the file that is open.
  void flip(uint32_t block, uint32_t shell) {
    for (const BlockWeightsSpec &weights : spec.blockWeights)
      if (weights.block == block && weights.shell == shell) {
        uint64_t at = artifact->sections()[1 + shell].offset + weights.offset + weights.size - 1;
        bytes[at] ^= 1;
        int fd = ::open(path.c_str(), O_WRONLY);
        EXPECT_EQ(pwrite(fd, &bytes[at], 1, static_cast<off_t>(at)), 1);
        ::close(fd);
      }
  }

  ArtifactSpec spec;
  std::vector<uint8_t> bytes;
  std::string path;
  std::unique_ptr<Artifact> artifact;
  std::vector<float> x;
};

TEST_F(BudgetTest, ResultsAreThoseOfAMappedFile) {
  for (float capacity : {0.5f, 1.0f}) {
    std::vector<float> expected = resident(capacity);
    uint64_t all = least(capacity) + artifact->sections()[1].bytes + artifact->sections()[2].bytes;
    for (uint64_t budget : {least(capacity), least(capacity) + 20'000, least(capacity) + 100'000,
                            all, uint64_t{1} << 30})
      for (unsigned threads : {1, 2}) {
        SCOPED_TRACE("capacity " + std::to_string(capacity) + ", budget " +
                     std::to_string(budget) + ", threads " + std::to_string(threads));
        Session streamed = session(
            SessionOptions().capacity(capacity).threads(threads).memory_budget(budget));
        for (int round = 0; round < 3; ++round)
          EXPECT_EQ(run(streamed), expected);
        EXPECT_LE(streamed.memory_bytes(), budget);
        StreamPrediction predicted = streamed.predicted();
        EXPECT_LE(predicted.peak_bytes, streamed.memory_bytes());
        EXPECT_EQ(predicted.streamed_bytes == 0, budget >= all);
        EXPECT_GT(predicted.us, 0);
        EXPECT_LE(predicted.stall_us, predicted.us);
      }
  }
}

TEST_F(BudgetTest, MoreMemoryReadsLess) {
  uint64_t weights = 2 * 4 * 3 * 4 * 4096;
  StreamPrediction little = session(SessionOptions().memory_budget(least())).predicted();
  StreamPrediction much = session(SessionOptions().memory_budget(least() + 300'000)).predicted();
  EXPECT_LT(little.pinned_bytes, 1000u) << "what is left of the last page";
  EXPECT_GE(little.streamed_bytes, weights);
  EXPECT_GT(much.pinned_bytes, 0u);
  EXPECT_LT(much.streamed_bytes, weights);
  EXPECT_LT(much.us, little.us);
  EXPECT_GT(little.reads, much.reads);
  EXPECT_EQ(session(SessionOptions()).predicted().peak_bytes, 0u);
}

/// A step of the last block takes 16 KiB of weights, two panels 128 bytes; steps
/// of the other blocks cannot be cut.
TEST_F(BudgetTest, StepsThatMayRunInPartsNeedLess) {
  uint64_t before = least();
  for (KernelSpec &kernel : spec.kernels) {
    kernel = spec.kernels[1];
    kernel.params[0] = {1, 1};
  }
  make(spec);
  uint64_t parts = least();
  EXPECT_LT(parts, before);
  std::vector<float> expected = resident(1);
  for (uint64_t budget : {parts, parts + 4096, parts + 8192, before}) {
    Session streamed = session(SessionOptions().memory_budget(budget).threads(2));
    EXPECT_EQ(run(streamed), expected) << budget;
    EXPECT_EQ(run(streamed), expected) << budget;
  }
}

TEST_F(BudgetTest, TooSmallBudgetsAreRefusedWithTheSmallest) {
  for (float capacity : {0.5f, 1.0f}) {
    uint64_t smallest = least(capacity);
    for (uint64_t budget : {uint64_t{0}, uint64_t{1}, smallest - 1}) {
      Status status =
          artifact->session(SessionOptions().capacity(capacity).memory_budget(budget)).status();
      EXPECT_EQ(status.code(), StatusCode::invalid_argument);
      EXPECT_NE(status.message().find("needs at least " + std::to_string(smallest)),
                std::string::npos)
          << status.message();
    }
    EXPECT_TRUE(
        artifact->session(SessionOptions().capacity(capacity).memory_budget(smallest)).ok());
  }
  EXPECT_LT(least(0.5f), least(1));
  EXPECT_EQ(artifact->minimum_budget(0.7f).status().code(), StatusCode::not_found);
  AlignedBytes plain(exampleArtifact().build());
  Artifact old = Artifact::open(plain.data(), plain.size()).value();
  EXPECT_EQ(old.minimum_budget().status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(old.session(SessionOptions().memory_budget(1 << 30)).status().code(),
            StatusCode::invalid_argument);
}

TEST_F(BudgetTest, CapacityMayChangeWhereBothFit) {
  std::vector<float> half = resident(0.5f), whole = resident(1);
  half.resize(half.size() / 2);
  Session streamed = session(SessionOptions().memory_budget(least() + 50'000));
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(streamed.set_capacity(round % 2 ? 0.5f : 1).ok());
    std::vector<float> y = run(streamed);
    if (round % 2)
      y.resize(half.size());
    EXPECT_EQ(y, round % 2 ? half : whole) << round;
  }
  Session small = session(SessionOptions().capacity(0.5f).memory_budget(least(0.5f)));
  Status status = small.set_capacity(1);
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  EXPECT_NE(status.message().find("at least " + std::to_string(least())), std::string::npos)
      << status.message();
  EXPECT_EQ(small.capacity(), 0.5f);
  run(small);
}

TEST_F(BudgetTest, AnUpgradeSelectsAtOnce) {
  std::vector<float> whole = resident(1);
  Session streamed = session(SessionOptions().capacity(0.5f).memory_budget(least()));
  run(streamed);
  ASSERT_TRUE(streamed.upgrade(1).ok());
  UpgradeProgress progress = streamed.upgrade_progress();
  EXPECT_EQ(progress.state, UpgradeProgress::State::done);
  EXPECT_EQ(progress.capacity, 1);
  EXPECT_EQ(progress.bytes_done, progress.bytes_total);
  EXPECT_EQ(streamed.capacity(), 1);
  EXPECT_EQ(run(streamed), whole);
  Session small = session(SessionOptions().capacity(0.5f).memory_budget(least(0.5f)));
  EXPECT_EQ(small.upgrade(1).code(), StatusCode::invalid_argument);
  EXPECT_EQ(small.capacity(), 0.5f);
}

/// Pinned weights stay, and so does what took the addresses of those that were
/// mapped.
TEST_F(BudgetTest, ReleasingKeepsWhatTheBudgetHolds) {
  std::vector<float> whole = resident(1);
  make(spec, ArtifactOptions().map_weights(false));
  for (uint64_t budget : {least(), uint64_t{1} << 30}) {
    Session streamed = session(SessionOptions().memory_budget(budget));
    run(streamed);
    ASSERT_TRUE(streamed.set_capacity(0.5f).ok());
    streamed.release_unused();
    ASSERT_TRUE(streamed.set_capacity(1).ok());
    EXPECT_EQ(run(streamed), whole);
  }
}

TEST_F(BudgetTest, WeightsThatArriveLaterAreRead) {
  std::vector<float> half = resident(0.5f), whole = resident(1);
  uint64_t end = artifact->capacities()[0].file_bytes;
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(end)), 0);
  Artifact cut = Artifact::open(path, ArtifactOptions().map_weights(false)).value();
  ASSERT_EQ(cut.capacities().size(), 1u);
  *artifact = cut;
  Session first =
      session(SessionOptions().capacity(0.5f).memory_budget(least(0.5f)));
  EXPECT_EQ(run(first), half);
  std::vector<uint8_t> damaged = bytes;
  damaged[end + format::kSectionAlignment] ^= 1;
  writeBytes(path, damaged);
  EXPECT_EQ(cut.refresh().status().code(), StatusCode::corrupt);
  writeBytes(path, bytes);
  Result<Artifact> refreshed = cut.refresh();
  ASSERT_TRUE(refreshed.ok()) << refreshed.status().message();
  *artifact = refreshed.value();
  EXPECT_EQ(artifact->session().status().code(), StatusCode::invalid_argument) << "as it was opened";
  Session second = session(SessionOptions().memory_budget(least()));
  EXPECT_EQ(run(second), whole);
  EXPECT_EQ(run(first), half);
}

TEST_F(BudgetTest, HeadsAndTailsAreStreamedToo) {
  std::vector<float> expected = resident(1);
  Session head = session(SessionOptions().memory_budget(least()));
  Session tail = session(SessionOptions().memory_budget(least()).blocks(2, 4));
  std::vector<uint8_t> wire(artifact->stream_bytes(2, TensorEncoding::exact).value());
  TensorSink sink(wire.data(), wire.size());
  ASSERT_TRUE(head.run_head(2, sink).ok());
  ASSERT_TRUE(tail.run_tail(2, TensorSource(wire.data(), sink.size())).ok());
  EXPECT_EQ(outputOf(tail), expected);
  LiveTensors live;
  for (uint32_t cut = 0; cut <= 4; ++cut) {
    ASSERT_TRUE(head.run_head(cut, live).ok());
    ASSERT_TRUE(head.run_tail(cut, live).ok());
    EXPECT_EQ(outputOf(head), expected);
  }
}

TEST_F(BudgetTest, MemoryOfTheCallerIsReadToo) {
  AlignedBytes aligned(bytes);
  *artifact = Artifact::open(aligned.data(), aligned.size()).value();
  Session streamed = session(SessionOptions().memory_budget(least()));
  EXPECT_EQ(run(streamed), resident(1));
}

TEST_F(BudgetTest, DamagedWeightsFailTheRunThatReadsThem) {
  std::vector<float> expected = resident(1);
  for (uint64_t budget : {least(), uint64_t{1} << 30})
    for (uint32_t block : {0u, 2u, 3u})
      for (uint32_t shell : {0u, 1u}) {
        SCOPED_TRACE("budget " + std::to_string(budget) + ", block " + std::to_string(block));
        Session streamed = session(SessionOptions().memory_budget(budget));
        flip(block, shell);
        Status status = streamed.run();
        EXPECT_EQ(status.code(), StatusCode::data_loss);
        EXPECT_NE(status.message().find("block " + std::to_string(block) + " in shell " +
                                        std::to_string(shell + 1) + " are damaged"),
                  std::string::npos)
            << status.message();
        flip(block, shell);
        EXPECT_EQ(run(streamed), expected) << "once the file is right again";
      }
}

TEST_F(BudgetTest, VerifyAllChecksEveryRead) {
  *artifact = Artifact::open(path, ArtifactOptions().verify(Verify::all)).value();
  Session streamed = session(SessionOptions().memory_budget(least()));
  run(streamed);
  flip(1, 0);
  EXPECT_EQ(streamed.run().code(), StatusCode::data_loss);
  flip(1, 0);
  run(streamed);
}

TEST_F(BudgetTest, AShorterFileFailsTheRun) {
  Session streamed = session(SessionOptions().memory_budget(least()));
  run(streamed);
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(bytes.size() - 40'000)), 0);
  Status status = streamed.run();
  EXPECT_EQ(status.code(), StatusCode::data_loss);
  EXPECT_NE(status.message().find("truncated"), std::string::npos) << status.message();
  writeBytes(path, bytes);
  run(streamed);
}

TEST_F(BudgetTest, StepsAreTimed) {
  Session streamed = session(SessionOptions().memory_budget(least()));
  std::vector<uint64_t> times(artifact->plan(1).steps.size(), 0);
  ASSERT_TRUE(streamed.run_timed(times.data(), times.size()).ok());
  for (uint64_t time : times)
    EXPECT_GT(time, 0u);
}

TEST_F(BudgetTest, WeightsNeedNotBeMapped) {
  std::vector<float> expected = resident(1);
  uint64_t mapped = artifact->mapped_bytes();
  make(spec, ArtifactOptions().map_weights(false));
  EXPECT_LE(artifact->mapped_bytes() + (300 << 10), mapped);
  EXPECT_TRUE(artifact->verify().ok());
  Status status = artifact->session().status();
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  EXPECT_NE(status.message().find("needs a memory budget"), std::string::npos);
  Session streamed = session(SessionOptions().memory_budget(least()));
  EXPECT_EQ(run(streamed), expected);
}

TEST_F(BudgetTest, RunAllocatesNothing) {
  Session streamed = session(SessionOptions().memory_budget(least()).threads(2));
  ASSERT_TRUE(streamed.run().ok());
  size_t before = allocationCount();
  bool ok = true;
  for (int i = 0; i < 5; ++i)
    ok = ok && streamed.run().ok();
  EXPECT_EQ(allocationCount(), before);
  EXPECT_TRUE(ok);
}

/// What is allocated on the heap, the tensors, the arena and room for weights.
TEST_F(BudgetTest, EverythingCounts) {
  for (uint64_t extra : {0, 100'000}) {
    uint64_t budget = least() + extra;
    size_t before = allocatedBytes();
    Session streamed = session(SessionOptions().memory_budget(budget));
    uint64_t heap = allocatedBytes() - before;
    StreamPrediction predicted = streamed.predicted();
    uint64_t half = 4 * 4096;
    EXPECT_LE(heap + 4 * half + 4 * half + predicted.buffer_bytes + predicted.pinned_bytes, budget);
    EXPECT_LE(streamed.memory_bytes(), budget);
  }
}

/// A number of kB in /proc/self/status.
uint64_t statusBytes(const char *field) {
  uint64_t value = 0;
  if (FILE *file = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, file))
      if (std::strncmp(line, field, std::strlen(field)) == 0)
        value = std::strtoull(line + std::strlen(field) + 1, nullptr, 10) * 1024;
    std::fclose(file);
  }
  return value;
}

/// Makes VmHWM the present size; not every system allows that.
bool resetPeak() {
  int fd = ::open("/proc/self/clear_refs", O_WRONLY);
  bool done = fd >= 0 && write(fd, "5", 1) == 1;
  if (fd >= 0)
    ::close(fd);
  return done;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnMemory = false; // Sanitizers take memory and address space of their own.
#else
constexpr bool kOwnMemory = true;
#endif

TEST_F(BudgetTest, TheProcessGrowsByNoMore) {
  make(streamedArtifact(8, 2, 64 << 10), ArtifactOptions().map_weights(false)); // 8 MB of weights.
  uint64_t weights = artifact->sections()[1].bytes + artifact->sections()[2].bytes;
  uint64_t budget = least();
  ASSERT_LT(3 * budget, 2 * weights);
  if (!kOwnMemory || !resetPeak())
    GTEST_SKIP() << "skipped: the peak of this process cannot be measured";
  uint64_t before = statusBytes("VmRSS:");
  {
    Session streamed = session(SessionOptions().memory_budget(budget));
    run(streamed);
  }
  constexpr uint64_t stackAndVector = 1 << 20;
  EXPECT_LE(statusBytes("VmHWM:"), before + budget + stackAndVector);
}

TEST_F(BudgetTest, AddressSpaceForTheWeightsIsNotNeeded) {
  if (!kOwnMemory)
    GTEST_SKIP() << "skipped: sanitizers map more than a limit allows";
  make(streamedArtifact(8, 2, 64 << 10), ArtifactOptions().map_weights(false));
  // In a process of its own, because a limit cannot be taken back for sure.
  EXPECT_EXIT(
      {
        uint64_t budget = least();
        rlimit limit = {};
        limit.rlim_cur = limit.rlim_max = statusBytes("VmSize:") + budget + (2 << 20);
        setrlimit(RLIMIT_AS, &limit);
        Session streamed = session(SessionOptions().memory_budget(budget));
        Status status = streamed.run();
        std::fprintf(stderr, "%s", status.ok() ? "fits" : status.message().c_str());
        std::_Exit(status.ok() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "fits");
}

} // namespace

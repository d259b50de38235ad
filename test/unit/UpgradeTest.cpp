//===- UpgradeTest.cpp - Memory of capacities that come and go ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"

#include <chrono>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>

using namespace nestor;
using namespace nestor::test;

namespace {

/// Twice a huge page: the system maps and drops those as a whole, so that what
/// is resident is known to a half of this.
constexpr size_t kShell = 4 << 20;
constexpr float kSmall = 1 / 3.0f, kMiddle = 2 / 3.0f;

/// Three capacities with large shells, in a file.
class UpgradeTest : public testing::Test {
protected:
  void SetUp() override {
    path = testing::TempDir() + "upgrade" + std::to_string(getpid()) + ".nest";
    writeBytes(path, nestedArtifact(3, rows, kShell).build());
    x.resize(static_cast<size_t>(rows) * 16);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(i % 100);
  }
  void TearDown() override { std::remove(path.c_str()); }

  Artifact open(const ArtifactOptions &options = {}) const {
    return Artifact::open(path, options).value();
  }

  Session session(const Artifact &artifact, float capacity) const {
    Session session = artifact.session(SessionOptions().capacity(capacity)).value();
    EXPECT_TRUE(session.input(0).copy_from(x).ok());
    return session;
  }

  /// Whether a run gives what the capacity of that index computes.
  bool computes(Session &session, uint32_t index) const {
    std::vector<float> y(x.size());
    return session.run().ok() && session.output(0).copy_to(y).ok() && y == nestedResult(x, index);
  }

  static UpgradeProgress wait(const Session &session) {
    UpgradeProgress progress = session.upgrade_progress();
    for (; progress.state == UpgradeProgress::State::running; progress = session.upgrade_progress())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return progress;
  }

  /// Bytes of the file that this process has in its page tables.
  size_t residentBytes() const {
    std::ifstream smaps("/proc/self/smaps");
    bool ours = false;
    size_t kilobytes = 0, total = 0;
    for (std::string line; std::getline(smaps, line);) {
      if (line.find('-') < line.find(' '))
        ours = line.find(path) != std::string::npos;
      else if (ours && std::sscanf(line.c_str(), "Rss: %zu kB", &kilobytes) == 1)
        total += kilobytes * 1024;
    }
    return total;
  }

  static constexpr int64_t rows = 8;
  std::string path;
  std::vector<float> x;
};

using State = UpgradeProgress::State;

/// Anytime use: results from the start, better ones as soon as the large
/// capacity is in memory, and no run that waits for it.
TEST_F(UpgradeTest, RunsAtTheSmallCapacityUntilTheLargeOneIsThere) {
  Artifact artifact = open();
  Session session = this->session(artifact, kSmall);
  EXPECT_EQ(session.upgrade_progress().state, State::none);
  ASSERT_TRUE(computes(session, 0));
  ASSERT_TRUE(session.upgrade(1).ok());
  while (session.last_capacity() != 1) {
    ASSERT_TRUE(session.run().ok());
    std::vector<float> y(x.size());
    ASSERT_TRUE(session.output(0).copy_to(y).ok());
    ASSERT_EQ(y, nestedResult(x, session.last_capacity() == 1 ? 2 : 0));
    ASSERT_NE(session.upgrade_progress().state, State::failed);
  }
  UpgradeProgress progress = wait(session);
  EXPECT_EQ(progress.state, State::done);
  EXPECT_EQ(progress.capacity, 1);
  EXPECT_EQ(progress.bytes_total, 3 * kShell);
  EXPECT_EQ(progress.bytes_done, 3 * kShell);
}

TEST_F(UpgradeTest, ADowngradeGivesMemoryBack) {
  size_t fresh;
  {
    Artifact artifact = open();
    Session small = session(artifact, kSmall);
    ASSERT_TRUE(small.upgrade(kSmall).ok());
    ASSERT_EQ(wait(small).state, State::done);
    fresh = residentBytes();
    EXPECT_GE(fresh, kShell);
    EXPECT_LE(fresh, kShell + kShell / 2 + kShell / 10);
  }
  Artifact artifact = open();
  Session session = this->session(artifact, kSmall);
  ASSERT_TRUE(session.upgrade(1).ok());
  ASSERT_EQ(wait(session).state, State::done);
  ASSERT_TRUE(computes(session, 2));
  EXPECT_GE(residentBytes(), 3 * kShell);
  ASSERT_TRUE(session.set_capacity(kSmall).ok());
  session.release_unused();
  EXPECT_LE(residentBytes(), fresh + kShell / 2);
  EXPECT_TRUE(computes(session, 0));
  // What was given back is read again.
  ASSERT_TRUE(session.set_capacity(1).ok());
  EXPECT_TRUE(computes(session, 2));
}

TEST_F(UpgradeTest, WhatAnotherSessionUsesStays) {
  Artifact artifact = open();
  Session first = session(artifact, 1);
  ASSERT_TRUE(first.upgrade(1).ok());
  ASSERT_EQ(wait(first).state, State::done);
  {
    Session second = session(artifact, kMiddle);
    ASSERT_TRUE(first.set_capacity(kSmall).ok());
    artifact.release_unused();
    EXPECT_GE(residentBytes(), kShell + kShell / 2);
    EXPECT_LT(residentBytes(), 3 * kShell);
    EXPECT_TRUE(computes(second, 1));
  }
  artifact.release_unused();
  EXPECT_LT(residentBytes(), 2 * kShell);
  EXPECT_TRUE(computes(first, 0));
}

TEST_F(UpgradeTest, ALaterChoiceCancels) {
  Artifact artifact = open();
  Session session = this->session(artifact, kSmall);
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(session.upgrade(1).ok());
    ASSERT_TRUE(session.set_capacity(kMiddle).ok());
    State state = wait(session).state;
    EXPECT_TRUE(state == State::cancelled || state == State::done);
    EXPECT_EQ(session.capacity(), kMiddle) << "whichever was first";
  }
  // The second upgrade takes the place of the first.
  ASSERT_TRUE(session.upgrade(1).ok());
  ASSERT_TRUE(session.upgrade(kMiddle).ok());
  EXPECT_EQ(wait(session).state, State::done);
  EXPECT_EQ(session.capacity(), kMiddle);
  EXPECT_EQ(session.upgrade(0.5f).code(), StatusCode::not_found);
  // A session may end before its upgrade.
  ASSERT_TRUE(session.upgrade(1).ok());
}

TEST_F(UpgradeTest, ATruncatedFileFailsIt) {
  Artifact artifact = open();
  Session session = this->session(artifact, kSmall);
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(artifact.file_bytes() - kShell)), 0);
  ASSERT_TRUE(session.upgrade(1).ok());
  EXPECT_EQ(wait(session).state, State::failed);
  EXPECT_EQ(session.capacity(), kSmall);
  EXPECT_EQ(session.run().code(), StatusCode::data_loss);
}

/// Memory that no file backs must not be dropped.
TEST_F(UpgradeTest, OtherMemoryIsKept) {
  AlignedBytes bytes(readBytes(path));
  for (const Artifact &artifact : {open(ArtifactOptions().load(Load::copy)),
                                   Artifact::open(bytes.data(), bytes.size()).value()}) {
    Session session = this->session(artifact, 1);
    ASSERT_TRUE(computes(session, 2));
    ASSERT_TRUE(session.set_capacity(kSmall).ok());
    session.release_unused();
    ASSERT_TRUE(session.upgrade(1).ok());
    EXPECT_EQ(wait(session).state, State::done);
    EXPECT_TRUE(computes(session, 2));
  }
}

/// A small capacity with an arena of a page beside one of a megabyte.
TEST(Release, DropsActivationsAndKeepsTensors) {
  ArtifactSpec spec = nestedArtifact(2);
  spec.capacities[1].arenaBytes = 1 << 20;
  AlignedBytes bytes(spec.build());
  Artifact artifact = Artifact::open(bytes.data(), bytes.size()).value();
  Session session = artifact.session().value();
  std::vector<float> x(8 * 16, 3), y(x.size());
  ASSERT_TRUE(session.input(0).copy_from(x).ok());
  ASSERT_TRUE(session.run().ok());
  ASSERT_TRUE(session.set_capacity(0.5f).ok());
  session.release_unused();
  ASSERT_TRUE(session.output(0).copy_to(y).ok());
  EXPECT_EQ(y, nestedResult(x, 1)) << "outputs stay";
  ASSERT_TRUE(session.run().ok());
  ASSERT_TRUE(session.output(0).copy_to(y).ok());
  EXPECT_EQ(y, nestedResult(x, 0)) << "and inputs";
}

/// The tensors of a head at capacity 1 lie where capacity 0.5 has nothing.
TEST(Release, KeepsTheTensorsOfAHead) {
  ArtifactSpec spec = streamedArtifact(2, 1);
  AlignedBytes bytes(spec.build());
  Artifact artifact = Artifact::open(bytes.data(), bytes.size()).value();
  ASSERT_LT(artifact.capacities()[0].arena_bytes, artifact.capacities()[1].arena_bytes);
  Session session = artifact.session().value();
  std::vector<float> x = streamedInput(spec), expected(x.size()), y(x.size());
  ASSERT_TRUE(session.input(0).copy_from(x).ok());
  ASSERT_TRUE(session.run().ok());
  ASSERT_TRUE(session.output(0).copy_to(expected).ok());
  LiveTensors live;
  ASSERT_TRUE(session.set_capacity(0.5f).ok());
  ASSERT_TRUE(session.run_head(1, live).ok());
  EXPECT_EQ(session.last_capacity(), 1) << "a head computes no outputs";
  ASSERT_TRUE(session.set_capacity(1).ok());
  ASSERT_TRUE(session.run_head(1, live).ok());
  ASSERT_TRUE(session.set_capacity(0.5f).ok());
  session.release_unused();
  ASSERT_TRUE(session.run_tail(1, live).ok());
  EXPECT_EQ(session.last_capacity(), 1);
  ASSERT_TRUE(session.output(0).copy_to(y).ok());
  EXPECT_EQ(y, expected);
}

} // namespace

//===- SessionTest.cpp - Running artifacts --------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "AllocationCount.h"
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <numeric>
#include <thread>
#include <unistd.h>

using namespace nestor;
using namespace nestor::test;

namespace {

/// A session of the example artifact and the file it runs.
class SessionTest : public testing::Test {
protected:
  void open(const ArtifactSpec &spec, const SessionOptions &options = {}) {
    // Other tests may run at the same time.
    path = testing::TempDir() + "session" + std::to_string(getpid()) + ".nest";
    writeBytes(path, spec.build());
    Result<Artifact> opened = Artifact::open(path);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    Result<Session> made = opened.value().session(options);
    ASSERT_TRUE(made.ok()) << made.status().message();
    session = std::make_unique<Session>(std::move(made).value());
  }

  static std::vector<float> ramp(int64_t rows) {
    std::vector<float> x(static_cast<size_t>(rows) * 16);
    std::iota(x.begin(), x.end(), -5.0f);
    return x;
  }

  void TearDown() override { std::remove(path.c_str()); }

  std::string path;
  std::unique_ptr<Session> session;
};

TEST_F(SessionTest, ComputesTheModel) {
  open(exampleArtifact());
  std::vector<float> x = ramp(8), y(x.size());
  ASSERT_TRUE(session->input("x").copy_from(x).ok());
  ASSERT_TRUE(session->run().ok());
  ASSERT_TRUE(session->output("y").copy_to(y).ok());
  EXPECT_EQ(y, exampleResult(x));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(session->output(0).data()) % 64, 0u);
}

TEST_F(SessionTest, ThreadsDoNotChangeTheResult) {
  constexpr int64_t rows = 40'000;
  for (unsigned threads : {1, 2, 3, 8}) {
    open(exampleArtifact(rows), SessionOptions().threads(threads));
    EXPECT_EQ(session->threads(), threads);
    std::vector<float> x = ramp(rows), y(x.size());
    for (int round = 0; round < 20; ++round) {
      x[0] = static_cast<float>(round);
      ASSERT_TRUE(session->input(0).copy_from(x).ok());
      ASSERT_TRUE(session->run().ok());
      ASSERT_TRUE(session->output(0).copy_to(y).ok());
      ASSERT_EQ(y, exampleResult(x)) << threads << " threads, round " << round;
    }
  }
}

TEST_F(SessionTest, RunAllocatesNothing) {
  open(exampleArtifact(40'000), SessionOptions().threads(2));
  ASSERT_TRUE(session->run().ok());
  size_t before = allocationCount();
  bool ok = true;
  for (int i = 0; i < 10; ++i)
    ok = ok && session->run().ok();
  EXPECT_EQ(allocationCount(), before);
  EXPECT_TRUE(ok);
}

TEST_F(SessionTest, RunsOnTheCallersMemory) {
  open(exampleArtifact());
  std::vector<float> first = ramp(8);
  alignas(64) float x[128], y[128] = {};
  std::copy(first.begin(), first.end(), x);
  ASSERT_TRUE(session->input("x").bind(x, sizeof x).ok());
  ASSERT_TRUE(session->output("y").bind(y, sizeof y).ok());
  EXPECT_EQ(session->input("x").data(), x);
  ASSERT_TRUE(session->run().ok());
  EXPECT_EQ(std::vector<float>(y, y + 128), exampleResult(first));
  // And back to its own.
  std::fill(y, y + 128, 0.0f);
  ASSERT_TRUE(session->output("y").bind(nullptr, 0).ok());
  ASSERT_TRUE(session->run().ok());
  EXPECT_EQ(y[0], 0.0f);
  EXPECT_EQ(session->output("y").data_as<float>()[0], exampleResult(first)[0]);
}

TEST_F(SessionTest, RefusesMemoryThatDoesNotFit) {
  open(exampleArtifact());
  alignas(64) char memory[1024];
  EXPECT_EQ(session->input("x").bind(memory, 511).code(), StatusCode::invalid_argument);
  EXPECT_EQ(session->input("x").alignment(), 4u);
  EXPECT_EQ(session->input("x").bind(memory + 2, 512).code(), StatusCode::invalid_argument);
  EXPECT_EQ(session->input("x").copy_from(memory, 500).code(), StatusCode::invalid_argument);
  EXPECT_EQ(session->output("y").copy_to(memory, 513).code(), StatusCode::invalid_argument);
}

TEST_F(SessionTest, UnknownNamesGiveInvalidTensors) {
  open(exampleArtifact());
  float value = 0;
  EXPECT_FALSE(session->input("z").valid());
  EXPECT_FALSE(session->output(1).valid());
  EXPECT_EQ(session->input(7).data(), nullptr);
  EXPECT_EQ(session->input("z").copy_from(&value, 4).code(), StatusCode::not_found);
  EXPECT_EQ(session->output("z").bind(&value, 4).code(), StatusCode::not_found);
}

TEST_F(SessionTest, OutlivesTheArtifactAndItsFile) {
  open(exampleArtifact());
  ASSERT_EQ(std::remove(path.c_str()), 0);
  EXPECT_TRUE(session->run().ok());
}

TEST_F(SessionTest, TimesEveryStep) {
  open(exampleArtifact(40'000));
  uint64_t times[2] = {};
  ASSERT_TRUE(session->run_timed(times, 2).ok());
  EXPECT_GT(times[0], 0u);
  EXPECT_GT(times[1], 0u);
  EXPECT_EQ(session->run_timed(times, 1).code(), StatusCode::invalid_argument);
}

TEST_F(SessionTest, SwitchesCapacity) {
  open(twoCapacities(8));
  EXPECT_EQ(session->capacity(), 1.0f);
  EXPECT_EQ(session->set_capacity(0.7f).code(), StatusCode::not_found);
  EXPECT_EQ(session->capacity(), 1.0f);
  ASSERT_TRUE(session->set_capacity(0.5004f).ok());
  EXPECT_EQ(session->capacity(), 0.5f);
  ASSERT_TRUE(session->input(0).copy_from(ramp(8)).ok());
  ASSERT_TRUE(session->run().ok());
  EXPECT_EQ(session->output(0).data_as<float>()[63], exampleResult(ramp(8))[63]);
  EXPECT_EQ(session->output(0).data_as<float>()[64], 0.0f) << "beyond the capacity's part";
  ASSERT_TRUE(session->set_capacity(1).ok());
  ASSERT_TRUE(session->run().ok());
  EXPECT_EQ(session->output(0).data_as<float>()[64], exampleResult(ramp(8))[64]);
}

TEST_F(SessionTest, KnowsACapacityByWhatWasAskedFor) {
  ArtifactSpec spec = twoCapacities(8);
  spec.capacities[0].capacity = 0.43f;
  spec.capacities[0].requested = 0.5f;
  open(spec);
  for (float name : {0.43f, 0.5f}) {
    ASSERT_TRUE(session->set_capacity(name).ok());
    EXPECT_EQ(session->capacity(), 0.43f);
    ASSERT_TRUE(session->set_capacity(1).ok());
  }
  EXPECT_EQ(session->set_capacity(0.47f).code(), StatusCode::not_found);
}

TEST_F(SessionTest, CapacityMayChangeDuringARun) {
  open(twoCapacities(4000), SessionOptions().threads(2));
  std::atomic<bool> done{false};
  std::thread switcher([&] {
    for (int i = 0; !done; ++i)
      EXPECT_TRUE(session->set_capacity(i % 2 ? 1.0f : 0.5f).ok());
  });
  for (int i = 0; i < 200; ++i)
    EXPECT_TRUE(session->run().ok());
  done = true;
  switcher.join();
}

TEST_F(SessionTest, ManySessionsShareAnArtifact) {
  AlignedBytes bytes(exampleArtifact(64).build());
  Artifact artifact = Artifact::open(bytes.data(), bytes.size()).value();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([artifact, i] {
      Session session = artifact.session(SessionOptions().threads(2)).value();
      std::vector<float> x(64 * 16, static_cast<float>(i)), y(x.size());
      for (int round = 0; round < 50; ++round) {
        EXPECT_TRUE(session.input(0).copy_from(x).ok());
        EXPECT_TRUE(session.run().ok());
        EXPECT_TRUE(session.output(0).copy_to(y).ok());
        EXPECT_EQ(y, exampleResult(x));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST_F(SessionTest, RefusesTooManyThreads) {
  AlignedBytes bytes(exampleArtifact().build());
  Artifact artifact = Artifact::open(bytes.data(), bytes.size()).value();
  EXPECT_EQ(artifact.session(SessionOptions().threads(100'000)).status().code(),
            StatusCode::invalid_argument);
  EXPECT_GE(artifact.session(SessionOptions().threads(0)).value().threads(), 1u);
}

} // namespace

//===- SwitchTest.cpp - Changing the capacity while running ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The same with a million switches and a real network is
// nestor_switch_bench (test/bench).
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"
#include "runtime/src/selection.h"

#include <gtest/gtest.h>
#include <random>
#include <thread>

using namespace nestor;
using namespace nestor::test;

namespace {

constexpr uint32_t kCapacities = 4;

float capacityOf(uint32_t index) { return static_cast<float>(index + 1) / kCapacities; }

/// Which capacity of the nested example computed `y`; kCapacities: none did.
uint32_t capacityThatComputed(const std::vector<float> &x, const float *y) {
  for (uint32_t i = 0; i < kCapacities; ++i)
    if (nestedResult(x, i) == std::vector<float>(y, y + x.size()))
      return i;
  return kCapacities;
}

/// Every thread runs a session of its own and switches anyone's.
TEST(Switch, EveryResultIsOfOneCapacity) {
  constexpr unsigned threads = 4, rounds = 1500;
  AlignedBytes bytes(nestedArtifact(kCapacities).build());
  Artifact artifact = Artifact::open(bytes.data(), bytes.size()).value();
  std::vector<Session> sessions;
  for (unsigned i = 0; i < threads; ++i)
    sessions.push_back(artifact.session().value());
  std::vector<float> x(8 * 16);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(i) - 50;
  std::atomic<unsigned> wrong{0};
  auto work = [&](unsigned number) {
    std::mt19937 random(number);
    Session &own = sessions[number];
    bool ok = own.input(0).copy_from(x).ok();
    for (unsigned round = 0; round < rounds; ++round) {
      uint32_t next = static_cast<uint32_t>(random()) % kCapacities;
      ok = sessions[random() % threads].set_capacity(capacityOf(next)).ok() && ok;
      ok = own.run().ok() && ok;
      uint32_t by = capacityThatComputed(x, own.output(0).data_as<float>());
      ok = ok && by < kCapacities && own.last_capacity() == capacityOf(by);
      wrong += !ok;
    }
  };
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < threads; ++i)
    workers.emplace_back(work, i);
  for (std::thread &worker : workers)
    worker.join();
  EXPECT_EQ(wrong, 0u);
}

TEST(Switch, SaysWhichCapacityComputedTheOutputs) {
  AlignedBytes bytes(nestedArtifact(kCapacities).build());
  Artifact artifact = Artifact::open(bytes.data(), bytes.size()).value();
  Session session = artifact.session(SessionOptions().capacity(0.25f)).value();
  EXPECT_EQ(session.last_capacity(), 0.25f);
  ASSERT_TRUE(session.run().ok());
  ASSERT_TRUE(session.set_capacity(0.5f).ok());
  EXPECT_EQ(session.capacity(), 0.5f);
  EXPECT_EQ(session.last_capacity(), 0.25f) << "the outputs are those of the run before";
  ASSERT_TRUE(session.run().ok());
  EXPECT_EQ(session.last_capacity(), 0.5f);
}

TEST(Selection, CountsWhoUsesACapacity) {
  detail::CapacityUse use;
  use.resize(3);
  {
    detail::Selection first(use), second(use);
    EXPECT_TRUE(use.used(0));
    first.set(2);
    EXPECT_TRUE(use.used(0)) << "by the second";
    EXPECT_TRUE(use.used(2));
    second.set(1);
    EXPECT_FALSE(use.used(0));
    first.set(1);
    EXPECT_FALSE(use.used(2));
  }
  EXPECT_FALSE(use.used(1));
}

TEST(Selection, LaterChoicesWin) {
  detail::CapacityUse use;
  use.resize(3);
  detail::Selection selection(use);
  uint64_t ticket = selection.ticket();
  selection.set(0); // The same as before is a choice too.
  EXPECT_FALSE(selection.set_if_still(ticket, 2));
  EXPECT_EQ(selection.get(), 0u);
  EXPECT_FALSE(use.used(2));
  EXPECT_TRUE(selection.set_if_still(selection.ticket(), 2));
  EXPECT_EQ(selection.get(), 2u);
  EXPECT_FALSE(use.used(0));
  EXPECT_TRUE(use.used(2));
}

} // namespace

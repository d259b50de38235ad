//===- MemoryPlanTest.cpp - Packing of buffers with lifetimes -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/MemoryPlan.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

using nestor::package::Buffer;
using nestor::package::packBuffers;
using nestor::package::peakLiveBytes;

namespace {

constexpr uint64_t kAlignment = 64;

std::vector<Buffer> randomBuffers(std::mt19937 &random) {
  std::vector<Buffer> buffers(random() % 60);
  for (Buffer &buffer : buffers) {
    buffer.bytes = random() % 5 == 0 ? 0 : random() % 100000;
    buffer.first = random() % 50;
    buffer.last = buffer.first + random() % 10;
  }
  return buffers;
}

bool overlap(const Buffer &a, const Buffer &b) {
  return a.bytes && b.bytes && a.livesWith(b) && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

TEST(MemoryPlan, LivingBuffersNeverOverlap) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    std::vector<Buffer> buffers = randomBuffers(random);
    uint64_t total = packBuffers(buffers, kAlignment);
    EXPECT_GE(total, peakLiveBytes(buffers, kAlignment));
    for (const Buffer &buffer : buffers) {
      EXPECT_EQ(buffer.offset % kAlignment, 0u);
      EXPECT_LE(buffer.offset + buffer.bytes, total);
      for (const Buffer &other : buffers)
        ASSERT_FALSE(&other != &buffer && overlap(buffer, other));
    }
  }
}

TEST(MemoryPlan, ChainAlternatesBetweenTwoBuffers) {
  std::vector<Buffer> chain;
  for (unsigned time = 0; time < 10; ++time)
    chain.push_back({1000, time, time + 1});
  EXPECT_EQ(packBuffers(chain, kAlignment), 2048u);
}

TEST(MemoryPlan, SmallBufferFillsTheGap) {
  // The gap between two large buffers opens when the middle one dies.
  std::vector<Buffer> buffers{{640, 0, 9}, {320, 0, 1}, {128, 0, 9}, {64, 5, 6}, {256, 5, 6}};
  EXPECT_EQ(packBuffers(buffers, kAlignment), peakLiveBytes(buffers, kAlignment));
}

TEST(MemoryPlan, NothingNeedsNothing) {
  std::vector<Buffer> none;
  EXPECT_EQ(packBuffers(none, kAlignment), 0u);
}

} // namespace

//===- SplitTest.cpp - Heads, tails and the tensors between ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "AllocationCount.h"
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace nestor;
using namespace nestor::test;

namespace {

Artifact open(const ArtifactSpec &spec) {
  // Sessions read weights in place, so the bytes stay for good.
  static std::vector<std::unique_ptr<AlignedBytes>> kept;
  kept.push_back(std::make_unique<AlignedBytes>(spec.build()));
  Result<Artifact> opened = Artifact::open(kept.back()->data(), kept.back()->size());
  EXPECT_TRUE(opened.ok()) << opened.status().message();
  return opened.value();
}

Session sessionOf(const Artifact &artifact, const SessionOptions &options = {}) {
  Result<Session> made = artifact.session(options);
  EXPECT_TRUE(made.ok()) << made.status().message();
  return std::move(made).value();
}

std::vector<float> outputOf(const Session &session) {
  std::vector<float> y(session.output(0).bytes() / sizeof(float));
  EXPECT_TRUE(session.output(0).copy_to(y).ok());
  return y;
}

#define EXPECT_REFUSED(status, expected, words)                                                    \
  do {                                                                                             \
    Status refused = (status);                                                                     \
    EXPECT_EQ(refused.code(), StatusCode::expected) << refused.message();                          \
    EXPECT_NE(refused.message().find(words), std::string::npos) << refused.message();              \
  } while (false)

class SplitTest : public testing::Test {
protected:
  ArtifactSpec spec = streamedArtifact();
  Artifact artifact = open(spec);
  std::vector<float> x = streamedInput(spec);

  std::vector<float> whole(float capacity) {
    Session session = sessionOf(artifact, SessionOptions().capacity(capacity));
    EXPECT_TRUE(session.input(0).copy_from(x).ok());
    EXPECT_TRUE(session.run().ok());
    return outputOf(session);
  }

  /// The stream of a head.
  std::vector<uint8_t> head(Session &session, uint32_t cut,
                            TensorEncoding encoding = TensorEncoding::exact) {
    std::vector<uint8_t> wire(artifact.stream_bytes(cut, encoding).value());
    EXPECT_TRUE(session.input(0).copy_from(x).ok());
    TensorSink sink(wire.data(), wire.size(), encoding);
    Status status = session.run_head(cut, sink);
    EXPECT_TRUE(status.ok()) << status.message();
    wire.resize(sink.size());
    return wire;
  }
};

TEST_F(SplitTest, HeadAndTailAreTheWholeAtEveryCutAndCapacity) {
  for (float capacity : {0.5f, 1.0f}) {
    std::vector<float> expected = whole(capacity);
    for (uint32_t cut = 0; cut <= 4; ++cut) {
      SCOPED_TRACE("capacity " + std::to_string(capacity) + ", cut " + std::to_string(cut));
      Session phone = sessionOf(artifact, SessionOptions().capacity(capacity));
      Session server = sessionOf(artifact, SessionOptions().capacity(capacity).threads(2));
      std::vector<uint8_t> wire = head(phone, cut);
      ASSERT_TRUE(server.run_tail(cut, TensorSource(wire.data(), wire.size())).ok());
      EXPECT_EQ(outputOf(server), expected);
      // In place, in one session.
      LiveTensors live;
      ASSERT_TRUE(phone.run_head(cut, live).ok());
      ASSERT_TRUE(phone.run_tail(cut, live).ok());
      EXPECT_EQ(outputOf(phone), expected);
      // From one session's memory to the other's.
      Session third = sessionOf(artifact, SessionOptions().capacity(capacity));
      ASSERT_TRUE(phone.run_head(cut, live).ok());
      ASSERT_TRUE(third.run_tail(cut, live).ok());
      EXPECT_EQ(outputOf(third), expected);
    }
  }
}

TEST_F(SplitTest, LiveTensorsAreShownInPlace) {
  Session session = sessionOf(artifact);
  ASSERT_TRUE(session.input(0).copy_from(x).ok());
  LiveTensors live;
  EXPECT_FALSE(live.valid());
  ASSERT_TRUE(session.run_head(2, live).ok());
  ASSERT_TRUE(live.valid());
  EXPECT_EQ(live.cut(), 2u);
  EXPECT_EQ(live.capacity(), 1.0f);
  ASSERT_EQ(live.count(), 1u);
  EXPECT_EQ(live.info(0).name, "live");
  EXPECT_EQ(live.info(0).dims, (std::vector<int64_t>{1, 8192}));
  EXPECT_EQ(live.bytes(0), 4u * 8192);
  EXPECT_EQ(live.bytes(), 4u * 8192);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(live.data(0)) % 64, 0u);
  ASSERT_TRUE(session.run_head(0, live).ok());
  EXPECT_EQ(live.data(0), session.input(0).data());
  ASSERT_TRUE(session.run_head(4, live).ok());
  EXPECT_EQ(live.data(0), session.output(0).data());
}

TEST_F(SplitTest, CallersMayWriteLiveTensorsThemselves) {
  Session source = sessionOf(artifact), target = sessionOf(artifact);
  ASSERT_TRUE(source.input(0).copy_from(x).ok());
  LiveTensors from;
  ASSERT_TRUE(source.run_head(3, from).ok());
  Result<LiveTensors> to = target.live_tensors(3);
  ASSERT_TRUE(to.ok());
  std::memcpy(to.value().data(0), from.data(0), from.bytes(0));
  ASSERT_TRUE(target.run_tail(3, to.value()).ok());
  EXPECT_EQ(outputOf(target), whole(1));
  EXPECT_REFUSED(target.live_tensors(5).status(), invalid_argument, "cuts are 0 to 4");
}

TEST_F(SplitTest, ATailKeepsTheCapacityOfItsHead) {
  Session session = sessionOf(artifact);
  std::vector<uint8_t> wire = head(session, 2);
  ASSERT_TRUE(session.set_capacity(0.5f).ok());
  ASSERT_TRUE(session.run_tail(2, TensorSource(wire.data(), wire.size())).ok());
  EXPECT_EQ(outputOf(session), whole(1));
  LiveTensors live;
  ASSERT_TRUE(session.run_head(2, live).ok());
  EXPECT_EQ(live.capacity(), 0.5f);
  ASSERT_TRUE(session.set_capacity(1).ok());
  ASSERT_TRUE(session.run_tail(2, live).ok());
  std::vector<float> half = whole(0.5f), y = outputOf(session);
  EXPECT_TRUE(std::equal(half.begin(), half.begin() + 4096, y.begin()));
}

TEST_F(SplitTest, CapacitiesThatWereNotMeasuredTogetherAreRefused) {
  Session big = sessionOf(artifact), small = sessionOf(artifact, SessionOptions().capacity(0.5f));
  std::vector<uint8_t> wire = head(big, 2);
  EXPECT_REFUSED(small.run_tail(2, TensorSource(wire.data(), wire.size())), invalid_argument,
                 "does not list the two as measured together at cut 2");
  // Listed, but of other shapes than channels explain.
  spec.mixed = {{1, 0, 2}};
  spec.capacities[0].cuts[2].live[0].tensor.dims = {2, 2048};
  artifact = open(spec);
  Session head2 = sessionOf(artifact), tail2 = sessionOf(artifact, SessionOptions().capacity(0.5f));
  wire = head(head2, 2);
  EXPECT_REFUSED(tail2.run_tail(2, TensorSource(wire.data(), wire.size())), invalid_argument,
                 "not only other channels");
  LiveTensors live;
  ASSERT_TRUE(head2.run_head(2, live).ok());
  EXPECT_REFUSED(tail2.run_tail(2, live), invalid_argument, "not only other channels");
}

/// Every column is computed from its own, so that a tail which gets the first
/// channels computes what its capacity does, and one that gets zeros has them.
TEST_F(SplitTest, TailsTakeTheChannelsThatTheyHave) {
  spec.mixed = {{0, 1, 2}, {1, 0, 2}};
  artifact = open(spec);
  const std::vector<float> expected = whole(0.5f);
  for (float capacity : {0.5f, 1.0f}) {
    const bool grows = capacity == 0.5f;
    SCOPED_TRACE(grows ? "zeros" : "a prefix");
    Session front = sessionOf(artifact, SessionOptions().capacity(capacity));
    Session back = sessionOf(artifact, SessionOptions().capacity(1.5f - capacity));
    // What the tail held before must not show.
    ASSERT_TRUE(back.input(0).copy_from(x).ok());
    ASSERT_TRUE(back.run().ok());
    std::vector<uint8_t> wire = head(front, 2);
    ASSERT_TRUE(back.run_tail(2, TensorSource(wire.data(), wire.size())).ok());
    std::vector<float> y = outputOf(back);
    EXPECT_TRUE(std::equal(y.begin(), y.begin() + 4096, expected.begin()));
    EXPECT_TRUE(!grows || std::count(y.begin() + 4096, y.end(), 0.0f) == 4096);
    EXPECT_EQ(back.last_capacity(), 1.5f - capacity);
    // From memory to memory.
    LiveTensors live;
    ASSERT_TRUE(front.run_head(2, live).ok());
    ASSERT_TRUE(back.run_tail(2, live).ok());
    EXPECT_EQ(outputOf(back), y);
    // As halves and bytes: near, and zeros stay zeros.
    for (TensorEncoding encoding : {TensorEncoding::f16, TensorEncoding::int8}) {
      wire = head(front, 2, encoding);
      ASSERT_TRUE(back.run_tail(2, TensorSource(wire.data(), wire.size())).ok());
      std::vector<float> near = outputOf(back);
      float largest = *std::max_element(y.begin(), y.end());
      for (size_t i = 0; i < 4096; ++i)
        ASSERT_NEAR(near[i], y[i], largest / 40) << i;
      EXPECT_TRUE(!grows || std::equal(y.begin() + 4096, y.end(), near.begin() + 4096));
    }
  }
}

/// Some columns of what lies at `place`, in rows of `width` floats.
LiveSpec columns(StepArgSpec place, int64_t first, int64_t count, int64_t width) {
  place.space = kArenaRows;
  place.offset += 4 * static_cast<uint64_t>(first);
  return {{"columns", 1, {1, 4096 / width, count}}, place, 4 * static_cast<uint64_t>(width)};
}

/// The tensors of every cut in two parts, the columns of a matrix.
TEST_F(SplitTest, TensorsInRowsThatLieApart) {
  for (CapacitySpec &capacity : spec.capacities)
    for (CutSpec &cut : capacity.cuts)
      if (StepArgSpec place = cut.live[0].place; place.space == kArena) {
        cut.live = {columns(place, 0, 50, 128), columns(place, 50, 78, 128)};
        for (LiveSpec &part : cut.live)
          part.tensor.dims[0] = capacity.shells; // A matrix for each.
      }
  artifact = open(spec);
  for (float capacity : {0.5f, 1.0f}) {
    const std::vector<float> expected = whole(capacity);
    Session phone = sessionOf(artifact, SessionOptions().capacity(capacity));
    Session server = sessionOf(artifact, SessionOptions().capacity(capacity));
    LiveTensors live;
    std::vector<uint8_t> wire = head(phone, 2);
    ASSERT_TRUE(server.run_tail(2, TensorSource(wire.data(), wire.size())).ok());
    EXPECT_EQ(outputOf(server), expected);
    ASSERT_TRUE(phone.run_head(2, live).ok());
    EXPECT_EQ(live.pitch(0), 512u);
    EXPECT_EQ(live.bytes(0), (capacity == 1.0f ? 64u : 32u) * 50 * 4);
    EXPECT_EQ(static_cast<char *>(live.data(1)) - static_cast<char *>(live.data(0)), 200);
    ASSERT_TRUE(server.run_tail(2, live).ok());
    EXPECT_EQ(outputOf(server), expected);
    for (TensorEncoding encoding : {TensorEncoding::f16, TensorEncoding::int8}) {
      wire = head(phone, 2, encoding);
      ASSERT_TRUE(server.run_tail(2, TensorSource(wire.data(), wire.size())).ok());
      std::vector<float> near = outputOf(server);
      float largest = *std::max_element(expected.begin(), expected.end());
      for (size_t i = 0; i < near.size(); ++i)
        ASSERT_NEAR(near[i], expected[i], largest / 40) << i;
    }
  }
}

/// Rows of a head with more channels, or fewer, than the tail; what lies between
/// those of the tail stays.
TEST_F(SplitTest, RowsOfAnotherCapacity) {
  spec.mixed = {{0, 1, 2}, {1, 0, 2}};
  const int64_t widths[] = {60, 100};
  for (int i = 0; i < 2; ++i) {
    CutSpec &cut = spec.capacities[i].cuts[2];
    cut.live = {columns(cut.live[0].place, 4, widths[i], 128)};
  }
  artifact = open(spec);
  for (int from = 0; from < 2; ++from) {
    Session front = sessionOf(artifact, SessionOptions().capacity(from ? 1.0f : 0.5f));
    Session back = sessionOf(artifact, SessionOptions().capacity(from ? 0.5f : 1.0f));
    const std::vector<uint8_t> wire = SplitTest::head(front, 2);
    std::vector<uint8_t> next(artifact.stream_bytes(2, TensorEncoding::exact).value());
    TensorSink sink(next.data(), next.size());
    LiveTensors head, there;
    ASSERT_TRUE(front.run_head(2, head).ok());
    float *tail = static_cast<float *>(back.live_tensors(2).value().data(0));
    for (bool asStream : {false, true}) {
      std::fill(tail, tail + 31 * 128 + widths[1 - from], -1.0f);
      // No blocks run: the tensors are only brought in.
      Status status = asStream ? back.run_blocks(2, 2, TensorSource(wire.data(), wire.size()), sink)
                               : back.run_blocks(2, 2, head, there);
      ASSERT_TRUE(status.ok()) << status.message();
      const float *given = static_cast<const float *>(head.data(0));
      for (int64_t i = 0; i < 31 * 128 + widths[1 - from]; ++i) {
        int64_t column = i % 128;
        float want = column >= widths[1 - from] ? -1 : column < widths[from] ? given[i] : 0;
        ASSERT_EQ(tail[i], want) << "element " << i << ", from " << from;
      }
    }
  }
}

TEST_F(SplitTest, TellsWhichCapacitiesWereMeasuredTogether) {
  EXPECT_TRUE(artifact.mixed().empty());
  // The last two name a capacity and a cut that there are not.
  spec.mixed = {{0, 1, 2, 0.25f}, {1, 0, 3, 0.5f}, {2, 0, 1, 1}, {0, 1, 5, 1}};
  artifact = open(spec);
  std::vector<MixedInfo> pairs = artifact.mixed();
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[0].head, 0.5f);
  EXPECT_EQ(pairs[0].tail, 1.0f);
  EXPECT_EQ(pairs[0].cut, 2u);
  EXPECT_EQ(pairs[0].accuracy, 0.25f);
  EXPECT_EQ(pairs[1].head, 1.0f);
  EXPECT_EQ(pairs[1].cut, 3u);
}

/// Two capacities of exampleWithBlocks whose tensors have one shape.
ArtifactSpec mixable() {
  ArtifactSpec spec = exampleWithBlocks();
  CapacitySpec small = spec.capacities[0];
  small.capacity = 0.5f;
  small.steps[1].params[0] = 4;
  spec.capacities.insert(spec.capacities.begin(), small);
  spec.mixed = {{1, 0, 1}};
  return spec;
}

TEST_F(SplitTest, CapacitiesThatWereMeasuredTogetherRun) {
  artifact = open(mixable());
  x.assign(128, 3);
  Session big = sessionOf(artifact), small = sessionOf(artifact, SessionOptions().capacity(0.5f));
  std::vector<uint8_t> wire = head(big, 1);
  ASSERT_TRUE(small.run_tail(1, TensorSource(wire.data(), wire.size())).ok());
  std::vector<float> y = outputOf(small), expected = exampleResult(x);
  EXPECT_TRUE(std::equal(y.begin(), y.begin() + 64, expected.begin()));
  EXPECT_EQ(y[64], 0.0f) << "beyond the tail's capacity";
  wire = head(small, 1);
  EXPECT_REFUSED(big.run_tail(1, TensorSource(wire.data(), wire.size())), invalid_argument,
                 "measured together");
}

TEST_F(SplitTest, BlocksOfASessionRunAndOthersDoNot) {
  Session first = sessionOf(artifact, SessionOptions().blocks(0, 1));
  Session middle = sessionOf(artifact, SessionOptions().blocks(1, 3));
  Session last = sessionOf(artifact, SessionOptions().blocks(3, 4));
  EXPECT_EQ(middle.blocks().first, 1u);
  std::vector<uint8_t> wire = head(first, 1), next(wire.size());
  TensorSink sink(next.data(), next.size());
  ASSERT_TRUE(middle.run_blocks(1, 3, TensorSource(wire.data(), wire.size()), sink).ok());
  ASSERT_TRUE(last.run_tail(3, TensorSource(next.data(), sink.size())).ok());
  EXPECT_EQ(outputOf(last), whole(1));

  LiveTensors live, result;
  ASSERT_TRUE(first.run_head(1, live).ok());
  ASSERT_TRUE(middle.run_blocks(1, 3, live, result).ok());
  ASSERT_TRUE(last.run_tail(3, result).ok());
  EXPECT_EQ(outputOf(last), whole(1));

  EXPECT_REFUSED(first.run(), invalid_argument, "this session has blocks 0:1 of 4: call run_head");
  EXPECT_REFUSED(first.run_head(2, live), invalid_argument, "blocks 0:1 of 4, not 0:2");
  EXPECT_REFUSED(middle.run_tail(3, result), invalid_argument, "blocks 1:3 of 4, not 3:4");
  EXPECT_REFUSED(artifact.session(SessionOptions().blocks(3, 5)).status(), invalid_argument,
                 "there are no blocks 3:5, the model has 0:4");
  EXPECT_REFUSED(artifact.session(SessionOptions().blocks(2, 2)).status(), invalid_argument,
                 "there are no blocks 2:2");
}

/// `nestorc trim --blocks` in short.
ArtifactSpec trimmed(ArtifactSpec spec, uint32_t first, uint32_t end) {
  for (CapacitySpec &capacity : spec.capacities) {
    std::vector<StepSpec> kept;
    size_t step = 0;
    for (uint32_t block = 0; block < capacity.blocks.size(); ++block) {
      size_t steps = capacity.blocks[block].steps;
      bool present = block >= first && block < end;
      for (size_t i = 0; i < steps && present; ++i)
        kept.push_back(capacity.steps[step + i]);
      step += steps;
      capacity.blocks[block].steps = present ? static_cast<uint32_t>(steps) : 0;
    }
    capacity.steps = kept;
  }
  std::vector<BlockWeightsSpec> kept;
  for (const BlockWeightsSpec &weights : spec.blockWeights)
    if ((weights.block >= first && weights.block < end) ||
        weights.block == spec.capacities[0].blocks.size())
      kept.push_back(weights);
  spec.blockWeights = kept;
  spec.present = {first, end};
  return spec;
}

TEST_F(SplitTest, TrimmedFilesRunWhatTheyHave) {
  std::vector<float> expected = whole(1);
  spec.identity = 77;
  artifact = open(spec);
  Artifact front = open(trimmed(spec, 0, 2)), back = open(trimmed(spec, 2, 4));
  EXPECT_EQ(back.present_blocks().first, 2u);
  Session phone = sessionOf(front), server = sessionOf(back);
  std::vector<uint8_t> wire = head(phone, 2);
  ASSERT_TRUE(server.run_tail(2, TensorSource(wire.data(), wire.size())).ok());
  EXPECT_EQ(outputOf(server), expected);
  EXPECT_REFUSED(server.run(), invalid_argument, "blocks 2:4 of 4");
  EXPECT_REFUSED(back.session(SessionOptions().blocks(1, 3)).status(), not_found,
                 "trimmed to blocks 2:4 and lacks some of 1:3");
}

TEST_F(SplitTest, CutsOutOfRangeAreRefused) {
  Session session = sessionOf(artifact);
  LiveTensors live;
  EXPECT_REFUSED(session.run_head(5, live), invalid_argument, "cuts are 0 to 4");
  EXPECT_REFUSED(session.run_tail(5, live), invalid_argument, "cuts are 0 to 4");
  EXPECT_REFUSED(session.run_tail(UINT32_MAX, TensorSource(nullptr, 0)), invalid_argument,
                 "cuts are 0 to 4");
  EXPECT_REFUSED(session.run_tail(2, live), invalid_argument, "not of cut 2");
  EXPECT_REFUSED(artifact.stream_bytes(5, TensorEncoding::exact).status(), invalid_argument,
                 "there is no cut 5");
  Artifact plain = open(exampleArtifact());
  EXPECT_REFUSED(sessionOf(plain).run_head(0, live), invalid_argument, "the file has no cuts");
  EXPECT_REFUSED(plain.session(SessionOptions().blocks(0, 1)).status(), invalid_argument,
                 "no blocks");
  EXPECT_TRUE(sessionOf(plain).run().ok());
}

TEST_F(SplitTest, RunsAllocateNothing) {
  Session session = sessionOf(artifact);
  std::vector<uint8_t> wire(artifact.stream_bytes(2, TensorEncoding::exact).value());
  size_t before = allocationCount();
  bool ok = true;
  for (TensorEncoding encoding :
       {TensorEncoding::exact, TensorEncoding::f16, TensorEncoding::int8}) {
    TensorSink sink(wire.data(), wire.size(), encoding);
    ok = ok && session.run_head(2, sink).ok();
    ok = ok && session.run_tail(2, TensorSource(wire.data(), sink.size())).ok();
  }
  LiveTensors live;
  ok = ok && session.run_head(2, live).ok() && session.run_tail(2, live).ok();
  EXPECT_EQ(allocationCount(), before);
  EXPECT_TRUE(ok);
}

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

TEST_F(SplitTest, StreamsHaveTheSizeThatIsAnnounced) {
  Session session = sessionOf(artifact);
  for (TensorEncoding encoding :
       {TensorEncoding::exact, TensorEncoding::f16, TensorEncoding::int8}) {
    std::vector<uint8_t> wire = head(session, 2, encoding);
    EXPECT_EQ(wire.size(), artifact.stream_bytes(2, encoding).value());
    EXPECT_EQ(stream_size(wire.data(), kStreamHeaderBytes).value(), wire.size());
    size_t element = encoding == TensorEncoding::exact ? 4 : encoding == TensorEncoding::f16 ? 2 : 1;
    EXPECT_EQ(wire.size(), kStreamHeaderBytes + 16 + 2 * 8 + 8192 * element);
  }
  std::vector<uint8_t> wire(100);
  TensorSink sink(wire.data(), wire.size());
  EXPECT_REFUSED(session.run_head(2, sink), invalid_argument, "the sink has 100");
  EXPECT_EQ(sink.size(), 0u);
}

TEST_F(SplitTest, StreamsThatDoNotBelongAreRefused) {
  Session session = sessionOf(artifact);
  const std::vector<uint8_t> wire = head(session, 2);
  auto tail = [&](const std::vector<uint8_t> &bytes, uint32_t cut = 2) {
    return session.run_tail(cut, TensorSource(bytes.data(), bytes.size()));
  };
  EXPECT_REFUSED(tail(wire, 3), invalid_argument, "they are of cut 2, not of cut 3");
  std::vector<uint8_t> edited = wire;
  edited.push_back(0);
  EXPECT_REFUSED(tail(edited), corrupt, "1 bytes follow the last tensor");
  edited.resize(wire.size() - 1);
  EXPECT_REFUSED(tail(edited), corrupt, "truncated");
  edited.resize(20);
  EXPECT_REFUSED(tail(edited), corrupt, "less than a header");
  edited = wire;
  edited[0] ^= 1;
  EXPECT_REFUSED(tail(edited), corrupt, "not tensors of a nestor session");
  edited = wire;
  edited[8] = 2;
  EXPECT_REFUSED(tail(edited), incompatible, "format version 2.0, this runtime reads 1.0");
  edited = wire;
  edited[32] = 9;
  EXPECT_REFUSED(tail(edited), invalid_argument, "capacity number 9");
  edited = wire;
  edited[40] = 2;
  EXPECT_REFUSED(tail(edited), invalid_argument, "there are 2, the cut has 1");
  edited = wire;
  edited[48] = 7; // int32
  EXPECT_REFUSED(tail(edited), invalid_argument, "another type or shape");
  edited = wire;
  edited[49] = 9;
  EXPECT_REFUSED(tail(edited), corrupt, "encoding 9 is unknown");
  edited = wire;
  edited[49] = 2;
  EXPECT_REFUSED(tail(edited), corrupt, "bytes, not");
  spec.sections.back().bytes[0] ^= 1; // Other weights.
  Session other = sessionOf(open(spec));
  EXPECT_REFUSED(other.run_tail(2, TensorSource(wire.data(), wire.size())), invalid_argument,
                 "another artifact");
  EXPECT_EQ(tail(wire).code(), StatusCode::ok) << "the session goes on";
}

/// Every prefix, and edits of header and descriptors, end with a status, and an
/// accepted stream is as long as it says.
TEST_F(SplitTest, DamagedStreamsNeverCrash) {
  constexpr unsigned seed = 11;
  SCOPED_TRACE("seed " + std::to_string(seed));
  artifact = open(exampleWithBlocks());
  x.assign(128, 1);
  Session session = sessionOf(artifact);
  const std::vector<uint8_t> wire = head(session, 1, TensorEncoding::int8);
  for (size_t size = 0; size < wire.size(); ++size) {
    // A copy of just that size, so that sanitizers see a read beyond it.
    std::vector<uint8_t> prefix(wire.begin(), wire.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(session.run_tail(1, TensorSource(prefix.data(), size)).ok()) << size;
  }
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<uint8_t> edited = wire;
    for (unsigned edits = 1 + random() % 4; edits-- > 0;)
      edited[random() % (kStreamHeaderBytes + 32)] = static_cast<uint8_t>(random());
    Status status = session.run_tail(1, TensorSource(edited.data(), edited.size()));
    EXPECT_EQ(status.ok(), status.message().empty());
  }
}

/// What a stream makes of values.
std::vector<float> throughStream(const std::vector<float> &values, TensorEncoding encoding) {
  Artifact artifact = open(exampleWithBlocks(static_cast<int64_t>(values.size()) / 16));
  Session from = sessionOf(artifact), to = sessionOf(artifact);
  std::vector<uint8_t> wire(artifact.stream_bytes(0, encoding).value());
  EXPECT_TRUE(from.input(0).copy_from(values).ok());
  TensorSink sink(wire.data(), wire.size(), encoding);
  EXPECT_TRUE(from.run_head(0, sink).ok());
  EXPECT_TRUE(to.run_tail(0, TensorSource(wire.data(), sink.size())).ok());
  std::vector<float> result(values.size());
  EXPECT_TRUE(to.input(0).copy_to(result).ok());
  return result;
}

TEST(TensorEncoding, HalvesRoundToNearest) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> values = {0,       -0.0f,   1,           -2.5f,      65504,  65519.996f,
                               65520,   -1e10f,  inf,         -inf,       NAN,    0x1p-14f,
                               0x1p-24f, 0x1p-25f, 0x1.8p-25f, 2049, 2051, 0x1.ff8p-15f,
                               1 + 0x1p-11f, 1 + 0x1.8p-10f, 0x1.ffep-15f, 1e-30f};
  values.resize(32, 0.1f);
  std::vector<float> halves = throughStream(values, TensorEncoding::f16);
  std::vector<float> expected = {0,       -0.0f,   1,           -2.5f,      65504,  65504,
                                 inf,     -inf,    inf,         -inf,       NAN,    0x1p-14f,
                                 0x1p-24f, 0,      0x1p-24f,    2048, 2052, 0x1.ff8p-15f,
                                 1, 1 + 0x1p-9f, 0x1p-14f, 0};
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i]))
      EXPECT_TRUE(std::isnan(halves[i]));
    else
      EXPECT_EQ(halves[i], expected[i]) << i << ": " << values[i];
    EXPECT_EQ(std::signbit(halves[i]), std::signbit(values[i])) << i;
  }
  EXPECT_EQ(halves[31], 0x1.998p-4f);
}

/// Every half comes back as it was.
TEST(TensorEncoding, HalvesAreExact) {
  std::vector<float> values;
  for (int exponent = -24; exponent < 16; ++exponent)
    for (int mantissa = 1024; mantissa < 2048; mantissa += 3)
      if (float value = std::ldexp(static_cast<float>(mantissa), exponent - 10);
          exponent >= -14 || std::fmod(value, 0x1p-24f) == 0)
        values.push_back(value);
  values.resize(values.size() / 16 * 16);
  EXPECT_EQ(throughStream(values, TensorEncoding::f16), values);
}

TEST(TensorEncoding, BytesAreWithinHalfAStep) {
  std::vector<float> values(160);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<float>(i)) * 4;
  values[5] = NAN;
  values[6] = std::numeric_limits<float>::infinity();
  values[7] = -values[6];
  values[8] = 12.7f;
  std::vector<float> bytes = throughStream(values, TensorEncoding::int8);
  EXPECT_TRUE(std::isnan(bytes[5]));
  EXPECT_FLOAT_EQ(bytes[6], 12.7f);
  EXPECT_FLOAT_EQ(bytes[7], -12.7f);
  for (size_t i = 8; i < values.size(); ++i)
    EXPECT_NEAR(bytes[i], values[i], 0.05001f) << i;
  std::vector<float> zeros(16, 0.0f);
  EXPECT_EQ(throughStream(zeros, TensorEncoding::int8), zeros);
  std::vector<float> tiny(16, 1e-44f);
  EXPECT_NEAR(throughStream(tiny, TensorEncoding::int8)[0], 0, 1e-40f);
}

TEST(TensorEncoding, IntegersStayAsTheyAre) {
  ArtifactSpec spec = exampleWithBlocks();
  spec.capacities[0].cuts[1].live[0].tensor.dtype = 7; // int32
  Artifact artifact = open(spec);
  EXPECT_EQ(artifact.stream_bytes(1, TensorEncoding::int8).value(),
            artifact.stream_bytes(1, TensorEncoding::exact).value());
  std::vector<float> x(128, 0.3f);
  Session from = sessionOf(artifact), to = sessionOf(artifact);
  ASSERT_TRUE(from.input(0).copy_from(x).ok());
  std::vector<uint8_t> wire(artifact.stream_bytes(1, TensorEncoding::int8).value());
  TensorSink sink(wire.data(), wire.size(), TensorEncoding::int8);
  ASSERT_TRUE(from.run_head(1, sink).ok());
  ASSERT_TRUE(to.run_tail(1, TensorSource(wire.data(), sink.size())).ok());
  EXPECT_EQ(outputOf(to), exampleResult(x));
}

} // namespace

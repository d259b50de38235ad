//===- CApiSplitTest.cpp - The C interface: cuts and budgets --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "CApiOutcome.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

using namespace nestor::test;

namespace {

/// A model with blocks, in a file.
class CApiSplitTest : public testing::Test {
protected:
  void SetUp() override {
    writeBytes(path, bytes);
    nestor_open_options options = NESTOR_OPEN_OPTIONS_INIT;
    options.no_weights = 1;
    options.guard = 1;
    expectOk([&](auto **error) {
      return nestor_artifact_open(path.c_str(), &options, &artifact, error);
    });
  }
  void TearDown() override {
    nestor_artifact_free(artifact);
    std::remove(path.c_str());
  }

  /// Within the smallest budget.
  nestor_session *session(uint32_t firstBlock = 0, uint32_t endBlock = 0) {
    nestor_session_options options = NESTOR_SESSION_OPTIONS_INIT;
    options.first_block = firstBlock;
    options.end_block = endBlock;
    nestor_session *made = nullptr;
    expectOk([&](auto **error) {
      return nestor_artifact_minimum_budget(artifact, 1.0f, &options.memory_budget, error);
    });
    expectOk([&](auto **error) {
      return nestor_session_create(artifact, &options, &made, error);
    });
    EXPECT_LE(nestor_session_memory_bytes(made), options.memory_budget);
    std::vector<float> x = streamedInput(spec);
    std::copy(x.begin(), x.end(),
              static_cast<float *>(nestor_tensor_data(nestor_session_input(made, 0))));
    return made;
  }
  std::vector<float> outputOf(nestor_session *of) const {
    auto *y = static_cast<const float *>(nestor_tensor_data(nestor_session_output(of, 0)));
    return std::vector<float>(y, y + streamedInput(spec).size());
  }

  static ArtifactSpec mixedArtifact() {
    ArtifactSpec mixed = streamedArtifact(2, 2, 256);
    mixed.mixed = {{0, 1, 1, 0.75f}};
    return mixed;
  }

  const ArtifactSpec spec = mixedArtifact();
  const std::vector<uint8_t> bytes = spec.build();
  const std::string path = testing::TempDir() + "c_split" + std::to_string(getpid()) + ".nest";
  nestor_artifact *artifact = nullptr;
};

TEST_F(CApiSplitTest, HeadAndTailAreTheWhole) {
  nestor_session *whole = session(), *head = session(0, 1), *tail = session(1, 2);
  expectOk([&](auto **error) { return nestor_session_run(whole, error); });
  expectError(NESTOR_INVALID_ARGUMENT, "run_head",
              [&](auto **error) { return nestor_session_run(head, error); });
  uint64_t room = 0, size = 0;
  expectOk([&](auto **error) {
    return nestor_artifact_stream_bytes(artifact, 1, NESTOR_ENCODING_EXACT, &room, error);
  });
  std::vector<uint8_t> wire(room);
  size_t written = 0;
  auto runHead = [&](uint32_t cut, uint32_t encoding, size_t bytes) {
    return [=, &wire, &written](auto **error) {
      return nestor_session_run_head(head, cut, encoding, wire.data(), bytes, &written, error);
    };
  };
  auto runTail = [&](uint32_t cut, size_t bytes) {
    return [=, &wire](auto **error) {
      return nestor_session_run_tail(tail, cut, wire.data(), bytes, error);
    };
  };
  expectError(NESTOR_INVALID_ARGUMENT, "encoding is 4", runHead(1, 4, wire.size()));
  expectError(NESTOR_INVALID_ARGUMENT, "blocks", runHead(2, NESTOR_ENCODING_EXACT, wire.size()));
  expectError(NESTOR_INVALID_ARGUMENT, "the sink has",
              runHead(1, NESTOR_ENCODING_EXACT, wire.size() - 1));
  EXPECT_EQ(written, 0u) << "on failure nothing is written";
  expectOk(runHead(1, NESTOR_ENCODING_EXACT, wire.size()));
  EXPECT_EQ(written, room);
  expectOk([&](auto **error) {
    return nestor_stream_size(wire.data(), NESTOR_STREAM_HEADER_BYTES, &size, error);
  });
  EXPECT_EQ(size, written);
  expectError(NESTOR_CORRUPT, "truncated", runTail(1, written - 1));
  expectOk(runTail(1, written));
  EXPECT_EQ(outputOf(tail), outputOf(whole));
  expectOk(runHead(1, NESTOR_ENCODING_F16, wire.size()));
  EXPECT_LT(written, room);
  expectOk(runTail(1, written));
  for (nestor_session *made : {whole, head, tail})
    nestor_session_free(made);
}

TEST_F(CApiSplitTest, TellsItsCuts) {
  ASSERT_EQ(nestor_artifact_cut_count(artifact), 3u);
  nestor_cut_info cut = NESTOR_CUT_INFO_INIT;
  expectOk([&](auto **error) { return nestor_artifact_cut(artifact, 1, 1, &cut, error); });
  EXPECT_STREQ(cut.name, "block0");
  EXPECT_EQ(cut.live_bytes, 2 * 256 * sizeof(float));
  EXPECT_EQ(cut.live_bytes_f16, cut.live_bytes / 2);
  EXPECT_EQ(cut.live_bytes_int8, cut.live_bytes / 4);
  EXPECT_GT(cut.macs_before, 0u);
  EXPECT_EQ(cut.macs_before, cut.macs_after);
  EXPECT_EQ(cut.tensors, 1u);
  expectError(NESTOR_NOT_FOUND, "no cut 3",
              [&](auto **error) { return nestor_artifact_cut(artifact, 1, 3, &cut, error); });
  expectError(NESTOR_NOT_FOUND, "no capacity 2",
              [&](auto **error) { return nestor_artifact_cut(artifact, 2, 0, &cut, error); });
}

TEST_F(CApiSplitTest, TellsWhichCapacitiesFitEachOther) {
  EXPECT_EQ(nestor_artifact_mixed_count(nullptr), 0u);
  ASSERT_EQ(nestor_artifact_mixed_count(artifact), 1u);
  nestor_mixed_info pair = NESTOR_MIXED_INFO_INIT;
  expectOk([&](auto **error) { return nestor_artifact_mixed(artifact, 0, &pair, error); });
  EXPECT_EQ(pair.head, 0.5f);
  EXPECT_EQ(pair.tail, 1.0f);
  EXPECT_EQ(pair.cut, 1u);
  EXPECT_EQ(pair.accuracy, 0.75f);
  expectError(NESTOR_NOT_FOUND, "no mixed pair 1",
              [&](auto **error) { return nestor_artifact_mixed(artifact, 1, &pair, error); });
  expectError(NESTOR_INVALID_ARGUMENT, "info",
              [&](auto **error) { return nestor_artifact_mixed(artifact, 0, nullptr, error); });
}

TEST_F(CApiSplitTest, SeesHowItsFileChanges) {
  nestor_artifact *again = nullptr;
  expectOk([&](auto **error) { return nestor_artifact_refresh(artifact, &again, error); });
  EXPECT_EQ(nestor_artifact_complete(again), 1);
  nestor_artifact_free(again);
  nestor_session *made = session();
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(bytes.size() - 1)), 0);
  expectError(NESTOR_DATA_LOSS, "truncated",
              [&](auto **error) { return nestor_session_run(made, error); });
  again = nullptr;
  expectError(NESTOR_DATA_LOSS, "shorter",
              [&](auto **error) { return nestor_artifact_refresh(artifact, &again, error); });
  EXPECT_EQ(again, nullptr);
  nestor_session_free(made);
}

} // namespace

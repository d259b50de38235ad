//===- BlocksTest.cpp - Blocks and cuts of artifacts ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"

#include <functional>
#include <gtest/gtest.h>

using namespace nestor;
using namespace nestor::test;

namespace {

TEST(Blocks, AreDescribed) {
  AlignedBytes bytes(exampleWithBlocks().build());
  Result<Artifact> opened = Artifact::open(bytes.data(), bytes.size());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  const Artifact &artifact = opened.value();
  std::vector<BlockInfo> blocks = artifact.blocks(0);
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[1].index, 1u);
  EXPECT_EQ(blocks[0].steps, 1u);
  EXPECT_EQ(blocks[0].macs, 128u);
  EXPECT_EQ(blocks[0].weight_bytes, 64u);
  EXPECT_EQ(blocks[0].activation_bytes, 512u);
  ASSERT_EQ(blocks[0].work.size(), 1u);
  EXPECT_EQ(blocks[0].work[0].kind, WorkKind::conv);
  EXPECT_STREQ(to_string(blocks[1].work[0].kind), "elementwise");
  ASSERT_EQ(blocks[0].weights.size(), 1u);
  EXPECT_EQ(blocks[0].weights[0].offset, artifact.sections()[1].offset);
  EXPECT_EQ(blocks[0].weights[0].bytes, 64u);
  EXPECT_TRUE(blocks[1].weights.empty());
  EXPECT_TRUE(artifact.blocks(1).empty());
  EXPECT_EQ(artifact.present_blocks().end, 2u);
}

TEST(Cuts, AreDescribed) {
  AlignedBytes bytes(exampleWithBlocks().build());
  std::vector<CutInfo> cuts = Artifact::open(bytes.data(), bytes.size()).value().cuts(0);
  ASSERT_EQ(cuts.size(), 3u);
  EXPECT_EQ(cuts[0].macs_before, 0u);
  EXPECT_EQ(cuts[0].macs_after, 256u);
  EXPECT_EQ(cuts[2].macs_before, 256u);
  const CutInfo &cut = cuts[1];
  EXPECT_EQ(cut.index, 1u);
  EXPECT_EQ(cut.name, "layer0");
  EXPECT_EQ(cut.macs_before, 128u);
  EXPECT_EQ(cut.live_bytes, 512u);
  EXPECT_EQ(cut.live_bytes_f16, 256u);
  EXPECT_EQ(cut.live_bytes_int8, 128u);
  EXPECT_TRUE(cut.dominated);
  EXPECT_TRUE(cut.single_tensor);
  EXPECT_EQ(cut.front_bytes, 512u);
  ASSERT_EQ(cut.live.size(), 1u);
  EXPECT_EQ(cut.live[0].name, "layer0");
  EXPECT_EQ(cut.live[0].dims, (std::vector<int64_t>{8, 16}));
  EXPECT_EQ(cut.live[0].bytes, 512u);
}

TEST(Cuts, OfOtherTypesKeepTheirBytes) {
  ArtifactSpec spec = exampleWithBlocks();
  constexpr uint32_t int32 = 7;
  spec.capacities[0].cuts[1].live[0].tensor.dtype = int32;
  AlignedBytes bytes(spec.build());
  CutInfo cut = Artifact::open(bytes.data(), bytes.size()).value().cuts(0)[1];
  EXPECT_EQ(cut.live_bytes_f16, 512u);
  EXPECT_EQ(cut.live_bytes_int8, 512u);
}

TEST(Cuts, AreAbsentFromFilesWithoutThem) {
  AlignedBytes bytes(exampleArtifact().build());
  Result<Artifact> opened = Artifact::open(bytes.data(), bytes.size());
  EXPECT_TRUE(opened.value().cuts(0).empty());
  EXPECT_TRUE(opened.value().blocks(0).empty());
  EXPECT_EQ(opened.value().present_blocks().end, 0u);
}

/// A file without its second block, as `nestorc trim --blocks 0:1` writes it.
TEST(Blocks, MayBeAbsent) {
  ArtifactSpec spec = exampleWithBlocks();
  spec.present = {0, 1};
  spec.capacities[0].steps.pop_back();
  spec.capacities[0].blocks[1].steps = 0;
  AlignedBytes bytes(spec.build());
  Result<Artifact> opened = Artifact::open(bytes.data(), bytes.size());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_EQ(opened.value().present_blocks().first, 0u);
  EXPECT_EQ(opened.value().present_blocks().end, 1u);
  EXPECT_EQ(opened.value().cuts(0)[2].macs_before, 256u) << "what is said of blocks stays";
}

/// One way to deceive, and what the message must say.
struct Deceit {
  const char *name;
  std::function<void(ArtifactSpec &)> apply;
  const char *message;
};

CapacitySpec &first(ArtifactSpec &spec) { return spec.capacities[0]; }
LiveSpec &scaled(ArtifactSpec &spec) { return first(spec).cuts[1].live[0]; }

/// Makes it rows that lie `pitch` bytes apart.
void spread(ArtifactSpec &spec, const std::vector<int64_t> &dims, uint64_t offset, uint64_t pitch) {
  scaled(spec).tensor.dims = dims;
  scaled(spec).place = {kArenaRows, 0, offset};
  scaled(spec).pitch = pitch;
}

const Deceit kDeceits[] = {
    {"too few steps", [](ArtifactSpec &s) { first(s).blocks[1].steps = 0; },
     "blocks have 1 steps, steps has 2 entries"},
    {"too many steps", [](ArtifactSpec &s) { first(s).blocks[1].steps = UINT32_MAX; },
     "blocks have 4294967296 steps"},
    {"MACs", [](ArtifactSpec &s) { first(s).blocks[1].work[0].macs = UINT64_MAX; },
     "blocks[1].work: the MACs overflow"},
    {"too few cuts", [](ArtifactSpec &s) { first(s).cuts.pop_back(); },
     "cuts has 2 entries for 2 blocks"},
    {"too few names", [](ArtifactSpec &s) { s.cuts.pop_back(); },
     "cuts has 2 entries for 2 blocks"},
    {"cuts without blocks", [](ArtifactSpec &s) { first(s).blocks.clear(); },
     "cuts has 3 entries for 0 blocks"},
    {"blocks of another capacity",
     [](ArtifactSpec &s) {
       s.capacities.push_back(first(s));
       first(s).capacity = 0.5f;
       s.capacities[1].blocks.resize(1);
     },
     "capacities[1].blocks has 1 entries, the first capacity has 2"},
    {"too many blocks",
     [](ArtifactSpec &s) { first(s).blocks.resize(5000); }, "at most 4096 are allowed"},
    {"live type", [](ArtifactSpec &s) { scaled(s).tensor.dtype = 99; },
     "cuts[1].live[0]: dtype 99 is unknown"},
    {"live shape", [](ArtifactSpec &s) { scaled(s).tensor.dims = {-1}; }, "dims[0] is negative"},
    {"huge live tensor",
     [](ArtifactSpec &s) { scaled(s).tensor.dims = {INT64_MAX, INT64_MAX}; }, "overflows"},
    {"live beyond the arena", [](ArtifactSpec &s) { scaled(s).tensor.dims = {9, 16}; },
     "576 bytes at 0 are not allowed in an arena of 512"},
    {"misplaced in the arena", [](ArtifactSpec &s) { scaled(s).place.offset = 4; },
     "512 bytes at 4 are not allowed"},
    {"huge place", [](ArtifactSpec &s) { scaled(s).place.offset = UINT64_MAX & ~63ull; },
     "are not allowed in an arena"},
    {"second arena", [](ArtifactSpec &s) { scaled(s).place.index = 1; },
     "are not allowed in an arena"},
    {"live weights", [](ArtifactSpec &s) { scaled(s).place.space = kShell; },
     "space 2 is not allowed"},
    {"live input", [](ArtifactSpec &s) { scaled(s).place = {kInput, 1}; },
     "index: there are 1 inputs"},
    {"live output", [](ArtifactSpec &s) { scaled(s).place = {kOutput, 1}; },
     "index: there are 1 outputs"},
    {"part of an input",
     [](ArtifactSpec &s) {
       scaled(s).place = {kInput};
       scaled(s).tensor.dims = {1, 16};
     },
     "64 bytes at 0 are not the whole tensor of 512"},
    {"rows that are not apart", [](ArtifactSpec &s) { spread(s, {8, 16}, 0, 0); },
     "pitch: rows of 64 bytes cannot be 0 apart"},
    {"rows in each other", [](ArtifactSpec &s) { spread(s, {8, 16}, 0, 60); },
     "pitch: rows of 64 bytes cannot be 60 apart"},
    {"rows between elements", [](ArtifactSpec &s) { spread(s, {8, 8}, 0, 62); },
     "pitch: rows of 32 bytes cannot be 62 apart"},
    {"rows far apart", [](ArtifactSpec &s) { spread(s, {8, 8}, 0, UINT64_MAX / 4 * 4); },
     "pitch: rows of 32 bytes cannot be"},
    {"rows of nothing", [](ArtifactSpec &s) { spread(s, {8, 0}, 0, 64); },
     "pitch: rows of 0 bytes cannot be 64 apart"},
    {"rows of a scalar", [](ArtifactSpec &s) { spread(s, {}, 0, 64); },
     "pitch: rows of 4 bytes cannot be 64 apart"},
    {"rows beyond the arena", [](ArtifactSpec &s) { spread(s, {8, 8}, 36, 64); },
     "480 bytes at 36 are not allowed in an arena of 512"},
    {"rows that begin within an element", [](ArtifactSpec &s) { spread(s, {8, 8}, 2, 64); },
     "480 bytes at 2 are not allowed"},
    {"weights of no block", [](ArtifactSpec &s) { s.blockWeights[0].block = 3; },
     "there is no shell 0 with block 3"},
    {"weights in no shell", [](ArtifactSpec &s) { s.blockWeights[0].shell = 1; },
     "there is no shell 1 with block 0"},
    {"weights beyond the shell", [](ArtifactSpec &s) { s.blockWeights[0].size = 65; },
     "65 bytes at 0 are not allowed in shell 0"},
    {"misplaced weights", [](ArtifactSpec &s) { s.blockWeights[0].offset = 32; },
     "64 bytes at 32 are not allowed"},
    {"overlapping weights", [](ArtifactSpec &s) { s.blockWeights.push_back({1, 0, 0, 64}); },
     "block_weights[1]: 64 bytes at 0 are not allowed"},
    {"weights out of order", [](ArtifactSpec &s) { s.blockWeights.push_back({0, 0, 64, 0}); },
     "block_weights[1] is out of order"},
    {"weights of another block", [](ArtifactSpec &s) { s.blockWeights[0].block = 1; },
     "steps[0].args[1]: 64 bytes at 0 of shell 0 are not weights of block 0"},
    {"too few weights", [](ArtifactSpec &s) { s.blockWeights[0].size = 32; },
     "64 bytes at 0 of shell 0 are not weights of block 0"},
    {"no block present", [](ArtifactSpec &s) { s.present = {1, 1}; }, "present is blocks 1:1 of 2"},
    {"unknown block present", [](ArtifactSpec &s) { s.present = {0, 3}; },
     "present is blocks 0:3 of 2"},
    {"steps of an absent block", [](ArtifactSpec &s) { s.present = {0, 1}; },
     "blocks[1].steps: the file is said to lack this block"},
    {"weights of an absent block", [](ArtifactSpec &s) { s.present = {1, 2}; },
     "there is no shell 0 with block 0"},
};

class DeceitAboutBlocks : public testing::TestWithParam<size_t> {};

TEST_P(DeceitAboutBlocks, IsRefusedByName) {
  const Deceit &deceit = kDeceits[GetParam()];
  SCOPED_TRACE(deceit.name);
  ArtifactSpec spec = exampleWithBlocks();
  deceit.apply(spec);
  AlignedBytes bytes(spec.build());
  Status status = Artifact::open(bytes.data(), bytes.size()).status();
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  EXPECT_NE(status.message().find(deceit.message), std::string::npos) << status.message();
}

INSTANTIATE_TEST_SUITE_P(All, DeceitAboutBlocks,
                         testing::Range<size_t>(0, sizeof kDeceits / sizeof *kDeceits));

/// Weights that several blocks read belong to the number behind the last block.
TEST(Blocks, MayShareWeights) {
  ArtifactSpec spec = exampleWithBlocks();
  spec.blockWeights[0].block = 2;
  AlignedBytes bytes(spec.build());
  Result<Artifact> opened = Artifact::open(bytes.data(), bytes.size());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_TRUE(opened.value().blocks(0)[0].weights.empty());
}

} // namespace

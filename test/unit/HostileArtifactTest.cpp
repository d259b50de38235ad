//===- HostileArtifactTest.cpp - Artifacts made to deceive ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Whatever a file holds, opening it and making a session end with a status.
// Nothing here runs the code of a file.
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"

#include <cstddef>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <random>

using namespace nestor;
using namespace nestor::test;

namespace {

/// The status of opening, or of the session if that succeeds.
Status statusOf(AlignedBytes &bytes, size_t size) {
  Result<Artifact> opened = Artifact::open(bytes.data(), size);
  return opened.ok() ? opened.value().session().status() : opened.status();
}

Status statusOf(const std::vector<uint8_t> &bytes) {
  AlignedBytes aligned(bytes);
  return statusOf(aligned, aligned.size());
}

TEST(HostileArtifact, TruncatedAnywhere) {
  std::vector<uint8_t> file = exampleArtifact().build();
  AlignedBytes aligned(file);
  size_t manifestEnd = 64 + readHeader(file).manifestSize;
  // Every byte of what is parsed; beyond it, a step that meets every alignment.
  for (size_t size = 0; size < file.size(); size += size <= manifestEnd ? 1 : 97)
    ASSERT_EQ(statusOf(aligned, size).code(), StatusCode::corrupt) << "at " << size;
}

TEST(HostileArtifact, ManifestTruncatedWithGoodHashes) {
  std::vector<uint8_t> file = exampleArtifact().build();
  uint64_t whole = readHeader(file).manifestSize;
  for (uint64_t size = 0; size < whole; ++size) {
    std::memcpy(file.data() + offsetof(format::FileHeader, manifestSize), &size, sizeof size);
    fixHashes(file);
    ASSERT_FALSE(statusOf(file).ok()) << "manifest of " << size << " bytes";
  }
}

TEST(HostileArtifact, EveryFlippedBitOfHeaderAndManifestIsNoticed) {
  std::vector<uint8_t> file = exampleWithBlocks().build();
  AlignedBytes aligned(file);
  for (size_t bit = 0; bit < 8 * (64 + readHeader(file).manifestSize); ++bit) {
    aligned.data()[bit / 8] ^= 1 << bit % 8;
    ASSERT_FALSE(statusOf(aligned, aligned.size()).ok()) << "bit " << bit;
    aligned.data()[bit / 8] ^= 1 << bit % 8;
  }
}

TEST(HostileArtifact, FlippedBitsWithGoodHashesNeverCrash) {
  const std::vector<uint8_t> original = exampleWithBlocks().build();
  uint64_t parsed = 64 + readHeader(original).manifestSize;
  for (uint64_t bit = 0; bit < 8 * parsed; ++bit) {
    std::vector<uint8_t> file = original;
    file[bit / 8] ^= 1 << bit % 8;
    fixHashes(file);
    (void)statusOf(file); // A changed name is no error.
  }
}

TEST(HostileArtifact, RandomEditsWithGoodHashesNeverCrash) {
  constexpr unsigned seed = 7;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::vector<uint8_t> original = exampleWithBlocks().build();
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint8_t> file = original;
    for (unsigned edits = 1 + random() % 6; edits-- > 0;)
      file[random() % (64 + readHeader(original).manifestSize)] = static_cast<uint8_t>(random());
    fixHashes(file);
    (void)statusOf(file);
  }
}

/// One way to deceive, and what the message must say.
struct Deceit {
  const char *name;
  std::function<void(ArtifactSpec &)> apply;
  const char *message;
};

constexpr int64_t kHuge = INT64_C(1) << 40;

const Deceit kDeceits[] = {
    {"input type", [](ArtifactSpec &s) { s.inputs[0].dtype = 99; }, "inputs[0].dtype 99"},
    {"negative extent", [](ArtifactSpec &s) { s.inputs[0].dims[0] = -1; }, "dims[0] is negative"},
    {"overflowing tensor", [](ArtifactSpec &s) { s.inputs[0].dims = {kHuge, kHuge, 0}; },
     "size overflows"},
    {"huge tensor", [](ArtifactSpec &s) { s.inputs[0].dims = {kHuge, 1 << 20}; },
     "cannot allocate"},
    {"rank", [](ArtifactSpec &s) { s.outputs[0].dims.assign(1000, 1); }, "dims has 1000 entries"},
    {"tensors", [](ArtifactSpec &s) { s.inputs.resize(5000); }, "inputs has 5000 entries"},
    {"section count", [](ArtifactSpec &s) { s.sections.resize(400); }, "sections has 400 entries"},
    {"target of code", [](ArtifactSpec &s) { s.sections[0].index = 3; }, "there is no target 3"},
    {"no code", [](ArtifactSpec &s) { s.sections[0].kind = 9; }, "no code for target"},
    {"no shell", [](ArtifactSpec &s) { s.sections[1].kind = 9; }, "there is no shell 0"},
    {"no targets", [](ArtifactSpec &s) { s.targets.clear(); }, "there is no target 0"},
    {"capacity 0", [](ArtifactSpec &s) { s.capacities[0].capacity = 0; }, "capacities[0].capacity"},
    {"capacity NaN", [](ArtifactSpec &s) { s.capacities[0].capacity = __builtin_nanf(""); },
     "capacities[0].capacity"},
    {"no capacity", [](ArtifactSpec &s) { s.capacities.clear(); }, "capacities has 0 entries"},
    {"shells", [](ArtifactSpec &s) { s.capacities[0].shells = UINT32_MAX; },
     "there is no shell 1"},
    {"arena", [](ArtifactSpec &s) { s.capacities[0].arenaBytes = UINT64_MAX; },
     "cannot allocate"},
    {"small arena", [](ArtifactSpec &s) { s.capacities[0].arenaBytes -= 1; },
     "512 bytes at 0 exceed the 511 of its buffer"},
    {"kernel index", [](ArtifactSpec &s) { s.capacities[0].steps[1].kernel = 2; },
     "steps[1].kernel: there is no kernel 2"},
    {"layer index", [](ArtifactSpec &s) { s.capacities[0].steps[1].layer = 2; },
     "steps[1].layer: there is no layer 2"},
    {"entry outside code", [](ArtifactSpec &s) { s.kernels[0].entry[0] = 1 << 30; },
     "entry of scale lies outside"},
    {"entry in data", [](ArtifactSpec &s) { s.kernels[0].entry[0] = 0; },
     "entry of scale lies outside"},
    {"entries", [](ArtifactSpec &s) { s.kernels[0].entry.clear(); }, "0 values for 1 targets"},
    {"alignment", [](ArtifactSpec &s) { s.kernels[0].args[0].align = 48; }, "args[0].align: 48"},
    {"too few args", [](ArtifactSpec &s) { s.capacities[0].steps[0].args.pop_back(); },
     "args has 2 entries, scale takes 3"},
    {"too few params", [](ArtifactSpec &s) { s.capacities[0].steps[0].params.pop_back(); },
     "params has 1 entries, scale takes 2"},
    {"param below", [](ArtifactSpec &s) { s.capacities[0].steps[0].params[0] = 0; },
     "params[0] of scale is 0, outside [1, 1048576]"},
    {"param above", [](ArtifactSpec &s) { s.capacities[0].steps[0].params[1] = 65; },
     "params[1] of scale is 65"},
    {"more rows than the input", [](ArtifactSpec &s) { s.capacities[0].steps[0].params[0] = 9; },
     "args[0] of scale: 576 bytes at 0 exceed the 512"},
    {"more columns than weights",
     [](ArtifactSpec &s) { s.capacities[0].steps[0].params = {1, 17}; },
     "args[1] of scale: 68 bytes at 0 exceed the 64"},
    {"offset", [](ArtifactSpec &s) { s.capacities[0].steps[0].args[1].offset = 4; },
     "64 bytes at 4 exceed the 64"},
    {"huge offset", [](ArtifactSpec &s) { s.capacities[0].steps[0].args[2].offset = UINT64_MAX; },
     "exceed the 512"},
    {"misaligned offset",
     [](ArtifactSpec &s) {
       s.capacities[0].steps[0].params = {1, 8};
       s.capacities[0].steps[0].args[1].offset = 2;
     },
     "offset 2 is not a multiple of 4"},
    {"overflowing extent", [](ArtifactSpec &s) { s.kernels[0].args[0].bytes[0].coefficient = INT64_MAX; },
     "extent is negative or overflows"},
    {"overflowing sum",
     [](ArtifactSpec &s) {
       s.kernels[0].args[0].bytes = {{INT64_MAX, {}}, {INT64_MAX, {}}};
     },
     "extent is negative or overflows"},
    {"negative extent of an argument",
     [](ArtifactSpec &s) { s.kernels[0].args[0].bytes[0].coefficient = -4; },
     "extent is negative or overflows"},
    {"grains", [](ArtifactSpec &s) { s.kernels[0].grains[0].coefficient = -1; },
     "grains of scale is negative"},
    {"factor index", [](ArtifactSpec &s) { s.kernels[0].grains[0].factors = {2}; },
     "there is no param 2"},
    {"terms", [](ArtifactSpec &s) { s.kernels[0].grains.resize(1000); }, "terms has 1000 entries"},
    {"factors", [](ArtifactSpec &s) { s.kernels[0].grains[0].factors.resize(1000); },
     "factors has 1000 entries"},
    {"args", [](ArtifactSpec &s) { s.kernels[0].args.resize(1000); }, "args has 1000 entries"},
    {"written input", [](ArtifactSpec &s) { s.capacities[0].steps[0].args[2] = {kInput}; },
     "args[2] of scale: it is written"},
    {"written weights",
     [](ArtifactSpec &s) {
       s.capacities[0].steps[0].args[2] = {kShell};
       s.capacities[0].steps[0].params = {1, 16};
     },
     "args[2] of scale: it is written"},
    {"space", [](ArtifactSpec &s) { s.capacities[0].steps[0].args[0].space = 77; },
     "space 77 is unknown"},
    {"input index", [](ArtifactSpec &s) { s.capacities[0].steps[0].args[0] = {kInput, 1}; },
     "there is no input 1"},
    {"output index", [](ArtifactSpec &s) { s.capacities[0].steps[1].args[1] = {kOutput, 1}; },
     "there is no output 1"},
    {"shell index", [](ArtifactSpec &s) { s.capacities[0].steps[0].args[1] = {kShell, 1}; },
     "this capacity has no shell 1"},
    {"broken protobuf", [](ArtifactSpec &s) { s.extraManifestBytes = "\x4a\xff"; }, "manifest: "},
};

class HostileArtifactField : public testing::TestWithParam<size_t> {};

TEST_P(HostileArtifactField, IsRefusedByName) {
  const Deceit &deceit = kDeceits[GetParam()];
  SCOPED_TRACE(deceit.name);
  ArtifactSpec spec = exampleArtifact();
  ASSERT_TRUE(statusOf(spec.build()).ok());
  deceit.apply(spec);
  Status status = statusOf(spec.build());
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find(deceit.message), std::string::npos) << status.message();
}

INSTANTIATE_TEST_SUITE_P(All, HostileArtifactField,
                         testing::Range<size_t>(0, sizeof kDeceits / sizeof *kDeceits));

/// `Artifact::plan` serves tools also where no session is possible.
TEST(HostileArtifact, LayersAreCheckedWithoutASession) {
  ArtifactSpec spec = exampleArtifact();
  spec.targets[0].features.push_back("made-up-feature");
  spec.capacities[0].steps[1].layer = 2;
  AlignedBytes bytes(spec.build());
  EXPECT_EQ(Artifact::open(bytes.data(), bytes.size()).status().code(), StatusCode::corrupt);
}

/// A manifest that is almost all kernels: 2 bytes in the file, much more decoded.
TEST(HostileArtifact, ManySmallMessagesCostLittle) {
  ArtifactSpec spec = exampleArtifact();
  // nanopb grows arrays by one: quadratic where realloc copies, as sanitizers' does.
  for (int i = 0; i < 6'000; ++i)
    spec.extraManifestBytes += std::string("\x42\x00", 2); // kernels {}
  EXPECT_EQ(statusOf(spec.build()).code(), StatusCode::corrupt);
}

} // namespace

//===- ArtifactBuilder.h - Artifacts made in memory ----------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A writer of the format that shares no code with the compiler's: it knows the
// field numbers of artifact.proto and nothing else, so that tests can also
// write what no compiler would.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_UNIT_ARTIFACTBUILDER_H
#define NESTOR_TEST_UNIT_ARTIFACTBUILDER_H

#include "runtime/format/header.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nestor::test {

struct Term {
  int64_t coefficient = 1;
  std::vector<uint32_t> factors;
};
using Polynomial = std::vector<Term>;

struct TensorSpec {
  std::string name;
  uint32_t dtype = 1; // float32
  std::vector<int64_t> dims;
};
struct SectionSpec {
  uint32_t kind = 0, index = 0;
  std::string name;
  std::vector<uint8_t> bytes;
};
struct TargetSpec {
  std::string name, arch;
  std::vector<std::string> features;
};
struct RunSpec {
  Polynomial grains, bytes;
};
struct ArgSpec {
  Polynomial bytes;
  bool written = false;
  uint32_t align = 4;
  std::vector<RunSpec> runs = {};
};
struct KernelSpec {
  std::string name;
  std::vector<ArgSpec> args;
  std::vector<std::pair<int64_t, int64_t>> params; // Their ranges.
  Polynomial grains;
  std::vector<uint64_t> entry;
  std::vector<uint32_t> tile = {};
};
struct StepArgSpec {
  uint32_t space = 0, index = 0;
  uint64_t offset = 0;
};
struct StepSpec {
  uint32_t kernel = 0, layer = 0;
  std::vector<StepArgSpec> args;
  std::vector<int64_t> params;
};
struct WorkSpec {
  uint32_t kind = 0;
  uint64_t macs = 0;
  uint32_t steps = 0;
};
struct BlockSpec {
  uint32_t steps = 0;
  std::vector<WorkSpec> work;
  uint64_t weightBytes = 0, activationBytes = 0;
};
struct LiveSpec {
  TensorSpec tensor;
  StepArgSpec place;
  uint64_t pitch = {};
};
struct CutSpec {
  std::vector<LiveSpec> live;
  uint64_t frontBytes = 0, backBytes = 0;
};
struct CapacitySpec {
  float capacity = 1, requested = 0;
  uint64_t arenaBytes = 0;
  uint32_t shells = 1;
  std::vector<StepSpec> steps;
  uint64_t layerMacs = 0; // Of every layer.
  uint32_t layers = 1;
  float accuracy = -1, agreement = -1; // Below 0: not stored.
  float latencyUs = 0;
  std::vector<uint32_t> inputExtents;
  std::vector<BlockSpec> blocks;
  std::vector<CutSpec> cuts;
};
struct CutInfoSpec {
  std::string name;
  bool dominated = false;
};
struct BlockWeightsSpec {
  uint32_t block = 0, shell = 0;
  uint64_t offset = 0, size = 0, hash = 0;
};
struct MixedSpec {
  uint32_t head = 0, tail = 0, cut = 0;
  float accuracy = 0;
};

constexpr uint32_t kCode = 1, kWeights = 2, kVariant = 4;          // SectionKind
constexpr uint32_t kArena = 1, kShell = 2, kInput = 3, kOutput = 4, kArenaRows = 5; // Space

/// Bytes that are only as aligned as a page, as those of a mapped file are.
class AlignedBytes {
public:
  explicit AlignedBytes(const std::vector<uint8_t> &bytes, size_t misalignment = 0);
  uint8_t *data() { return storage.data() + start; }
  size_t size() const { return length; }

private:
  std::vector<uint8_t> storage;
  size_t start, length;
};

struct ArtifactSpec {
  std::vector<TensorSpec> inputs, outputs;
  std::vector<SectionSpec> sections; // Written in this order.
  std::vector<TargetSpec> targets;
  std::vector<KernelSpec> kernels;
  std::vector<CapacitySpec> capacities;
  std::vector<CutInfoSpec> cuts;
  std::vector<BlockWeightsSpec> blockWeights;
  std::vector<uint32_t> present; // Empty, or first and end.
  std::vector<MixedSpec> mixed;
  uint64_t identity = 0;
  uint16_t major = format::kMajorVersion;
  std::string extraManifestBytes; // Appended as they are.

  std::vector<uint8_t> build() const;
};

/// Two layers over a float input x [rows, 16] and a float output y of that
/// shape: scaled = x * w (w: 16 weights), y = scaled + (0.5 or 0.75 by turns),
/// where the constants come through relocated pointers. One capacity, one
/// target, code for this machine (test/unit/kernels.c).
ArtifactSpec exampleArtifact(int64_t rows = 8);
/// The same with a cut between the layers: `scaled` is alive there, in the arena.
ArtifactSpec exampleWithBlocks(int64_t rows = 8);
/// A model of `layers` layers to a block over x [1, 2 * half]: each multiplies by
/// weights of its own, half of them in either shell, the last one of a block also
/// the first 16 columns by weights that all blocks share. Capacity 0.5 computes
/// the first half of the columns. The halves are steps; those of the last block
/// may run in parts, a panel of 16 columns at least.
ArtifactSpec streamedArtifact(uint32_t blocks = 4, uint32_t layers = 3, int64_t half = 4096);
/// Values for its x.
std::vector<float> streamedInput(const ArtifactSpec &spec);

/// What the examples compute.
std::vector<float> exampleResult(const std::vector<float> &x);

/// exampleArtifact with a capacity 0.5 too, which computes the upper half of the
/// rows only.
ArtifactSpec twoCapacities(int64_t rows);
/// An example with capacities 1/count, 2/count, ... 1. Number i reads 16 weights
/// at the start of shell i alone, each i + 1 times that of the example, so that
/// every weight and result is that of one capacity. Shells have `shellBytes`.
ArtifactSpec nestedArtifact(uint32_t count, int64_t rows = 8, size_t shellBytes = 4096);
std::vector<float> nestedResult(const std::vector<float> &x, uint32_t capacity);

/// The code image of the example, and the offset of a symbol in it.
const std::vector<uint8_t> &kernelImage();
uint64_t symbolOffset(const std::vector<uint8_t> &image, const std::string &name);

uint64_t hashOf(const std::vector<uint8_t> &bytes);
/// Writes the hashes that belong to a file whose header or manifest was edited.
void fixHashes(std::vector<uint8_t> &file);
format::FileHeader readHeader(const std::vector<uint8_t> &file);

std::vector<uint8_t> readBytes(const std::string &path);
void writeBytes(const std::string &path, const std::vector<uint8_t> &bytes);

} // namespace nestor::test

#endif // NESTOR_TEST_UNIT_ARTIFACTBUILDER_H

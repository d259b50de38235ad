//===- write_artifacts.cpp - The test artifacts as files ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"

#include <cstdio>

using namespace nestor::test;

/// An input and an output of every element type, and a plan that computes
/// nothing: for tests of how tensors are seen.
static ArtifactSpec everyType() {
  ArtifactSpec spec = exampleArtifact();
  spec.inputs.clear();
  spec.outputs.clear();
  for (uint32_t dtype = 1; dtype <= 13; ++dtype) {
    spec.inputs.push_back({"in" + std::to_string(dtype), dtype, {2, 3}});
    spec.outputs.push_back({"out" + std::to_string(dtype), dtype, {4}});
  }
  spec.inputs.push_back({"scalar", 1, {}});
  spec.capacities[0].steps.clear();
  return spec;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: nestor_write_artifacts FOLDER\n");
    return 2;
  }
  const std::string folder = std::string(argv[1]) + "/";
  writeBytes(folder + "two.nest", twoCapacities(8).build()); // y = f(x), see exampleArtifact.
  writeBytes(folder + "large.nest", twoCapacities(20'000).build());
  writeBytes(folder + "types.nest", everyType().build());
  ArtifactSpec streamed = streamedArtifact(); // Has blocks, of which every column is on its own.
  streamed.mixed = {{0, 1, 2, 0.25f}, {1, 0, 2, 0.5f}};
  writeBytes(folder + "streamed.nest", streamed.build());
  ArtifactSpec foreign = exampleArtifact();
  foreign.targets = {{"z80", "z80", {}}};
  writeBytes(folder + "foreign.nest", foreign.build());
  return 0;
}

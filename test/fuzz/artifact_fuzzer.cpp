//===- artifact_fuzzer.cpp - Arbitrary bytes into the runtime -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// An input is the header and manifest of an artifact; the code and weights that
// follow are always those of `sections` below, so that inputs stay small and
// what they map is code that we know. Edits get past the hashes: the target
// writes those of the header and the manifest anew, and those of the sections
// where the input has the placeholders CODEHASH and WGHTHASH. It opens the
// result and makes a session; nothing is ever run.
//
//   nestor_artifact_fuzzer -max_len=4096 -timeout=10 corpus/artifact
//
//===----------------------------------------------------------------------===//
#include "nestor/nestor.hpp"
#include "test/unit/ArtifactBuilder.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace nestor;
using namespace nestor::test;

/// What every input must fulfil, whatever it holds.
static void check(bool condition, const Status &status) {
  if (condition)
    return;
  std::fprintf(stderr, "status and result disagree: %s\n", status.message().c_str());
  std::abort();
}

static void describe(const Artifact &artifact) {
  for (size_t i = 0; i < artifact.capacities().size(); ++i) {
    PlanInfo plan = artifact.plan(i);
    for (const StepInfo &step : plan.steps)
      check(step.layer < plan.layers.size(), Status());
    size_t blocks = artifact.blocks(i).size();
    check(artifact.cuts(i).size() == (blocks ? blocks + 1 : 0), Status());
  }
}

/// The example with its code padded to a size that no compiler changes.
static ArtifactSpec sections() {
  ArtifactSpec spec = exampleArtifact();
  spec.sections[0].bytes.resize(4 * format::kSectionAlignment);
  return spec;
}

static void replacePlaceholder(std::vector<uint8_t> &file, size_t end, const char *placeholder,
                               const std::vector<uint8_t> &section) {
  uint64_t hash = hashOf(section);
  auto at = std::search(file.begin(), file.begin() + end, placeholder, placeholder + sizeof hash);
  if (at != file.begin() + end)
    std::memcpy(&*at, &hash, sizeof hash);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const ArtifactSpec spec = sections();
  static const std::vector<uint8_t> example = spec.build();
  if (size < sizeof(format::FileHeader) || size > format::kSectionAlignment)
    return 0;
  std::vector<uint8_t> file = example;
  std::copy_n(data, size, file.begin());
  replacePlaceholder(file, size, "CODEHASH", spec.sections[0].bytes);
  replacePlaceholder(file, size, "WGHTHASH", spec.sections[1].bytes);
  fixHashes(file);
  AlignedBytes aligned(file);
  for (Verify what : {Verify::code, Verify::all}) {
    Result<Artifact> opened =
        Artifact::open(aligned.data(), aligned.size(), ArtifactOptions().verify(what));
    check(opened.ok() || !opened.status().message().empty(), opened.status());
    if (!opened.ok())
      continue;
    describe(opened.value());
    Result<Session> session = opened.value().session();
    check(session.ok() || !session.status().message().empty(), session.status());
    if (session.ok())
      for (const CapacityInfo &info : opened.value().capacities())
        check(session.value().set_capacity(info.capacity).ok(), Status());
  }
  return 0;
}

//===- EmbeddedModelTest.cpp - Objects compute what artifacts do ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "fashion.h"
#include "half.h"

#include <nestor/embedded.hpp>
#include <nestor/nestor.hpp>

#include <gtest/gtest.h>
#include <random>

using namespace nestor;

namespace {

std::vector<float> randomInput(size_t size) {
  std::minstd_rand random(1);
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<float> values(size);
  for (float &value : values)
    value = distribution(random);
  return values;
}

/// The outputs of every capacity.
std::vector<std::vector<float>> outputs(const Artifact &artifact) {
  std::vector<std::vector<float>> results;
  Result<Session> session = artifact.session(SessionOptions().threads(2));
  EXPECT_TRUE(session.ok()) << session.status().message();
  if (!session.ok())
    return results;
  std::vector<float> input = randomInput(session.value().input(0).bytes() / sizeof(float));
  for (const CapacityInfo &info : artifact.capacities()) {
    EXPECT_TRUE(session.value().set_capacity(info.capacity).ok());
    EXPECT_TRUE(session.value().input(0).copy_from(input).ok());
    EXPECT_TRUE(session.value().run().ok());
    results.emplace_back(session.value().output(0).bytes() / sizeof(float));
    EXPECT_TRUE(session.value().output(0).copy_to(results.back()).ok());
  }
  return results;
}

/// Bit for bit, on each target that this CPU runs.
TEST(EmbeddedModelTest, ComputesWhatTheArtifactDoes) {
  Result<Artifact> file = Artifact::open(NESTOR_TEST_ARTIFACT);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file.value().capacities().size(), 4u);
  for (const CodeTarget &target : file.value().targets()) {
    if (!target.runnable)
      continue;
    ArtifactOptions options;
    options.target(target.name);
    Result<Artifact> artifact = Artifact::open(NESTOR_TEST_ARTIFACT, options);
    Result<Artifact> embedded = Artifact::open(model_fashion, options);
    ASSERT_TRUE(artifact.ok()) << artifact.status().message();
    ASSERT_TRUE(embedded.ok()) << embedded.status().message();
    EXPECT_EQ(outputs(embedded.value()), outputs(artifact.value())) << target.name;
  }
}

TEST(EmbeddedModelTest, TwoModelsLiveInOneProgram) {
  Result<Artifact> fashion = Artifact::open(model_fashion), half = Artifact::open(model_half);
  ASSERT_TRUE(fashion.ok()) << fashion.status().message();
  ASSERT_TRUE(half.ok()) << half.status().message();
  ASSERT_EQ(half.value().capacities().size(), 2u);
  EXPECT_EQ(outputs(half.value()).size(), 2u);
}

TEST(EmbeddedModelTest, HasNoCodeSectionAndVerifies) {
  Result<Artifact> embedded = Artifact::open(model_fashion, ArtifactOptions().verify(Verify::all));
  ASSERT_TRUE(embedded.ok()) << embedded.status().message();
  for (const SectionInfo &section : embedded.value().sections())
    EXPECT_EQ(section.name.rfind("shell ", 0), 0u) << section.name;
  EXPECT_EQ(embedded.value().mapped_bytes(), model_fashion.artifact_bytes);
}

} // namespace

//===- ChooseCapacityTest.cpp - Goals and calibrations --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"

#include <gtest/gtest.h>

using namespace nestor;
using namespace nestor::test;

namespace {

/// Capacities 0.25, 0.5, 0.75 and 1 that take 100, 200, 300 and 400 us.
ArtifactSpec timedArtifact() {
  ArtifactSpec spec = nestedArtifact(4);
  for (size_t i = 0; i < 4; ++i) {
    spec.capacities[i].latencyUs = 100 * static_cast<float>(i + 1);
    spec.capacities[i].arenaBytes += 1000 * i;
  }
  return spec;
}

/// The one in the middle is the most accurate.
ArtifactSpec accurateArtifact() {
  ArtifactSpec spec = timedArtifact();
  for (size_t i = 0; i < 4; ++i)
    spec.capacities[i].accuracy = i == 2 ? 0.9f : 0.6f + 0.0625f * static_cast<float>(i);
  return spec;
}

struct Opened {
  explicit Opened(const ArtifactSpec &spec)
      : bytes(spec.build()), artifact(Artifact::open(bytes.data(), bytes.size()).value()) {}
  AlignedBytes bytes;
  Artifact artifact;
};

CapacityGoal goal(std::optional<float> latency, std::optional<uint64_t> memory = {},
                  std::optional<float> accuracy = {}) {
  return {latency, memory, accuracy};
}

float choose(const Artifact &artifact, const CapacityGoal &goal) {
  Result<float> chosen = artifact.choose_capacity(goal);
  EXPECT_TRUE(chosen.ok()) << chosen.status().message();
  return chosen.ok() ? chosen.value() : 0;
}

void expectNone(const Result<float> &chosen, const std::string &part) {
  ASSERT_FALSE(chosen.ok());
  EXPECT_EQ(chosen.status().code(), StatusCode::not_found);
  EXPECT_NE(chosen.status().message().find(part), std::string::npos) << chosen.status().message();
}

TEST(ChooseCapacity, TakesTheLargestThatMeetsTheGoal) {
  Opened opened(timedArtifact());
  const Artifact &artifact = opened.artifact;
  EXPECT_EQ(choose(artifact, {}), 1);
  EXPECT_EQ(choose(artifact, goal(250)), 0.5f);
  EXPECT_EQ(choose(artifact, goal(300)), 0.75f) << "a bound may be reached";
  uint64_t half = artifact.capacities()[1].resident_bytes;
  EXPECT_EQ(choose(artifact, goal({}, half)), 0.5f);
  EXPECT_EQ(choose(artifact, goal({}, half - 1)), 0.25f);
  EXPECT_EQ(choose(artifact, goal(150, half)), 0.25f);
}

TEST(ChooseCapacity, PrefersAccuracyThenAgreement) {
  EXPECT_EQ(choose(Opened(accurateArtifact()).artifact, {}), 0.75f);
  EXPECT_EQ(choose(Opened(accurateArtifact()).artifact, goal(250)), 0.5f);
  EXPECT_EQ(choose(Opened(accurateArtifact()).artifact, goal({}, {}, 0.85f)), 0.75f);
  ArtifactSpec spec = timedArtifact();
  for (size_t i = 0; i < 4; ++i)
    spec.capacities[i].agreement = i == 1 ? 0.99f : 0.9f;
  EXPECT_EQ(choose(Opened(spec).artifact, {}), 0.5f);
}

TEST(ChooseCapacity, SaysWhatFailsAndWhatComesClosest) {
  Opened opened(accurateArtifact());
  const Artifact &artifact = opened.artifact;
  expectNone(artifact.choose_capacity(goal(90)),
             "no capacity meets the goal; 0.25 comes closest, but its latency is 100 us, "
             "not at most 90");
  expectNone(artifact.choose_capacity(goal(290, {}, 0.9f)),
             "0.75 comes closest, but its latency is 300 us, not at most 290");
  expectNone(artifact.choose_capacity(goal({}, {}, 0.95f)),
             "0.75 comes closest, but its accuracy is 0.9");
  expectNone(artifact.choose_capacity(goal(1, 1)), "latency is 100 us, not at most 1 and memory is");
  expectNone(artifact.choose_capacity(goal({}, 0)), "0.25 comes closest, but its memory is");
  expectNone(artifact.choose_capacity(goal(std::numeric_limits<float>::quiet_NaN())), "latency");
}

TEST(ChooseCapacity, SaysWhatTheFileDoesNotKnow) {
  Opened opened(nestedArtifact(4));
  expectNone(opened.artifact.choose_capacity(goal(1000)), "nestor calibrate");
  expectNone(opened.artifact.choose_capacity(goal({}, {}, 0.5f)), "--eval");
  ArtifactSpec spec = nestedArtifact(2);
  spec.capacities[0].accuracy = 0.5f;
  spec.capacities[1].latencyUs = 5;
  expectNone(Opened(spec).artifact.choose_capacity(goal(10, {}, 0.1f)), "is not known");
}

TEST(Calibration, MeasuresThisDevice) {
  Opened opened(nestedArtifact(3, 64));
  Result<Calibration> measured =
      opened.artifact.calibrate(CalibrationOptions().seconds(0.001).threads(2));
  ASSERT_TRUE(measured.ok()) << measured.status().message();
  const Calibration &calibration = measured.value();
  EXPECT_EQ(calibration.threads(), 2u);
  ASSERT_EQ(calibration.size(), 3u);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_GT(calibration.latency_us(i), 0);
  EXPECT_EQ(calibration.latency_us(3), 0);
  EXPECT_EQ(opened.artifact.choose_capacity(goal(1e9f), calibration).value(), 1);
  expectNone(opened.artifact.choose_capacity(goal(0), calibration), "latency is ");

  Result<Calibration> read = Calibration::parse(calibration.to_string());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read.value().to_string(), calibration.to_string());
  EXPECT_EQ(opened.artifact.choose_capacity(goal(1e9f), read.value()).value(), 1);
}

TEST(Calibration, BelongsToOneArtifact) {
  Opened three(nestedArtifact(3)), four(nestedArtifact(4));
  Calibration calibration = three.artifact.calibrate(CalibrationOptions().seconds(0)).value();
  EXPECT_EQ(four.artifact.choose_capacity({}, calibration).status().code(),
            StatusCode::invalid_argument);
}

/// What was measured before the rest of the file came still holds.
TEST(Calibration, KnowsNothingOfWhatCameLater) {
  std::vector<uint8_t> file = timedArtifact().build();
  AlignedBytes whole(file);
  Artifact complete = Artifact::open(whole.data(), whole.size()).value();
  file.resize(complete.capacities()[1].file_bytes);
  AlignedBytes part(file);
  Artifact partial = Artifact::open(part.data(), part.size()).value();
  Calibration calibration = partial.calibrate(CalibrationOptions().seconds(0)).value();
  EXPECT_EQ(calibration.size(), 2u);
  EXPECT_EQ(complete.choose_capacity(goal(1e9f), calibration).value(), 0.5f);
  EXPECT_EQ(complete.choose_capacity({}, calibration).value(), 1);
}

TEST(Calibration, RefusesOtherTexts) {
  std::string good = "nestor-calibration-1:00000000000000ff:2:1500,2500";
  ASSERT_TRUE(Calibration::parse(good).ok());
  EXPECT_EQ(Calibration::parse(good).value().to_string(), good);
  EXPECT_EQ(Calibration::parse(good).value().latency_us(1), 2.5f);
  std::string many = good;
  for (int i = 0; i < 64; ++i)
    many += ",1";
  for (const std::string &bad :
       {std::string(), std::string("hello"), std::string("nestor-calibration-1:"), good + ",",
        good + ",x", good + ",0", good + ",-1", good + ",99999999999999999999999", good + " ",
        std::string("nestor-calibration-2:ff:2:1"), std::string("nestor-calibration-1:ff:2"),
        std::string("nestor-calibration-1:ff:2:"), std::string("nestor-calibration-1:xy:2:1"),
        std::string("nestor-calibration-1:ff"), many})
    EXPECT_EQ(Calibration::parse(bad).status().code(), StatusCode::invalid_argument) << bad;
}

} // namespace

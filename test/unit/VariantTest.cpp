//===- VariantTest.cpp - The same model in another precision --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/nestor.h"
#include "nestor/nestor.hpp"

#include <cstdio>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace nestor;
using namespace nestor::test;

namespace {

/// A file whose variant has other weights.
class VariantTest : public testing::Test {
protected:
  void SetUp() override {
    ArtifactSpec inner = exampleArtifact(), outer = exampleArtifact();
    for (SectionSpec &section : inner.sections)
      if (section.kind == kWeights)
        std::fill(section.bytes.begin(), section.bytes.end(), uint8_t{0});
    outer.sections.push_back({kVariant, 0, "int8", inner.build()});
    whole = outer.build();
    path = testing::TempDir() + "variant" + std::to_string(getpid()) + ".nest";
    writeBytes(path, whole);
  }
  void TearDown() override { std::remove(path.c_str()); }

  static std::vector<float> run(const Artifact &artifact) {
    Session session = artifact.session().value();
    std::vector<float> x(8 * 16, 2), y(x.size());
    EXPECT_TRUE(session.input(0).copy_from(x).ok());
    EXPECT_TRUE(session.run().ok());
    EXPECT_TRUE(session.output(0).copy_to(y).ok());
    return y;
  }
  /// Without weights the layers give their constants.
  static void expectVariant(const Artifact &artifact) {
    Result<Artifact> variant = artifact.variant("int8");
    ASSERT_TRUE(variant.ok()) << variant.status().message();
    std::vector<float> y = run(variant.value());
    EXPECT_EQ(y[0], 0.5f);
    EXPECT_EQ(y[1], 0.75f);
    EXPECT_NE(run(artifact), y);
  }

  std::vector<uint8_t> whole;
  std::string path;
};

TEST_F(VariantTest, OfAFileAndOfMemory) {
  expectVariant(Artifact::open(path).value());
  AlignedBytes bytes(whole);
  expectVariant(Artifact::open(bytes.data(), bytes.size()).value());
}

TEST_F(VariantTest, OutlivesTheArtifactOfAFile) {
  Result<Artifact> variant = Artifact::open(path).value().variant("int8");
  ASSERT_TRUE(variant.ok());
  EXPECT_EQ(run(variant.value())[0], 0.5f);
}

TEST_F(VariantTest, WhatIsNotThereIsSaid) {
  Artifact artifact = Artifact::open(path).value();
  Result<Artifact> other = artifact.variant("int4");
  EXPECT_EQ(other.status().code(), StatusCode::not_found);
  EXPECT_NE(other.status().message().find("--precision"), std::string::npos);
  EXPECT_EQ(artifact.variant("").status().code(), StatusCode::not_found);
  EXPECT_EQ(artifact.variant("int8").value().variant("int8").status().code(),
            StatusCode::not_found);
}

TEST_F(VariantTest, InC) {
  nestor_artifact *artifact = nullptr, *variant = nullptr;
  ASSERT_EQ(nestor_artifact_open(path.c_str(), nullptr, &artifact, nullptr), NESTOR_OK);
  EXPECT_EQ(nestor_artifact_variant(artifact, "int8", &variant, nullptr), NESTOR_OK);
  nestor_artifact_free(variant);
  EXPECT_EQ(nestor_artifact_variant(artifact, "int4", &variant, nullptr), NESTOR_NOT_FOUND);
  EXPECT_EQ(nestor_artifact_variant(artifact, nullptr, &variant, nullptr),
            NESTOR_INVALID_ARGUMENT);
  nestor_artifact_free(artifact);
}

} // namespace

//===- EmbeddedTest.cpp - Models that are linked in -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/embedded.hpp"
#include "nestor/nestor.h"
#include "nestor/nestor.hpp"

#include <gtest/gtest.h>
#include <numeric>

using namespace nestor;
using namespace nestor::test;

namespace {

/// The kernels of the example (test/unit/kernels.c), as part of this program.
void scale(void *const *args, const int64_t *params, int64_t begin, int64_t end) {
  auto *x = static_cast<const float *>(args[0]), *w = static_cast<const float *>(args[1]);
  auto *y = static_cast<float *>(args[2]);
  for (int64_t i = begin * params[1]; i < end * params[1]; ++i)
    y[i] = x[i] * w[i % params[1]];
}
void shift(void *const *args, const int64_t *params, int64_t begin, int64_t end) {
  auto *x = static_cast<const float *>(args[0]);
  auto *y = static_cast<float *>(args[1]);
  for (int64_t i = begin * params[1]; i < end * params[1]; ++i)
    y[i] = x[i] + (i % 2 ? 0.75f : 0.5f);
}
constexpr nestor_kernel kKernels[] = {scale, shift};

/// The example as `nestorc compile --emit object` writes it: without an image,
/// entry points are indices of the table.
class EmbeddedTest : public testing::Test {
protected:
  EmbeddedTest() {
    spec.sections.erase(spec.sections.begin()); // The code.
    spec.kernels[0].entry = {0};
    spec.kernels[1].entry = {1};
  }
  const Embedded &build() {
    bytes = std::make_unique<AlignedBytes>(spec.build());
    embedded = {NESTOR_EMBEDDED_VERSION, 2, bytes->data(), bytes->size(), kKernels};
    return embedded;
  }

  ArtifactSpec spec = exampleArtifact();
  std::unique_ptr<AlignedBytes> bytes;
  Embedded embedded = {};
};

TEST_F(EmbeddedTest, RunsItsOwnKernels) {
  Result<Artifact> opened = Artifact::open(build());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_EQ(opened.value().mapped_bytes(), bytes->size());
  EXPECT_TRUE(opened.value().targets()[0].selected);
  Result<Session> session = opened.value().session();
  ASSERT_TRUE(session.ok()) << session.status().message();
  std::vector<float> x(8 * 16), y(x.size());
  std::iota(x.begin(), x.end(), -5.0f);
  ASSERT_TRUE(session.value().input("x").copy_from(x).ok());
  ASSERT_TRUE(session.value().run().ok());
  ASSERT_TRUE(session.value().output("y").copy_to(y).ok());
  EXPECT_EQ(y, exampleResult(x));
}

TEST_F(EmbeddedTest, RefusesAnEntryOutsideTheTable) {
  spec.kernels[1].entry = {2};
  Result<Artifact> opened = Artifact::open(build());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Result<Session> session = opened.value().session();
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), StatusCode::corrupt);
  EXPECT_NE(session.status().message().find("shift lies outside"), std::string::npos)
      << session.status().message();
}

TEST_F(EmbeddedTest, RefusesAnotherVersion) {
  build();
  embedded.version = NESTOR_EMBEDDED_VERSION + 1;
  Status status = Artifact::open(embedded).status();
  EXPECT_EQ(status.code(), StatusCode::incompatible);
  EXPECT_NE(status.message().find("compile the model with"), std::string::npos) << status.message();
}

TEST_F(EmbeddedTest, RefusesNullAndDamage) {
  build();
  embedded.kernels = nullptr;
  EXPECT_EQ(Artifact::open(embedded).status().code(), StatusCode::invalid_argument);
  build();
  embedded.artifact = nullptr;
  EXPECT_EQ(Artifact::open(embedded).status().code(), StatusCode::invalid_argument);
  build();
  bytes->data()[100] ^= 1;
  EXPECT_EQ(Artifact::open(embedded).status().code(), StatusCode::corrupt);
  build();
  embedded.artifact_bytes = 10;
  EXPECT_EQ(Artifact::open(embedded).status().code(), StatusCode::corrupt);
}

/// Code is the program's, so that it counts nowhere.
TEST_F(EmbeddedTest, TellsWhatItKeepsInMemory) {
  CapacityInfo info = Artifact::open(build()).value().capacities()[0];
  EXPECT_EQ(info.resident_bytes, info.arena_bytes + info.delta_bytes + 2 * 8 * 16 * sizeof(float));
  EXPECT_EQ(info.file_bytes, bytes->size());
}

TEST_F(EmbeddedTest, OpensThroughTheCInterface) {
  nestor_artifact *artifact = nullptr;
  nestor_session *session = nullptr;
  ASSERT_EQ(nestor_artifact_open_embedded(&build(), nullptr, &artifact, nullptr), NESTOR_OK);
  ASSERT_EQ(nestor_session_create(artifact, nullptr, &session, nullptr), NESTOR_OK);
  EXPECT_EQ(nestor_session_run(session, nullptr), NESTOR_OK);
  nestor_session_free(session);
  nestor_artifact_free(artifact);
  embedded.version = 0;
  EXPECT_EQ(nestor_artifact_open_embedded(&embedded, nullptr, &artifact, nullptr),
            NESTOR_INCOMPATIBLE);
  EXPECT_EQ(nestor_artifact_open_embedded(nullptr, nullptr, &artifact, nullptr),
            NESTOR_INVALID_ARGUMENT);
}

/// An artifact without code is none outside a program.
TEST_F(EmbeddedTest, IsNoFile) {
  build();
  Status status = Artifact::open(bytes->data(), bytes->size()).status();
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  EXPECT_NE(status.message().find("no code for target"), std::string::npos) << status.message();
}

} // namespace

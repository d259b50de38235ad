//===- ArtifactTest.cpp - Opening artifacts -------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"

#include <algorithm>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace nestor;
using namespace nestor::test;
using testing::TempDir;

namespace {

Status openStatus(const std::vector<uint8_t> &bytes, const ArtifactOptions &options = {}) {
  AlignedBytes aligned(bytes);
  return Artifact::open(aligned.data(), aligned.size(), options).status();
}

void expectError(const Status &status, StatusCode code, const std::string &part) {
  EXPECT_EQ(to_string(status.code()), std::string(to_string(code)));
  EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
}

TEST(Artifact, DescribesAFile) {
  std::string path = TempDir() + "describes.nest";
  writeBytes(path, exampleArtifact().build());
  Result<Artifact> opened = Artifact::open(path);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Artifact artifact = opened.value();
  EXPECT_EQ(artifact.model_name(), "example");
  EXPECT_TRUE(artifact.complete());
  ASSERT_EQ(artifact.inputs().size(), 1u);
  EXPECT_EQ(artifact.inputs()[0].name, "x");
  EXPECT_EQ(artifact.inputs()[0].bytes, 8u * 16 * 4);
  EXPECT_EQ(artifact.inputs()[0].dims, (std::vector<int64_t>{8, 16}));
  ASSERT_EQ(artifact.targets().size(), 1u);
  EXPECT_TRUE(artifact.targets()[0].selected);
  PlanInfo plan = artifact.plan(0);
  ASSERT_EQ(plan.steps.size(), 2u);
  EXPECT_EQ(plan.steps[1].kernel, "shift");
  EXPECT_EQ(plan.layers[1].name, "layer1");
  EXPECT_TRUE(artifact.plan(1).steps.empty());
  EXPECT_TRUE(artifact.verify().ok());
  EXPECT_TRUE(artifact.groups().empty());
  EXPECT_EQ(artifact.data_normalization(), nullptr);
}

/// A message of `text`, all of it, as field `number` of the manifest.
template <size_t size> std::string manifestField(unsigned number, const char (&text)[size]) {
  std::string bytes(text, size - 1);
  return std::string{char(number << 3 | 2), char(bytes.size())} + bytes;
}

TEST(Artifact, DescribesItsCapacities) {
  ArtifactSpec spec = exampleArtifact();
  spec.capacities[0].inputExtents = {24, 160};
  spec.extraManifestBytes =
      manifestField(11, "\x0a\x05" "conv1" "\x10\x10" "\x1a\x02\x08\x10" "\x20\x01") +
      manifestField(12, "\x0a\x02" "fc" "\x12\x03" "why") +
      manifestField(13, "\x0d\0\0\0\x3f" "\x12\x04\0\0\x80\x3f" "\x1a\x04\0\0\0\x40");
  std::vector<uint8_t> bytes = spec.build();
  AlignedBytes aligned(bytes);
  Result<Artifact> opened = Artifact::open(aligned.data(), aligned.size());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  const Artifact &artifact = opened.value();
  ASSERT_EQ(artifact.groups().size(), 1u);
  EXPECT_EQ(artifact.groups()[0].name, "conv1");
  EXPECT_EQ(artifact.groups()[0].channels, 16u);
  EXPECT_TRUE(artifact.groups()[0].stream);
  EXPECT_EQ(artifact.groups()[0].widths, (std::vector<uint32_t>{8, 16}));
  ASSERT_EQ(artifact.whole().size(), 1u);
  EXPECT_EQ(artifact.whole()[0].node, "fc");
  EXPECT_EQ(artifact.whole()[0].reason, "why");
  ASSERT_NE(artifact.data_normalization(), nullptr);
  EXPECT_EQ(artifact.data_normalization()->scale, 0.5f);
  EXPECT_EQ(artifact.data_normalization()->mean, std::vector<float>{1});
  EXPECT_EQ(artifact.data_normalization()->std, std::vector<float>{2});
  // A file that does not say what was asked for was made without asking.
  EXPECT_EQ(artifact.capacities()[0].requested, 1);
  EXPECT_EQ(artifact.capacities()[0].input_extents, (std::vector<uint32_t>{24, 160}));
  EXPECT_FALSE(artifact.capacities()[0].has_agreement);
}

TEST(Artifact, OpensARangeOfAFile) {
  std::vector<uint8_t> bytes = exampleArtifact().build();
  std::vector<uint8_t> package(4096 + 192 + bytes.size() + 100, 0xee);
  std::copy(bytes.begin(), bytes.end(), package.begin() + 4096 + 192);
  std::string path = TempDir() + "range.bin";
  writeBytes(path, package);
  int fd = open(path.c_str(), O_RDONLY);
  Result<Artifact> opened = Artifact::open(fd, 4096 + 192, bytes.size());
  expectError(Artifact::open(fd, 4096, package.size()).status(), StatusCode::invalid_argument,
              "does not lie in the file");
  expectError(Artifact::open(fd, 100, bytes.size()).status(), StatusCode::invalid_argument,
              "multiple of 64");
  expectError(Artifact::open(fd, UINT64_MAX - 5, 10).status(), StatusCode::invalid_argument,
              "does not lie in the file");
  close(fd);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Result<Session> session = opened.value().session();
  ASSERT_TRUE(session.ok()) << session.status().message();
  EXPECT_TRUE(session.value().run().ok());
}

TEST(Artifact, NamesTheFileThatCannotBeOpened) {
  expectError(Artifact::open("/no/such/file.nest").status(), StatusCode::not_found,
              "/no/such/file.nest");
  expectError(Artifact::open("/").status(), StatusCode::invalid_argument, "regular file");
  std::string path = TempDir() + "empty.nest";
  writeBytes(path, {});
  expectError(Artifact::open(path).status(), StatusCode::corrupt, "empty file");
}

TEST(Artifact, NamesBothVersions) {
  ArtifactSpec spec = exampleArtifact();
  spec.major = 2;
  expectError(openStatus(spec.build()), StatusCode::incompatible,
              "format version 2.0, this runtime reads 1.0");
}

TEST(Artifact, SkipsFieldsOfLaterMinorVersions) {
  ArtifactSpec spec = exampleArtifact();
  spec.extraManifestBytes = std::string("\xfa\x3e\x03" "abc", 6); // Field 1007, bytes.
  EXPECT_TRUE(openStatus(spec.build()).ok());
}

TEST(Artifact, MemoryMustBeAligned) {
  AlignedBytes shifted(exampleArtifact().build(), 8);
  expectError(Artifact::open(shifted.data(), shifted.size()).status(),
              StatusCode::invalid_argument, "multiple of 64");
}

TEST(Artifact, NamesMissingFeatures) {
  ArtifactSpec spec = exampleArtifact();
  spec.targets[0].features.push_back("made-up-feature");
  AlignedBytes bytes(spec.build());
  Result<Artifact> opened = Artifact::open(bytes.data(), bytes.size());
  ASSERT_TRUE(opened.ok()) << "tools read what this CPU cannot run";
  EXPECT_FALSE(opened.value().targets()[0].runnable);
  expectError(opened.value().session().status(), StatusCode::unsupported_cpu,
              "needs made-up-feature");
  spec.targets[0].arch = "riscv64";
  bytes = AlignedBytes(spec.build());
  expectError(Artifact::open(bytes.data(), bytes.size()).value().session().status(),
              StatusCode::unsupported_cpu, "is for riscv64");
}

TEST(Artifact, PicksTheTargetThatUsesMostOfTheCpu) {
  ArtifactSpec spec = exampleArtifact();
  TargetSpec base = spec.targets[0], fancy = base, plain = base;
  fancy.name = "fancy";
  fancy.features.push_back("made-up-feature");
  plain.name = "plain";
  plain.features.clear();
  spec.targets = {plain, base, fancy};
  spec.sections.push_back({kCode, 1, "code2", kernelImage()});
  spec.sections.push_back({kCode, 2, "code3", kernelImage()});
  for (KernelSpec &kernel : spec.kernels)
    kernel.entry.resize(3, kernel.entry[0]);
  AlignedBytes bytes(spec.build());
  Result<Artifact> opened = Artifact::open(bytes.data(), bytes.size());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_TRUE(opened.value().targets()[1].selected);
  opened = Artifact::open(bytes.data(), bytes.size(), ArtifactOptions().target("plain"));
  EXPECT_TRUE(opened.value().targets()[0].selected);
  expectError(Artifact::open(bytes.data(), bytes.size(), ArtifactOptions().target("nope")).status(),
              StatusCode::not_found, "no code for target 'nope'");
}

TEST(Artifact, WeightsAreCheckedOnRequest) {
  std::vector<uint8_t> bytes = exampleArtifact().build();
  bytes.back() ^= 1; // The last weight.
  EXPECT_TRUE(openStatus(bytes).ok());
  expectError(openStatus(bytes, ArtifactOptions().verify(Verify::all)), StatusCode::corrupt,
              "section shell1: hash");
  AlignedBytes aligned(bytes);
  expectError(Artifact::open(aligned.data(), aligned.size()).value().verify(), StatusCode::corrupt,
              "section shell1: hash");
}

TEST(Artifact, CodeIsCheckedAtOpen) {
  std::vector<uint8_t> bytes = exampleArtifact().build();
  bytes[format::kSectionAlignment + 200] ^= 1;
  expectError(openStatus(bytes), StatusCode::corrupt, "section code: hash");
}

/// Two capacities; the larger one also reads a second shell.
ArtifactSpec twoCapacities() {
  ArtifactSpec spec = exampleArtifact();
  spec.sections.push_back({kWeights, 1, "shell2", std::vector<uint8_t>(4096, 7)});
  CapacitySpec small = spec.capacities[0];
  small.capacity = 0.5f;
  spec.capacities[0].shells = 2;
  spec.capacities.insert(spec.capacities.begin(), small);
  return spec;
}

TEST(Artifact, ACutFileKeepsItsSmallCapacities) {
  std::vector<uint8_t> bytes = twoCapacities().build();
  AlignedBytes whole(bytes);
  EXPECT_EQ(Artifact::open(whole.data(), whole.size()).value().capacities().size(), 2u);
  bytes.resize(bytes.size() - 1);
  AlignedBytes cut(bytes);
  Result<Artifact> opened = Artifact::open(cut.data(), cut.size());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_FALSE(opened.value().complete());
  EXPECT_EQ(opened.value().capacities().size(), 1u);
  EXPECT_TRUE(opened.value().verify().ok());
  expectError(opened.value().session().status(), StatusCode::not_found, "the file is cut");
  EXPECT_TRUE(opened.value().session(SessionOptions().capacity(0.5f)).ok());
}

} // namespace

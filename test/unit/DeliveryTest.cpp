//===- DeliveryTest.cpp - Files that arrive in pieces ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"
#include "runtime/src/sha256.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace nestor;
using namespace nestor::test;

namespace {

/// Three capacities in a file that a test writes parts of.
class DeliveryTest : public testing::Test {
protected:
  void SetUp() override {
    path = testing::TempDir() + "delivery" + std::to_string(getpid()) + ".nest";
    AlignedBytes bytes(whole);
    Artifact artifact = Artifact::open(bytes.data(), bytes.size()).value();
    for (const CapacityInfo &info : artifact.capacities())
      ends.push_back(info.file_bytes);
  }
  void TearDown() override { std::remove(path.c_str()); }

  std::vector<uint8_t> prefix(uint64_t end) const {
    return {whole.begin(), whole.begin() + static_cast<ptrdiff_t>(end)};
  }
  /// Makes the file that many bytes long without touching those that are there.
  void append(uint64_t end) const {
    int fd = open(path.c_str(), O_WRONLY | O_APPEND);
    off_t at = lseek(fd, 0, SEEK_END);
    ssize_t missing = static_cast<ssize_t>(end) - at;
    EXPECT_EQ(write(fd, whole.data() + at, static_cast<size_t>(missing)), missing);
    close(fd);
  }
  void rename(const std::vector<uint8_t> &bytes) const {
    writeBytes(path + ".new", bytes);
    EXPECT_EQ(std::rename((path + ".new").c_str(), path.c_str()), 0);
  }
  static void expectError(const Status &status, StatusCode code, const std::string &part) {
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }
  static bool computes(Session &session, uint32_t index) {
    std::vector<float> x(8 * 16, 2), y(x.size());
    return session.input(0).copy_from(x).ok() && session.run().ok() &&
           session.output(0).copy_to(y).ok() && y == nestedResult(x, index);
  }

  const std::vector<uint8_t> whole = nestedArtifact(3).build();
  std::vector<uint64_t> ends; ///< Where the file may end for each capacity.
  std::string path;
};

TEST_F(DeliveryTest, EveryPrefixOpensWithWhatItHolds) {
  ASSERT_EQ(ends.size(), 3u);
  EXPECT_EQ(ends[2], whole.size());
  for (size_t count = 1; count <= 3; ++count)
    for (uint64_t end : {ends[count - 1], count < 3 ? ends[count] - 1 : ends[2]}) {
      writeBytes(path, prefix(end));
      Result<Artifact> opened = Artifact::open(path);
      ASSERT_TRUE(opened.ok()) << opened.status().message();
      EXPECT_EQ(opened.value().capacities().size(), count);
      EXPECT_EQ(opened.value().complete(), end == whole.size());
    }
  writeBytes(path, prefix(ends[0] - 1));
  expectError(Artifact::open(path).status(), StatusCode::corrupt, "truncated");
}

TEST_F(DeliveryTest, RefreshSeesWhatHasArrived) {
  writeBytes(path, prefix(ends[0]));
  Artifact first = Artifact::open(path).value();
  Session old = first.session(SessionOptions().capacity(1 / 3.0f)).value();
  EXPECT_EQ(first.refresh().value().capacities().size(), 1u) << "nothing yet";
  append(ends[1]);
  Artifact second = first.refresh().value();
  EXPECT_EQ(second.capacities().size(), 2u);
  EXPECT_EQ(first.capacities().size(), 1u) << "it is immutable";
  append(whole.size());
  Artifact third = second.refresh().value();
  EXPECT_TRUE(third.complete());
  Session session = third.session().value();
  EXPECT_TRUE(computes(session, 2));
  EXPECT_TRUE(computes(old, 0)) << "old sessions stay";
}

TEST_F(DeliveryTest, RefreshFollowsARename) {
  writeBytes(path, prefix(ends[0]));
  Artifact first = Artifact::open(path, ArtifactOptions().load(Load::copy)).value();
  rename(whole);
  Artifact second = first.refresh().value();
  EXPECT_TRUE(second.complete());
  Session session = second.session().value();
  EXPECT_TRUE(computes(session, 2));
}

TEST_F(DeliveryTest, RefreshReadsAPackageAgain) {
  std::vector<uint8_t> package(4096, 1);
  package.insert(package.end(), whole.begin(), whole.begin() + static_cast<ptrdiff_t>(ends[0]));
  writeBytes(path, package);
  int fd = open(path.c_str(), O_RDONLY);
  Artifact first = Artifact::open(fd, 4096, ends[0]).value();
  close(fd);
  package.insert(package.end(), whole.begin() + static_cast<ptrdiff_t>(ends[0]), whole.end());
  package.resize(package.size() + 100); // What follows in the package.
  writeBytes(path, package); // Writes the same file.
  Artifact second = first.refresh().value();
  EXPECT_TRUE(second.complete());
  EXPECT_EQ(second.file_bytes(), whole.size());
  ASSERT_EQ(truncate(path.c_str(), 5000), 0);
  expectError(first.refresh().status(), StatusCode::data_loss, "shorter");
}

TEST_F(DeliveryTest, RefreshChecksWhatHasArrived) {
  writeBytes(path, prefix(ends[0]));
  Artifact artifact = Artifact::open(path).value();
  std::vector<uint8_t> damaged = whole;
  damaged.back() ^= 1;
  rename(damaged);
  expectError(artifact.refresh().status(), StatusCode::corrupt, "section shell3: hash");
  // In another file the old shells are new.
  damaged = whole;
  damaged[ends[0] - 1] ^= 1;
  rename(damaged);
  expectError(artifact.refresh().status(), StatusCode::corrupt, "section shell1: hash");
}

TEST_F(DeliveryTest, RefreshRefusesOtherFiles) {
  writeBytes(path, prefix(ends[1]));
  Artifact artifact = Artifact::open(path).value();
  rename(nestedArtifact(4).build());
  expectError(artifact.refresh().status(), StatusCode::data_loss, "replaced by another artifact");
  rename(prefix(ends[0]));
  expectError(artifact.refresh().status(), StatusCode::data_loss, "has become shorter");
  rename(std::vector<uint8_t>(whole.size(), 'x'));
  expectError(artifact.refresh().status(), StatusCode::corrupt, "not a .nest file");
  std::remove(path.c_str());
  expectError(artifact.refresh().status(), StatusCode::not_found, path);
  AlignedBytes bytes(whole);
  expectError(Artifact::open(bytes.data(), bytes.size()).value().refresh().status(),
              StatusCode::invalid_argument, "in memory");
}

TEST_F(DeliveryTest, APinHoldsForWhatWasThere) {
  std::vector<uint8_t> base = prefix(ends[0]);
  std::string pin = detail::to_hex(detail::sha256(base.data(), base.size()));
  writeBytes(path, base);
  Result<Artifact> opened = Artifact::open(path, ArtifactOptions().sha256(pin));
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  append(ends[1]);
  Result<Artifact> second = opened.value().refresh();
  ASSERT_TRUE(second.ok()) << second.status().message();
  append(whole.size());
  EXPECT_TRUE(second.value().refresh().value().complete());
  // A file of the same manifest with other code.
  std::vector<uint8_t> other = whole;
  other[format::kSectionAlignment + 200] ^= 1;
  rename(other);
  expectError(second.value().refresh().status(), StatusCode::corrupt, "its SHA-256 is ");
}

} // namespace

//===- NpzTest.cpp - Reading and writing .npz files -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "tools/support/Npz.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace nestor::support;
using nestor::test::readBytes;

namespace {

std::string npy(const std::string &dictionary, const std::string &data) {
  std::string bytes = std::string("\x93NUMPY\x01\x00", 8);
  bytes.push_back(static_cast<char>(dictionary.size() & 0xff));
  bytes.push_back(static_cast<char>(dictionary.size() >> 8));
  return bytes + dictionary + data;
}

std::string parse(const std::string &bytes, NpyArray &array) {
  return parseNpy("a", reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size(), array);
}

TEST(Npy, ReadsWhatNumpyWrites) {
  NpyArray array;
  ASSERT_EQ(parse(npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }\n",
                      std::string("\1\0\2\0\3\0\4\0\5\0\6\0", 12)),
                  array),
            "");
  EXPECT_EQ(array.dtype, "i2");
  EXPECT_EQ(array.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(array.data[10], 6);
}

TEST(Npy, ReadsColumnMajorAndBigEndian) {
  NpyArray array;
  // [[1, 2, 3], [4, 5, 6]] by columns.
  ASSERT_EQ(parse(npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }",
                      std::string("\0\1\0\4\0\2\0\5\0\3\0\6", 12)),
                  array),
            "");
  EXPECT_EQ(array.data, (std::vector<uint8_t>{1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0}));
}

TEST(Npy, ReadsScalarsAndEmptyArrays) {
  NpyArray array;
  EXPECT_EQ(parse(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", "\1"), array), "");
  EXPECT_EQ(array.elements(), 1);
  EXPECT_EQ(parse(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4), }", ""), array),
            "");
  EXPECT_EQ(array.elements(), 0);
}

TEST(Npy, RefusesWhatItCannotRead) {
  NpyArray array;
  for (const char *header :
       {"", "{}", "{'descr': '<U5', 'shape': (1,), }", "{'descr': [('a', '<f4')], 'shape': (1,), }",
        "{'descr': '<f4', 'shape': (1, }", "{'descr': '<f4', 'shape': (-1,), }",
        "{'descr': '<f4', 'shape': (2,), }", "{'descr': '<f4', 'shape': 1, }",
        "{'descr': '<f4', 'shape': (4611686018427387904, 4611686018427387904), }",
        "{'descr': '<f4', 'shape': (99999999999999999999,), }", "{'descr': '<f4', 'shape':"})
    EXPECT_NE(parse(npy(header, "abcd"), array), "") << header;
  EXPECT_NE(parse("", array), "");
  EXPECT_NE(parse("hello world", array), "");
}

NpzArchive example() {
  NpyArray a, b;
  a.dtype = "f4";
  a.shape = {2, 2};
  a.data.resize(16, 7);
  b.dtype = "u1";
  b.shape = {3};
  b.data = {1, 2, 3};
  return {{"first", a}, {"second one", b}};
}

TEST(Npz, RoundTrips) {
  std::string path = testing::TempDir() + "roundtrip.npz";
  ASSERT_EQ(writeNpz(path, example()), "");
  NpzArchive archive;
  ASSERT_EQ(readNpz(path, archive), "");
  ASSERT_EQ(archive.size(), 2u);
  EXPECT_EQ(archive[0].first, "first");
  EXPECT_EQ(archive[0].second.data, example()[0].second.data);
  ASSERT_NE(findArray(archive, "second one"), nullptr);
  EXPECT_EQ(findArray(archive, "second one")->shape, (std::vector<int64_t>{3}));
  EXPECT_EQ(findArray(archive, "third"), nullptr);
}

/// numpy.savez_compressed(x=arange(1000, dtype=float32).reshape(10, 100), y=int64([3, 1, 2]))
TEST(Npz, ReadsNumpysCompressedArchives) {
  NpzArchive archive;
  ASSERT_EQ(readNpz(NESTOR_TEST_DATA "/compressed.npz", archive), "");
  ASSERT_EQ(archive.size(), 2u);
  EXPECT_EQ(archive[0].second.shape, (std::vector<int64_t>{10, 100}));
  float last;
  std::memcpy(&last, archive[0].second.data.data() + 999 * sizeof last, sizeof last);
  EXPECT_EQ(last, 999.0f);
  EXPECT_EQ(archive[1].first, "y");
  EXPECT_EQ(archive[1].second.dtype, "i8");
}

TEST(Npz, DamagedArchivesAreErrors) {
  constexpr unsigned seed = 3;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<uint8_t> original = readBytes(NESTOR_TEST_DATA "/compressed.npz");
  ASSERT_FALSE(original.empty());
  NpzArchive archive;
  for (size_t size = 0; size < original.size(); ++size)
    ASSERT_NE(parseNpz("a", original.data(), size, archive), "") << size;
  for (int round = 0; round < 5000; ++round) {
    std::vector<uint8_t> bytes = original;
    bytes[random() % bytes.size()] ^= 1 << random() % 8;
    (void)parseNpz("a", bytes.data(), bytes.size(), archive); // A flipped date is no error.
  }
}

TEST(Npz, AFailedWriteLeavesNothing) {
  std::string path = testing::TempDir() + "no-such-directory/out.npz";
  EXPECT_NE(writeNpz(path, example()), "");
  EXPECT_TRUE(readBytes(path).empty());
}

} // namespace

//===- DatasetTest.cpp - Samples and what is wrong with them --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Dataset.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

using namespace nestor;
using namespace nestor::learn;
using support::NpyArray;
using support::NpzArchive;

namespace {

template <typename T>
NpyArray array(const char *dtype, std::vector<int64_t> shape, const std::vector<T> &values) {
  NpyArray array{dtype, std::move(shape), {}};
  array.data.resize(values.size() * sizeof(T));
  std::memcpy(array.data.data(), values.data(), array.data.size());
  return array;
}

const SampleShape kVector{"input", {2}};
const SampleShape kImage{"image", {3, 2, 2}};

std::string errorOf(const NpzArchive &archive, llvm::ArrayRef<SampleShape> inputs = kVector,
                    int64_t classes = 3,
                    const std::optional<Normalization> &normalization = std::nullopt) {
  llvm::Expected<Dataset> data = Dataset::fromNpz(archive, inputs, classes, normalization);
  return data ? "" : llvm::toString(data.takeError());
}

std::vector<float> sample(const Dataset &data, size_t index, size_t elements) {
  std::vector<float> out(elements);
  data.copy(index, 0, out);
  return out;
}

TEST(DatasetTest, ReadsFloatsAndLabels) {
  NpzArchive archive{{"x", array<float>("f4", {3, 2}, {1, 2, 3, 4, 5, 6})},
                     {"y", array<int32_t>("i4", {3}, {2, 0, 1})}};
  llvm::Expected<Dataset> data = Dataset::fromNpz(archive, kVector, 3, std::nullopt);
  ASSERT_TRUE(bool(data)) << llvm::toString(data.takeError());
  EXPECT_EQ(data->size(), 3u);
  EXPECT_EQ(data->inputs(), 1u);
  ASSERT_TRUE(data->labelled());
  EXPECT_EQ(data->label(0), 2);
  EXPECT_EQ(sample(*data, 1, 2), (std::vector<float>{3, 4}));

  Dataset part = data->subset({2, 0}).subset({1});
  EXPECT_EQ(part.size(), 1u);
  EXPECT_EQ(part.label(0), 2);
  EXPECT_EQ(sample(part, 0, 2), (std::vector<float>{1, 2}));
}

TEST(DatasetTest, ReadsDoublesUnderTheInputsName) {
  NpzArchive archive{{"input", array<double>("f8", {1, 2}, {0.5, -2})}};
  llvm::Expected<Dataset> data = Dataset::fromNpz(archive, kVector, 0, std::nullopt);
  ASSERT_TRUE(bool(data)) << llvm::toString(data.takeError());
  EXPECT_FALSE(data->labelled());
  EXPECT_EQ(sample(*data, 0, 2), (std::vector<float>{0.5f, -2}));
}

/// The same images, channels first and channels last.
TEST(DatasetTest, NormalizesImagesInEitherLayout) {
  std::vector<uint8_t> first{0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23}, last;
  for (int pixel = 0; pixel < 4; ++pixel)
    for (int channel = 0; channel < 3; ++channel)
      last.push_back(first[channel * 4 + pixel]);
  Normalization normalization{0.5f, {1, 2, 3}, {1, 1, 4}};
  std::vector<float> want;
  for (int i = 0; i < 12; ++i)
    want.push_back((first[i] * 0.5f - float(i / 4 + 1)) / (i < 8 ? 1.f : 4.f));
  for (NpyArray images : {array("u1", {1, 3, 2, 2}, first), array("u1", {1, 2, 2, 3}, last)}) {
    llvm::Expected<Dataset> data = Dataset::fromNpz({{"x", images}}, kImage, 0, normalization);
    ASSERT_TRUE(bool(data)) << llvm::toString(data.takeError());
    EXPECT_EQ(sample(*data, 0, 12), want);
  }
}

TEST(DatasetTest, SeveralInputs) {
  SampleShape inputs[] = {{"a", {1}}, {"b", {2}}};
  NpyArray a = array<float>("f4", {2, 1}, {1, 2}), b = array<float>("f4", {2, 2}, {3, 4, 5, 6});
  EXPECT_EQ(errorOf({{"b", b}, {"a", a}}, inputs), "");
  EXPECT_EQ(errorOf({{"a", a}}, inputs),
            "there is no array 'b', of shape [N,...] with samples of [2]");
  NpyArray short_ = array<float>("f4", {1, 2}, {3, 4});
  EXPECT_EQ(errorOf({{"a", a}, {"b", short_}}, inputs), "'a' has 2 samples and 'b' 1");
}

TEST(DatasetTest, SaysWhatWasExpected) {
  NpyArray good = array<float>("f4", {2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(errorOf({{"x", good}}), "");
  EXPECT_EQ(errorOf({}),
            "there is no array 'input' (or 'x'), of shape [N,...] with samples of [2]");
  EXPECT_EQ(errorOf({{"x", good}, {"z", good}}),
            "array 'z' is no input of the model, and not the labels y");
  EXPECT_EQ(errorOf({{"x", array<float>("f4", {2}, {1, 2})}}),
            "'input' must be samples of shape [2], so [N,...]; it is f4[2]");
  EXPECT_EQ(errorOf({{"x", array<float>("f4", {0, 2}, {})}}), "'input' holds no samples");
  EXPECT_EQ(errorOf({{"x", array<int32_t>("i4", {1, 2}, {1, 2})}}),
            "'input' must be float32, float64 or uint8; it is i4[1,2]");
  EXPECT_EQ(errorOf({{"x", array<uint8_t>("u1", {1, 2}, {1, 2})}}),
            "'input' is uint8 and the model takes floats: give --scale, --mean or --std");
  EXPECT_EQ(errorOf({{"x", array<float>("f4", {2, 2}, {1, 2, 3, NAN})}}),
            "sample 1 of 'input' holds a NaN or an infinite value");
  NpyArray image = array<uint8_t>("u1", {1, 3, 2, 2}, std::vector<uint8_t>(12));
  EXPECT_EQ(errorOf({{"x", image}}, kImage, 3, Normalization{1, {1, 2}, {1}}),
            "--mean and --std take one value, or one for each of the 3 channels of "
            "'image', not 2");
}

TEST(DatasetTest, ChecksLabels) {
  auto withLabels = [](NpyArray labels) {
    return errorOf({{"x", array<float>("f4", {2, 2}, {1, 2, 3, 4})}, {"y", std::move(labels)}});
  };
  EXPECT_EQ(withLabels(array<uint8_t>("u1", {2, 1}, {0, 2})), "");
  EXPECT_EQ(withLabels(array<int64_t>("i8", {2}, {0, 3})),
            "label 3 of sample 1 is outside the model's 3 classes, 0 to 2");
  EXPECT_EQ(withLabels(array<int64_t>("i8", {2}, {-1, 0})),
            "label -1 of sample 0 is outside the model's 3 classes, 0 to 2");
  EXPECT_EQ(withLabels(array<int64_t>("i8", {3}, {0, 1, 2})),
            "there are 2 samples, so y must have as many labels; it is i8[3]");
  EXPECT_EQ(withLabels(array<float>("f4", {2}, {0, 1})),
            "the labels y must be integers; they are f4[2]");
}

TEST(DatasetTest, FindsEqualSamples) {
  auto make = [](const std::vector<float> &values) {
    int64_t count = values.size() / 2;
    return llvm::cantFail(
        Dataset::fromNpz({{"x", array("f4", {count, 2}, values)}}, kVector, 0, std::nullopt));
  };
  Dataset a = make({1, 2, 3, 4, 5, 6}), b = make({3, 4, 2, 1, 3, 4});
  EXPECT_EQ(countShared(a, b), 1u);
  EXPECT_EQ(countShared(b, a), 2u);
  EXPECT_EQ(countShared(a.subset({0, 2}), b), 0u);
  EXPECT_EQ(a.hash(1), b.hash(2));
  EXPECT_NE(a.hash(0), b.hash(1));
}

TEST(DatasetTest, AugmentsImages) {
  std::vector<float> image{1, 2, 3, 4, 5, 6}; // One channel of 2 rows.
  std::vector<float> flipped{3, 2, 1, 6, 5, 4};
  bool seenFlip = false, seenSame = false, seenShift = false;
  for (uint64_t random = 0; random < 64; ++random) {
    std::vector<float> copy = image;
    augment(copy, {1, 2, 3}, {true, 0}, random * 0x9e3779b97f4a7c15ull);
    EXPECT_TRUE(copy == image || copy == flipped);
    seenFlip |= copy == flipped;
    seenSame |= copy == image;
    copy = image;
    augment(copy, {1, 2, 3}, {false, 1}, random * 0x9e3779b97f4a7c15ull);
    seenShift |= copy == std::vector<float>{0, 0, 0, 0, 1, 2}; // Down and to the right.
  }
  EXPECT_TRUE(seenFlip && seenSame && seenShift);
}

TEST(DatasetTest, CropsStretchAPartToTheWhole) {
  constexpr int64_t side = 32;
  std::vector<float> image; // A slope along each side.
  for (int64_t channel = 0; channel < 2; ++channel)
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = 0; x < side; ++x)
        image.push_back(float(channel ? x : y));
  auto spanOf = [](const std::vector<float> &pixels, size_t first) {
    return pixels[first + side * side - 1] - pixels[first];
  };
  double least = side;
  for (uint64_t random = 0; random < 64; ++random) {
    std::vector<float> copy = image;
    augment(copy, {2, side, side}, {false, 0, 0.25}, random * 0x9e3779b97f4a7c15ull);
    double rows = spanOf(copy, 0) + 1, columns = spanOf(copy, side * side) + 1;
    EXPECT_GE(rows * columns, 0.24 * side * side);
    EXPECT_LE(rows / columns, 4.0 / 3 * 1.05);
    EXPECT_GE(rows / columns, 3.0 / 4 / 1.05);
    EXPECT_TRUE(std::is_sorted(copy.begin() + side * side, copy.begin() + side * side + side));
    EXPECT_GE(*std::min_element(copy.begin(), copy.end()), 0);
    EXPECT_LE(*std::max_element(copy.begin(), copy.end()), side - 1);
    least = std::min(least, rows);
  }
  EXPECT_LT(least, 0.6 * side);
  std::vector<float> whole = image;
  augment(whole, {2, side, side}, {false, 0, 1}, 7);
  EXPECT_EQ(whole, image);
}

} // namespace

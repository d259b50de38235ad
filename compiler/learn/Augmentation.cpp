//===- Augmentation.cpp - Variations of images ----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Batches.h"

#include <algorithm>
#include <cmath>

using namespace llvm;

namespace nestor::learn {

/// The changes of a side's ratio are drawn evenly from a scale of logarithms.
static constexpr double kMostStretch = 4.0 / 3;

namespace {

/// Where a pixel of the result comes from: between `low` and `high`.
struct Tap {
  int64_t low, high;
  float share; ///< Of `high`.
};

/// A part of a side of an image.
struct Extent {
  double start, length;
};

/// Random numbers from 0 to 1 that depend on `bits` alone.
class Draws {
public:
  explicit Draws(uint64_t bits) : bits(bits) {}
  double next() { return double(randomAt(bits, ++count) >> 11) * 0x1p-53; }

private:
  uint64_t bits, count = 0;
};

} // namespace

/// `count` pixels that cover `extent` of a side of as many.
static std::vector<Tap> tapsOf(Extent extent, int64_t count) {
  std::vector<Tap> taps;
  for (int64_t i = 0; i < count; ++i) {
    double at = extent.start + (double(i) + 0.5) * extent.length / double(count) - 0.5;
    at = std::clamp(at, 0.0, double(count - 1));
    int64_t low = int64_t(at);
    taps.push_back({low, std::min(low + 1, count - 1), float(at - double(low))});
  }
  return taps;
}

static Extent drawExtent(double length, int64_t whole, Draws &draws) {
  length = std::min(length, double(whole));
  return {draws.next() * (double(whole) - length), length};
}

/// Stretches a random rectangle of `image` to all of it.
static void crop(MutableArrayRef<float> image, ArrayRef<int64_t> shape, double least,
                 uint64_t random) {
  Draws draws(random);
  int64_t height = shape[1], width = shape[2];
  double side = std::sqrt(least + (1 - least) * draws.next());
  double stretch = std::pow(kMostStretch, draws.next() - 0.5);
  std::vector<Tap> rows = tapsOf(drawExtent(side * stretch * double(height), height, draws), height);
  std::vector<Tap> columns = tapsOf(drawExtent(side / stretch * double(width), width, draws), width);
  std::vector<float> plane(height * width);
  for (int64_t channel = 0; channel < shape[0]; ++channel) {
    float *target = image.data() + channel * height * width;
    std::copy(target, target + plane.size(), plane.begin());
    for (const Tap &row : rows) {
      const float *above = plane.data() + row.low * width, *below = plane.data() + row.high * width;
      for (const Tap &column : columns) {
        float low = above[column.low] + column.share * (above[column.high] - above[column.low]);
        float high = below[column.low] + column.share * (below[column.high] - below[column.low]);
        *target++ = low + row.share * (high - low);
      }
    }
  }
}

static void flipAndShift(MutableArrayRef<float> image, ArrayRef<int64_t> shape,
                         const Augmentation &what, uint64_t random) {
  int64_t height = shape[1], width = shape[2], range = 2 * int64_t(what.shift) + 1;
  bool flip = what.flip && random & 1;
  int64_t down = int64_t((random >> 1) % range) - what.shift;
  int64_t right = int64_t((random >> 32) % range) - what.shift;
  if (!flip && !down && !right)
    return;
  std::vector<float> plane(height * width);
  for (int64_t channel = 0; channel < shape[0]; ++channel) {
    float *target = image.data() + channel * height * width;
    std::copy(target, target + plane.size(), plane.begin());
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        int64_t fromY = y - down, fromX = (flip ? width - 1 - x : x) - right;
        bool inside = fromY >= 0 && fromY < height && fromX >= 0 && fromX < width;
        target[y * width + x] = inside ? plane[fromY * width + fromX] : 0;
      }
  }
}

void augment(MutableArrayRef<float> image, ArrayRef<int64_t> shape, const Augmentation &what,
             uint64_t random) {
  if (shape.size() != 3)
    return;
  if (what.crop < 1)
    crop(image, shape, what.crop, random);
  flipAndShift(image, shape, what, random);
}

} // namespace nestor::learn

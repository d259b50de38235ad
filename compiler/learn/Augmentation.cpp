//===- Augmentation.cpp - Variations of images ----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Dataset.h"

#include <algorithm>

using namespace llvm;

namespace nestor::learn {

void augment(MutableArrayRef<float> image, ArrayRef<int64_t> shape, const Augmentation &what,
             uint64_t random) {
  if (shape.size() != 3)
    return;
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

} // namespace nestor::learn

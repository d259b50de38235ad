//===- Batches.cpp - Samples for training steps ---------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Batches.h"

#include <numeric>

using namespace llvm;

namespace nestor::learn {

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators.
static uint64_t splitMix(uint64_t state) {
  state += 0x9e3779b97f4a7c15;
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
  state = (state ^ (state >> 27)) * 0x94d049bb133111eb;
  return state ^ (state >> 31);
}

uint64_t randomAt(uint64_t seed, uint64_t a, uint64_t b) {
  return splitMix(splitMix(splitMix(seed) ^ a) ^ b);
}

std::vector<size_t> shuffled(size_t count, uint64_t seed) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = count; i > 1; --i)
    std::swap(order[i - 1], order[randomAt(seed, i) % i]);
  return order;
}

namespace {
/// What random numbers are for, so that no two uses see the same.
enum Purpose : uint64_t { ForOrder = 1, ForAugmentation, ForBlending };
} // namespace

static size_t elementsOf(ArrayRef<int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), size_t(1), std::multiplies<size_t>());
}

Batches::Batches(Dataset samples, std::vector<SmallVector<int64_t>> shapes, size_t batch,
                 const Augmentation &augmentation, bool mix, uint64_t seed)
    : data(std::move(samples)), shapes(std::move(shapes)), size(batch), augmentation(augmentation),
      mix(mix), seed(seed), blends(batch) {}

size_t Batches::sampleAt(uint64_t position) {
  uint64_t wanted = position / data.size();
  if (epoch != wanted) {
    epoch = wanted;
    order = shuffled(data.size(), randomAt(seed, ForOrder, epoch));
  }
  return order[position % data.size()];
}

void Batches::load(int64_t step, MutableArrayRef<AlignedFloats> inputs) {
  uint64_t start = uint64_t(step) * size;
  for (size_t i = 0; i < size; ++i) {
    uint64_t position = start + i;
    blends[i].sample = sampleAt(position);
    for (size_t input = 0; input < shapes.size(); ++input) {
      size_t elements = elementsOf(shapes[input]);
      MutableArrayRef<float> target(inputs[input].data() + i * elements, elements);
      data.copy(blends[i].sample, input, target);
      augment(target, shapes[input], augmentation,
              randomAt(randomAt(seed, ForAugmentation, position), input));
    }
  }
  // Each sample is blended with the next one of the batch.
  for (size_t i = 0; i < size; ++i) {
    uint64_t random = randomAt(seed, ForBlending, start + i);
    blends[i].other = blends[(i + 1) % size].sample;
    bool blended = mix && size > 1 && random & 1;
    blends[i].share = blended ? float(random >> 40) * 0x1p-25f : 0; // Below one half.
  }
  if (mix)
    for (size_t input = 0; input < shapes.size(); ++input)
      blend(inputs[input], elementsOf(shapes[input]));
}

void Batches::blend(MutableArrayRef<float> batch, size_t elements) const {
  std::vector<float> first(batch.begin(), batch.begin() + elements);
  for (size_t i = 0; i < size; ++i) {
    float share = blends[i].share;
    float *own = batch.data() + i * elements;
    const float *other = i + 1 < size ? own + elements : first.data();
    if (share > 0)
      for (size_t element = 0; element < elements; ++element)
        own[element] = (1 - share) * own[element] + share * other[element];
  }
}

} // namespace nestor::learn

//===- Batches.cpp - Samples for training steps ---------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Batches.h"

#include <cmath>
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
enum Purpose : uint64_t { ForOrder = 1, ForAugmentation, ForMixing };
} // namespace

static size_t elementsOf(ArrayRef<int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), size_t(1), std::multiplies<size_t>());
}

Batches::Batches(Dataset samples, std::vector<SmallVector<int64_t>> shapes, size_t batch,
                 const Augmentation &augmentation, bool mix, uint64_t seed)
    : data(std::move(samples)), shapes(std::move(shapes)), size(batch), augmentation(augmentation),
      mix(mix), seed(seed), mixed(batch) {}

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
    mixed[i].sample = sampleAt(position);
    for (size_t input = 0; input < shapes.size(); ++input) {
      size_t elements = elementsOf(shapes[input]);
      MutableArrayRef<float> target(inputs[input].data() + i * elements, elements);
      data.copy(mixed[i].sample, input, target);
      augment(target, shapes[input], augmentation,
              randomAt(randomAt(seed, ForAugmentation, position), input));
    }
  }
  for (size_t i = 0; i < size; ++i)
    drawMixture(i, start + i);
  if (mix)
    for (size_t input = 0; input < shapes.size(); ++input)
      combine(inputs[input], shapes[input]);
}

/// Each sample is combined with the next one of the batch.
void Batches::drawMixture(size_t index, uint64_t position) {
  Mixture &mixture = mixed[index];
  mixture.other = mixed[(index + 1) % size].sample;
  mixture.random = randomAt(seed, ForMixing, position);
  mixture.stretched = index % 2;
  mixture.share = mix && size > 1 ? float(mixture.random >> 40) * 0x1p-24f : 0;
  ArrayRef<int64_t> shape = shapes.front();
  if (mixture.stretched && shape.size() > 1) // In whole steps.
    mixture.share = std::round(mixture.share * float(shape[1])) / float(shape[1]);
}

/// A stretch of length `share` along the second dimension, anywhere.
static void stretch(const Mixture &mixture, ArrayRef<int64_t> shape, const float *other,
                    float *own) {
  int64_t rows = shape[1], length = std::llround(mixture.share * float(rows));
  int64_t first = int64_t(mixture.random % uint64_t(rows - length + 1));
  size_t row = elementsOf(shape.drop_front(2));
  for (int64_t outer = 0; outer < shape[0]; ++outer) {
    size_t at = size_t(outer * rows + first) * row;
    std::copy_n(other + at, size_t(length) * row, own + at);
  }
}

void Batches::combine(MutableArrayRef<float> batch, ArrayRef<int64_t> shape) const {
  size_t elements = elementsOf(shape);
  std::vector<float> first(batch.begin(), batch.begin() + elements);
  for (size_t i = 0; i < size; ++i) {
    float *own = batch.data() + i * elements;
    const float *other = i + 1 < size ? own + elements : first.data();
    float share = mixed[i].share;
    if (mixed[i].stretched && shape.size() > 1)
      stretch(mixed[i], shape, other, own);
    else
      for (size_t element = 0; element < elements; ++element)
        own[element] = (1 - share) * own[element] + share * other[element];
  }
}

} // namespace nestor::learn

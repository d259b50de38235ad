//===- Batches.h - Samples for training steps -------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_BATCHES_H
#define NESTOR_LEARN_BATCHES_H

#include "compiler/learn/AlignedFloats.h"
#include "compiler/learn/Dataset.h"

namespace nestor::learn {

/// A number that depends on nothing but its arguments, and looks random.
uint64_t randomAt(uint64_t seed, uint64_t a, uint64_t b = 0);

/// `count` numbers from 0 on in an order that depends on `seed` alone.
std::vector<size_t> shuffled(size_t count, uint64_t seed);

/// Where a sample of a batch comes from: 1 - `share` of `sample`, the rest of
/// `other`.
struct Mixture {
  size_t sample, other;
  float share = 0;        ///< Of `other`.
  bool stretched = false; ///< A part of `other` rather than a blend.
  uint64_t random = 0;
};

/// Training batches: every epoch takes each sample once, in an order of its
/// own. A batch depends on nothing but its number, so that a run that is resumed
/// sees what it would have seen.
class Batches {
public:
  /// `shapes`: of one sample of each input. With `mix`, samples are combined
  /// with others: every second one is a blend of two (mixup), the others have a
  /// stretch along their second dimension from another sample (CutMix). A
  /// teacher labels them as it labels samples, so few samples go further (Beyer
  /// et al.: A good teacher is patient and consistent, CVPR 2022).
  Batches(Dataset samples, std::vector<llvm::SmallVector<int64_t>> shapes, size_t batch,
          const Augmentation &augmentation, bool mix, uint64_t seed);

  size_t batch() const { return size; }
  /// Writes batch number `step` to `inputs`, one buffer for each input.
  void load(int64_t step, llvm::MutableArrayRef<AlignedFloats> inputs);
  /// What the samples of the batch that was loaded last are.
  llvm::ArrayRef<Mixture> mixtures() const { return mixed; }
  bool mixes() const { return mix; }
  const Dataset &samples() const { return data; }

private:
  size_t sampleAt(uint64_t position);
  void drawMixture(size_t index, uint64_t position);
  void combine(llvm::MutableArrayRef<float> batch, llvm::ArrayRef<int64_t> shape) const;

  Dataset data;
  std::vector<llvm::SmallVector<int64_t>> shapes;
  size_t size;
  Augmentation augmentation;
  bool mix;
  uint64_t seed;
  uint64_t epoch = ~uint64_t(0);
  std::vector<size_t> order; ///< Of `epoch`.
  std::vector<Mixture> mixed;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_BATCHES_H

//===- Dataset.h - Samples to calibrate and train with ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_DATASET_H
#define NESTOR_LEARN_DATASET_H

#include "tools/support/Npz.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nestor::learn {

/// How uint8 images become floats: (x * scale - mean[c]) / std[c].
struct Normalization {
  float scale = 1;
  std::vector<float> mean{0}, std{1}; ///< One value, or one a channel.
};

/// One input of the model: its name and the shape of one sample, the model's
/// without the batch dimension.
struct SampleShape {
  std::string name;
  llvm::SmallVector<int64_t> shape;
};

/// Labelled or unlabelled samples in memory, stored as they came (uint8 stays
/// uint8) and turned into floats batch by batch. Immutable and thread-safe.
class Dataset {
public:
  /// Takes arrays named like `inputs`, or `x` for the only one, and `y` if
  /// there is one. uint8 images may be [N,H,W,C] where the model takes
  /// [N,C,H,W]. The error says what was expected and what was found: a missing
  /// or extra array, a wrong shape, type or count, a NaN (with the sample's
  /// number), a label outside [0, classes).
  static llvm::Expected<Dataset> fromNpz(const support::NpzArchive &archive,
                                         llvm::ArrayRef<SampleShape> inputs, int64_t classes,
                                         const std::optional<Normalization> &normalization);

  size_t size() const;
  bool labelled() const;
  size_t inputs() const;
  int64_t label(size_t sample) const;

  /// Writes input `input` of sample `sample` as floats, in the model's layout.
  void copy(size_t sample, size_t input, llvm::MutableArrayRef<float> out) const;

  /// The samples with these numbers; shares the memory.
  Dataset subset(std::vector<size_t> samples) const;
  /// 64-bit hash of a sample's stored bytes, for finding equal samples.
  uint64_t hash(size_t sample) const;

private:
  struct Storage;
  std::shared_ptr<const Storage> storage;
  std::vector<size_t> order;
};

/// How many samples of `a` are, byte for byte, also in `b`.
size_t countShared(const Dataset &a, const Dataset &b);

/// Image augmentation as in the literature: a flip with probability 1/2; a
/// rectangle of `crop` to all of the area, its sides' ratio changed by up to a
/// third, stretched to the whole (Szegedy et al.: Going deeper with
/// convolutions, CVPR 2015, section 6); a shift of up to `shift` pixels with zero
/// padding.
struct Augmentation {
  bool flip = false;
  int shift = 0;
  double crop = 1;
};
/// Applies it in place to a [C,H,W] image, with random bits from `random`.
void augment(llvm::MutableArrayRef<float> image, llvm::ArrayRef<int64_t> shape,
             const Augmentation &what, uint64_t random);

} // namespace nestor::learn

#endif // NESTOR_LEARN_DATASET_H

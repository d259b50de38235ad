//===- Samples.h - Samples of an .npz file as a model's inputs - -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_SUPPORT_SAMPLES_H
#define NESTOR_TOOLS_SUPPORT_SAMPLES_H

#include "nestor/nestor.hpp"
#include "tools/support/Npz.h"

namespace nestor::support {

/// How uint8 samples of a float32 input become floats, as flags say it. What
/// is not given is as the artifact stores it, else 1, 0 and 1.
struct NormalizationFlags {
  float scale = 0; ///< 0: not given.
  std::vector<float> mean, std;
  bool given() const { return scale != 0 || !mean.empty() || !std.empty(); }
};

/// Samples in memory, as they were stored, that are written to a session's
/// inputs batch by batch.
class Samples {
public:
  /// Takes arrays named like the inputs, or `x` for the only one, and the
  /// labels `y` if there are any. Fails, with a sentence that says what was
  /// expected, for a missing array, a wrong shape, type or count, a NaN, and a
  /// label that is none of the model's classes.
  static Result<Samples> make(const Artifact &artifact, NpzArchive archive,
                              const NormalizationFlags &flags);

  int64_t count() const { return samples; }
  /// Samples of one run.
  int64_t batch() const { return batchSize; }
  /// Whether some samples are uint8 that become floats.
  bool normalized() const;
  /// Empty without labels.
  const std::vector<int64_t> &labels() const { return labelList; }

  /// Writes samples [first, first + batch) to the inputs of `session`; the last
  /// sample fills what lies beyond the end.
  void write(int64_t first, Session &session) const;

private:
  /// The samples of one input.
  struct Input {
    NpyArray array;                   ///< [N, ...].
    int64_t elements = 1;             ///< Of one sample.
    int64_t channels = 1, pixels = 1; ///< Of one sample.
    /// Whether the sample (the model's input) has its channels last.
    bool fromLast = false, toLast = false;
    bool normalize = false; ///< uint8 samples, float model.
    Normalization norm;

    /// Finds the layouts; false if such samples do not fit the shape `wanted`.
    bool setLayout(const std::vector<int64_t> &shape, const std::vector<int64_t> &wanted);
    void writeSample(const uint8_t *from, uint8_t *to) const;
  };

  Status addInput(const TensorInfo &info, NpyArray array, const Normalization *stored,
                  const NormalizationFlags &flags);
  Status addLabels(const TensorInfo &output, const NpyArray &array);

  std::vector<Input> inputs;
  std::vector<int64_t> labelList;
  int64_t samples = 0, batchSize = 1;
};

} // namespace nestor::support

#endif // NESTOR_TOOLS_SUPPORT_SAMPLES_H

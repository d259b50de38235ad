//===- HeldOut.h - What a state of training is worth ------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_HELDOUT_H
#define NESTOR_LEARN_HELDOUT_H

#include "compiler/learn/Dataset.h"
#include "compiler/learn/TrainingNetworks.h"

namespace nestor::learn {

/// Scores capacities on the held-out fifth. It gives training no labels; without
/// labels, it gives training nothing at all. (A model was often trained on what
/// it is recovered with, and answers it better than what it has not seen. To do
/// as well there, it must at least see what the original answers.) Scores: top-1
/// of classifiers with labels, agreement with the teacher's classes without; for
/// other networks one minus the squared error to the teacher's results over
/// their variance.
class HeldOut {
public:
  /// Runs the teacher once over `samples`.
  HeldOut(Dataset samples, TrainingNetworks &networks);

  const Dataset &samples() const { return data; }
  /// The teacher's own score: 1 without labels.
  double teacherScore() const { return original; }
  /// What the full capacity must reach under TopRule::Tolerance: the teacher's
  /// top-1 less four points, or less one standard error where samples are so few
  /// that it is more (without labels: agreement of 99.5 % less two). A network
  /// scores higher on what it was trained with than on anything else, so equality
  /// there would ask for learning by heart.
  double requiredOfTop() const;
  /// By result, hints among them: one over the variance of the teacher's, for
  /// LossOptions.
  const std::vector<double> &weights() const { return inverseVariance; }

  /// By capacity, 0 to 1, for the networks' current parameters.
  std::vector<double> scores() const;

private:
  /// Loads samples first, first + 1, ... and returns how many there are.
  size_t load(size_t first) const;
  double hits(llvm::ArrayRef<float> logits, size_t first, size_t count) const;
  double squaredError(unsigned capacity, size_t count) const;

  Dataset data;
  TrainingNetworks &networks;
  std::vector<size_t> classes; ///< The right ones: labels, or the teacher's.
  double original = 1;
  std::vector<double> inverseVariance;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_HELDOUT_H

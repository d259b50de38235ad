//===- Optimizer.h - Steps along gradients ----------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_OPTIMIZER_H
#define NESTOR_LEARN_OPTIMIZER_H

#include "compiler/learn/AlignedFloats.h"

#include "llvm/ADT/ArrayRef.h"

#include <vector>

namespace nestor::learn {

/// Values [begin, end) that train together.
struct TrainedRange {
  size_t begin, end;
  bool decays; ///< Filters do, private vectors do not.
};

struct OptimizerOptions {
  bool adam = true;            ///< AdamW; otherwise SGD with Nesterov momentum.
  double momentum = 0.9;       ///< Of the gradient.
  double secondMoment = 0.999; ///< AdamW: of its square.
  double epsilon = 1e-8;
  double weightDecay = 0; ///< Towards the center; times the learning rate.
  double clip = 0;        ///< Largest norm of all gradients together; 0: none.
};

/// What an optimizer remembers from step to step.
struct OptimizerState {
  AlignedFloats first, second; ///< Moments; SGD has no second one.
  int64_t updates = 0;
};

/// The order of all arithmetic is fixed: equal states, gradients and rates give
/// equal bits. Where a gradient has always been zero, a value of a range that
/// does not decay keeps its bits.
class Optimizer {
public:
  /// Trains values in terms of `units`, one for each: value = unit * v, and it is
  /// v that gradients, clipping and steps are about. What decays does so towards
  /// `center`, one for each, or zero where that is empty.
  Optimizer(std::vector<TrainedRange> ranges, const OptimizerOptions &options, AlignedFloats units,
            AlignedFloats center = {})
      : ranges(std::move(ranges)), options(options), units(std::move(units)),
        center(center.size() ? std::move(center) : AlignedFloats(this->units.size())) {}

  OptimizerState start(size_t size) const;

  /// Moves `values` along `gradients` (which it scales by units and to clip them)
  /// with the learning rate `rate`. Returns the norm of the gradients.
  double step(OptimizerState &state, AlignedFloats &values, AlignedFloats &gradients,
              double rate) const;

private:
  void stepAdam(OptimizerState &state, const TrainedRange &range, float *values,
                const float *gradients, double rate) const;
  void stepMomentum(OptimizerState &state, const TrainedRange &range, float *values,
                    const float *gradients, double rate) const;

  std::vector<TrainedRange> ranges;
  OptimizerOptions options;
  AlignedFloats units, center;
};

/// The share of the learning rate for step `step` of `steps`: a short warm-up,
/// then constant for a third of the steps, then along a cosine to zero. With
/// `steps` 0, the number of steps is not known yet and `step` comes before the
/// cosine: a run limited in time decides on it when it has made a third.
double learningRateAt(int64_t step, int64_t steps);

/// The first step of the cosine.
int64_t cosineStart(int64_t steps);

/// The share that the values after `step` of `steps` steps have in a running mean of
/// them: all of it at the first step of the cosine, then less and less, as in the
/// mean of all since, until the mean is over about a seventh of the steps. Zero
/// before the cosine: a run limited in time does not know `steps` then.
double shareOfMean(int64_t step, int64_t steps);

} // namespace nestor::learn

#endif // NESTOR_LEARN_OPTIMIZER_H

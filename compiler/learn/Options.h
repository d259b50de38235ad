//===- Options.h - How capacities are made ----------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_OPTIONS_H
#define NESTOR_LEARN_OPTIONS_H

#include "compiler/learn/Dataset.h"

#include <atomic>
#include <functional>
#include <string>
#include <vector>

namespace nestor::learn {

/// By what channels are ordered before the first ones are kept.
enum class OrderMethod {
  Obs,        ///< Second-order elimination; needs data.
  L1,         ///< Sum of the magnitudes of a channel's filter.
  Activation, ///< Mean magnitude of a channel's activations; needs data.
  Trr,        ///< NestDNN's triplet response residual; needs labelled data.
};

/// What widths are chosen by, inside the MAC bound of a capacity.
enum class Budget { Latency, Macs };

enum class RecoverLevel { None, Affine, Solve, Distill, FreezeGrow };
inline bool trains(RecoverLevel level) {
  return level == RecoverLevel::Distill || level == RecoverLevel::FreezeGrow;
}

/// Training on fewer samples than this must make more of each, and wins back less.
constexpr size_t kFewTrainingSamples = 5000;

/// May the full capacity change?
enum class TopRule {
  Exact,     ///< Never: only private vectors of the smaller ones are fitted.
  Tolerance, ///< Not for the worse, judged on a held-out fifth of the data.
  Free,
};

struct TrainOptions {
  double minutes = 0;    ///< Ends training in time; 0: no limit.
  int64_t epochs = 0;    ///< 0: as long as `minutes` or `steps` allow.
  /// Exact numbers of steps: one for each stage of the training, or their sum.
  /// They repeat a timed run. Empty: as many as fit.
  std::vector<int64_t> steps;
  int64_t batch = 0;     ///< 0: chosen by the size of the data.
  /// Layers normalise by batch statistics while distillation trains them
  /// (BatchNorm.h): the smallest capacities gain what the largest lose.
  bool batchNorm = false;
  double learningRate = 0; ///< 0: the optimizer's default here.
  bool adam = true;        ///< AdamW; false: SGD with Nesterov momentum.
  Augmentation augmentation;
  std::string checkpoint; ///< Directory; empty: none.

  /// Whether anything says how long training takes.
  bool isLimited() const { return minutes > 0 || epochs > 0 || !steps.empty(); }
};

/// What is going on, for whoever shows it. Any field may be unknown (NaN, 0).
struct Progress {
  std::string stage;      ///< "ordering channels", "distilling", ...
  double done = 0;        ///< 0 to 1.
  double secondsLeft = 0;
  int64_t step = 0;
  double loss = 0;
  /// By capacity, ascending: top-1 (or agreement without labels) on held-out
  /// samples, 0 to 1. Empty until it was measured.
  std::vector<double> scores;
};

struct NestOptions {
  /// Fractions of the full model's MACs, ascending; the last is 1.
  std::vector<double> capacities{1};
  OrderMethod order = OrderMethod::Obs;
  Budget budget = Budget::Macs;
  RecoverLevel recover = RecoverLevel::None;
  TopRule top = TopRule::Exact;
  TrainOptions train;
  bool allowSkips = false;    ///< Whole residual blocks may be left out.
  bool shrinkInput = false;   ///< Capacities may compute on a smaller copy of the input.
  uint64_t seed = 0;
  unsigned threads = 2;
  const Dataset *data = nullptr;
  /// Set from outside (Ctrl-C): finish with the best so far.
  const std::atomic<bool> *stop = nullptr;
  std::function<void(const Progress &)> progress;
  /// Sentences for the log: what was chosen and why.
  std::function<void(const std::string &)> log;
};

/// Whether filters train: with TopRule::Exact only private vectors do.
inline bool trainsFilters(const NestOptions &options) {
  return trains(options.recover) && options.top != TopRule::Exact;
}

} // namespace nestor::learn

#endif // NESTOR_LEARN_OPTIONS_H

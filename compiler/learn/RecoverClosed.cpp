//===- RecoverClosed.cpp - Accuracy won back without training -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Divergence.h"
#include "compiler/learn/LayerFit.h"
#include "compiler/learn/Patches.h"
#include "compiler/learn/Recover.h"
#include "compiler/learn/Walk.h"
#include "passes/SharedWeights.h"

#include "llvm/Support/FormatVariadic.h"

#include <chrono>
#include <cmath>
#include <limits>

using namespace mlir;

namespace nestor::learn {
namespace {

/// Samples that layers are fitted on, and at most so many bytes of them.
constexpr size_t kSamples = 1024, kSampleBytes = size_t(512) << 20;
/// Samples that judge the vectors of capacities with scaled inputs.
constexpr size_t kScaledSamples = 256;
/// Weights of the full capacity that are tried, one after the other, until it
/// is not worse than the original.
constexpr double kTopWeights[] = {16, 64, 256, 1024};
/// Agreement with the original that counts as not worse, without labels.
constexpr double kAgreement = 0.995;

size_t bytesOfSample(func::FuncOp func) {
  size_t bytes = sizeof(float);
  for (Type type : func.getArgumentTypes())
    bytes += cast<RankedTensorType>(type).getNumElements() * sizeof(float);
  return bytes;
}

/// The data that recovery may look at, and those that judge the full capacity.
struct Split {
  Dataset fit;
  std::optional<Dataset> judge;
};

Split split(const NestOptions &options, func::FuncOp main, bool judged) {
  size_t limit = std::min(kSamples, kSampleBytes / bytesOfSample(main) + 1);
  const Dataset &data = *options.data;
  if (!judged || data.size() < 10)
    return {chooseSamples(data, limit, options.seed), std::nullopt};
  Random random(options.seed + 4);
  std::vector<int64_t> held = choose(data.size(), data.size() / 5, random);
  std::vector<size_t> rest;
  for (size_t i = 0; i < data.size(); ++i)
    if (!llvm::is_contained(held, int64_t(i)))
      rest.push_back(i);
  return {chooseSamples(data.subset(std::move(rest)), limit, options.seed),
          data.subset({held.begin(), held.end()})};
}

/// Whether the full capacity may be what it has become.
class TopJudge {
public:
  TopJudge(const NestedLayers &layers, const Dataset &data, unsigned threads)
      : layers(layers), data(data), threads(threads) {}

  /// An empty string, or what is worse than before.
  llvm::Expected<std::string> complaint(const ParameterSet &set);

private:
  double top1(ArrayRef<float> scores) const;

  const NestedLayers &layers;
  const Dataset &data;
  unsigned threads;
};

double TopJudge::top1(ArrayRef<float> scores) const {
  size_t classes = scores.size() / data.size(), right = 0;
  for (size_t i = 0; i < data.size(); ++i) {
    ArrayRef<float> own = scores.slice(i * classes, classes);
    right += llvm::max_element(own) - own.begin() == data.label(i);
  }
  return double(right) / data.size();
}

llvm::Expected<std::string> TopJudge::complaint(const ParameterSet &set) {
  auto original = outputsOf(layers.functions().front(), data, threads, &set);
  if (!original)
    return original.takeError();
  auto present = outputsOf(layers.functions().back(), data, threads, &set);
  if (!present)
    return present.takeError();
  Divergence divergence(*original, data.size());
  if (!divergence.isClassifier()) {
    double error = divergence(*present);
    return error <= 1 - kAgreement
               ? std::string()
               : llvm::formatv("an error of {0:P} on samples that were held out", error).str();
  }
  if (data.labelled()) {
    double before = top1(original->front()), after = top1(present->front());
    return after >= before ? std::string()
                           : llvm::formatv("top-1 {0:P} instead of {1:P} on samples that were "
                                           "held out",
                                           after, before)
                                 .str();
  }
  double agreement = divergence.agreement(*present);
  return agreement >= kAgreement
             ? std::string()
             : llvm::formatv("{0:P} agreement with the original on samples that were held out",
                             agreement)
                   .str();
}

class Closed {
public:
  Closed(ModuleOp nested, ModuleOp teacher, const NestOptions &options)
      : set(nested), layers(nested, teacher, set), options(options),
        begin(std::chrono::steady_clock::now()) {}

  llvm::Expected<Recovery> affine();
  llvm::Expected<Recovery> solve();

private:
  FitOptions fitOptions(const char *stage) const;
  void restore(const std::vector<std::vector<float>> &values);
  std::vector<std::vector<float>> values() const;
  llvm::Expected<Recovery> finish();
  llvm::Error fitWithin(const Split &data, FitOptions fit);
  void move(int capacity, const std::vector<std::vector<float>> &from,
            const std::vector<std::vector<float>> &to, float share);
  llvm::Error moderate(const Dataset &data, const std::vector<std::vector<float>> &start);

  ParameterSet set;
  NestedLayers layers;
  const NestOptions &options;
  std::chrono::steady_clock::time_point begin;
  Recovery recovery;
};

FitOptions Closed::fitOptions(const char *stage) const {
  FitOptions fit;
  fit.seed = options.seed;
  fit.threads = options.threads;
  fit.stop = options.stop;
  if (options.progress)
    fit.progress = [this, stage](double done) {
      Progress progress;
      progress.stage = stage;
      progress.done = done;
      progress.loss = NAN;
      options.progress(progress);
    };
  return fit;
}

std::vector<std::vector<float>> Closed::values() const {
  std::vector<std::vector<float>> result;
  for (const Parameter &parameter : set.parameters())
    result.push_back(parameter.value);
  return result;
}

void Closed::restore(const std::vector<std::vector<float>> &values) {
  for (auto [parameter, value] : llvm::zip(set.parameters(), values))
    parameter.value = value;
}

llvm::Expected<Recovery> Closed::finish() {
  set.writeBack();
  recovery.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  bool isLast = options.recover == RecoverLevel::Affine || options.recover == RecoverLevel::Solve;
  auto isRecurrent = [](Operation &op) { return RecurrentOperands::of(&op).has_value(); };
  func::FuncOp full = layers.functions().back();
  if (isLast && llvm::any_of(full.front(), isRecurrent))
    recovery.notes.push_back("recurrent layers are as they were: only the layers around them are "
                             "fitted (distill trains them, too)");
  return std::move(recovery);
}

/// Sets a capacity's own vectors to what lies `share` of the way between two
/// states.
void Closed::move(int capacity, const std::vector<std::vector<float>> &from,
                  const std::vector<std::vector<float>> &to, float share) {
  for (auto [i, parameter] : llvm::enumerate(set.parameters()))
    if (parameter.capacity == capacity)
      for (size_t e = 0; e < parameter.value.size(); ++e)
        parameter.value[e] = from[i][e] + share * (to[i][e] - from[i][e]);
}

/// A capacity with a scaled input sees another image, and a part of what its
/// statistics differ by is right: its own vectors go as far from `start` towards
/// the teacher's statistics, half or all of the way, as its outputs like it.
llvm::Error Closed::moderate(const Dataset &all, const std::vector<std::vector<float>> &start) {
  constexpr float shares[] = {0.5f, 1};
  ArrayRef<func::FuncOp> functions = layers.functions();
  Dataset data = chooseSamples(all, kScaledSamples, options.seed + 6);
  std::optional<Divergence> divergence;
  for (auto [capacity, function] : llvm::enumerate(functions.drop_front())) {
    if (!layers.hasScaledInput(capacity))
      continue;
    if (!divergence) {
      auto original = outputsOf(functions.front(), data, options.threads, &set);
      if (!original)
        return original.takeError();
      divergence.emplace(std::move(*original), data.size());
    }
    std::vector<std::vector<float>> fitted = values(), best;
    double least = std::numeric_limits<double>::infinity();
    for (float share : shares) {
      move(capacity, start, fitted, share);
      auto outputs = outputsOf(function, data, options.threads, &set);
      if (!outputs)
        return outputs.takeError();
      double error = (*divergence)(*outputs);
      if (error < least)
        least = error, best = values();
    }
    restore(best);
  }
  return llvm::Error::success();
}

llvm::Expected<Recovery> Closed::affine() {
  Split data = split(options, layers.functions().front(), /*judged=*/false);
  recovery.samples = data.fit.size();
  std::vector<std::vector<float>> start = values();
  if (llvm::Error error =
          fitLayers(layers, set, data.fit, fitOptions("fitting scales"), recovery.notes))
    return error;
  if (llvm::Error error = moderate(data.fit, start))
    return error;
  return finish();
}

/// Solves with more and more weight on the full capacity until it passes.
llvm::Error Closed::fitWithin(const Split &data, FitOptions fit) {
  std::vector<std::vector<float>> start = values();
  std::string complaint;
  for (double weight : kTopWeights) {
    restore(start);
    fit.topWeight = weight;
    std::vector<std::string> notes;
    if (llvm::Error error = fitLayers(layers, set, data.fit, fit, notes))
      return error;
    recovery.topChanged = true;
    recovery.notes = std::move(notes);
    if (!data.judge)
      return llvm::Error::success();
    auto found = TopJudge(layers, *data.judge, options.threads).complaint(set);
    if (!found)
      return found.takeError();
    if (found->empty())
      return llvm::Error::success();
    complaint = *found;
  }
  restore(start);
  recovery.topChanged = false;
  recovery.notes.push_back("filters were not solved for: the full capacity had " + complaint);
  fit.solveFilters = fit.touchTop = false;
  return fitLayers(layers, set, data.fit, fit, recovery.notes);
}

llvm::Expected<Recovery> Closed::solve() {
  if (options.top == TopRule::Exact) {
    recovery.notes.push_back("the full capacity is exact: filters stay, and only scales and "
                             "biases of the smaller ones are fitted");
    return affine();
  }
  bool judged = options.top == TopRule::Tolerance;
  Split data = split(options, layers.functions().front(), judged);
  recovery.samples = data.fit.size() + (data.judge ? data.judge->size() : 0);
  FitOptions fit = fitOptions("solving");
  fit.solveFilters = fit.touchTop = true;
  std::vector<std::vector<float>> start = values();
  if (llvm::Error error = fitWithin(data, fit))
    return error;
  if (llvm::Error error = moderate(data.fit, start))
    return error;
  return finish();
}

/// Why closed forms do not apply; success if they do.
llvm::Error checkData(const NestOptions &options) {
  if (!options.data || options.data->size() == 0)
    return llvm::createStringError("recovery needs samples (--data)");
  return llvm::Error::success();
}

} // namespace

llvm::Expected<Recovery> recoverAffine(ModuleOp nested, ModuleOp teacher,
                                       const NestOptions &options) {
  if (llvm::Error error = checkData(options))
    return error;
  return Closed(nested, teacher, options).affine();
}

llvm::Expected<Recovery> recoverSolve(ModuleOp nested, ModuleOp teacher,
                                      const NestOptions &options) {
  if (llvm::Error error = checkData(options))
    return error;
  return Closed(nested, teacher, options).solve();
}

} // namespace nestor::learn

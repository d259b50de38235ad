//===- Ordering.cpp - Channels by importance ------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Ordering.h"

#include "compiler/learn/Divergence.h"
#include "compiler/learn/Patches.h"
#include "compiler/learn/Readers.h"
#include "compiler/learn/Scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace mlir;

namespace nestor::learn {
namespace {

/// Samples that statistics are made of, and at most so many bytes of them.
constexpr size_t kSamples = 1024, kSampleBytes = size_t(512) << 20;
/// Sensitivities are measured on at most so many samples, with at most so many
/// multiply-accumulates in all.
constexpr size_t kTrialSamples = 128, kLeastTrialSamples = 16;
constexpr double kTrialMacs = 5e11;
/// At these shares of a group's channels.
constexpr double kTrialShares[] = {0.75, 0.5, 0.25, 0.125};

class Orderer {
public:
  Orderer(func::FuncOp main, const ChannelGroups &groups, const NestOptions &options)
      : main(main), groups(groups), options(options), method(options.order) {}

  llvm::Expected<Importance> run();

private:
  void log(const std::string &line) {
    if (options.log)
      options.log(line);
  }
  void chooseMethod();
  llvm::Error scoreChannels();
  void orderByElimination(size_t group);
  void orderByScore(size_t group, ArrayRef<double> scores);
  size_t trialSamples();
  llvm::Error measure();
  double measureCut(Trial &trial, size_t group, int64_t width);
  void cutRecurrent(Trial &trial, size_t group, ArrayRef<int64_t> dropped);
  bool isMeasured(size_t group) const;
  void progress(double done) {
    if (options.progress)
      options.progress({"ordering channels", done, 0, 0, NAN, {}});
  }

  func::FuncOp main;
  const ChannelGroups &groups;
  const NestOptions &options;
  OrderMethod method;
  std::optional<Dataset> data;
  std::vector<std::vector<Reader>> readers;
  SmallVector<nest::ConvOp> convs; ///< All that read a group.
  SmallVector<Operation *> layers; ///< Recurrent ones that have or read a group.
  Importance importance;
};

/// Falls back to what the data allow.
void Orderer::chooseMethod() {
  bool labelled = options.data && options.data->labelled();
  for (size_t i = 1, same = 1; labelled && i < options.data->size(); ++i)
    if (options.data->label(i) != options.data->label(0))
      break;
    else if (++same == options.data->size())
      labelled = false;
  if (method == OrderMethod::Trr && !labelled) {
    log("channels are ordered by elimination: triplets need labels of at least two classes");
    method = OrderMethod::Obs;
  }
  if (!options.data && method != OrderMethod::L1) {
    log("channels are ordered by the magnitude of their filters: there are no data");
    method = OrderMethod::L1;
  }
}

void Orderer::orderByElimination(size_t group) {
  std::vector<LinearReader> linear;
  for (const Reader &reader : readers[group])
    linear.push_back(reader.linear);
  Elimination result = eliminate(linear);
  importance.order[group].assign(result.order.begin(), result.order.end());
  importance.curve[group] = std::move(result.error);
}

/// The curve is the share of the scores that is dropped.
void Orderer::orderByScore(size_t group, ArrayRef<double> scores) {
  auto &order = importance.order[group];
  order.resize(scores.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  // Residuals may be negative; what counts is how far above the least they are.
  double least = std::min(0., *llvm::min_element(scores)), sum = 0;
  for (double score : scores)
    sum += score - least;
  std::vector<double> &curve = importance.curve[group];
  curve.assign(scores.size() + 1, 0);
  for (size_t kept = scores.size(); kept-- > 0;)
    curve[kept] =
        curve[kept + 1] + (sum > 0 ? (scores[order[kept]] - least) / sum : 1. / scores.size());
}

/// Elimination knows linear readers only: what nothing but recurrent layers
/// reads is ordered by activation then.
llvm::Error Orderer::scoreChannels() {
  llvm::Expected<ChannelScores> scores = scoreByMagnitude(groups);
  SmallVector<size_t> notLinear;
  for (size_t group = 0; group < readers.size(); ++group)
    if (method == OrderMethod::Obs && readers[group].empty() && isMeasured(group))
      notLinear.push_back(group);
  for (size_t group : notLinear)
    log("the channels of '" + groups.groups()[group].name +
        "' are ordered by activation: only recurrent layers read them");
  if (method == OrderMethod::Activation || !notLinear.empty())
    scores = scoreByActivation(main, groups, *data, options.threads);
  if (method == OrderMethod::Trr)
    scores = scoreByTriplets(main, groups, *data, options);
  if (!scores)
    return scores.takeError();
  for (size_t group = 0; group < groups.groups().size(); ++group) {
    if (method == OrderMethod::Obs && !readers[group].empty())
      orderByElimination(group);
    else
      orderByScore(group, (*scores)[group]);
    progress(0.3 + 0.3 * (group + 1) / groups.groups().size());
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Sensitivities
//===----------------------------------------------------------------------===//

size_t Orderer::trialSamples() {
  SmallVector<int64_t> widths;
  for (const ChannelGroup &group : groups.groups())
    widths.push_back(group.channels);
  double runs = widths.size() * std::size(kTrialShares);
  double afford = kTrialMacs / (runs * double(macsAt(main, groups, widths, {}) + 1));
  return std::clamp(size_t(afford), kLeastTrialSamples, kTrialSamples);
}

bool Orderer::isMeasured(size_t group) const {
  const ChannelGroup &each = groups.groups()[group];
  return !readers[group].empty() || !each.recurrences.empty() || !each.recurrentReaders.empty();
}

/// A hidden unit of which all rows are zero stays zero; an input whose columns
/// are zero is not read.
void Orderer::cutRecurrent(Trial &trial, size_t group, ArrayRef<int64_t> dropped) {
  for (auto [number, op] : llvm::enumerate(layers)) {
    RecurrentOperands layer = *RecurrentOperands::of(op);
    MutableArrayRef<std::vector<float>> values = trial.recurrent(number);
    int64_t inputs = cast<RankedTensorType>(layer.weights->get().getType()).getShape()[2];
    int64_t hidden = cast<RankedTensorType>(layer.recurrence->get().getType()).getShape()[2];
    if (llvm::is_contained(groups.groups()[group].recurrences, op)) {
      auto units = channelIndices(groups, group, layer.hidden());
      const int64_t lengths[] = {inputs, hidden, 1}; // Of a row.
      for (auto [value, length] : llvm::zip(values, lengths))
        for (int64_t channel : dropped)
          for (int64_t unit : units[channel])
            for (size_t row = unit; row * length < value.size(); row += hidden)
              std::fill_n(&value[row * length], length, 0.f);
    }
    if (llvm::is_contained(groups.groups()[group].recurrentReaders, op)) {
      auto columns = channelIndices(groups, group, layer.input->get());
      for (int64_t channel : dropped)
        for (int64_t column : columns[channel])
          for (size_t i = column; i < values[0].size(); i += inputs)
            values[0][i] = 0;
    }
  }
}

/// The divergence when the group keeps its first `width` channels and its
/// readers make up for the others as well as they can.
double Orderer::measureCut(Trial &trial, size_t group, int64_t width) {
  trial.reset();
  cutRecurrent(trial, group, ArrayRef(importance.order[group]).drop_front(width));
  for (const Reader &reader : readers[group]) {
    const LinearReader &linear = reader.linear;
    std::vector<bool> dropped(linear.weights.rows());
    for (int64_t channel : ArrayRef(importance.order[group]).drop_front(width))
      for (int64_t feature : linear.features[channel])
        dropped[feature] = true;
    SmallVector<int64_t> kept;
    for (size_t feature = 0; feature < dropped.size(); ++feature)
      if (!dropped[feature])
        kept.push_back(feature);
    Eigen::MatrixXd fitted = refit(linear.covariance, linear.weights, kept);
    size_t number = llvm::find(convs, reader.conv) - convs.begin();
    storeWeights(reader, fitted, trial.filter(number));
    // What is lost on average goes into the bias.
    Eigen::VectorXd lost = (linear.weights - fitted).transpose() * reader.mean;
    for (int64_t i = 0; i < lost.size(); ++i)
      trial.bias(number)[reader.firstOutput + i % reader.outputs] += lost[i];
  }
  return trial.divergence();
}

/// Scales a curve so that it goes through what was measured at `widths`,
/// descending, and never ascends.
void calibrate(std::vector<double> &curve, ArrayRef<int64_t> widths, ArrayRef<double> measured) {
  std::vector<double> factors;
  double most = 0;
  for (auto [width, value] : llvm::zip(widths, measured)) {
    most = std::max({most, value, 1e-9});
    factors.push_back(std::log(most / std::max(curve[width], 1e-12)));
  }
  for (int64_t kept = curve.size() - 2; kept >= 0; --kept) {
    size_t next = 0; // The first measured width that is not above `kept`.
    while (next < widths.size() && widths[next] > kept)
      ++next;
    double factor = factors[std::min(next, widths.size() - 1)];
    if (next > 0 && next < widths.size()) {
      double share = double(widths[next - 1] - kept) / (widths[next - 1] - widths[next]);
      factor = factors[next - 1] + share * (factors[next] - factors[next - 1]);
    }
    curve[kept] = std::max(curve[kept] * std::exp(factor), curve[kept + 1]);
  }
}

llvm::Error Orderer::measure() {
  Dataset few = chooseSamples(*data, trialSamples(), options.seed + 1);
  auto trial = Trial::create(main, convs, layers, few, options.threads);
  if (!trial)
    return trial.takeError();
  for (size_t group = 0; group < readers.size(); ++group) {
    int64_t channels = groups.groups()[group].channels;
    SmallVector<int64_t> widths;
    SmallVector<double> measured;
    for (double share : kTrialShares)
      if (int64_t width = std::llround(share * channels);
          isMeasured(group) && width < channels && (widths.empty() || width < widths.back())) {
        widths.push_back(width);
        measured.push_back(measureCut(*trial, group, width));
      }
    if (!widths.empty())
      calibrate(importance.curve[group], widths, measured);
    progress(0.6 + 0.4 * (group + 1) / readers.size());
  }
  return llvm::Error::success();
}

llvm::Expected<Importance> Orderer::run() {
  size_t count = groups.groups().size();
  importance.order.resize(count);
  importance.curve.resize(count);
  readers.resize(count);
  if (count == 0)
    return std::move(importance);
  chooseMethod();
  if (options.data) {
    size_t bytes = sizeof(float);
    for (Type type : main.getArgumentTypes())
      bytes += cast<RankedTensorType>(type).getNumElements() * sizeof(float);
    data = chooseSamples(*options.data, std::min(kSamples, kSampleBytes / bytes + 1), options.seed);
    auto collected = collectReaders(main, groups, *data, options);
    if (!collected)
      return collected.takeError();
    readers = std::move(*collected);
    for (auto &list : readers)
      for (Reader &reader : list)
        if (!llvm::is_contained(convs, reader.conv))
          convs.push_back(reader.conv);
    for (const ChannelGroup &group : groups.groups())
      for (Operation *layer :
           llvm::concat<Operation *const>(group.recurrences, group.recurrentReaders))
        if (!llvm::is_contained(layers, layer))
          layers.push_back(layer);
  }
  progress(0.3);
  if (llvm::Error error = scoreChannels())
    return error;
  if (!convs.empty() || !layers.empty())
    if (llvm::Error error = measure())
      return error;
  return std::move(importance);
}

} // namespace

llvm::Expected<Importance> orderChannels(func::FuncOp main, const ChannelGroups &groups,
                                         const NestOptions &options) {
  return Orderer(main, groups, options).run();
}

} // namespace nestor::learn

//===- Scores.cpp - Importance of channels, one number each ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Scores.h"

#include "compiler/learn/Patches.h"
#include "compiler/learn/Walk.h"
#include "compiler/reference/Evaluator.h"
#include "passes/SharedWeights.h"

#include <cmath>

using namespace mlir;

namespace nestor::learn {
namespace {

constexpr int64_t kTriplets = 256;

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

ChannelScores zeroScores(const ChannelGroups &groups) {
  ChannelScores scores;
  for (const ChannelGroup &group : groups.groups())
    scores.emplace_back(group.channels, 0.);
  return scores;
}

/// Sums of magnitudes along dimension `dim` of a filter, by index; nothing if
/// the filter is not constant.
std::vector<double> magnitudes(nest::ConvOp conv, unsigned fromLast) {
  auto constant = conv.getFilter().getDefiningOp<nest::ConstOp>();
  if (!constant)
    return {};
  auto filter = reference::TensorValue::fromAttr(constant.getValue());
  ArrayRef<int64_t> shape = shapeOf(conv.getFilter());
  int64_t inner = fromLast ? shape.back() : 1, extent = shape[shape.size() - 1 - fromLast];
  std::vector<double> sums(extent);
  for (auto [i, value] : llvm::enumerate(std::as_const(filter).as<float>()))
    sums[i / inner % extent] += std::fabs(value);
  return sums;
}

/// Adds, for every channel, what `sums` has at its indices in `value`.
void addScores(const ChannelGroups &groups, int32_t group, Value value, ArrayRef<double> sums,
               std::vector<double> &scores) {
  for (auto [channel, indices] : llvm::enumerate(channelIndices(groups, group, value)))
    for (int64_t index : indices)
      scores[channel] += sums[index % sums.size()];
}

/// The magnitudes of a hidden unit's rows, of all gates and directions.
std::vector<double> rowMagnitudes(Operation *op) {
  std::vector<double> sums(shapeOf(op->getResult(0)).back());
  for (OpOperand *operand : sharedOperands(op)) {
    auto constant = operand->get().getDefiningOp<nest::ConstOp>();
    auto value = reference::TensorValue::fromAttr(constant.getValue());
    int64_t length = shapeOf(operand->get()).back();
    for (auto [i, element] : llvm::enumerate(std::as_const(value).as<float>()))
      sums[i / length % sums.size()] += std::fabs(element);
  }
  return sums;
}

/// What all readers read, and whose channels it has.
struct FeatureMaps {
  SmallVector<Value> values;
  std::vector<std::pair<int32_t, unsigned>> uses; ///< Group, number of the value.

  explicit FeatureMaps(const ChannelGroups &groups) {
    llvm::SetVector<Value> unique;
    auto use = [&](int32_t group, Value value) {
      unique.insert(value);
      uses.push_back({group, unsigned(llvm::find(unique, value) - unique.begin())});
    };
    for (auto [number, group] : llvm::enumerate(groups.groups())) {
      for (nest::ConvOp conv : group.consumers)
        use(number, conv.getInput());
      for (Operation *layer : group.recurrentReaders)
        use(number, RecurrentOperands::of(layer)->input->get());
      // A recurrent layer reads its own states.
      for (Operation *layer : group.recurrences)
        use(number, layer->getResult(0));
    }
    values = unique.takeVector();
  }
};

/// By index of the last dimension, the mean of `term` over the others.
template <typename Term>
std::vector<double> meanByChannel(Value value, int64_t elements, Term term) {
  int64_t channels = shapeOf(value).back();
  std::vector<double> sums(channels);
  for (int64_t i = 0; i < elements; ++i)
    sums[i % channels] += term(i);
  for (double &sum : sums)
    sum *= double(channels) / elements;
  return sums;
}

/// Samples in threes: an anchor, one of its class, one of another.
Dataset drawTriplets(const Dataset &data, uint64_t seed) {
  Random random(seed);
  std::vector<size_t> order;
  while (order.size() < 3 * kTriplets) {
    size_t anchor = random.below(data.size()), positive, negative;
    auto draw = [&](bool same) {
      // Gives up on a class with one sample only.
      for (int i = 0; i < 1000; ++i)
        if (size_t other = random.below(data.size());
            other != anchor && (data.label(other) == data.label(anchor)) == same)
          return other;
      return anchor;
    };
    positive = draw(true), negative = draw(false);
    order.insert(order.end(), {anchor, positive, negative});
  }
  return data.subset(std::move(order));
}

} // namespace

std::vector<SmallVector<int64_t>> channelIndices(const ChannelGroups &groups, int32_t group,
                                                 Value value) {
  std::vector<SmallVector<int64_t>> indices(groups.groups()[group].channels);
  int64_t index = 0;
  for (const ChannelRun &run : groups.runs(value, shapeOf(value).size() - 1)) {
    for (int64_t i = 0; run.group == group && i < run.length; ++i)
      indices[run.first + i].push_back(index + i);
    index += run.length;
  }
  return indices;
}

ChannelScores scoreByMagnitude(const ChannelGroups &groups) {
  ChannelScores scores = zeroScores(groups);
  for (auto [number, group] : llvm::enumerate(groups.groups())) {
    for (Operation *layer : group.recurrences)
      addScores(groups, number, layer->getResult(0), rowMagnitudes(layer), scores[number]);
    bool hasProducers = !group.producers.empty() || !group.recurrences.empty();
    for (nest::ConvOp conv : hasProducers ? group.producers : group.consumers)
      if (std::vector<double> sums = magnitudes(conv, hasProducers ? 0 : 1); !sums.empty())
        addScores(groups, number, hasProducers ? conv.getResult() : conv.getInput(), sums,
                  scores[number]);
  }
  return scores;
}

llvm::Expected<ChannelScores> scoreByActivation(func::FuncOp main, const ChannelGroups &groups,
                                                const Dataset &data, unsigned threads) {
  ChannelScores scores = zeroScores(groups);
  FeatureMaps maps(groups);
  Walk walk({main}, data, threads);
  llvm::Error error =
      walk.run(maps.values, [&](size_t, size_t count, ArrayRef<const float *> values) {
        for (auto [group, at] : maps.uses) {
          auto sums = meanByChannel(maps.values[at], count * elementsOf(maps.values[at]),
                                    [&](int64_t i) { return std::fabs(values[at][i]); });
          for (double &sum : sums)
            sum *= double(count) / data.size();
          addScores(groups, group, maps.values[at], sums, scores[group]);
        }
      });
  if (error)
    return error;
  return scores;
}

llvm::Expected<ChannelScores> scoreByTriplets(func::FuncOp main, const ChannelGroups &groups,
                                              const Dataset &data, const NestOptions &options) {
  ChannelScores scores = zeroScores(groups);
  FeatureMaps maps(groups);
  Walk walk({main}, drawTriplets(data, options.seed), options.threads);
  std::vector<std::vector<float>> anchors(maps.values.size()), positives(maps.values.size());
  auto take = [&](size_t sample, unsigned at, const float *map) {
    int64_t size = elementsOf(maps.values[at]);
    if (sample % 3 == 0)
      anchors[at].assign(map, map + size);
    else if (sample % 3 == 1)
      positives[at].assign(map, map + size);
    if (sample % 3 != 2)
      return;
    auto residual = meanByChannel(maps.values[at], size, [&](int64_t i) {
      double far = map[i] - anchors[at][i], near = positives[at][i] - anchors[at][i];
      return far * far - near * near;
    });
    for (auto [group, value] : maps.uses)
      if (value == at)
        addScores(groups, group, maps.values[at], residual, scores[group]);
  };
  llvm::Error error =
      walk.run(maps.values, [&](size_t first, size_t count, ArrayRef<const float *> values) {
        for (unsigned at = 0; at < maps.values.size(); ++at)
          for (size_t i = 0; i < count; ++i)
            take(first + i, at, values[at] + i * elementsOf(maps.values[at]));
      });
  if (error)
    return error;
  return scores;
}

} // namespace nestor::learn

//===- ChooseWinograd.cpp - Which convolutions are computed in tiles ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/FilterReaders.h"
#include "passes/Passes.h"
#include "passes/Utils.h"
#include "passes/WinogradCost.h"

#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/Nested.h"
#include "compiler/ir/Winograd.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_CHOOSEWINOGRADPASS
#include "passes/Passes.h.inc"

namespace {

/// Whatever the table says, less than this is not worth more weights and less
/// accuracy.
constexpr double kLeastGain = 1.05;

struct Layer {
  ConvExtents extents;
  DictionaryAttr measured; ///< See kMeasuredAttr; may be null.
};

/// A filter, and everything that reads it: one choice for all.
struct Filter {
  SmallVector<ConvOp> readers;
  SmallVector<Layer> layers;       ///< Of the largest function that reads it.
  bool open = true;                ///< Whether one algorithm can compute all readers.
  bool computed = false;           ///< Packed whenever the function runs.
  int64_t tile = 0;

  int64_t stride() const { return layers.front().extents.stride; }
};

class Choice {
public:
  Choice(ModuleOp module, ArrayRef<std::string> targets, int64_t largest)
      : module(module), targets(targets), largest(largest), allBytes(nestor::weightBytes(module)) {}

  /// `computed`: see the option.
  void collect(bool computed);
  /// The fastest for each, whatever it costs.
  void takeFastest();
  void takeFastest(ConvFilterGradOp grad);
  /// What saves most time per byte, as long as all take no more than `bytes`.
  void takeBest(int64_t bytes);
  /// Of the network as it is.
  int64_t weightBytes() const { return allBytes; }
  void apply();

private:
  ArrayRef<int64_t> choicesFor(int64_t stride) const {
    return winogradChoices(stride).take_while([&](int64_t tile) { return tile <= largest; });
  }
  double time(const Filter &filter, int64_t tile) const;
  int64_t bytes(const Filter &filter, int64_t tile) const {
    return filterBytes(filter.layers.front().extents, tile);
  }
  bool pays(const Filter &filter, int64_t tile) const {
    return time(filter, 0) > kLeastGain * time(filter, tile);
  }

  ModuleOp module;
  ArrayRef<std::string> targets;
  int64_t largest, allBytes;
  llvm::MapVector<const void *, Filter> filters;
};

void Choice::collect(bool computed) {
  forEachFilterReader(module, [&](const FilterReader &reader) {
    if (!reader.isConstant && !computed)
      return;
    ConvOp conv = reader.conv;
    Filter &filter = filters[reader.filter];
    filter.computed = !reader.isConstant;
    filter.readers.push_back(conv);
    std::optional<ConvExtents> extents = winogradExtents(conv);
    filter.open &= extents && (filter.layers.empty() || extents->stride == filter.stride());
    if (filter.open && reader.isWidest)
      filter.layers.push_back({*extents, conv->getAttrOfType<DictionaryAttr>(kMeasuredAttr)});
  });
  filters.remove_if([](const auto &entry) { return !entry.second.open; });
}

double Choice::time(const Filter &filter, int64_t tile) const {
  double sum = 0;
  for (const std::string &target : targets)
    for (const Layer &layer : filter.layers) {
      sum += measuredTime(layer.measured, target, {tile, filter.stride()})
                 .value_or(convTime(layer.extents, tile, target, allBytes));
      if (filter.computed)
        sum += packTime(layer.extents, tile, target);
    }
  return sum;
}

void Choice::takeFastest() {
  for (auto &[identity, filter] : filters)
    for (int64_t tile : choicesFor(filter.stride()))
      if (pays(filter, tile) && time(filter, tile) < time(filter, filter.tile))
        filter.tile = tile;
}

void Choice::takeBest(int64_t left) {
  while (true) {
    Filter *best = nullptr;
    int64_t bestTile = 0;
    double bestRate = 0;
    for (auto &[identity, filter] : filters) {
      for (int64_t tile : choicesFor(filter.stride())) {
        int64_t more = bytes(filter, tile) - bytes(filter, filter.tile);
        double saved = time(filter, filter.tile) - time(filter, tile);
        if (more > 0 && more <= left && pays(filter, tile) && saved / more > bestRate)
          best = &filter, bestTile = tile, bestRate = saved / more;
      }
    }
    if (!best)
      return;
    left -= bytes(*best, bestTile) - bytes(*best, best->tile);
    best->tile = bestTile;
  }
}

void Choice::apply() {
  module->walk([](ConvOp conv) { conv->removeAttr(kMeasuredAttr); });
  for (auto &[identity, filter] : filters)
    for (ConvOp conv : filter.readers)
      setWinogradTile(conv, {filter.tile, filter.stride()});
}

/// Gradients of filters take no room in the file: the fastest for each.
void Choice::takeFastest(ConvFilterGradOp grad) {
  std::optional<ConvExtents> extents = winogradExtents(grad);
  if (!extents)
    return;
  auto timeOf = [&](int64_t tile) {
    double sum = 0;
    for (const std::string &target : targets)
      sum += filterGradTime(*extents, tile, target);
    return sum;
  };
  int64_t best = 0;
  for (int64_t tile : choicesFor(extents->stride))
    if (timeOf(0) > kLeastGain * timeOf(tile) && timeOf(tile) < timeOf(best))
      best = tile;
  setWinogradTile(grad, {best, extents->stride});
}

struct ChooseWinogradPass final : impl::ChooseWinogradPassBase<ChooseWinogradPass> {
  using Base::Base;
  void runOnOperation() override {
    std::vector<std::string> names(targets.begin(), targets.end());
    Choice choice(getOperation(), names, largest);
    choice.collect(computed);
    if (growth < 0)
      choice.takeFastest();
    else
      choice.takeBest(choice.weightBytes() * growth);
    choice.apply();
    if (computed)
      getOperation()->walk([&](ConvFilterGradOp grad) { choice.takeFastest(grad); });
  }
};

} // namespace
} // namespace nestor

//===- PermuteChannels.cpp - Channels in order of importance --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/NarrowFunction.h"

using namespace mlir;

namespace nestor {

/// Gives `func` the body that it has with its indices in `order`.
static void reorder(func::FuncOp func, const ChannelGroups &groups, const IndexOrder &order) {
  func::FuncOp reordered = func.cloneWithoutRegions();
  FunctionNarrower(groups, order).run(func, reordered);
  func.getBody().takeBody(reordered.getBody());
  reordered.erase();
}

void permuteChannels(func::FuncOp func, const ChannelGroups &groups, const ChannelOrder &order) {
  std::vector<SmallVector<int64_t>> positions; // The inverse of `order`.
  for (const SmallVector<int64_t> &old : order) {
    SmallVector<int64_t> &inverse = positions.emplace_back(old.size());
    for (auto [position, channel] : llvm::enumerate(old))
      inverse[channel] = position;
  }
  reorder(func, groups,
          IndexOrder::sorted(
              groups, [](int, int64_t) { return 0; },
              [&](int group, int64_t channel) { return positions[group][channel]; }));
}

void sortByCapacity(func::FuncOp func, const ChannelGroups &groups, const CapacityPlan &plan) {
  auto firstCapacity = [&](int group, int64_t channel) -> int64_t {
    auto keeps = [&](const SmallVector<int64_t> &widths) { return channel < widths[group]; };
    return llvm::find_if(plan.widths, keeps) - plan.widths.begin();
  };
  reorder(func, groups,
          IndexOrder::sorted(groups, firstCapacity, [](int, int64_t channel) { return channel; }));
}

} // namespace nestor

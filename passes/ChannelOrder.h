//===- ChannelOrder.h - Which indices of an axis, in which order *- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_CHANNELORDER_H
#define NESTOR_PASSES_CHANNELORDER_H

#include "passes/ChannelFlow.h"
#include "passes/ChannelGroups.h"

namespace nestor {

/// For every axis, the indices that are left, in their new order.
class IndexOrder {
public:
  /// The first widths[group] channels of each group; nothing moves.
  static IndexOrder prefix(const ChannelGroups &groups, llvm::ArrayRef<int64_t> widths);

  /// All indices. Where nothing fixes an axis they are sorted by level, group
  /// and position, those that are in no group first. What a concat yields
  /// stays in the order of its operands unless a filter computes it, too.
  using ChannelKey = llvm::function_ref<int64_t(int group, int64_t channel)>;
  static IndexOrder sorted(const ChannelGroups &groups, ChannelKey level, ChannelKey position);

  llvm::ArrayRef<int64_t> of(Axis axis) const { return indices[axis]; }
  /// Whether every index of the axis is left, and where it was.
  bool isIdentity(Axis axis) const;

private:
  explicit IndexOrder(const ChannelFlow &flow) : flow(flow), indices(flow.axisCount()) {}
  friend class IndexSorter;

  const ChannelFlow &flow;
  std::vector<std::vector<int64_t>> indices;
};

} // namespace nestor

#endif // NESTOR_PASSES_CHANNELORDER_H

//===- ChannelOrder.cpp - Which indices of an axis, in which order --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/ChannelOrder.h"

#include <tuple>

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

bool IndexOrder::isIdentity(Axis axis) const {
  return llvm::equal(indices[axis], llvm::seq<int64_t>(0, flow.extentOf(axis)));
}

IndexOrder IndexOrder::prefix(const ChannelGroups &groups, ArrayRef<int64_t> widths) {
  IndexOrder order(groups.flow());
  for (Axis axis = 0; axis < order.indices.size(); ++axis) {
    std::vector<int64_t> &kept = order.indices[axis];
    int64_t index = 0;
    for (const ChannelRun &run : groups.runs(axis)) {
      int64_t width = run.group < 0 ? run.first + run.length : widths[run.group];
      for (int64_t i = 0; i < run.length; ++i, ++index)
        if (run.first + i < width)
          kept.push_back(index);
    }
    if (groups.runs(axis).empty())
      llvm::append_range(kept, llvm::seq<int64_t>(0, order.flow.extentOf(axis)));
  }
  return order;
}

/// Orders axes, those first that others follow.
class IndexSorter {
public:
  IndexSorter(const ChannelGroups &groups, IndexOrder &order, IndexOrder::ChannelKey level,
              IndexOrder::ChannelKey position)
      : groups(groups), flow(groups.flow()), order(order), level(level), position(position) {
    for (const AxisProduct &product : flow.products())
      products.try_emplace(product.whole, &product);
    for (const AxisSelection &selection : flow.selections())
      if (auto concat = dyn_cast<ConcatOp>(selection.op);
          concat && !flow.isProduced(selection.result))
        concats.try_emplace(selection.result, concat);
  }

  const std::vector<int64_t> &sort(Axis axis) {
    std::vector<int64_t> &sorted = order.indices[axis];
    if (!sorted.empty())
      return sorted;
    if (groups.runs(axis).empty() || flow.isFixed(axis))
      llvm::append_range(sorted, llvm::seq<int64_t>(0, flow.extentOf(axis)));
    else if (auto product = products.find(axis); product != products.end())
      followFactors(*product->second, sorted);
    else if (auto concat = concats.find(axis); concat != concats.end())
      followOperands(concat->second, sorted);
    else
      sortByKey(axis, sorted);
    return sorted;
  }

private:
  const ChannelGroups &groups;
  const ChannelFlow &flow;
  IndexOrder &order;
  IndexOrder::ChannelKey level, position;
  llvm::DenseMap<Axis, const AxisProduct *> products;
  llvm::DenseMap<Axis, ConcatOp> concats;

  void followFactors(const AxisProduct &product, std::vector<int64_t> &sorted) {
    sorted.push_back(0);
    for (Axis factor : product.factors) {
      std::vector<int64_t> outer = std::move(sorted);
      sorted.clear();
      for (int64_t major : outer)
        for (int64_t minor : sort(factor))
          sorted.push_back(major * flow.extentOf(factor) + minor);
    }
  }

  void followOperands(ConcatOp concat, std::vector<int64_t> &sorted) {
    int64_t start = 0;
    for (OpOperand &operand : concat->getOpOperands()) {
      for (int64_t index : sort(flow.axisOf(operand, concat.getAxis())))
        sorted.push_back(start + index);
      start += shapeOf(operand.get())[concat.getAxis()];
    }
  }

  void sortByKey(Axis axis, std::vector<int64_t> &sorted) {
    using Key = std::tuple<int64_t, int, int64_t, int64_t>;
    std::vector<Key> keys;
    for (const ChannelRun &run : groups.runs(axis))
      for (int64_t channel = run.first; channel < run.first + run.length; ++channel) {
        int64_t index = keys.size();
        keys.push_back(run.group < 0 ? Key(-1, -1, index, index)
                                     : Key(level(run.group, channel), run.group,
                                           position(run.group, channel), index));
      }
    llvm::sort(keys);
    for (const Key &key : keys)
      sorted.push_back(std::get<3>(key));
  }
};

IndexOrder IndexOrder::sorted(const ChannelGroups &groups, ChannelKey level, ChannelKey position) {
  IndexOrder order(groups.flow());
  IndexSorter sorter(groups, order, level, position);
  for (Axis axis = 0; axis < order.indices.size(); ++axis)
    if (order.flow.isRoot(axis))
      sorter.sort(axis);
  return order;
}

} // namespace nestor

//===- ChannelGroups.cpp - Which channels shrink together -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/ChannelGroups.h"

#include "passes/ChannelFlow.h"

#include "compiler/ir/Convolutions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/IntEqClasses.h"

#include <map>

using namespace mlir;
using namespace nestor::nest;

namespace nestor {
namespace {

/// The axis of the channels that a convolution computes or reads.
Axis outputsOf(const ChannelFlow &flow, ConvOp conv) {
  return flow.axisOf(conv.getResult(), shapeOf(conv.getResult()).size() - 1);
}
Axis inputsOf(const ChannelFlow &flow, ConvOp conv) {
  return flow.axisOf(conv.getInputMutable(), shapeOf(conv.getInput()).size() - 1);
}

Axis outputsOf(const ChannelFlow &flow, const RecurrentOperands &layer) {
  return flow.axisOf(layer.hidden(), 3);
}

/// Whether `map` adds two tensors of its own shape that the network computes.
bool isResidualAdd(MapOp map) {
  auto isComputed = [&](Value scalar) {
    auto argument = dyn_cast<BlockArgument>(scalar);
    Value input = argument ? map.getInputs()[argument.getArgNumber()] : Value();
    return input && input.getType() == map.getType() && !isConstant(input);
  };
  return llvm::any_of(map.getBody().front(), [&](Operation &op) {
    return isa<arith::AddFOp>(op) && llvm::all_of(op.getOperands(), isComputed);
  });
}

} // namespace

/// Builds a ChannelGroups. A *class* is a set of indices that are left out
/// together; classes are numbered by where they occur first.
class GroupBuilder {
public:
  GroupBuilder(ChannelGroups &groups, func::FuncOp func)
      : groups(groups), flow(*groups.flowOfIndices), func(func) {}

  void build() {
    numberIndices();
    joinIndices();
    findKept();
    formGroups();
    describeGroups();
    reportWhole();
  }

private:
  static constexpr int kFree = -1, kUnproduced = -2, kTied = -3;

  ChannelGroups &groups;
  const ChannelFlow &flow;
  func::FuncOp func;
  llvm::SmallVector<unsigned> firstIndex; ///< By axis.
  llvm::IntEqClasses classes;
  std::vector<int> keeper;  ///< By class: number of the fixed axis, or kFree, ...
  std::vector<int> groupOf; ///< By class.
  std::vector<int64_t> channelOf;

  void numberIndices();
  void joinIndices();
  void findKept();
  void formGroups();
  void describeGroups();
  void reportWhole();
  void reportWhole(Operation *op, Axis outputs);
  std::string reasonFor(int keeper, Operation *op) const;

  template <typename Fn> void forEachConv(Fn fn) {
    for (auto conv : func.getOps<ConvOp>())
      if (hasSharedFilter(conv))
        fn(conv);
  }
  template <typename Fn> void forEachRecurrent(Fn fn) {
    for (Operation &op : func.getBody().front())
      if (auto layer = RecurrentOperands::of(&op); layer && layer->hasSharedWeights())
        fn(*layer);
  }
  unsigned classOf(Axis axis, int64_t index) const { return classes[firstIndex[axis] + index]; }
};

void GroupBuilder::numberIndices() {
  unsigned count = 0;
  for (Axis axis = 0; axis < flow.axisCount(); ++axis) {
    firstIndex.push_back(count);
    if (flow.isRoot(axis))
      count += flow.extentOf(axis);
  }
  classes.grow(count);
}

void GroupBuilder::joinIndices() {
  for (const AxisSelection &selection : flow.selections())
    for (auto [index, source] : llvm::enumerate(selection.sources))
      if (source.operand >= 0)
        classes.join(firstIndex[selection.result] + index, firstIndex[source.axis] + source.index);
  for (const AxisProduct &product : flow.products()) {
    Axis carrier = product.factors[product.carrier];
    int64_t inner = 1;
    for (Axis factor : ArrayRef(product.factors).drop_front(product.carrier + 1))
      inner *= flow.extentOf(factor);
    for (int64_t i = 0; i < flow.extentOf(product.whole); ++i)
      classes.join(firstIndex[product.whole] + i,
                   firstIndex[carrier] + i / inner % flow.extentOf(carrier));
  }
  classes.compress();
}

void GroupBuilder::findKept() {
  keeper.assign(classes.getNumClasses(), kUnproduced);
  auto produce = [&](Axis axis) {
    for (int64_t i = 0; i < flow.extentOf(axis); ++i)
      keeper[classOf(axis, i)] = kFree;
  };
  forEachConv([&](ConvOp conv) {
    if (!isDepthwise(conv))
      produce(outputsOf(flow, conv));
  });
  forEachRecurrent([&](const RecurrentOperands &layer) { produce(outputsOf(flow, layer)); });
  for (auto [number, fixed] : llvm::enumerate(flow.fixed()))
    for (int64_t i = 0; i < flow.extentOf(fixed.axis); ++i)
      if (int &first = keeper[classOf(fixed.axis, i)]; first < 0)
        first = number;
}

void GroupBuilder::formGroups() {
  std::vector<std::vector<Axis>> occurrences(classes.getNumClasses());
  for (Axis axis = 0; axis < flow.axisCount(); ++axis)
    for (int64_t i = 0; flow.isComputedWith(axis) && i < flow.extentOf(axis); ++i)
      if (std::vector<Axis> &list = occurrences[classOf(axis, i)];
          list.empty() || list.back() != axis)
        list.push_back(axis);

  std::map<std::vector<Axis>, std::vector<unsigned>> members;
  std::vector<const std::vector<unsigned> *> byFirst;
  for (unsigned number = 0; number < occurrences.size(); ++number) {
    if (keeper[number] != kFree)
      continue;
    auto [entry, isNew] = members.try_emplace(occurrences[number]);
    entry->second.push_back(number);
    if (isNew)
      byFirst.push_back(&entry->second);
  }
  groupOf.assign(occurrences.size(), -1);
  channelOf.assign(occurrences.size(), 0);
  for (const std::vector<unsigned> *list : byFirst) {
    if (list->size() == 1) {
      keeper[list->front()] = kTied;
      continue;
    }
    for (auto [channel, member] : llvm::enumerate(*list)) {
      groupOf[member] = groups.groupList.size();
      channelOf[member] = channel;
    }
    groups.groupList.push_back({"", int64_t(list->size()), false, {}, {}, {}, {}});
  }
}

void GroupBuilder::describeGroups() {
  groups.axisRuns.resize(flow.axisCount());
  for (Axis axis = 0; axis < flow.axisCount(); ++axis) {
    std::vector<ChannelRun> &runs = groups.axisRuns[axis];
    for (int64_t i = 0; flow.isRoot(axis) && i < flow.extentOf(axis); ++i) {
      unsigned number = classOf(axis, i);
      int group = groupOf[number];
      int64_t channel = group < 0 ? i : channelOf[number];
      if (!runs.empty() && runs.back().group == group &&
          runs.back().first + runs.back().length == channel)
        ++runs.back().length;
      else
        runs.push_back({group, channel, 1});
    }
    if (llvm::all_of(runs, [](const ChannelRun &run) { return run.group < 0; }))
      runs.clear();
  }

  auto forEachGroup = [&](Axis axis, auto fn) {
    llvm::SmallDenseSet<int> seen;
    for (const ChannelRun &run : groups.axisRuns[axis])
      if (run.group >= 0 && seen.insert(run.group).second)
        fn(groups.groupList[run.group]);
  };
  forEachConv([&](ConvOp conv) {
    if (isDepthwise(conv))
      return;
    forEachGroup(outputsOf(flow, conv), [&](ChannelGroup &group) {
      group.producers.push_back(conv);
      if (group.name.empty())
        group.name = nodeName(conv);
    });
    forEachGroup(inputsOf(flow, conv),
                 [&](ChannelGroup &group) { group.consumers.push_back(conv); });
  });
  forEachRecurrent([&](const RecurrentOperands &layer) {
    forEachGroup(outputsOf(flow, layer), [&](ChannelGroup &group) {
      group.recurrences.push_back(layer.op);
      if (group.name.empty())
        group.name = nodeName(layer.op);
    });
    forEachGroup(flow.axisOf(*layer.weights, 2),
                 [&](ChannelGroup &group) { group.recurrentReaders.push_back(layer.op); });
  });
  for (auto map : func.getOps<MapOp>())
    if (isResidualAdd(map))
      forEachGroup(flow.axisOf(map.getResult(), map.getType().getRank() - 1),
                   [](ChannelGroup &group) { group.stream = true; });
  llvm::StringMap<int> uses;
  for (ChannelGroup &group : groups.groupList)
    if (int earlier = uses[group.name]++)
      group.name += " (" + std::to_string(earlier + 1) + ")";
}

std::string GroupBuilder::reasonFor(int keeper, Operation *op) const {
  if (keeper < 0)
    return "a group of one channel cannot shrink";
  const FixedAxis &fixed = flow.fixed()[keeper];
  if (isa<func::FuncOp, func::ReturnOp>(fixed.op))
    return "they are " + fixed.reason;
  return fixed.op == op ? "it " + fixed.reason
                        : "node '" + nodeName(fixed.op) + "' " + fixed.reason;
}

void GroupBuilder::reportWhole(Operation *op, Axis outputs) {
  int64_t count = flow.extentOf(outputs), kept = 0;
  std::optional<int> cause;
  for (int64_t i = 0; i < count; ++i)
    if (unsigned number = classOf(outputs, i); groupOf[number] < 0) {
      ++kept;
      if (!cause)
        cause = keeper[number];
    }
  if (!kept || count == 1)
    return;
  std::string reason = reasonFor(*cause, op);
  if (kept < count)
    reason += " (" + std::to_string(kept) + " of " + std::to_string(count) + " channels)";
  groups.wholeList.push_back({op, std::move(reason)});
}

void GroupBuilder::reportWhole() {
  forEachConv([&](ConvOp conv) {
    if (!isDepthwise(conv))
      reportWhole(conv, outputsOf(flow, conv));
  });
  forEachRecurrent(
      [&](const RecurrentOperands &layer) { reportWhole(layer.op, outputsOf(flow, layer)); });
}

ChannelGroups::ChannelGroups(func::FuncOp func)
    : flowOfIndices(std::make_shared<ChannelFlow>(func)) {
  GroupBuilder(*this, func).build();
}

ArrayRef<ChannelRun> ChannelGroups::runs(unsigned axis) const { return axisRuns[axis]; }

ArrayRef<ChannelRun> ChannelGroups::runs(Value value, unsigned dim) const {
  return axisRuns[flowOfIndices->axisOf(value, dim)];
}

} // namespace nestor

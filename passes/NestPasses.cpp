//===- NestPasses.cpp - Nesting as passes, for tests ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/ChannelFlow.h"
#include "passes/ChannelGroups.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_FORMGROUPSPASS
#define GEN_PASS_DEF_ORDERCHANNELSPASS
#define GEN_PASS_DEF_NESTCAPACITIESPASS
#include "passes/Passes.h.inc"

namespace {

/// "2.0.1" as numbers; none where it is something else.
std::optional<SmallVector<int64_t>> parseNumbers(StringRef text) {
  SmallVector<int64_t> numbers;
  SmallVector<StringRef> parts;
  text.split(parts, '.', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts)
    if (part.getAsInteger(10, numbers.emplace_back()))
      return std::nullopt;
  return numbers;
}

struct FormGroupsPass final : impl::FormGroupsPassBase<FormGroupsPass> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    Builder builder(func.getContext());
    ChannelGroups groups(func);
    SmallVector<Attribute> list, whole;
    for (const ChannelGroup &group : groups.groups())
      list.push_back(builder.getStringAttr(
          group.name + ": " + Twine(group.channels) + (group.stream ? " stream" : " inner") + ", " +
          Twine(group.producers.size()) + " -> " + Twine(group.consumers.size())));
    for (const WholeChannels &entry : groups.whole())
      whole.push_back(builder.getStringAttr(nodeName(entry.op) + ": " + entry.reason));
    for (Operation &op : func.getBody().front())
      if (std::string runs = describeRuns(groups, op); !runs.empty())
        op.setAttr("nest.runs", builder.getStringAttr(runs));
    func->setAttr("nest.groups", builder.getArrayAttr(list));
    func->setAttr("nest.whole", builder.getArrayAttr(whole));
  }

private:
  static std::string describeRuns(const ChannelGroups &groups, Operation &op) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    for (Value result : op.getResults())
      for (unsigned dim = 0; dim < shapeOf(result).size(); ++dim) {
        ArrayRef<ChannelRun> runs = groups.runs(result, dim);
        if (runs.empty())
          continue;
        stream << (text.empty() ? "" : ", ") << dim << ":";
        for (const ChannelRun &run : runs)
          if (run.group < 0)
            stream << " -" << run.length;
          else
            stream << " " << run.group << ":" << run.first << "+" << run.length;
      }
    return text;
  }
};

struct OrderChannelsPass final : impl::OrderChannelsPassBase<OrderChannelsPass> {
  using Base::Base;
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    ChannelGroups groups(func);
    ChannelOrder order;
    for (auto [index, group] : llvm::enumerate(groups.groups())) {
      order.push_back(llvm::to_vector(llvm::seq<int64_t>(0, group.channels)));
      if (index >= orders.size())
        continue;
      auto numbers = parseNumbers(orders[index]);
      if (!numbers || !std::is_permutation(order[index].begin(), order[index].end(),
                                           numbers->begin(), numbers->end())) {
        func.emitError("no order of group ") << index << ": " << orders[index];
        return signalPassFailure();
      }
      order[index] = *numbers;
    }
    permuteChannels(func, groups, order);
  }
};

struct NestCapacitiesPass final : impl::NestCapacitiesPassBase<NestCapacitiesPass> {
  using Base::Base;
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main || failed(nest(module, main)))
      signalPassFailure();
  }

private:
  LogicalResult nest(ModuleOp module, func::FuncOp main) {
    ChannelGroups groups(main);
    CapacityPlan plan;
    for (const std::string &text : widths) {
      auto numbers = parseNumbers(text);
      if (!numbers || numbers->size() != groups.groups().size())
        return main.emitError("not a width for each of the ")
               << groups.groups().size() << " groups: " << text;
      plan.widths.push_back(*numbers);
    }
    SmallVector<int64_t> &full = plan.widths.emplace_back();
    for (const ChannelGroup &group : groups.groups())
      full.push_back(group.channels);
    sortByCapacity(main, groups, plan);

    auto counts = parseNumbers(skips);
    int64_t blocks = skippableBlocks(main).size();
    for (int64_t count : counts.value_or(SmallVector<int64_t>())) {
      SmallVector<int64_t> &skipped = plan.skipped.emplace_back();
      llvm::append_range(skipped, llvm::seq(blocks - count, blocks));
    }
    for (const std::string &text : inputs)
      plan.extents.push_back(parseNumbers(text).value_or(SmallVector<int64_t>()));
    return nestCapacities(module, ChannelGroups(main), plan);
  }
};

} // namespace
} // namespace nestor

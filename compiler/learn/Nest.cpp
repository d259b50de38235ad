//===- Nest.cpp - From one network to nested capacities -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Nest.h"

#include "compiler/ir/Nested.h"
#include "compiler/learn/Gradient.h"
#include "compiler/learn/Ordering.h"
#include "compiler/learn/WidthSearch.h"
#include "compiler/learn/Widths.h"
#include "compiler/package/Plan.h"
#include "passes/ScaleInput.h"

#include "llvm/Support/FormatVariadic.h"

#include <chrono>

using namespace mlir;

namespace nestor::learn {
namespace {

/// The first operation on the way from an argument that training could not pass;
/// null if there is none.
Operation *findWithoutGradient(func::FuncOp func) {
  llvm::SmallPtrSet<Value, 32> reached;
  reached.insert_range(func.getArguments());
  for (Operation &op : func.front().without_terminator()) {
    if (llvm::none_of(op.getOperands(), [&](Value value) { return reached.contains(value); }))
      continue;
    if (!isDifferentiable(&op))
      return &op;
    reached.insert_range(op.getResults());
  }
  return nullptr;
}

/// What keeps `main` from being trained; empty if nothing does.
std::string untrainable(func::FuncOp main) {
  for (BlockArgument argument : main.getArguments())
    if (!cast<RankedTensorType>(argument.getType()).getElementType().isF32()) {
      auto name = main.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nest.name");
      return "input '" + (name ? name.str() : "") + "' is not float32";
    }
  if (Operation *op = findWithoutGradient(main))
    return "node '" + package::layerName(op->getLoc()) + "' (" +
           op->getName().getStringRef().str() + ") has no gradient";
  return "";
}

class Nester {
public:
  Nester(ModuleOp module, const NestOptions &options) : module(module), options(options) {}
  llvm::Expected<NestReport> run();

private:
  llvm::Error order();
  void plan();
  uint64_t macsOf(size_t capacity);
  void mergeEqualCapacities(ArrayRef<double> fractions, const ChannelGroups &groups);
  void describe(const ChannelGroups &groups);
  llvm::Expected<Recovery> recover(ModuleOp teacher);
  func::FuncOp main() { return module.lookupSymbol<func::FuncOp>("main"); }

  ModuleOp module;
  const NestOptions &options;
  Importance importance;
  CapacityPlan capacities;
  NestReport report;
};

llvm::Error Nester::order() {
  ChannelGroups groups(main());
  llvm::Expected<Importance> found = orderChannels(main(), groups, options);
  if (!found)
    return found.takeError();
  importance = std::move(*found);
  permuteChannels(main(), groups, importance.order);
  return llvm::Error::success();
}

/// A sentence about a capacity that lies outside its bound.
std::string unreached(double requested, double fraction, bool isMerged,
                      ArrayRef<WholeChannels> whole) {
  std::string text = llvm::formatv(
      "capacity {0} cannot be reached: the nearest has {1:F3} of the MACs", requested, fraction);
  if (isMerged)
    text += "; it is the next one's and was merged";
  for (auto [i, channels] : llvm::enumerate(whole))
    text += (i ? ", " : "; these do not shrink: ") + package::layerName(channels.op->getLoc()) +
            " (" + channels.reason + ")";
  return text;
}

/// Drops capacities that are the same as the next larger one.
void Nester::mergeEqualCapacities(ArrayRef<double> fractions, const ChannelGroups &groups) {
  CapacityPlan merged;
  for (size_t k = 0; k < fractions.size(); ++k) {
    bool equal = k + 1 < fractions.size() && capacities.widths[k] == capacities.widths[k + 1] &&
                 capacities.skipped[k] == capacities.skipped[k + 1] &&
                 capacities.extents[k] == capacities.extents[k + 1];
    double requested = options.capacities[k];
    if (fractions[k] > requested + 1e-9 || fractions[k] <= requested - kSlack)
      report.warnings.push_back(unreached(requested, fractions[k], equal, groups.whole()));
    if (equal)
      continue;
    merged.widths.push_back(capacities.widths[k]);
    merged.skipped.push_back(capacities.skipped[k]);
    merged.extents.push_back(capacities.extents[k]);
    report.capacities.push_back({requested, fractions[k], 0, {}, {}});
  }
  capacities = std::move(merged);
}

uint64_t Nester::macsOf(size_t capacity) {
  OwningOpRef<func::FuncOp> function = main().clone();
  if (!capacities.extents[capacity].empty()) {
    [[maybe_unused]] std::string reason = scaleInput(*function, capacities.extents[capacity]);
    assert(reason.empty() && "what was planned can be built");
  }
  return macsAt(*function, ChannelGroups(*function), capacities.widths[capacity],
                capacities.skipped[capacity]);
}

void Nester::plan() {
  ChannelGroups groups(main());
  if (options.capacities.size() > 1) {
    capacities = planWidths(main(), groups, importance, options);
  } else {
    SmallVector<int64_t> whole;
    for (const ChannelGroup &group : groups.groups())
      whole.push_back(group.channels);
    capacities.widths.push_back(whole);
    capacities.skipped.emplace_back();
    capacities.extents.emplace_back();
  }
  std::vector<uint64_t> macs;
  std::vector<double> fractions;
  for (size_t k = 0; k < capacities.widths.size(); ++k)
    macs.push_back(macsOf(k));
  for (uint64_t count : macs)
    fractions.push_back(macs.back() ? double(count) / double(macs.back()) : 1);
  mergeEqualCapacities(fractions, groups);
  describe(groups);
  sortByCapacity(main(), groups, capacities);
}

void Nester::describe(const ChannelGroups &groups) {
  std::vector<ResidualBlock> blocks = skippableBlocks(main());
  for (size_t k = 0; k < report.capacities.size(); ++k) {
    NestReport::Capacity &capacity = report.capacities[k];
    capacity.macs = macsOf(k);
    capacity.extents = capacities.extents[k];
    for (int64_t block : capacities.skipped[k])
      capacity.skipped.push_back(package::layerName(blocks[block].add->getLoc()));
  }
  for (auto [index, group] : llvm::enumerate(groups.groups())) {
    report.groups.push_back({group.name, group.channels, group.stream, {}});
    for (const auto &widths : capacities.widths)
      report.groups.back().widths.push_back(widths[index]);
  }
  for (const WholeChannels &whole : groups.whole())
    report.whole.push_back({package::layerName(whole.op->getLoc()), whole.reason});
}

llvm::Expected<Recovery> Nester::recover(ModuleOp teacher) {
  switch (options.recover) {
  case RecoverLevel::None:
    return Recovery();
  case RecoverLevel::Affine:
    return recoverAffine(module, teacher, options);
  case RecoverLevel::Solve:
    return recoverSolve(module, teacher, options);
  case RecoverLevel::Distill:
    if (std::string reason = untrainable(main()); !reason.empty()) {
      report.warnings.push_back(reason + ", so the model cannot be trained: recovered by solve "
                                         "instead of distill");
      return recoverSolve(module, teacher, options);
    }
    return recoverDistill(module, teacher, options);
  case RecoverLevel::FreezeGrow:
    return recoverFreezeGrow(module, teacher, options);
  }
  llvm_unreachable("all levels are handled");
}

llvm::Expected<NestReport> Nester::run() {
  bool several = options.capacities.size() > 1;
  if (several)
    if (llvm::Error error = order())
      return std::move(error);
  plan();
  OwningOpRef<ModuleOp> teacher = cast<ModuleOp>(module->clone());
  if (failed(nestCapacities(module, ChannelGroups(main()), capacities)))
    return llvm::createStringError("the capacities could not be built");
  if (!several)
    return std::move(report);
  llvm::Expected<Recovery> recovery = recover(*teacher);
  if (!recovery)
    return recovery.takeError();
  report.recovery = std::move(*recovery);
  return std::move(report);
}

} // namespace

llvm::Expected<NestReport> nestModel(ModuleOp module, const NestOptions &options) {
  return Nester(module, options).run();
}

} // namespace nestor::learn

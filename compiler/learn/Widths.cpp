//===- Widths.cpp - How much of each group a capacity keeps ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Widths.h"

#include "compiler/learn/Divergence.h"
#include "compiler/learn/NetworkCost.h"
#include "compiler/learn/Patches.h"
#include "compiler/learn/Walk.h"
#include "compiler/learn/WidthSearch.h"
#include "compiler/package/Plan.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace nestor::learn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Samples that skipped blocks are judged on, and at most so many
/// multiply-accumulates in all.
constexpr size_t kTrialSamples = 128, kLeastTrialSamples = 16;
constexpr double kTrialMacs = 2e11;

/// The convolution whose result is the branch of `block`, if its values can be
/// exchanged.
nest::ConvOp lastConv(const ResidualBlock &block) {
  auto conv = block.add->getOperand(block.branch).getDefiningOp<nest::ConvOp>();
  return conv && conv->hasOneUse() && conv.getFilter().getDefiningOp<nest::ConstOp>()
             ? conv
             : nest::ConvOp();
}

/// The mean of every branch's result by channel.
llvm::Expected<std::vector<std::vector<float>>>
meansOf(func::FuncOp main, ArrayRef<nest::ConvOp> convs, const Dataset &data, unsigned threads) {
  SmallVector<Value> wanted;
  std::vector<std::vector<double>> sums;
  std::vector<std::vector<float>> means;
  for (nest::ConvOp conv : convs) {
    wanted.push_back(conv.getResult());
    sums.emplace_back(cast<RankedTensorType>(conv.getType()).getShape().back());
  }
  Walk walk({main}, data, threads);
  llvm::Error error = walk.run(wanted, [&](size_t, size_t count, ArrayRef<const float *> values) {
    for (auto [i, sum] : llvm::enumerate(sums))
      for (int64_t e = 0, size = count * elementsOf(wanted[i]); e < size; ++e)
        sum[e % sum.size()] += values[i][e];
  });
  if (error)
    return error;
  for (auto [i, sum] : llvm::enumerate(sums)) {
    double count = double(data.size()) * elementsOf(wanted[i]) / sum.size();
    auto &mean = means.emplace_back();
    for (double value : sum)
      mean.push_back(value / count);
  }
  return means;
}

/// The divergence when the branch of each block is replaced by its mean, which
/// what follows can learn to add; infinite for blocks that cannot be judged.
llvm::Expected<std::vector<double>> skipErrors(func::FuncOp main, ArrayRef<ResidualBlock> blocks,
                                               double macs, const NestOptions &options) {
  std::vector<double> errors(blocks.size(), kInfinity);
  SmallVector<nest::ConvOp> convs;
  SmallVector<size_t> numbers;
  for (auto [number, block] : llvm::enumerate(blocks))
    if (nest::ConvOp conv = lastConv(block))
      convs.push_back(conv), numbers.push_back(number);
  if (convs.empty())
    return errors;
  size_t afford = size_t(kTrialMacs / (macs * convs.size()));
  Dataset data = chooseSamples(*options.data, std::clamp(afford, kLeastTrialSamples, kTrialSamples),
                               options.seed + 2);
  auto means = meansOf(main, convs, data, options.threads);
  if (!means)
    return means.takeError();
  auto trial = Trial::create(main, convs, {}, data, options.threads);
  if (!trial)
    return trial.takeError();
  for (size_t i = 0; i < convs.size(); ++i) {
    trial->reset();
    llvm::fill(trial->filter(i), 0.f);
    trial->bias(i) = (*means)[i];
    errors[numbers[i]] = trial->divergence();
  }
  return errors;
}

/// The numbers of the blocks that are left out.
SmallVector<int64_t> skippedBlocks(const WidthChoice &choice) {
  SmallVector<int64_t> numbers;
  for (auto [number, skipped] : llvm::enumerate(choice.skipped))
    if (skipped)
      numbers.push_back(number);
  return numbers;
}

class Planner {
public:
  Planner(func::FuncOp main, const ChannelGroups &groups, const Importance &importance,
          const NestOptions &options)
      : main(main), groups(groups), options(options), blocks(skippableBlocks(main)),
        cost(main, groups, blocks, hostSpeed()) {
    for (const ChannelGroup &group : groups.groups())
      problem.channels.push_back(group.channels);
    problem.curve = importance.curve;
    problem.macs = [this](const WidthChoice &choice) { return macs(choice); };
    if (options.budget == Budget::Latency)
      problem.microseconds = [this](const WidthChoice &choice) {
        return cost.microseconds(choice.widths, choice.skipped);
      };
  }

  CapacityPlan run();

private:
  uint64_t macs(const WidthChoice &choice) const {
    return isExact ? cost.macs(choice.widths, choice.skipped) : slowMacs(choice);
  }
  uint64_t slowMacs(const WidthChoice &choice) const;
  void judgeBlocks();
  void log(const std::string &line) {
    if (options.log)
      options.log(line);
  }

  func::FuncOp main;
  const ChannelGroups &groups;
  const NestOptions &options;
  std::vector<ResidualBlock> blocks;
  NetworkCost cost;
  WidthProblem problem;
  bool isExact = true; ///< `cost` counts MACs as `macsAt` does.
};

uint64_t Planner::slowMacs(const WidthChoice &choice) const {
  return macsAt(main, groups, choice.widths, skippedBlocks(choice));
}

void Planner::judgeBlocks() {
  problem.skipError.assign(blocks.size(), kInfinity);
  for (size_t block = 0; block < blocks.size(); ++block)
    problem.inside.push_back(cost.groupsInside(block).vec());
  if (!options.allowSkips || !options.data || blocks.empty())
    return;
  auto errors = skipErrors(main, blocks, double(slowMacs(problem.full())) + 1, options);
  if (errors)
    problem.skipError = std::move(*errors);
  else
    log("no residual block is left out: " + llvm::toString(errors.takeError()));
}

CapacityPlan Planner::run() {
  judgeBlocks();
  // Two places tell whether the fast count is right. Where no block may be left
  // out, it need not know what skips make unused.
  WidthChoice half = problem.full();
  for (int64_t &width : half.widths)
    width = (width + 1) / 2;
  half.skipped.assign(blocks.size(), options.allowSkips);
  for (const WidthChoice &choice : {problem.full(), half})
    isExact &= cost.macs(choice.widths, choice.skipped) == slowMacs(choice);

  CapacityPlan plan;
  for (const WidthChoice &choice : searchWidths(problem, options.capacities)) {
    plan.widths.push_back(choice.widths);
    plan.skipped.push_back(skippedBlocks(choice));
  }
  return plan;
}

} // namespace

CapacityPlan planWidths(func::FuncOp main, const ChannelGroups &groups,
                        const Importance &importance, const NestOptions &options) {
  return Planner(main, groups, importance, options).run();
}

} // namespace nestor::learn

//===- Widths.cpp - How much of each group a capacity keeps ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Widths.h"

#include "compiler/learn/Divergence.h"
#include "compiler/learn/InputSizes.h"
#include "compiler/learn/NetworkCost.h"
#include "compiler/learn/Patches.h"
#include "compiler/learn/Walk.h"
#include "compiler/learn/WidthSearch.h"
#include "compiler/package/Plan.h"

#include <cmath>
#include <limits>
#include <memory>

using namespace mlir;

namespace nestor::learn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Samples that skipped blocks are judged on, and at most so many
/// multiply-accumulates in all.
constexpr size_t kTrialSamples = 128, kLeastTrialSamples = 16;
constexpr double kTrialMacs = 2e11;
/// How much larger the error of many narrow layers in a row is than the sum that
/// the search adds up, once the closed forms have done what they can: ResNet-20
/// and MobileNetV2 show 3 to 5. Training with labels, or on many samples, leaves
/// no more than the sum.
constexpr double kCompounding = 4;

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

/// A network at one size of its input, as the search counts it.
struct SizedNetwork {
  SizedNetwork(InputSize size)
      : size(std::move(size)), groups(*this->size.func), blocks(skippableBlocks(*this->size.func)),
        cost(*this->size.func, groups, blocks, hostSpeed()) {}

  uint64_t slowMacs(const WidthChoice &choice) const {
    return macsAt(*size.func, groups, choice.widths, skippedBlocks(choice));
  }

  InputSize size;
  ChannelGroups groups;
  std::vector<ResidualBlock> blocks;
  NetworkCost cost;
};

/// Whether training has enough to go by to mend what narrow layers do together.
bool trainsMuch(const NestOptions &options) {
  return trainsFilters(options) && options.data &&
         (options.data->labelled() || options.data->size() >= kFewTrainingSamples);
}

class Planner {
public:
  Planner(func::FuncOp main, const ChannelGroups &groups, const Importance &importance,
          const NestOptions &options);

  CapacityPlan run();

private:
  uint64_t macs(const WidthChoice &choice) const {
    const SizedNetwork &network = *networks[choice.input];
    return isExact ? network.cost.macs(choice.widths, choice.skipped) : network.slowMacs(choice);
  }
  void addInputSizes();
  void judgeBlocks();
  void log(const std::string &line) {
    if (options.log)
      options.log(line);
  }

  func::FuncOp main;
  const NestOptions &options;
  /// By size of the input; the first has the input's own.
  std::vector<std::unique_ptr<SizedNetwork>> networks;
  WidthProblem problem;
  bool isExact = true; ///< Costs count MACs as `macsAt` does.
};

Planner::Planner(func::FuncOp main, const ChannelGroups &groups, const Importance &importance,
                 const NestOptions &options)
    : main(main), options(options) {
  for (const ChannelGroup &group : groups.groups())
    problem.channels.push_back(group.channels);
  problem.curve = importance.curve;
  if (!trainsMuch(options))
    for (std::vector<double> &curve : problem.curve)
      for (double &error : curve)
        error *= kCompounding;
  problem.macs = [this](const WidthChoice &choice) { return macs(choice); };
  if (options.budget == Budget::Latency)
    problem.microseconds = [this](const WidthChoice &choice) {
      return networks[choice.input]->cost.microseconds(choice.widths, choice.skipped);
    };
}

void Planner::addInputSizes() {
  auto sizes = judgeInputSizes(main, options);
  if (!sizes) {
    log("all capacities compute on the input as it is: " + llvm::toString(sizes.takeError()));
    sizes = std::vector<InputSize>();
    sizes->push_back({{}, OwningOpRef<func::FuncOp>(main.clone()), 0});
  }
  problem.inputError.clear();
  for (InputSize &size : *sizes) {
    problem.inputError.push_back(size.error);
    networks.push_back(std::make_unique<SizedNetwork>(std::move(size)));
  }
}

void Planner::judgeBlocks() {
  const SizedNetwork &network = *networks.front();
  size_t count = network.blocks.size();
  problem.skipError.assign(count, kInfinity);
  for (size_t block = 0; block < count; ++block)
    problem.inside.push_back(network.cost.groupsInside(block).vec());
  if (!options.allowSkips || !options.data || count == 0)
    return;
  double macs = double(network.slowMacs(problem.full())) + 1;
  auto errors = skipErrors(*network.size.func, network.blocks, macs, options);
  if (errors)
    problem.skipError = std::move(*errors);
  else
    log("no residual block is left out: " + llvm::toString(errors.takeError()));
}

CapacityPlan Planner::run() {
  addInputSizes();
  judgeBlocks();
  // Two places tell whether the fast count is right. Where no block may be left
  // out, it need not know what skips make unused.
  WidthChoice half = problem.full();
  for (int64_t &width : half.widths)
    width = (width + 1) / 2;
  half.skipped.assign(half.skipped.size(), options.allowSkips);
  const SizedNetwork &own = *networks.front();
  for (const WidthChoice &choice : {problem.full(), half})
    isExact &= own.cost.macs(choice.widths, choice.skipped) == own.slowMacs(choice);

  CapacityPlan plan;
  for (const WidthChoice &choice : searchWidths(problem, options.capacities)) {
    plan.widths.push_back(choice.widths);
    plan.skipped.push_back(skippedBlocks(choice));
    plan.extents.push_back(networks[choice.input]->size.extents);
  }
  return plan;
}

} // namespace

CapacityPlan planWidths(func::FuncOp main, const ChannelGroups &groups,
                        const Importance &importance, const NestOptions &options) {
  return Planner(main, groups, importance, options).run();
}

} // namespace nestor::learn

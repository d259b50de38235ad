//===- NestDefaults.cpp - What flags leave open ---------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "NestDefaults.h"

#include "compiler/ir/NestDialect.h"

#include "llvm/Support/FormatVariadic.h"

using namespace nestor::learn;
using llvm::formatv;

namespace nestorc {
namespace {

/// With fewer samples, a fifth of which are held out, training finds nothing
/// that least squares does not.
constexpr size_t kFewSamples = 64;
/// With so many, training prefers narrow layers to a small input.
constexpr size_t kManySamples = 10000;
/// What the trainer does when nothing limits it (learn/Pace.cpp), and how long
/// that may take before time limits it.
constexpr double kDefaultEpochs = 20, kLeastSamples = 500 * 32, kMostMinutes = 30;
/// A step runs the teacher and trains about twice the full model's MACs; the
/// rate is a cautious one of two threads.
constexpr double kFlopsPerMac = 2 + 6 * 2, kFlopsPerSecond = 30e9;

/// Multiply-accumulates of the convolutions, which matrix products are too.
double convolutionMacs(mlir::func::FuncOp main) {
  double macs = 0;
  main.walk([&](nestor::nest::ConvOp conv) {
    auto filter = llvm::cast<mlir::ShapedType>(conv.getFilter().getType());
    auto result = llvm::cast<mlir::ShapedType>(conv.getType());
    macs += double(result.getNumElements()) * filter.getNumElements() / filter.getShape().back();
  });
  auto input = llvm::cast<mlir::ShapedType>(main.getArgumentTypes().front());
  return macs / std::max<int64_t>(1, input.getRank() ? input.getShape().front() : 1);
}

bool hasTrainingFlag(const TrainOptions &train) {
  return train.isLimited() || train.batch || train.batchNorm ||
         !train.adam || train.learningRate || train.augmentation.flip || train.augmentation.shift ||
         train.augmentation.crop < 1 || !train.checkpoint.empty();
}

RecoverLevel chooseLevel(const NestArguments &arguments, const Dataset *data) {
  if (arguments.recover)
    return *arguments.recover;
  if (!data || arguments.capacities.size() == 1)
    return RecoverLevel::None;
  bool few = data->size() < kFewSamples && !hasTrainingFlag(arguments.train);
  return few ? RecoverLevel::Solve : RecoverLevel::Distill;
}

/// What a narrower network lost, filters that train on many samples bring back; what a
/// smaller image has lost, they do not.
bool shrinksByDefault(const NestOptions &options) {
  return options.data && !(trainsFilters(options) && options.data->size() >= kManySamples);
}

/// Limits a training that nothing else limits to some minutes, where it would
/// take longer.
void limitTime(mlir::func::FuncOp main, NestOptions &options) {
  TrainOptions &train = options.train;
  if (train.isLimited())
    return;
  double visits = std::max(kLeastSamples, kDefaultEpochs * double(options.data->size()));
  double minutes = visits * convolutionMacs(main) * kFlopsPerMac / kFlopsPerSecond / 60;
  if (minutes > kMostMinutes) {
    train.minutes = kMostMinutes;
    options.log(formatv("training takes {0} minutes, since {1} epochs would take about {2:F0}; "
                        "--minutes, --epochs and --steps choose otherwise",
                        kMostMinutes, kDefaultEpochs, minutes)
                    .str());
  }
}

void logChoice(const NestArguments &arguments, const NestOptions &options) {
  if (options.capacities.size() == 1)
    return;
  if (!options.data) {
    options.log("there are no samples, so the smaller capacities are pruned and not recovered; "
                "give some with --data D.npz, or leave these capacities out with --capacities 1");
    return;
  }
  std::string text =
      formatv("{0} samples{1}: order {2}, recover {3}, full capacity {4}", options.data->size(),
              options.data->labelled() ? " with labels" : ", unlabelled", spell(options.order),
              spell(options.recover), spell(options.top))
          .str();
  options.log(text);
  bool closedForm =
      options.recover == RecoverLevel::Solve || options.recover == RecoverLevel::Distill;
  if (closedForm && options.top == TopRule::Exact)
    options.log("the full capacity stays exact, so only scales and biases of the smaller ones are "
                "fitted; --top tolerance recovers more");
}

} // namespace

llvm::Error chooseNestOptions(const NestArguments &arguments, mlir::func::FuncOp main,
                              const Dataset *data, NestOptions &options) {
  options.capacities = arguments.capacities;
  options.budget = arguments.budget;
  options.allowSkips = arguments.allowSkips;
  options.seed = arguments.seed;
  options.threads = arguments.threads;
  options.train = arguments.train;
  options.data = data;
  options.order = arguments.order.value_or(data ? OrderMethod::Obs : OrderMethod::L1);
  if (options.order == OrderMethod::Trr && !data->labelled())
    return llvm::createStringError(
        "--order: trr compares samples of equal and of other classes; add labels y to --data, or "
        "order obs");
  options.recover = chooseLevel(arguments, data);
  bool changes = options.recover != RecoverLevel::None && options.recover != RecoverLevel::Affine;
  options.top = arguments.top.value_or(changes ? TopRule::Tolerance : TopRule::Exact);
  if (!changes) // These levels do not touch the full capacity, whatever is allowed.
    options.top = TopRule::Exact;
  options.shrinkInput = arguments.shrinkInput.value_or(shrinksByDefault(options));
  logChoice(arguments, options);
  if (trains(options.recover))
    limitTime(main, options);
  return llvm::Error::success();
}

const char *spell(OrderMethod order) {
  switch (order) {
  case OrderMethod::Obs:
    return "obs";
  case OrderMethod::L1:
    return "l1";
  case OrderMethod::Activation:
    return "activation";
  case OrderMethod::Trr:
    return "trr";
  }
  llvm_unreachable("all orders are handled");
}

const char *spell(RecoverLevel level) {
  switch (level) {
  case RecoverLevel::None:
    return "none";
  case RecoverLevel::Affine:
    return "affine";
  case RecoverLevel::Solve:
    return "solve";
  case RecoverLevel::Distill:
    return "distill";
  case RecoverLevel::FreezeGrow:
    return "freeze-grow";
  }
  llvm_unreachable("all levels are handled");
}

const char *spell(TopRule rule) {
  switch (rule) {
  case TopRule::Exact:
    return "exact";
  case TopRule::Tolerance:
    return "tolerance";
  case TopRule::Free:
    return "free";
  }
  llvm_unreachable("all rules are handled");
}

const char *spell(Budget budget) { return budget == Budget::Macs ? "macs" : "latency"; }

} // namespace nestorc

//===- NestFlags.cpp - Flags of compile that make capacities --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "NestFlags.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"

#include <CLI/CLI.hpp>

using namespace nestor::learn;

namespace nestorc {

void fail(const std::string &flag, const std::string &reason) {
  throw CLI::ValidationError(flag, reason);
}

namespace {

void addDataFlags(CLI::App &command, NestFlags &flags) {
  command
      .add_option("--data", flags.data,
                  "Samples to order channels and to recover accuracy with: arrays named like the "
                  "inputs, or x; labels y are optional")
      ->type_name("D.npz");
  command
      .add_option("--eval", flags.eval,
                  "Held-out samples, in the same form, to measure every capacity with")
      ->type_name("E.npz");
  command.add_option("--scale", flags.scale,
                     "Of --uint8-input and of uint8 samples: the model's input is "
                     "(x * scale - mean) / std; default 1");
  command.add_option("--mean", flags.mean, "One value, or one a channel; default 0")
      ->type_name("X,X,...")
      ->delimiter(',');
  command.add_option("--std", flags.std, "One value, or one a channel; default 1")
      ->type_name("X,X,...")
      ->delimiter(',');
}

void addShapeFlags(CLI::App &command, NestFlags &flags) {
  command
      .add_option("--capacities", flags.capacities,
                  "Sizes of the model, as fractions of its MACs; 1 is always there; default "
                  "0.25,0.5,0.75,1")
      ->type_name("C,C,...")
      ->delimiter(',');
  command
      .add_option("--order", flags.order,
                  "What makes a channel important; default: obs with --data, else l1")
      ->type_name("obs|l1|activation|trr");
  command
      .add_option("--budget", flags.budget,
                  "What widths save, inside a capacity's MACs; default macs")
      ->type_name("latency|macs");
  command.add_flag("--skips,!--no-skips", flags.skips,
                   "Whether a capacity may leave residual blocks out rather than narrow them; "
                   "default no");
  command
      .add_option("--input-size", flags.inputSize,
                  "May a capacity compute on a smaller copy of the input, made inside, rather than narrow every "
                  "layer? Default: free, judged on --data, unless many samples train")
      ->type_name("fixed|free");
}

void addRecoveryFlags(CLI::App &command, NestFlags &flags) {
  command
      .add_option("--recover", flags.recover,
                  "How accuracy is won back; default: distill with --data (solve with few "
                  "samples), else none")
      ->type_name("none|affine|solve|distill|freeze-grow");
  command
      .add_option("--top", flags.top,
                  "May the full capacity change? Default: exact, or tolerance with solve and "
                  "distill")
      ->type_name("exact|tolerance|free");
  command.add_option("--minutes", flags.minutes,
                     "Time for training; default: by the size of the model and the data");
  command.add_option("--epochs", flags.epochs, "Passes over --data at most");
  command
      .add_option("--steps", flags.steps,
                  "Exact number of steps, or one for each stage of the training; repeats a run that ended in time")
      ->type_name("N[,N...]")
      ->delimiter(',');
  command.add_option("--batch", flags.batch, "Samples of a step; default: 16 to 64, by how many there are");
  command.add_flag("--batch-norm", flags.batchNorm,
                   "Normalise layers by batch statistics, of each capacity its own, while distilling: the smallest "
                   "capacities gain, the largest lose");
  command.add_option("--optimizer", flags.optimizer, "Default adamw")->type_name("sgd|adamw");
  command.add_option("--learning-rate", flags.learningRate, "Default: the largest tried that lowers the loss at once");
  command
      .add_option("--augment", flags.augment,
                  "Vary training images: mirror them, move them by up to N pixels, stretch a "
                  "part of at least a share S of the area to the whole")
      ->type_name("flip,shift=N,crop=S")
      ->delimiter(',');
  command
      .add_option("--checkpoint", flags.checkpoint,
                  "Folder that keeps the state of training; the same command goes on from there")
      ->type_name("DIR");
  command.add_option("--seed", flags.seed, "Of everything random; default 0");
  command.add_option("--threads", flags.threads, "Threads of ordering and training; default 2")
      ->check(CLI::Range(1, 256));
}

/// The value that `text` names.
template <typename T>
T choose(const std::string &flag, const std::string &text,
         std::initializer_list<std::pair<const char *, T>> values) {
  std::string known;
  for (const auto &[name, value] : values) {
    if (text == name)
      return value;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  fail(flag, "'" + text + "' is none of " + known);
}

template <typename T>
void chooseOptional(const std::string &flag, const std::optional<std::string> &text,
                    std::initializer_list<std::pair<const char *, T>> values,
                    std::optional<T> &chosen) {
  if (text)
    chosen = choose(flag, *text, values);
}

std::vector<double> finishCapacities(std::vector<double> capacities) {
  for (double capacity : capacities)
    if (!(capacity > 0 && capacity <= 1))
      fail("--capacities", "a capacity is a fraction of the full model's MACs: more than 0, at "
                           "most 1, as in 0.25,0.5,1");
  capacities.push_back(1);
  llvm::sort(capacities);
  capacities.erase(std::unique(capacities.begin(), capacities.end()), capacities.end());
  return capacities;
}

Augmentation parseAugmentation(const std::vector<std::string> &parts) {
  Augmentation result;
  auto isShift = [&](llvm::StringRef part) {
    return part.consume_front("shift=") && !part.getAsInteger(10, result.shift) &&
           result.shift >= 1;
  };
  auto isCrop = [&](llvm::StringRef part) {
    return part.consume_front("crop=") && !part.getAsDouble(result.crop) && result.crop > 0 &&
           result.crop <= 1;
  };
  for (llvm::StringRef part : parts) {
    if (part == "flip")
      result.flip = true;
    else if (!isShift(part) && !isCrop(part))
      fail("--augment", "'" + part.str() + "' is neither flip, nor shift=N with N at least 1, "
                                           "nor crop=S with S above 0 and at most 1");
  }
  return result;
}

/// Flags that only training reads, in the order of the help.
std::string firstTrainingFlag(const NestFlags &flags) {
  return flags.minutes               ? "--minutes"
         : flags.epochs              ? "--epochs"
         : !flags.steps.empty()      ? "--steps"
         : flags.batch               ? "--batch"
         : flags.batchNorm           ? "--batch-norm"
         : flags.optimizer           ? "--optimizer"
         : flags.learningRate        ? "--learning-rate"
         : !flags.augment.empty()    ? "--augment"
         : !flags.checkpoint.empty() ? "--checkpoint"
                                     : "";
}

void finishTraining(const NestFlags &flags, TrainOptions &train) {
  if (flags.minutes && !(*flags.minutes > 0))
    fail("--minutes", "training needs more than 0 minutes; --recover solve does not train");
  if (flags.epochs && *flags.epochs < 1)
    fail("--epochs", "training needs at least 1 epoch; --recover solve does not train");
  if (llvm::any_of(flags.steps, [](int64_t steps) { return steps < 1; }))
    fail("--steps", "training needs at least 1 step; --recover solve does not train");
  if (!flags.steps.empty() && (flags.minutes || flags.epochs))
    fail("--steps", "the number of steps is exact; leave out --minutes and --epochs");
  if (flags.batch && *flags.batch < 1)
    fail("--batch", "a step needs at least 1 sample");
  if (flags.learningRate && !(*flags.learningRate > 0))
    fail("--learning-rate", "it must be more than 0");
  train.minutes = flags.minutes.value_or(0);
  train.epochs = flags.epochs.value_or(0);
  train.steps = flags.steps;
  train.batch = flags.batch.value_or(0);
  train.batchNorm = flags.batchNorm;
  train.learningRate = flags.learningRate.value_or(0);
  train.adam = !flags.optimizer ||
               choose<bool>("--optimizer", *flags.optimizer, {{"sgd", false}, {"adamw", true}});
  train.augmentation = parseAugmentation(flags.augment);
  train.checkpoint = flags.checkpoint;
}

void finishNormalization(const NestFlags &flags, bool hasCamera, NestArguments &nest) {
  const char *given = flags.scale           ? "--scale"
                      : !flags.mean.empty() ? "--mean"
                      : !flags.std.empty()  ? "--std"
                                            : nullptr;
  if (!given)
    return;
  if (!hasCamera && flags.data.empty() && flags.eval.empty())
    throw CLI::RequiresError(given, "--uint8-input, --data or --eval");
  if (llvm::is_contained(flags.std, 0.0f))
    fail("--std", "samples cannot be divided by 0");
  Normalization normalization;
  normalization.scale = flags.scale.value_or(1);
  if (!flags.mean.empty())
    normalization.mean = flags.mean;
  if (!flags.std.empty())
    normalization.std = flags.std;
  nest.normalization = normalization;
}

/// Flags that are fine alone and contradict each other.
void checkTogether(const NestFlags &flags, const NestArguments &nest) {
  bool learns = nest.recover && *nest.recover != RecoverLevel::None;
  bool trains = !nest.recover ? !nest.data.empty()
                              : nestor::learn::trains(*nest.recover);
  if (learns && nest.data.empty())
    fail("--recover", *flags.recover + " learns from samples; give them with --data D.npz, or "
                                       "recover none");
  if (nest.order && *nest.order != OrderMethod::L1 && nest.data.empty())
    fail("--order", *flags.order + " looks at samples; give them with --data D.npz, or order l1");
  if (nest.shrinkInput.value_or(false) && nest.data.empty())
    fail("--input-size", "how small an input does is seen on samples; give them with --data D.npz");
  if (nest.capacities.size() == 1 && learns)
    fail("--recover", "there is nothing to recover, since the full model is the only capacity; "
                      "list smaller ones with --capacities");
  if (std::string flag = firstTrainingFlag(flags); !flag.empty() && !trains)
    fail(flag, nest.data.empty() ? "there is no training without samples; give them with --data "
                                   "D.npz"
                                 : "only distill and freeze-grow train; leave it out, or use "
                                   "--recover distill");
  if (flags.batchNorm && (nest.recover == RecoverLevel::FreezeGrow || nest.top == TopRule::Exact))
    fail("--batch-norm", "only distilling normalises, and only where filters may change; leave it out, or "
                         "freeze-grow and --top exact");
  if (nest.recover == RecoverLevel::FreezeGrow && nest.top != TopRule::Free)
    fail("--recover", "freeze-grow gives the full capacity new weights without a guard; say so "
                      "with --top free");
}

} // namespace

void addNestFlags(CLI::App &command, NestFlags &flags) {
  addShapeFlags(command, flags);
  addDataFlags(command, flags);
  addRecoveryFlags(command, flags);
}

void finishNestFlags(const NestFlags &flags, bool hasCamera, NestArguments &nest) {
  if (!flags.capacities.empty())
    nest.capacities = finishCapacities(flags.capacities);
  nest.data = flags.data;
  nest.eval = flags.eval;
  nest.allowSkips = flags.skips;
  if (flags.inputSize)
    nest.shrinkInput = choose<bool>("--input-size", *flags.inputSize, {{"fixed", false}, {"free", true}});
  nest.seed = flags.seed;
  nest.threads = flags.threads;
  chooseOptional<OrderMethod>("--order", flags.order,
                              {{"obs", OrderMethod::Obs},
                               {"l1", OrderMethod::L1},
                               {"activation", OrderMethod::Activation},
                               {"trr", OrderMethod::Trr}},
                              nest.order);
  chooseOptional<RecoverLevel>("--recover", flags.recover,
                               {{"none", RecoverLevel::None},
                                {"affine", RecoverLevel::Affine},
                                {"solve", RecoverLevel::Solve},
                                {"distill", RecoverLevel::Distill},
                                {"freeze-grow", RecoverLevel::FreezeGrow}},
                               nest.recover);
  chooseOptional<TopRule>(
      "--top", flags.top,
      {{"exact", TopRule::Exact}, {"tolerance", TopRule::Tolerance}, {"free", TopRule::Free}},
      nest.top);
  if (flags.budget)
    nest.budget = choose<Budget>("--budget", *flags.budget,
                                 {{"latency", Budget::Latency}, {"macs", Budget::Macs}});
  finishTraining(flags, nest.train);
  finishNormalization(flags, hasCamera, nest);
  checkTogether(flags, nest);
}

} // namespace nestorc

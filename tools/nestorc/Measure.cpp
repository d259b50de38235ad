//===- Measure.cpp - What the capacities of a compile are worth -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Measure.h"

#include "Mixed.h"

#include "compiler/package/Writer.h"
#include "tools/support/Latency.h"
#include "tools/support/MixedEvaluation.h"

using namespace llvm;
namespace driver = nestor::driver;
namespace support = nestor::support;

namespace nestorc {
namespace {

/// Time for the latencies of all capacities together.
constexpr double kLatencySeconds = 0.4;

/// An artifact that this machine can run, and the memory that it lies in.
struct Runnable {
  std::unique_ptr<MemoryBuffer> memory;
  std::optional<nestor::Artifact> artifact;
};

class Measurer {
public:
  Measurer(const CompileArguments &arguments, const CompileData &data,
           function_ref<void(StringRef)> progress, Measurement &measurement)
      : arguments(arguments), data(data), progress(progress), measurement(measurement) {}

  /// `changed`: the full capacity is not what the model computes.
  nestor::Status run(const nestor::package::Plan &plan,
                     ArrayRef<nestor::package::CodeImage> images, mlir::ModuleOp original,
                     bool changed);

private:
  nestor::Status open(const nestor::package::Plan &plan,
                      ArrayRef<nestor::package::CodeImage> images, mlir::MLIRContext &context,
                      Runnable &runnable);
  nestor::Status measureLatency(const nestor::Artifact &artifact);
  nestor::Status measureScores(const nestor::Artifact &artifact, mlir::ModuleOp original,
                               bool topChanged);
  nestor::Status measureMixed(const nestor::Artifact &artifact);
  nestor::Result<support::Classes> classifyOriginal(mlir::ModuleOp original,
                                                    const support::Samples &samples);

  const CompileArguments &arguments;
  const CompileData &data;
  function_ref<void(StringRef)> progress;
  Measurement &measurement;
};

bool runsHere(const nestor::Artifact &artifact) {
  return any_of(artifact.targets(), [](const auto &target) { return target.selected; });
}

/// What the flags say about uint8 samples, for an artifact without camera.
support::NormalizationFlags flagsOf(const NestArguments &nest) {
  support::NormalizationFlags flags;
  if (nest.normalization) {
    flags.scale = nest.normalization->scale;
    flags.mean = nest.normalization->mean;
    flags.std = nest.normalization->std;
  }
  return flags;
}

nestor::Status Measurer::open(const nestor::package::Plan &given,
                              ArrayRef<nestor::package::CodeImage> compiled,
                              mlir::MLIRContext &context, Runnable &runnable) {
  nestor::package::Plan plan = given; // The writer adds targets to it.
  runnable.memory = nestor::package::toMemory(plan, compiled);
  StringRef bytes = runnable.memory->getBuffer();
  auto opened = nestor::Artifact::open(bytes.data(), bytes.size());
  if (opened.ok() && !runsHere(opened.value())) {
    plan = given;
    auto images = nestor::package::buildCodeImages(plan.kernels, {&nestor::kernels::hostTarget()},
                                                   context);
    if (failed(images))
      return nestor::Status(nestor::StatusCode::unsupported_cpu, "no code for this CPU");
    runnable.memory = nestor::package::toMemory(plan, *images);
    bytes = runnable.memory->getBuffer();
    opened = nestor::Artifact::open(bytes.data(), bytes.size());
  }
  if (!opened.ok())
    return opened.status();
  runnable.artifact = opened.value();
  return nestor::Status();
}

nestor::Status Measurer::measureLatency(const nestor::Artifact &artifact) {
  auto session =
      artifact.session(nestor::SessionOptions().capacity(artifact.capacities().back().capacity));
  if (!session.ok())
    return session.status();
  progress("measuring latency");
  for (const nestor::CapacityInfo &info : artifact.capacities()) {
    if (nestor::Status status = session.value().set_capacity(info.capacity); !status.ok())
      return status;
    auto latencies =
        support::measureLatencies(session.value(), kLatencySeconds / artifact.capacities().size());
    if (!latencies.ok())
      return latencies.status();
    measurement.latencyUs.push_back(latencies.value().percentile(0.5));
  }
  return nestor::Status();
}

nestor::Result<support::Classes> Measurer::classifyOriginal(mlir::ModuleOp original,
                                                            const support::Samples &samples) {
  driver::CompileOptions options;
  options.cameraInputs = arguments.cameraInputs;
  driver::CompileResult result = driver::compileModule(cast<mlir::ModuleOp>(original->clone()),
                                                       options, *original->getContext());
  if (!result.ok())
    return nestor::Status(nestor::StatusCode::invalid_argument, result.message);
  Runnable runnable;
  if (nestor::Status status =
          open(result.plan, result.images, *original->getContext(), runnable);
      !status.ok())
    return status;
  auto session =
      runnable.artifact->session(nestor::SessionOptions().threads(arguments.nest.threads));
  if (!session.ok())
    return session.status();
  return support::classify(session.value(), samples, nullptr);
}

nestor::Status Measurer::measureScores(const nestor::Artifact &artifact, mlir::ModuleOp original,
                                       bool topChanged) {
  auto samples = support::Samples::make(artifact, data.measured, flagsOf(arguments.nest));
  if (!samples.ok())
    return samples.status();
  support::EvaluationOptions options;
  options.threads = arguments.nest.threads;
  progress("measuring accuracy");
  options.progress = [&](int64_t done, int64_t total) {
    progress(("measuring accuracy, sample " + Twine(done) + " of " + Twine(total)).str());
  };
  support::Classes reference;
  if (topChanged) {
    auto classes = classifyOriginal(original, samples.value());
    if (!classes.ok())
      return classes.status();
    reference = std::move(classes).value();
    options.reference = &reference;
  }
  auto scores = support::evaluate(artifact, samples.value(), options);
  if (!scores.ok())
    return scores.status();
  measurement.scores = scores.value();
  if (!samples.value().labels().empty())
    measurement.originalTop1 = topChanged
                                   ? support::shareOfEqual(reference, samples.value().labels())
                                   : *measurement.scores.back().top1;
  return nestor::Status();
}

nestor::Status Measurer::measureMixed(const nestor::Artifact &artifact) {
  auto samples = support::Samples::make(artifact, data.measured, flagsOf(arguments.nest));
  if (!samples.ok())
    return samples.status();
  support::MixedOptions options;
  options.threads = arguments.nest.threads;
  progress("measuring heads and tails");
  options.progress = [&](int64_t done, int64_t total) {
    progress(("measuring heads and tails, sample " + Twine(done) + " of " + Twine(total)).str());
  };
  auto shares = support::evaluateMixed(artifact, samples.value(), options);
  if (!shares.ok())
    return shares.status();
  measurement.mixed = artifact.mixed();
  for (auto [pair, share] : zip_equal(measurement.mixed, shares.value()))
    pair.accuracy = float(share);
  return nestor::Status();
}

nestor::Status Measurer::run(const nestor::package::Plan &plan,
                             ArrayRef<nestor::package::CodeImage> images,
                             mlir::ModuleOp original, bool changed) {
  Runnable runnable;
  if (nestor::Status status = open(plan, images, *original->getContext(), runnable); !status.ok())
    return status;
  for (size_t i = 0; i < runnable.artifact->capacities().size(); ++i) {
    measurement.blocks.push_back(runnable.artifact->blocks(i));
    measurement.cuts.push_back(runnable.artifact->cuts(i));
  }
  if (nestor::Status status = measureLatency(*runnable.artifact); !status.ok())
    return status;
  if (data.measured.empty())
    return nestor::Status();
  nestor::Status status = measureScores(*runnable.artifact, original, changed);
  return status.ok() && plan.manifest.mixed_size() ? measureMixed(*runnable.artifact) : status;
}

} // namespace

ExitStatus measure(const CompileArguments &arguments, const CompileData &data,
                   driver::CompileResult &result, mlir::ModuleOp original,
                   function_ref<void(StringRef)> progress, Measurement &measurement) {
  nestor::format::Manifest &manifest = result.plan.manifest;
  if (arguments.mixed)
    addMixedPairs(arguments.mixedCuts.empty() ? chooseMixedCuts(manifest) : arguments.mixedCuts,
                  result.nesting, manifest);
  nestor::Status status =
      Measurer(arguments, data, progress, measurement)
          .run(result.plan, result.images, original, result.nesting.recovery.topChanged);
  for (const driver::CompiledVariant &variant : result.variants)
    if (status.ok())
      status = Measurer(arguments, data, progress, measurement.variants.emplace_back())
                   .run(variant.plan, variant.images, original, /*changed=*/true);
  if (status.ok())
    return ExitStatus::Ok;
  printError("the capacities could not be measured: " + status.message());
  return status.code() == nestor::StatusCode::invalid_argument ? ExitStatus::Usage
                                                               : ExitStatus::Internal;
}

void storeMeasurement(const Measurement &measurement, bool withLatency,
                      nestor::format::Manifest &manifest) {
  for (auto [index, capacity] : enumerate(*manifest.mutable_capacities())) {
    if (withLatency)
      capacity.set_latency_us(measurement.latencyUs[index]);
    if (measurement.scores.empty())
      continue;
    const support::Score &score = measurement.scores[index];
    capacity.set_has_agreement(true);
    capacity.set_agreement(score.agreement);
    if (score.top1) {
      capacity.set_has_accuracy(true);
      capacity.set_accuracy(*score.top1);
    }
  }
  for (auto [pair, measured] : zip_equal(*manifest.mutable_mixed(), measurement.mixed))
    pair.set_accuracy(measured.accuracy);
}

} // namespace nestorc

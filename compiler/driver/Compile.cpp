//===- Compile.cpp - From an ONNX model to an artifact --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Compile.h"

#include "compiler/driver/Diagnostics.h"
#include "compiler/ir/Nested.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/kernels/QuantMicroKernel.h"
#include "compiler/learn/Calibrate.h"
#include "compiler/package/Graph.h"
#include "compiler/package/Writer.h"
#include "compiler/tune/Tuner.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace nestor::driver {
namespace {

/// Writes `module` for a bug report and returns the file's path; empty where
/// no file can be written. Weights are left out: bugs that depend on them are
/// wrong results, not internal errors.
std::string writeReproducer(ModuleOp module) {
  int descriptor;
  SmallString<128> path;
  if (llvm::sys::fs::createTemporaryFile("nestorc-reproducer", "mlir", descriptor, path))
    return "";
  llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
  OpPrintingFlags flags;
  flags.enableDebugInfo().elideLargeResourceString(256);
  module.print(stream, flags);
  return path.str().str();
}

class Compilation {
public:
  Compilation(const CompileOptions &options, MLIRContext &context)
      : options(options), context(context), diagnostics(context) {}

  CompileResult run(OwningOpRef<ModuleOp> module);

private:
  LogicalResult prepareInputs();
  LogicalResult optimize();
  LogicalResult findCuts();
  bool nests() const { return options.nest.capacities.size() > 1; }
  std::vector<const kernels::TargetInfo *> targets() const {
    return options.targets.empty() ? std::vector{&kernels::hostTarget()} : options.targets;
  }
  LogicalResult nest();
  LogicalResult roundFilters();
  LogicalResult chooseAlgorithms();
  LogicalResult measure(llvm::Error (tune::Tuner::*choice)(ModuleOp, tune::Tuner::Targets));
  void describeNesting(format::Manifest &manifest);
  LogicalResult runPasses(llvm::function_ref<void(OpPassManager &)> build) {
    return runPasses(*result.module, build);
  }
  LogicalResult runPasses(ModuleOp module, llvm::function_ref<void(OpPassManager &)> build);
  LogicalResult checkCapacities();
  LogicalResult plan(ModuleOp module, OwningOpRef<ModuleOp> graph, package::Plan &plan);
  LogicalResult generate();
  LogicalResult quantize(CompiledVariant &variant);
  LogicalResult generateInt8();
  void noteLostCuts();
  void begin(StringRef stage) {
    if (options.progress)
      options.progress(stage);
  }
  LogicalResult fail(ExitStatus status);

  const CompileOptions &options;
  MLIRContext &context;
  DiagnosticCollector diagnostics;
  OwningOpRef<ModuleOp> imported; ///< For the reproducer.
  OwningOpRef<ModuleOp> prepared; ///< For the graph section.
  OwningOpRef<ModuleOp> floats;   ///< What the int8 variant is made of.
  CompileResult result;
};

LogicalResult Compilation::fail(ExitStatus status) {
  result.status = status;
  result.message = diagnostics.errors();
  if (status == ExitStatus::Internal) {
    std::string path = writeReproducer(*imported);
    result.message = "internal error: " + result.message;
    if (!path.empty())
      result.message += "\nPlease report it together with the file " + path;
  }
  return failure();
}

LogicalResult Compilation::prepareInputs() {
  for (func::FuncOp function : nest::capacityFunctions(*result.module))
    for (const CameraInput &input : options.cameraInputs)
      if (failed(applyCameraInput(function, input)))
        return fail(ExitStatus::Usage);
  return success();
}

LogicalResult Compilation::runPasses(ModuleOp module,
                                     llvm::function_ref<void(OpPassManager &)> build) {
  PassManager manager(&context); // With the verifier between passes, its default.
  build(manager);
  return failed(manager.run(module)) ? fail(ExitStatus::Internal) : success();
}

LogicalResult Compilation::optimize() {
  begin("optimizing");
  if (failed(runPasses(buildPreparePipeline)) || failed(findCuts()) || failed(nest()))
    return failure();
  if (options.int8Samples)
    floats = result.module->clone();
  if (failed(roundFilters()) || failed(chooseAlgorithms()))
    return failure();
  prepared = result.module->clone();
  if (result.nesting.recovery.topChanged || options.weights != WeightType::F32)
    (*prepared)->setAttr(package::kTopChangedAttr, UnitAttr::get(&context));
  PipelineOptions finish;
  finish.fuseAcrossCuts = options.fuseAcrossCuts;
  if (failed(runPasses([&](OpPassManager &manager) { buildFinishPipeline(manager, finish); })))
    return failure();
  return measure(&tune::Tuner::chooseTiles);
}

/// Before nesting, so that all capacities have the same cuts.
LogicalResult Compilation::findCuts() {
  return runPasses([](OpPassManager &manager) {
    manager.addNestedPass<func::FuncOp>(createFindCutsPass());
  });
}

/// Where one prepared network becomes capacities, each a function of its own
/// (compiler/ir/Nested.h). A module that comes with them stays as it is.
LogicalResult Compilation::nest() {
  if (!nests())
    return success();
  llvm::Expected<learn::NestReport> report = learn::nestModel(*result.module, options.nest);
  if (!report) {
    std::string message = toString(report.takeError());
    if (!diagnostics.errors().empty())
      return fail(ExitStatus::Internal);
    result.status = ExitStatus::Usage;
    result.message = std::move(message);
    return failure();
  }
  result.nesting = std::move(*report);
  llvm::append_range(result.notes, result.nesting.warnings);
  // Recovery worked on the model's own inputs.
  if (options.cameraInputs.empty())
    return success();
  return failed(prepareInputs()) ? failure() : runPasses(buildPreparePipeline);
}

/// Before the graph section's copy is made, so that it has the weights that run.
LogicalResult Compilation::roundFilters() {
  if (options.weights == WeightType::F32)
    return success();
  PassManager manager(&context);
  manager.addPass(createRoundFiltersPass({options.weights == WeightType::F16 ? "f16" : "bf16"}));
  // It fails where a weight does not fit.
  return failed(manager.run(*result.module)) ? fail(ExitStatus::Usage) : success();
}

/// Before the graph section's copy is made, so that it says how filters are stored.
LogicalResult Compilation::chooseAlgorithms() {
  if (!options.winograd || options.optimize == Optimize::Size)
    return success();
  // Strassen's algorithm saves less time per byte than Winograd's does.
  bool strassen = options.optimize == Optimize::Latency;
  if (failed(measure(&tune::Tuner::measureAlgorithms)) ||
      (strassen && failed(measure(&tune::Tuner::measureProducts))))
    return failure();
  constexpr double balancedGrowth = 0.25;
  ChooseWinogradPassOptions choice;
  choice.growth = options.optimize == Optimize::Balanced ? balancedGrowth : -1;
  for (const kernels::TargetInfo *target : targets())
    choice.targets.push_back(target->name);
  ChooseStrassenPassOptions products;
  products.targets = choice.targets;
  return runPasses([&](OpPassManager &manager) {
    if (strassen)
      manager.addPass(createChooseStrassenPass(products));
    manager.addPass(createChooseWinogradPass(choice));
  });
}

/// Has the tuner, if there is one, measure what is to choose next.
LogicalResult
Compilation::measure(llvm::Error (tune::Tuner::*choice)(ModuleOp, tune::Tuner::Targets)) {
  if (!options.tuner)
    return success();
  begin("tuning");
  llvm::Error error = (options.tuner->*choice)(*result.module, targets());
  if (!error)
    return success();
  emitError(result.module->getLoc()) << "tuning: " << toString(std::move(error));
  return fail(ExitStatus::Internal);
}

/// Puts into the manifest what only those know who made the capacities.
void Compilation::describeNesting(format::Manifest &manifest) {
  for (auto [capacity, out] :
       llvm::zip_equal(result.nesting.capacities, *manifest.mutable_capacities())) {
    out.set_capacity(capacity.requested);
    out.set_requested(capacity.requested);
    for (const std::string &block : capacity.skipped)
      out.add_skipped(block);
    for (int64_t extent : capacity.extents)
      out.add_input_extents(extent);
  }
  for (const learn::NestReport::Group &group : result.nesting.groups) {
    format::Group &out = *manifest.add_groups();
    out.set_name(group.name);
    out.set_channels(group.channels);
    out.set_stream(group.stream);
    for (int64_t width : group.widths)
      out.add_widths(width);
  }
  for (const learn::NestReport::Whole &whole : result.nesting.whole) {
    format::Whole &out = *manifest.add_whole();
    out.set_node(whole.node);
    out.set_reason(whole.reason);
  }
  if (!options.normalization)
    return;
  format::Normalization &stored = *manifest.mutable_data_normalization();
  stored.set_scale(options.normalization->scale);
  for (float mean : options.normalization->mean)
    stored.add_mean(mean);
  for (float std : options.normalization->std)
    stored.add_std(std);
}

void Compilation::noteLostCuts() {
  if (!result.plan.lostCuts)
    return;
  result.notes.push_back(llvm::formatv("cuts lost inside of what is fused: {0} ({1})",
                                       result.plan.lostCuts,
                                       llvm::join(result.plan.fusedAcrossCuts, ", "))
                             .str());
}

/// Of a module that came with its capacities they may be anything.
LogicalResult Compilation::checkCapacities() {
  float previous = 0;
  for (auto [number, capacity] : llvm::enumerate(result.plan.manifest.capacities())) {
    if (capacity.capacity() <= previous) {
      result.status = ExitStatus::Unsupported;
      result.message = llvm::formatv("capacity {0} has no more multiply-accumulates than the one "
                                     "before: leave one of them out",
                                     number)
                           .str();
      return failure();
    }
    previous = capacity.capacity();
  }
  return success();
}

/// Plans the capacities of `module`; `graph` is what `nestorc verify` compares with.
LogicalResult Compilation::plan(ModuleOp module, OwningOpRef<ModuleOp> graph,
                                package::Plan &plan) {
  SmallVector<func::FuncOp> capacities = nest::capacityFunctions(module);
  llvm::for_each(capacities, package::copySharedResults);
  FailureOr<package::Plan> made = package::planExecution(capacities);
  if (failed(made))
    return fail(ExitStatus::Unsupported);
  plan = std::move(*made);
  plan.graph = package::storeGraph(std::move(graph), plan.weights);
  plan.manifest.set_producer("nestorc " NESTOR_VERSION);
  if (auto name = module->getAttrOfType<StringAttr>("nest.model"))
    plan.manifest.set_model(name.str());
  if (nests())
    describeNesting(plan.manifest);
  return success();
}

/// From floats to bytes, and to what kernels read.
LogicalResult Compilation::quantize(CompiledVariant &variant) {
  PipelineOptions finish;
  finish.fuseAcrossCuts = options.fuseAcrossCuts;
  finish.packFilters = false;
  if (failed(runPasses(*variant.module, [&](OpPassManager &manager) {
        buildFinishPipeline(manager, finish);
      })))
    return failure();
  if (llvm::Error error =
          learn::calibrate(*variant.module, {options.int8Samples, options.nest.threads})) {
    result.status = ExitStatus::Usage;
    result.message = "int8: " + toString(std::move(error));
    return failure();
  }
  return runPasses(*variant.module, [](OpPassManager &manager) {
    manager.addPass(createQuantizePass());
    buildPackPipeline(manager);
  });
}

LogicalResult Compilation::generateInt8() {
  begin("quantizing");
  CompiledVariant &variant = result.variants.emplace_back();
  variant.precision = "int8";
  variant.module = std::move(floats);
  if (failed(quantize(variant)))
    return failure();
  // Bytes are not what the model computes: `verify` compares with this module.
  OwningOpRef<ModuleOp> graph = variant.module->clone();
  (*graph)->setAttr(package::kTopChangedAttr, UnitAttr::get(&context));
  if (failed(plan(*variant.module, std::move(graph), variant.plan)))
    return failure();
  // It computes the same model, whatever was added to fill words.
  for (auto [bytes, real] : llvm::zip_equal(*variant.plan.manifest.mutable_capacities(),
                                            result.plan.manifest.capacities())) {
    bytes.set_macs(real.macs());
    bytes.set_capacity(real.capacity());
  }
  std::vector<const kernels::TargetInfo *> targets{&kernels::quantHostTarget()};
  if (!options.targets.empty()) {
    auto given = kernels::quantTargets(options.targets);
    targets.assign(given.begin(), given.end());
  }
  auto images = package::buildCodeImages(variant.plan.kernels, targets, context);
  if (failed(images))
    return fail(ExitStatus::Internal);
  variant.images = std::move(*images);
  return success();
}

LogicalResult Compilation::generate() {
  begin("planning");
  if (failed(plan(*result.module, std::move(prepared), result.plan)))
    return failure();
  noteLostCuts();
  if (failed(checkCapacities()))
    return failure();

  begin("generating code");
  auto images = package::buildCodeImages(result.plan.kernels, targets(), context);
  if (failed(images))
    return fail(ExitStatus::Internal);
  result.images = std::move(*images);
  return options.int8Samples ? generateInt8() : success();
}

CompileResult Compilation::run(OwningOpRef<ModuleOp> module) {
  result.module = std::move(module);
  imported = result.module->clone();
  if (!result.module->lookupSymbol<func::FuncOp>("main")) {
    result.status = ExitStatus::Corrupt;
    result.message = "the module has no function @main";
  } else if ((nests() || succeeded(prepareInputs())) && options.stopAt != Stage::Import &&
             succeeded(optimize()) && options.stopAt != Stage::Optimize) {
    (void)generate(); // The result has the status.
  }
  llvm::append_range(result.notes, diagnostics.warnings());
  return std::move(result);
}

import::ImportResult readMlirFile(StringRef path, MLIRContext &context) {
  import::ImportResult result;
  DiagnosticCollector diagnostics(context);
  result.module = parseSourceFile<ModuleOp>(path, &context);
  result.message = diagnostics.errors();
  if (!result.module)
    result.status = import::ImportStatus::Corrupt;
  return result;
}

} // namespace

std::unique_ptr<MLIRContext> createContext() {
  DialectRegistry registry;
  registry.insert<nest::NestDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect>();
  kernels::registerKernelDialects(registry);
  auto context = std::make_unique<MLIRContext>(registry);
  // Kernels are emitted on several threads, which must not load dialects.
  context->loadAllAvailableDialects();
  return context;
}

CompileResult compileModule(OwningOpRef<ModuleOp> module, const CompileOptions &options,
                            MLIRContext &context) {
  return Compilation(options, context).run(std::move(module));
}

import::ImportResult importModel(StringRef path, const CompileOptions &options,
                                 MLIRContext &context) {
  if (options.progress)
    options.progress("importing");
  if (path.ends_with(".mlir"))
    return readMlirFile(path, context);
  return import::importFile(path, options.import, context);
}

CompileResult compileImported(import::ImportResult imported, const CompileOptions &options,
                              MLIRContext &context) {
  CompileResult result;
  if (imported.status == import::ImportStatus::Ok)
    result = compileModule(std::move(imported.module), options, context);
  else
    result.status = static_cast<ExitStatus>(imported.status);
  if (result.message.empty())
    result.message = std::move(imported.message);
  result.unsupported = std::move(imported.unsupported);
  result.notes.insert(result.notes.begin(), imported.notes.begin(), imported.notes.end());
  return result;
}

CompileResult compileFile(StringRef path, const CompileOptions &options, MLIRContext &context) {
  return compileImported(importModel(path, options, context), options, context);
}

CompileResult compileBytes(StringRef bytes, StringRef directory, const CompileOptions &options,
                           MLIRContext &context) {
  return compileImported(import::importBytes(bytes, directory, options.import, context), options,
                         context);
}

std::vector<package::Variant>
variantsOf(CompileResult &result, std::vector<std::unique_ptr<llvm::MemoryBuffer>> &memory) {
  std::vector<package::Variant> variants;
  for (CompiledVariant &variant : result.variants) {
    memory.push_back(package::toMemory(variant.plan, variant.images));
    variants.push_back({variant.precision, memory.back()->getBuffer()});
  }
  return variants;
}

std::unique_ptr<llvm::MemoryBuffer> toMemory(CompileResult &result) {
  assert(result.ok() && "there is no artifact");
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> memory;
  return package::toMemory(result.plan, result.images, variantsOf(result, memory));
}

} // namespace nestor::driver

//===- Compile.cpp - nestorc compile --------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "EmitObject.h"
#include "NestDefaults.h"
#include "Progress.h"
#include "Results.h"
#include "report/Report.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/package/Writer.h"
#include "compiler/tune/KernelTimer.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"

#include <chrono>

using namespace llvm;
namespace driver = nestor::driver;
namespace package = nestor::package;

namespace nestorc {
namespace {

ExitStatus writeIr(mlir::ModuleOp module, StringRef output) {
  std::error_code code;
  ToolOutputFile file(output.empty() ? "-" : output, code, sys::fs::OF_Text);
  if (code) {
    printError("cannot write " + output.str() + ": " + code.message());
    return ExitStatus::Usage;
  }
  module.print(file.os(), mlir::OpPrintingFlags().enableDebugInfo().elideLargeResourceString(256));
  file.keep();
  return ExitStatus::Ok;
}

/// Finds out before the work whether a file could be written at its end; an
/// empty path is none.
ExitStatus checkWritable(const std::string &path) {
  sys::fs::file_status status;
  (void)sys::fs::status(path, status);           // A missing file has a status of its own.
  if (path.empty() || sys::fs::is_other(status)) // A device, such as /dev/null.
    return ExitStatus::Ok;
  StringRef folder = sys::path::parent_path(path);
  std::error_code code;
  if (sys::fs::is_directory(path))
    code = std::make_error_code(std::errc::is_a_directory);
  else
    code = sys::fs::access(folder.empty() ? "." : folder, sys::fs::AccessMode::Write);
  if (!code)
    return ExitStatus::Ok;
  printError("cannot write " + path + ": " + code.message());
  return ExitStatus::Usage;
}

ExitStatus checkWritten(Error error, const std::string &path) {
  if (!error)
    return ExitStatus::Ok;
  printError("cannot write " + path + ": " + toString(std::move(error)));
  return ExitStatus::Usage;
}

/// What `compile` does after its flags were read.
class Compile {
public:
  explicit Compile(const CompileArguments &arguments)
      : arguments(arguments), context(driver::createContext()) {}
  ExitStatus run();

private:
  ExitStatus choose(mlir::func::FuncOp main);
  ExitStatus readTuning();
  ExitStatus writeTuning();
  ExitStatus compile();
  ExitStatus writeOutput(uint64_t &fileBytes, uint64_t &codeBytes);
  ExitStatus write();
  void warnOfMixed() const;

  const CompileArguments &arguments;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  std::unique_ptr<mlir::MLIRContext> context;
  driver::CompileOptions options;
  CompileData data;
  nestor::tune::TuneCache tuneCache;
  nestor::tune::KernelTimer timer{*context};
  nestor::tune::Tuner tuner{tuneCache, timer};
  mlir::OwningOpRef<mlir::ModuleOp> original; ///< As imported.
  driver::CompileResult result;
  Measurement measurement;
  std::optional<Progress> progress;
};

/// Reads the samples and decides what depends on them.
ExitStatus Compile::choose(mlir::func::FuncOp main) {
  progress->clear();
  if (ExitStatus status = readCompileData(arguments, main, data); status != ExitStatus::Ok)
    return status;
  if (data.recovery && data.heldOut)
    progress->log(formatv("evaluation samples seen in recovery: {0} of {1}{2}", data.evalSeen,
                          data.evalSamples,
                          data.evalSeen ? "; the accuracy counts what was learned by heart" : "")
                      .str());
  const nestor::learn::Dataset *samples = data.recovery ? &*data.recovery : nullptr;
  if (Error error = chooseNestOptions(arguments.nest, main, samples, options.nest)) {
    printError(toString(std::move(error)));
    return ExitStatus::Usage;
  }
  options.normalization = arguments.nest.normalization;
  if (arguments.nest.int8)
    options.int8Samples = samples;
  return ExitStatus::Ok;
}

ExitStatus Compile::readTuning() {
  if (arguments.tune.empty())
    return ExitStatus::Ok;
  auto cache = nestor::tune::TuneCache::read(arguments.tune);
  if (!cache) {
    printError(toString(cache.takeError()));
    return ExitStatus::Corrupt;
  }
  tuneCache = std::move(*cache);
  options.tuner = &tuner;
  return ExitStatus::Ok;
}

/// Says what was tuned, and keeps what was measured.
ExitStatus Compile::writeTuning() {
  if (!options.tuner)
    return ExitStatus::Ok;
  const nestor::tune::TuneReport &report = tuner.report();
  progress->log(formatv("tuning: {0} kernel signatures measured, {1} found in {2}; kernels with "
                        "another tile than the table's: {3}",
                        report.measured, report.found, arguments.tune, report.changed)
                    .str());
  for (const std::string &target : report.byTable)
    progress->log(formatv("tuning: the table decides for {0}, since only kernels for {1} can be "
                          "measured here; a file from a machine that has it would be used",
                          target, nestor::kernels::hostTarget().name)
                      .str());
  if (!tuneCache.changed())
    return ExitStatus::Ok;
  return checkWritten(tuneCache.write(arguments.tune), arguments.tune);
}

ExitStatus Compile::compile() {
  nestor::import::ImportResult imported =
      driver::importModel(arguments.model.path, options, *context);
  if (imported.module) {
    auto main = imported.module->lookupSymbol<mlir::func::FuncOp>("main");
    if (main && arguments.emit != driver::Stage::Import)
      if (ExitStatus status = choose(main); status != ExitStatus::Ok)
        return status;
    original = imported.module->clone();
  }
  std::optional<InterruptGuard> guard;
  if (options.nest.recover != nestor::learn::RecoverLevel::None) {
    guard.emplace();
    options.nest.stop = InterruptGuard::flag();
  }
  result = driver::compileImported(std::move(imported), options, *context);
  guard.reset();
  const std::vector<std::string> &warnings = result.nesting.warnings;
  llvm::erase_if(result.notes,
                 [&](const std::string &note) { return is_contained(warnings, note); });
  for (const auto *notes : {&result.notes, &result.nesting.recovery.notes})
    for (const std::string &note : *notes)
      progress->log(note);
  progress->clear();
  for (const std::string &warning : warnings)
    errs() << "warning: " << warning << "\n";
  if (!result.ok()) {
    printError(result.message);
    printUnsupported(result.unsupported);
    return result.status;
  }
  return writeTuning();
}

/// Bytes of the constants that a model has, equal ones once.
uint64_t constantBytes(mlir::ModuleOp model) {
  DenseSet<mlir::Attribute> seen;
  uint64_t bytes = 0;
  model.walk([&](nestor::nest::ConstOp op) {
    mlir::ShapedType type = op.getValue().getShapedType();
    if (seen.insert(op.getValue()).second)
      bytes += divideCeil(type.getNumElements() * type.getElementTypeBitWidth(), 8);
  });
  return bytes;
}

/// Writes the artifact or the object.
ExitStatus Compile::writeOutput(uint64_t &fileBytes, uint64_t &codeBytes) {
  if (arguments.emit == driver::Stage::Object)
    return writeObject(arguments, result, fileBytes, codeBytes);
  std::vector<std::unique_ptr<MemoryBuffer>> memory;
  std::vector<package::Variant> variants = driver::variantsOf(result, memory);
  package::ArtifactWriter writer(result.plan, result.images, variants);
  fileBytes = writer.size();
  codeBytes = writer.codeBytes();
  return checkWritten(writer.writeFile(arguments.output), arguments.output);
}

ExitStatus Compile::write() {
  uint64_t fileBytes, codeBytes;
  if (ExitStatus status = writeOutput(fileBytes, codeBytes); status != ExitStatus::Ok)
    return status;
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const nestor::tune::TuneReport *tuning = options.tuner ? &tuner.report() : nullptr;
  CompileSummary summary{arguments, options.nest, data, result, measurement, tuning};
  summary.modelBytes = constantBytes(*original);
  summary.fileBytes = fileBytes;
  summary.codeBytes = codeBytes;
  summary.seconds = elapsed.count();
  json::Value document = describe(summary);
  if (arguments.json)
    outs() << formatv("{0:2}", document) << "\n";
  else
    printTable(summary);
  if (arguments.report.empty())
    return ExitStatus::Ok;
  return checkWritten(writeReport(document, arguments.report), arguments.report);
}

/// About cuts at which there was nothing to measure.
void Compile::warnOfMixed() const {
  const StringRef reason = ": there is no such cut with a head and a tail, or the tensors of the "
                           "capacities differ in more than their channels\n";
  for (uint32_t cut : arguments.mixedCuts)
    if (none_of(measurement.mixed, [&](const auto &pair) { return pair.cut == cut; }))
      errs() << "warning: --mixed measured nothing at cut " << cut << reason;
  if (arguments.mixed && arguments.mixedCuts.empty() && measurement.mixed.empty())
    errs() << "warning: --mixed measured nothing" << reason;
}

ExitStatus Compile::run() {
  options.targets = arguments.targets;
  options.fuseAcrossCuts = arguments.fuseAcrossCuts;
  options.cameraInputs = arguments.cameraInputs;
  options.optimize = StringSwitch<driver::Optimize>(arguments.optimize)
                         .Case("size", driver::Optimize::Size)
                         .Case("latency", driver::Optimize::Latency)
                         .Default(driver::Optimize::Balanced);
  options.winograd = arguments.winograd;
  options.weights = StringSwitch<driver::WeightType>(arguments.weights)
                        .Case("f16", driver::WeightType::F16)
                        .Case("bf16", driver::WeightType::BF16)
                        .Default(driver::WeightType::F32);
  options.stopAt = arguments.emit;
  std::string header = arguments.emit == driver::Stage::Object ? headerPath(arguments) : "";
  for (const std::string &path : {arguments.output, arguments.report, header, arguments.tune})
    if (ExitStatus status = checkWritable(path); status != ExitStatus::Ok)
      return status;
  if (ExitStatus status = readTuning(); status != ExitStatus::Ok)
    return status;
  if (ExitStatus status = makeImportOptions(arguments.model, *context, options.import);
      status != ExitStatus::Ok)
    return status;
  progress.emplace();
  options.progress = [this](StringRef stage) { progress->begin(stage); };
  options.nest.progress = [this](const nestor::learn::Progress &state) { progress->update(state); };
  options.nest.log = [this](const std::string &sentence) { progress->log(sentence); };
  if (ExitStatus status = compile(); status != ExitStatus::Ok)
    return status;
  if (arguments.emit < driver::Stage::Artifact)
    return writeIr(*result.module, arguments.output);
  ExitStatus status = measure(
      arguments, data, result, *original, [this](StringRef stage) { progress->begin(stage); },
      measurement);
  progress.reset();
  if (status != ExitStatus::Ok)
    return status;
  warnOfMixed();
  storeMeasurement(measurement, arguments.storeLatency, result.plan.manifest);
  for (auto [variant, measured] : zip_equal(result.variants, measurement.variants))
    storeMeasurement(measured, arguments.storeLatency, variant.plan.manifest);
  return write();
}

} // namespace

ExitStatus runCompile(const CompileArguments &arguments) { return Compile(arguments).run(); }

} // namespace nestorc

//===- Compile.cpp - nestorc compile --------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Commands.h"
#include "Progress.h"

#include "compiler/package/Writer.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/ToolOutputFile.h"

#include <chrono>

using namespace llvm;
namespace driver = nestor::driver;
namespace package = nestor::package;

namespace nestorc {
namespace {

/// 1234567 bytes as "1.2 MB".
std::string humanBytes(uint64_t bytes) {
  const char *units[] = {"B", "KB", "MB", "GB"};
  double value = bytes;
  unsigned unit = 0;
  for (; value >= 1000 && unit < 3; ++unit)
    value /= 1000;
  std::string text;
  raw_string_ostream(text) << llvm::format(unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}

void printTable(const package::Plan &plan, const package::ArtifactWriter &writer,
                StringRef output, double seconds) {
  outs() << output << ": " << humanBytes(writer.size()) << ", "
         << plan.kernels.size() << " kernels\n";
  outs() << llvm::format("%9s %11s %10s %10s %10s %8s\n", "capacity", "MACs", "weights", "arena", "code",
                   "seconds");
  for (const nestor::format::Capacity &capacity : plan.manifest.capacities())
    outs() << llvm::format("%9g %9.1f M %10s %10s %10s %8.1f\n", capacity.capacity(),
                           capacity.macs() / 1e6, humanBytes(capacity.weight_bytes()).c_str(),
                           humanBytes(capacity.arena_bytes()).c_str(),
                           humanBytes(writer.codeBytes()).c_str(), seconds);
}

/// The keys of `nestor inspect --json`.
void printJson(const package::Plan &plan, const package::ArtifactWriter &writer,
               ArrayRef<std::string> notes, double seconds) {
  json::Array sections, capacities, targets;
  for (const nestor::format::Section &section : plan.manifest.sections())
    sections.push_back(json::Object{{"name", section.name()}, {"bytes", section.size()}});
  for (const nestor::format::Capacity &capacity : plan.manifest.capacities())
    capacities.push_back(json::Object{{"capacity", capacity.capacity()},
                                      {"macs", capacity.macs()},
                                      {"weight_bytes", capacity.weight_bytes()},
                                      {"private_bytes", capacity.private_bytes()},
                                      {"delta_bytes", capacity.weight_bytes()},
                                      {"arena_bytes", capacity.arena_bytes()},
                                      {"steps", capacity.steps_size()},
                                      {"accuracy", nullptr}});
  for (const nestor::format::Target &target : plan.manifest.targets())
    targets.push_back(target.name());
  json::Object report{{"schema_version", 1},
                      {"file_bytes", writer.size()},
                      {"sections", std::move(sections)},
                      {"capacities", std::move(capacities)},
                      {"cuts", json::Array()},
                      {"groups", json::Array()},
                      {"targets", std::move(targets)},
                      {"kernels", plan.kernels.size()},
                      {"peak_live_bytes", plan.peakLiveBytes},
                      {"notes", json::Array(notes)},
                      {"seconds", seconds}};
  outs() << formatv("{0:2}", json::Value(std::move(report))) << "\n";
}

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

driver::CompileResult compile(const CompileArguments &arguments, driver::CompileOptions &options,
                              mlir::MLIRContext &context) {
  Progress progress;
  options.progress = [&](StringRef stage) { progress.begin(stage); };
  return driver::compileFile(arguments.model.path, options, context);
}

} // namespace

ExitStatus runCompile(const CompileArguments &arguments) {
  auto start = std::chrono::steady_clock::now();
  std::unique_ptr<mlir::MLIRContext> context = driver::createContext();
  driver::CompileOptions options;
  options.targets = arguments.targets;
  options.cameraInputs = arguments.cameraInputs;
  options.stopAt = arguments.emit;
  if (ExitStatus status = makeImportOptions(arguments.model, *context, options.import);
      status != ExitStatus::Ok)
    return status;
  driver::CompileResult result = compile(arguments, options, *context);
  for (const std::string &note : result.notes)
    errs() << "note: " << note << "\n";
  if (!result.ok()) {
    printError(result.message);
    printUnsupported(result.unsupported);
    return result.status;
  }
  if (arguments.emit != driver::Stage::Artifact)
    return writeIr(*result.module, arguments.output);

  package::ArtifactWriter writer(result.plan, result.images);
  if (Error error = writer.writeFile(arguments.output)) {
    printError("cannot write " + arguments.output + ": " + toString(std::move(error)));
    return ExitStatus::Usage;
  }
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (arguments.json)
    printJson(result.plan, writer, result.notes, elapsed.count());
  else
    printTable(result.plan, writer, arguments.output, elapsed.count());
  return ExitStatus::Ok;
}

} // namespace nestorc

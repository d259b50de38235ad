//===- Verify.cpp - nestorc verify ----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Commands.h"

#include "compiler/driver/Verify.h"
#include "compiler/ir/FilterForm.h"
#include "compiler/ir/NestDialect.h"
#include "compiler/package/Graph.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

#include <cmath>

using namespace llvm;
namespace driver = nestor::driver;
namespace import = nestor::import;

namespace nestorc {
namespace {

/// Prints an error and returns the status that goes with it.
ExitStatus report(ExitStatus status, const Twine &message) {
  printError(message.str());
  return status;
}

void printTable(ArrayRef<driver::CapacityComparison> capacities, size_t samples, double tolerance) {
  outs() << llvm::format("%8s %-32s %10s %26s %12s\n", "capacity", "output", "error", "range",
                         "argmax");
  bool changed = false;
  for (const driver::CapacityComparison &capacity : capacities) {
    changed |= capacity.capacity == 1 && !capacity.withModel;
    for (const driver::OutputComparison &output : capacity.outputs) {
      std::string argmax = output.decidedRows ? std::to_string(output.agreeingRows) + "/" +
                                                    std::to_string(output.decidedRows)
                                              : "-";
      outs() << llvm::format("%8g %-32s %10.2g %12.5g ..%12.5g %12s  %s\n", capacity.capacity,
                             output.name.c_str(), output.error, output.minimum, output.maximum,
                             argmax.c_str(), output.passed() ? "ok" : "FAILED");
      if (output.firstBad)
        outs() << llvm::format("    first bad element: sample %lld, index %lld: %.9g, not %.9g\n",
                               (long long)output.firstBad->run, (long long)output.firstBad->index,
                               output.firstBad->actual, output.firstBad->expected);
    }
  }
  outs() << llvm::format("%zu sample(s), tolerance %g of the range\n", samples, tolerance);
  if (changed)
    outs() << "recovery or rounding changed the full capacity: it was compared with the network in "
              "the artifact, not with the model\n";
}

json::Array outputsAsJson(ArrayRef<driver::OutputComparison> outputs) {
  json::Array rows;
  for (const driver::OutputComparison &output : outputs) {
    // JSON has no infinity: null stands for an error beyond any number.
    json::Value error = std::isfinite(output.error) ? json::Value(output.error) : nullptr;
    json::Value bad = nullptr;
    if (output.firstBad)
      bad = json::Object{{"sample", output.firstBad->run}, {"index", output.firstBad->index}};
    rows.push_back(json::Object{{"name", output.name},
                                {"error", std::move(error)},
                                {"min", output.minimum},
                                {"max", output.maximum},
                                {"decided_rows", output.decidedRows},
                                {"agreeing_rows", output.agreeingRows},
                                {"first_bad", std::move(bad)},
                                {"passed", output.passed()}});
  }
  return rows;
}

/// `outputs` are those of the largest capacity, as before there were others.
void printJson(ArrayRef<driver::CapacityComparison> capacities, size_t samples, double tolerance,
               bool passed) {
  json::Array rows;
  for (const driver::CapacityComparison &capacity : capacities)
    rows.push_back(json::Object{{"capacity", capacity.capacity},
                                {"reference", capacity.withModel ? "model" : "graph"},
                                {"passed", capacity.passed()},
                                {"outputs", outputsAsJson(capacity.outputs)}});
  json::Object document{
      {"schema_version", 1},           {"samples", int64_t(samples)},
      {"tolerance", tolerance},        {"passed", passed},
      {"capacities", std::move(rows)}, {"outputs", outputsAsJson(capacities.back().outputs)}};
  outs() << formatv("{0:2}", json::Value(std::move(document))) << "\n";
}

/// The networks of the artifact's capacities; null where it has only the full
/// one and stores none, as those of nestorc 0.1.
Expected<mlir::OwningOpRef<mlir::ModuleOp>>
readGraph(MemoryBufferRef bytes, const nestor::Artifact &artifact, mlir::MLIRContext &context) {
  Expected<nestor::package::ArtifactFile> file =
      nestor::package::ArtifactFile::fromMemory(bytes);
  if (!file)
    return file.takeError();
  if (!file->hasGraph() && artifact.capacities().size() == 1)
    return mlir::OwningOpRef<mlir::ModuleOp>();
  return file->readGraph(artifact.capacities().size() - 1, context);
}

/// What the kernels of an artifact promise; `graph` is null where it stores none.
double defaultTolerance(mlir::ModuleOp graph) {
  constexpr double direct = 1e-4, transformed = 1e-3;
  bool found = false;
  if (graph)
    graph.walk([&](nestor::nest::ConvOp conv) { found |= bool(nestor::nest::filterForm(conv)); });
  return found ? transformed : direct;
}

/// The artifact of `precision` in the file `bytes`: all of it for f32, else a
/// section (VARIANT in runtime/format/artifact.proto).
Expected<StringRef> findVariant(StringRef bytes, const std::string &precision) {
  if (precision == "f32")
    return bytes;
  nestor::Result<nestor::Artifact> whole = nestor::Artifact::open(bytes.data(), bytes.size());
  if (!whole.ok())
    return createStringError(whole.status().message());
  for (const nestor::SectionInfo &section : whole.value().sections())
    if (section.name == precision && section.offset <= bytes.size())
      return bytes.substr(section.offset, section.bytes);
  return createStringError("the artifact has no " + precision);
}

} // namespace

ExitStatus runVerify(const VerifyArguments &arguments) {
  auto file = MemoryBuffer::getFile(arguments.artifact, /*IsText=*/false,
                                    /*RequiresNullTerminator=*/false, /*IsVolatile=*/false,
                                    Align(64));
  if (!file)
    return report(ExitStatus::Corrupt, arguments.artifact + ": " + file.getError().message());
  Expected<StringRef> bytes = findVariant((*file)->getBuffer(), arguments.precision);
  if (!bytes)
    return report(ExitStatus::Usage, arguments.artifact + ": " + toString(bytes.takeError()));
  nestor::ArtifactOptions how;
  how.verify(nestor::Verify::all).target(arguments.target);
  nestor::Result<nestor::Artifact> opened =
      arguments.precision == "f32" ? nestor::Artifact::open(arguments.artifact, how)
                                   : nestor::Artifact::open(bytes->data(), bytes->size(), how);
  if (!opened.ok())
    return report(ExitStatus::Corrupt, opened.status().message());
  const nestor::Artifact &artifact = opened.value();

  std::unique_ptr<mlir::MLIRContext> context = driver::createContext();
  // The artifact knows the shapes that it was compiled for, but of camera
  // inputs only their channels-last ones.
  ModelArguments model = arguments.model;
  for (const nestor::TensorInfo &info : artifact.inputs())
    if (!info.has_normalization)
      model.shapes.try_emplace(info.name, info.dims);
  import::ImportOptions options;
  if (ExitStatus status = makeImportOptions(model, *context, options); status != ExitStatus::Ok)
    return status;
  import::ImportResult imported = import::importFile(model.path, options, *context);
  if (imported.status != import::ImportStatus::Ok) {
    printUnsupported(imported.unsupported);
    return report(static_cast<ExitStatus>(imported.status), imported.message);
  }
  if (Error error = driver::adoptCameraInputs(*imported.module, artifact))
    return report(ExitStatus::Usage, toString(std::move(error)));
  std::vector<driver::Sample> samples{driver::randomSample(*imported.module, arguments.seed)};
  if (!arguments.data.empty()) {
    nestor::support::NpzArchive archive;
    if (std::string problem = nestor::support::readNpz(arguments.data, archive); !problem.empty())
      return report(ExitStatus::Corrupt, problem);
    auto given = driver::samplesFrom(archive, *imported.module, arguments.samples);
    if (!given)
      return report(ExitStatus::Usage, toString(given.takeError()));
    samples = std::move(*given);
  }
  auto graph = readGraph(MemoryBufferRef(*bytes, arguments.artifact), artifact, *context);
  if (!graph)
    return report(ExitStatus::Corrupt, arguments.artifact + ": " + toString(graph.takeError()));
  double tolerance = arguments.tolerance.value_or(defaultTolerance(graph->get()));
  auto capacities =
      driver::verifyArtifact(*imported.module, graph->get(), artifact, samples, tolerance);
  if (!capacities)
    return report(ExitStatus::Usage, toString(capacities.takeError()));

  bool passed = all_of(*capacities, [](const auto &capacity) { return capacity.passed(); });
  if (arguments.json)
    printJson(*capacities, samples.size(), tolerance, passed);
  else
    printTable(*capacities, samples.size(), tolerance);
  return passed ? ExitStatus::Ok : ExitStatus::CheckFailed;
}

} // namespace nestorc

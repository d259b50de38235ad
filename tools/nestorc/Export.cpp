//===- Export.cpp - nestorc export ----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Commands.h"

#include "compiler/driver/Diagnostics.h"
#include "compiler/export/Export.h"
#include "compiler/ir/Nested.h"
#include "compiler/package/Graph.h"

#include "llvm/Support/FileOutputBuffer.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"

#include <cmath>

using namespace llvm;
using nestor::package::ArtifactFile;

namespace nestorc {
namespace {

/// Prints an error and returns the status that goes with it.
ExitStatus report(ExitStatus status, const Twine &message) {
  printError(message.str());
  return status;
}

std::string number(double value) {
  std::string text;
  raw_string_ostream(text) << llvm::format("%g", value);
  return text;
}

/// The number of the capacity `wanted`, of those that the file has whole.
Expected<unsigned> findCapacity(const ArtifactFile &file, double wanted) {
  std::string known;
  for (unsigned index = 0; index < file.availableCapacities(); ++index) {
    float capacity = file.manifest().capacities(index).capacity();
    if (std::fabs(capacity - wanted) <= 1e-3)
      return index;
    known += (known.empty() ? "" : ", ") + number(capacity);
  }
  return createStringError(inconvertibleErrorCode(),
                           "there is no capacity " + number(wanted) + "; there are " + known);
}

std::string describe(const ArtifactFile &file, unsigned index, StringRef path) {
  return "Capacity " + number(file.manifest().capacities(index).capacity()) + " of " +
         sys::path::filename(path).str() + ", compiled by " + file.manifest().producer();
}

/// Under a temporary name first: no failure leaves half a file.
Error writeFile(StringRef path, StringRef bytes) {
  auto buffer = FileOutputBuffer::create(path, bytes.size());
  if (!buffer)
    return buffer.takeError();
  llvm::copy(bytes, (*buffer)->getBufferStart());
  return (*buffer)->commit();
}

} // namespace

ExitStatus runExport(const ExportArguments &arguments) {
  auto corrupt = [&](Error problem) {
    return report(ExitStatus::Corrupt, arguments.artifact + ": " + toString(std::move(problem)));
  };
  Expected<ArtifactFile> file = ArtifactFile::open(arguments.artifact);
  if (!file)
    return corrupt(file.takeError());
  Expected<unsigned> index = findCapacity(*file, arguments.capacity);
  if (!index)
    return report(ExitStatus::Usage, arguments.artifact + ": " + toString(index.takeError()));
  std::unique_ptr<mlir::MLIRContext> context = nestor::driver::createContext();
  auto graph = file->readGraph(*index, *context);
  if (!graph)
    return corrupt(graph.takeError());

  nestor::driver::DiagnosticCollector diagnostics(*context);
  mlir::FailureOr<std::string> model = nestor::onnx_export::exportFunction(
      nestor::nest::capacityFunctions(**graph)[*index],
      {describe(*file, *index, arguments.artifact), NESTOR_VERSION});
  if (failed(model))
    return report(ExitStatus::Unsupported, diagnostics.errors());
  if (Error problem = writeFile(arguments.output, *model))
    return report(ExitStatus::Usage,
                  "cannot write " + arguments.output + ": " + toString(std::move(problem)));
  outs() << arguments.output << ": capacity "
         << number(file->manifest().capacities(*index).capacity()) << ", " << model->size()
         << " bytes\n";
  return ExitStatus::Ok;
}

} // namespace nestorc

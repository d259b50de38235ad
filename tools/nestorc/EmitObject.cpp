//===- EmitObject.cpp - nestorc compile --emit object ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "EmitObject.h"

#include "compiler/driver/Diagnostics.h"
#include "compiler/package/EmbeddedObject.h"

#include "llvm/Support/FileOutputBuffer.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace llvm;
namespace package = nestor::package;

namespace nestorc {
namespace {

using Output = std::unique_ptr<FileOutputBuffer>;

/// A file under a temporary name; gone unless it is committed.
Expected<Output> prepare(StringRef path, StringRef contents) {
  Expected<Output> file = FileOutputBuffer::create(path, contents.size());
  if (file)
    copy(contents, (*file)->getBufferStart());
  return file;
}

Error writeBoth(const std::string &objectPath, StringRef object, const std::string &headerPath,
                StringRef header) {
  Expected<Output> objectFile = prepare(objectPath, object);
  if (!objectFile)
    return objectFile.takeError();
  Expected<Output> headerFile = prepare(headerPath, header);
  if (!headerFile)
    return headerFile.takeError();
  if (Error error = (*headerFile)->commit())
    return error;
  Error error = (*objectFile)->commit();
  if (error)
    (void)sys::fs::remove(headerPath);
  return error;
}

std::string describe(const CompileArguments &arguments,
                     const nestor::driver::CompileResult &result) {
  std::string targets;
  for (const nestor::kernels::TargetInfo *target : arguments.targets)
    targets += (targets.empty() ? "" : ", ") + target->name;
  return formatv("Written by nestorc " NESTOR_VERSION " with {0}. Capacities: {1}; code for {2}.",
                 sys::path::filename(arguments.output), result.plan.manifest.capacities_size(),
                 targets)
      .str();
}

} // namespace

std::string headerPath(const CompileArguments &arguments) {
  SmallString<128> path(arguments.output);
  sys::path::replace_extension(path, "h");
  return path.str().str();
}

ExitStatus writeObject(const CompileArguments &arguments,
                       const nestor::driver::CompileResult &result, uint64_t &fileBytes,
                       uint64_t &codeBytes) {
  mlir::MLIRContext &context = *result.module.get()->getContext();
  nestor::driver::DiagnosticCollector diagnostics(context);
  std::string symbol = package::embeddedSymbol(arguments.output);
  auto built = package::buildEmbeddedObject(result.plan, arguments.targets, arguments.triple, symbol,
                                            context);
  if (failed(built)) {
    printError(diagnostics.errors());
    return ExitStatus::Unsupported;
  }
  fileBytes = built->object.size();
  codeBytes = fileBytes - built->artifactBytes;
  Error error = writeBoth(arguments.output, StringRef(built->object.data(), fileBytes),
                          headerPath(arguments),
                          package::embeddedHeader(symbol, describe(arguments, result)));
  if (!error)
    return ExitStatus::Ok;
  printError("cannot write " + arguments.output + ": " + toString(std::move(error)));
  return ExitStatus::Usage;
}

} // namespace nestorc

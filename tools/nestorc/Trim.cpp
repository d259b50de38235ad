//===- Trim.cpp - nestorc trim --------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Commands.h"

#include "compiler/package/Trim.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "nestor/nestor.hpp"

using namespace llvm;

namespace nestorc {

/// How many capacities are at most `most`, by their own fraction or by the one
/// that was asked for.
static size_t countUpTo(ArrayRef<nestor::CapacityInfo> capacities, double most) {
  constexpr double tolerance = 1e-3;
  return count_if(capacities, [&](const nestor::CapacityInfo &info) {
    return std::min(info.capacity, info.requested) <= most + tolerance;
  });
}

/// The blocks to keep; a message where the artifact does not have them. What
/// --blocks leaves open is an end of the model.
static std::string chooseBlocks(const nestor::Artifact &artifact, const TrimArguments &arguments,
                                nestor::package::TrimOptions &options) {
  if (!arguments.blocks)
    return "";
  nestor::BlockRange present = artifact.present_blocks();
  size_t blocks = artifact.blocks(0).size();
  auto [first, end] = *arguments.blocks;
  if (end == UINT32_MAX)
    end = blocks;
  if (blocks == 0)
    return "--blocks: " + arguments.artifact + " has no cuts: compile the model again";
  if (first >= end || first < present.first || end > present.end)
    return formatv("--blocks {0}:{1}: {2} has blocks {3}:{4}", first, end, arguments.artifact,
                   present.first, present.end)
        .str();
  options.blocks = {first, end};
  return "";
}

/// Keeps the variants that are there, with the capacities that are: a download
/// may have ended inside of one. An error where one is damaged.
static nestor::Status chooseVariants(const nestor::Artifact &artifact,
                                     const TrimArguments &arguments,
                                     nestor::package::TrimOptions &options) {
  const auto verified = nestor::ArtifactOptions().verify(nestor::Verify::all);
  for (const nestor::SectionInfo &section : artifact.sections()) {
    auto variant = artifact.variant(section.name, verified);
    if (variant.status().code() == nestor::StatusCode::not_found)
      continue; // Another kind of section.
    bool cut = section.offset + section.bytes > artifact.file_bytes();
    if (!variant.ok() && !cut)
      return variant.status();
    size_t kept =
        variant.ok() ? countUpTo(variant.value().capacities(), arguments.maxCapacity) : 0;
    if (kept > 0)
      options.variants[section.name] = kept;
    if (cut)
      errs() << format("%s: the file is cut: %zu capacities in %s\n", arguments.output.c_str(),
                       kept, section.name.c_str());
  }
  return nestor::Status();
}

static ExitStatus printProblem(const nestor::Status &status) {
  printError(status.message());
  nestor::StatusCode code = status.code();
  bool damaged = code == nestor::StatusCode::corrupt || code == nestor::StatusCode::incompatible;
  return damaged ? ExitStatus::Corrupt : ExitStatus::Usage;
}

static ExitStatus writeTrimmed(const TrimArguments &arguments,
                               const nestor::package::TrimOptions &options) {
  auto file = MemoryBuffer::getFile(arguments.artifact, /*IsText=*/false,
                                    /*RequiresNullTerminator=*/false);
  if (!file) {
    printError(arguments.artifact + ": " + file.getError().message());
    return ExitStatus::Usage;
  }
  if (Error error =
          nestor::package::trimArtifact((*file)->getBuffer(), options, arguments.output)) {
    printError(arguments.output + ": " + toString(std::move(error)));
    return ExitStatus::Usage;
  }
  return ExitStatus::Ok;
}

ExitStatus runTrim(const TrimArguments &arguments) {
  auto open = nestor::Artifact::open(
      arguments.artifact, nestor::ArtifactOptions().verify(nestor::Verify::all));
  if (!open.ok())
    return printProblem(open.status());
  const std::vector<nestor::CapacityInfo> &capacities = open.value().capacities();
  size_t kept = countUpTo(capacities, arguments.maxCapacity);
  if (kept == 0) {
    printError(formatv("--max-capacity {0}: the smallest capacity of {1} is {2}",
                       arguments.maxCapacity, arguments.artifact, capacities.front().requested)
                   .str());
    return ExitStatus::Usage;
  }
  nestor::package::TrimOptions options;
  options.capacities = kept;
  if (std::string problem = chooseBlocks(open.value(), arguments, options); !problem.empty()) {
    printError(problem);
    return ExitStatus::Usage;
  }
  if (nestor::Status status = chooseVariants(open.value(), arguments, options); !status.ok())
    return printProblem(status);
  if (ExitStatus status = writeTrimmed(arguments, options); status != ExitStatus::Ok)
    return status;
  errs() << format("%s: %zu of %zu capacities, the largest %g\n", arguments.output.c_str(), kept,
                   capacities.size(), double(capacities[kept - 1].requested));
  if (options.blocks)
    errs() << format("%s: blocks %u:%u of %zu\n", arguments.output.c_str(), options.blocks->first,
                     options.blocks->second, open.value().blocks(0).size());
  return ExitStatus::Ok;
}

} // namespace nestorc

//===- Results.h - What a compile says about its artifact -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_RESULTS_H
#define NESTORC_RESULTS_H

#include "Measure.h"

#include "compiler/tune/Tuner.h"

#include "llvm/Support/JSON.h"

namespace nestorc {

/// Everything about one compile.
struct CompileSummary {
  const CompileArguments &arguments;
  const nestor::learn::NestOptions &options;
  const CompileData &data;
  const nestor::driver::CompileResult &result;
  const Measurement &measurement;
  const nestor::tune::TuneReport *tuning; ///< Null without --tune.
  uint64_t modelBytes = 0; ///< Of the model's constants, as imported.
  uint64_t fileBytes = 0, codeBytes = 0;
  double seconds = 0;
};

/// The document of `compile --json`: the keys of `nestor inspect --json` and of
/// `nestor eval --json`, and what was done.
llvm::json::Object describe(const CompileSummary &summary);

/// The table of capacities, on stdout.
void printTable(const CompileSummary &summary);

} // namespace nestorc

#endif // NESTORC_RESULTS_H

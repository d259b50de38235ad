//===- Measure.h - What the capacities of a compile are worth ---*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_MEASURE_H
#define NESTORC_MEASURE_H

#include "CompileData.h"

#include "tools/support/Evaluation.h"

namespace nestorc {

/// Vectors have one entry a capacity, ascending.
struct Measurement {
  std::vector<double> latencyUs; ///< Median of one thread, on this machine.
  /// Empty without samples. Agreement is with the original model. Top-1 is
  /// there where the samples are held out and labelled.
  std::vector<nestor::support::Score> scores;
  std::optional<double> originalTop1; ///< Of the original model.
  std::vector<std::vector<nestor::BlockInfo>> blocks;
  std::vector<std::vector<nestor::CutInfo>> cuts;
  std::vector<nestor::MixedInfo> mixed; ///< As the manifest has them.
  std::vector<Measurement> variants; ///< Parallel to those of the compile.
};

/// Runs every capacity of `result` on this machine: with its own code or, where
/// that is for other machines, with code made for the purpose. With --mixed the
/// manifest gets pairs to measure. `original` is the imported model, which is
/// compiled for comparison where recovery changed the full capacity. `progress` is
/// told what is being done. Says what went wrong and returns a status other than Ok.
ExitStatus measure(const CompileArguments &arguments, const CompileData &data,
                   nestor::driver::CompileResult &result, mlir::ModuleOp original,
                   llvm::function_ref<void(llvm::StringRef)> progress, Measurement &measurement);

/// Stores accuracy and agreement, also of mixed pairs, and latency where
/// `withLatency`.
void storeMeasurement(const Measurement &measurement, bool withLatency,
                      nestor::format::Manifest &manifest);

} // namespace nestorc

#endif // NESTORC_MEASURE_H

//===- Verify.h - An artifact against the reference evaluator ---*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What `nestorc verify` does, as a library: the same inputs go through the
// artifact's code and through the naive evaluator of the imported model, and
// the outputs are compared. Shapes and types come from the model; nothing here
// prints or exits.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_DRIVER_VERIFY_H
#define NESTOR_DRIVER_VERIFY_H

#include "compiler/reference/Evaluator.h"
#include "tools/support/Npz.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include "nestor/artifact.hpp"

#include <optional>
#include <string>
#include <vector>

namespace nestor::driver {

/// The inputs of one run, in the order of the model's.
using Sample = std::vector<reference::TensorValue>;

/// How far an output is from the reference, over all runs so far.
struct OutputComparison {
  struct Element {
    int64_t run, index; ///< Index into the flattened output.
    double expected, actual;
  };

  std::string name;
  /// The largest difference divided by the range (max - min) of the expected
  /// output; where that range is 0, in units of 1e-6. Infinite where a NaN or
  /// an infinity is not where it is expected.
  double error = 0;
  double minimum = 0, maximum = 0; ///< Of the expected output, in the worst run.
  std::optional<Element> firstBad; ///< The first beyond the tolerance.
  /// Outputs of rank 1 or 2 with several columns: rows whose two largest
  /// values are further apart than the tolerance, and those of them in which
  /// the artifact has the same argmax.
  int64_t decidedRows = 0, agreeingRows = 0;

  bool passed() const { return !firstBad && decidedRows == agreeingRows; }
};

/// Adds one run of an output to `comparison`. Both have the same type.
void compareOutput(const reference::TensorValue &expected, const reference::TensorValue &actual,
                   int64_t run, double tolerance, OutputComparison &comparison);

/// One capacity of an artifact against its reference.
struct CapacityComparison {
  float capacity;
  /// The outputs were compared with the original model's; otherwise with those
  /// of the network that the artifact stores, because the capacity is none of
  /// the model's, or recovery or rounding changed it.
  bool withModel;
  std::vector<OutputComparison> outputs;

  bool passed() const;
};

/// Runs every sample through the capacities of `artifact` and through naive
/// evaluations of their references: `model`, the module as imported, for the
/// full capacity, and `graph`, the artifact's own (package/Graph.h), for the
/// others. `graph` may be null where there are no others. Fails if artifact
/// and model do not belong together or one of them cannot run.
llvm::Expected<std::vector<CapacityComparison>>
verifyArtifact(mlir::ModuleOp model, mlir::ModuleOp graph, const Artifact &artifact,
               llvm::ArrayRef<Sample> samples, double tolerance);

/// Makes the uint8 inputs of `artifact` those of `model` too, with the
/// normalisation that the artifact stores.
llvm::Error adoptCameraInputs(mlir::ModuleOp model, const Artifact &artifact);

/// Up to `limit` samples from arrays named like the model's inputs, or `x` for
/// its only input. An array holds one input, or several along its first
/// dimension; elements are converted to the input's type.
llvm::Expected<std::vector<Sample>> samplesFrom(const support::NpzArchive &archive,
                                                mlir::ModuleOp model, size_t limit);

/// Reproducible inputs: floats in [-1, 1), integers in [0, 8), bytes in [0, 256).
Sample randomSample(mlir::ModuleOp model, uint64_t seed);

} // namespace nestor::driver

#endif // NESTOR_DRIVER_VERIFY_H

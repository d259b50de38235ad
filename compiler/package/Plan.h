//===- Plan.h - A function of nest operations as an execution plan -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_PLAN_H
#define NESTOR_PACKAGE_PLAN_H

#include "compiler/kernels/Kernel.h"
#include "compiler/package/artifact.pb.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>
#include <string>
#include <vector>

namespace nestor::package {

/// A constant that the plan reads and its place in the weight shell.
struct Weight {
  /// The bytes, which the attribute owns, or `expanded` where the attribute
  /// does not store them as kernels read them.
  llvm::StringRef bytes;
  std::optional<std::string> expanded;
  uint64_t offset = 0;

  llvm::StringRef contents() const { return expanded ? llvm::StringRef(*expanded) : bytes; }
};

/// Everything in an artifact but the code.
struct Plan {
  /// Complete but for sections, targets and the kernels' entry points.
  format::Manifest manifest;
  /// Parallel to manifest.kernels.
  std::vector<kernels::KernelSpec> kernels;
  /// By ascending offset. `Weight::bytes` may point into the attributes of the
  /// planned function.
  std::vector<Weight> weights;
  uint64_t weightBytes = 0;
  /// What no arena could be smaller than, for the report.
  uint64_t peakLiveBytes = 0;
};

/// Gives every result of `func` a buffer of its own to be written to: results
/// that are arguments, constants, or the same value twice become copies.
void copySharedResults(mlir::func::FuncOp func);

/// Plans `func`, in which every operation is a constant, a reshape or kernel
/// calls and for which `copySharedResults` ran. Reports an error at the
/// operation that has no kernel.
mlir::FailureOr<Plan> planExecution(mlir::func::FuncOp func);

/// The ONNX node names in `loc`, joined by " + "; empty if there are none.
std::string layerName(mlir::Location loc);

/// What `op` computes in ONNX's terms: Conv+Add+Relu.
std::string layerKind(mlir::Operation *op);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_PLAN_H

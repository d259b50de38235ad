//===- Plan.h - A function of nest operations as an execution plan -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_PLAN_H
#define NESTOR_PACKAGE_PLAN_H

#include "compiler/kernels/Kernel.h"
#include "compiler/package/WeightPlan.h"
#include "compiler/package/artifact.pb.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>
#include <vector>

namespace nestor::package {

/// Everything in an artifact but the code.
struct Plan {
  /// Complete but for sections, targets, the kernels' entry points, and what
  /// only those know who made the capacities (accuracy, groups, ...).
  format::Manifest manifest;
  /// Parallel to manifest.kernels.
  std::vector<kernels::KernelSpec> kernels;
  /// Refers to the planned functions and their module.
  WeightPlan weights;
  /// What no arena of the full capacity could be smaller than, for the report.
  uint64_t peakLiveBytes = 0;
  /// Cuts that fusing across them has lost, and layers in which they were.
  unsigned lostCuts = 0;
  std::vector<std::string> fusedAcrossCuts;
  /// For `nestorc export`; empty: the artifact has none.
  std::string graph;
};

/// Gives every result of `func` a buffer of its own to be written to: results
/// that are arguments, constants, or the same value twice become copies.
void copySharedResults(mlir::func::FuncOp func);

/// Plans the capacities of a model, ascending, the full one last: functions in
/// which every operation is a constant, a reshape or kernel calls and for which
/// `copySharedResults` ran. Reports an error at the operation that has no
/// kernel.
mlir::FailureOr<Plan> planExecution(llvm::ArrayRef<mlir::func::FuncOp> capacities);

/// What kind of work `op` is for models of how long it takes.
format::WorkKind workKind(mlir::Operation *op);

/// The ONNX node names in `loc`, joined by " + "; empty if there are none.
std::string layerName(mlir::Location loc);

/// The last of them: the node whose output an operation at `loc` computes.
std::string lastNode(mlir::Location loc);

/// What `op` computes in ONNX's terms: Conv+Add+Relu.
std::string layerKind(mlir::Operation *op);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_PLAN_H

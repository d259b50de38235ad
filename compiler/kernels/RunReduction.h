//===- RunReduction.h - Combining many elements into one --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_RUNREDUCTION_H
#define NESTOR_KERNELS_RUNREDUCTION_H

#include "compiler/ir/NestDialect.h"
#include "compiler/kernels/KernelBuilder.h"

namespace nestor::kernels {

/// How the elements of a reduction are combined. A mean is combined as a sum;
/// who reduces divides. Maxima and minima of floats propagate NaN.
struct Combiner {
  nest::ReduceKind kind;
  mlir::Type element; ///< As in the tensor: its signedness matters.

  /// What leaves every element as it is, in `lanes` lanes.
  mlir::Value identity(KernelBuilder &b, int64_t lanes) const;
  mlir::Value combine(KernelBuilder &b, mlir::Value left, mlir::Value right) const;
  /// Combines the lanes of a vector; a scalar is returned as is.
  mlir::Value acrossLanes(KernelBuilder &b, mlir::Value value) const;
};

/// Combines element(i) for i in [0, count) to a scalar, starting from the
/// identity, with several vectors in flight. `element` yields `lanes.count`
/// elements from `index` on; lanes that are masked off do not count.
using ElementsAt = llvm::function_ref<mlir::Value(mlir::Value index, Lanes lanes)>;
mlir::Value reduceRun(KernelBuilder &b, mlir::Value count, const Combiner &combiner, ElementsAt element);

/// The same for several runs of `count` elements at once, with one vector of each in
/// flight: short runs hide in each other what it takes to combine the lanes of one.
/// A run's result does not depend on those beside it.
using ElementsOfRun = llvm::function_ref<mlir::Value(int64_t run, mlir::Value index, Lanes lanes)>;
llvm::SmallVector<mlir::Value> reduceRuns(KernelBuilder &b, int64_t runs, mlir::Value count, const Combiner &combiner,
                                          ElementsOfRun element);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_RUNREDUCTION_H

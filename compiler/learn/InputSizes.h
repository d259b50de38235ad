//===- InputSizes.h - How small an input still does -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_INPUTSIZES_H
#define NESTOR_LEARN_INPUTSIZES_H

#include "compiler/learn/Options.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace nestor::learn {

/// A network at one size of what it computes on (passes/ScaleInput.h).
struct InputSize {
  llvm::SmallVector<int64_t> extents; ///< Spatial ones; empty: the input's own.
  mlir::OwningOpRef<mlir::func::FuncOp> func;
  double error; ///< As `Importance::curve`: of the outputs, on samples.
};

/// Sizes of the input of `main`, descending; its own is the first, and the only
/// one where `options` have no data or do not allow others, where no window slides
/// over the input, or where a node works with one size only, which the log then
/// names.
llvm::Expected<std::vector<InputSize>> judgeInputSizes(mlir::func::FuncOp main,
                                                       const NestOptions &options);

} // namespace nestor::learn

#endif // NESTOR_LEARN_INPUTSIZES_H

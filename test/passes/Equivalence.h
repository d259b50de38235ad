//===- Equivalence.h - Whether the pipeline keeps what a function computes ===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_PASSES_EQUIVALENCE_H
#define NESTOR_TEST_PASSES_EQUIVALENCE_H

#include "compiler/reference/Evaluator.h"

#include "mlir/IR/BuiltinOps.h"

#include <gtest/gtest.h>

namespace nestor::test {

/// Runs the pipeline on a copy of `module` and compares what the reference
/// evaluator makes of `main` before and after, on inputs drawn from `seed`.
/// The error is the largest difference over the range of the output; at most
/// `tolerance` is allowed.
testing::AssertionResult pipelineKeepsResults(mlir::ModuleOp module, unsigned seed,
                                              double tolerance = 1e-4);

/// Tensors for the arguments of `func`, drawn from `seed`.
std::vector<reference::TensorValue> randomInputs(mlir::func::FuncOp func, unsigned seed);

/// Compares as `pipelineKeepsResults` does.
testing::AssertionResult areClose(llvm::ArrayRef<reference::TensorValue> want,
                                  llvm::ArrayRef<reference::TensorValue> have,
                                  double tolerance = 1e-4);

} // namespace nestor::test

#endif // NESTOR_TEST_PASSES_EQUIVALENCE_H

//===- Recover.h - Winning accuracy back ------------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Each level changes the parameters (Parameters.h) of a nested module so that
// its capacities come close to `teacher`, the original network: a module whose
// `@main` is the prepared function before nesting.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_RECOVER_H
#define NESTOR_LEARN_RECOVER_H

#include "compiler/learn/Options.h"

#include "mlir/IR/BuiltinOps.h"

namespace nestor::learn {

/// What a level did, for the report.
struct Recovery {
  int64_t steps = 0;        ///< Optimizer steps; `--steps` repeats them.
  double seconds = 0;
  size_t samples = 0;       ///< Distinct samples that it saw.
  bool topChanged = false;  ///< The full capacity's weights are not the original's.
  std::vector<std::string> notes;
  /// Training history: step, loss, score by capacity.
  std::vector<Progress> history;
};

/// Private scales and biases, layer by layer, in closed form: the statistics
/// of each convolution's output are brought to the teacher's. Filters, and the
/// full capacity, do not change.
llvm::Expected<Recovery> recoverAffine(mlir::ModuleOp nested, mlir::ModuleOp teacher,
                                       const NestOptions &options);

/// Joint nested least squares, layer by layer (notes/nested.md C.1 S5), then
/// the affine fit. With TopRule::Exact, the affine fit alone.
llvm::Expected<Recovery> recoverSolve(mlir::ModuleOp nested, mlir::ModuleOp teacher,
                                      const NestOptions &options);

/// Sandwich training with in-place distillation from the teacher (Yu & Huang,
/// ICCV 2019); labels are used where there are any. Starts from what
/// `recoverSolve` gives. Keeps the best state seen, under `options.top`.
llvm::Expected<Recovery> recoverDistill(mlir::ModuleOp nested, mlir::ModuleOp teacher,
                                        const NestOptions &options);

/// NestDNN's: the smallest capacity is trained alone, then each larger one with
/// what the smaller ones read frozen. Needs TopRule::Free.
llvm::Expected<Recovery> recoverFreezeGrow(mlir::ModuleOp nested, mlir::ModuleOp teacher,
                                           const NestOptions &options);

} // namespace nestor::learn

#endif // NESTOR_LEARN_RECOVER_H

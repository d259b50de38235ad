//===- Nested.h - Modules that hold several capacities ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A nested module has one function for each capacity, narrowest first. They
// have the same arguments and results; the last one is `@main`, the full model.
// Filters that shrink are `nest.weight`s of a `nest.global`; what only one
// capacity reads (its scale and bias vectors, say) are its own `nest.const`s.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_NESTED_H
#define NESTOR_IR_NESTED_H

#include "compiler/ir/NestDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace nestor::nest {

/// The functions of all capacities, ascending: `@capacity_0`, `@capacity_1`,
/// ..., `@main`. A module that is not nested has `@main` only.
llvm::SmallVector<mlir::func::FuncOp> capacityFunctions(mlir::ModuleOp module);

/// The global that `weight` reads. The operation has been verified.
GlobalOp globalOf(WeightOp weight);

/// The parts of dimension `dim` of `global`, each as the indices kept at every
/// capacity. Empty: the dimension never shrinks.
llvm::SmallVector<llvm::ArrayRef<int64_t>> partsOf(GlobalOp global, unsigned dim);

/// The number of capacities that `global` has edges for; 0 without any.
size_t capacityCount(GlobalOp global);

/// The indices of dimension `dim` that capacity number `capacity` keeps.
llvm::SmallVector<int64_t> keptIndices(GlobalOp global, unsigned dim, int64_t capacity);

} // namespace nestor::nest

#endif // NESTOR_IR_NESTED_H

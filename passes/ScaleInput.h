//===- ScaleInput.h - The same network on a smaller input -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Convolutions slide over whatever extents their input has, and a network that
// ends in a global pooling gives as many scores for a smaller image as for a
// larger one. Capacities may so differ in resolution, too (Yang et al.:
// MutualNet, ECCV 2020): weights are all the same, and so are the network's own
// input and outputs.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_SCALEINPUT_H
#define NESTOR_PASSES_SCALEINPUT_H

#include "compiler/ir/NestDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>

namespace nestor {

/// The dimensions of a network's only input that its first windows slide over,
/// in the input's order; empty if there are none: it has several inputs, or
/// something else reads it.
llvm::SmallVector<unsigned> spatialDims(mlir::func::FuncOp func);

/// Interpolates the input of `func` (prepared, nothing fused yet) to `extents`,
/// one for each of its `spatialDims`, and lets what follows compute with the
/// extents that this leaves. Arguments and results keep their types. Returns an
/// empty string, or why it cannot be, in words that name the node; `func` is
/// then of no use.
std::string scaleInput(mlir::func::FuncOp func, llvm::ArrayRef<int64_t> extents);

} // namespace nestor

#endif // NESTOR_PASSES_SCALEINPUT_H

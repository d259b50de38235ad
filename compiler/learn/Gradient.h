//===- Gradient.h - Differentiation of nest functions -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Reverse-mode differentiation from IR to IR: the gradient of a function is
// itself a function of nest operations, so that fusion, packing and the code
// emitter serve training as they serve inference.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_GRADIENT_H
#define NESTOR_LEARN_GRADIENT_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace nestor::learn {

/// Replaces `func`'s results (f32; the first one, the loss, has one element) by
/// themselves followed by the gradient of the loss with respect to each of
/// `arguments` (numbers of f32 arguments), of the argument's type. An argument
/// that the loss does not depend on has a gradient of zeros. Fails with an
/// error at the operation whose gradient is not known; `func` is then
/// unchanged.
mlir::LogicalResult appendGradients(mlir::func::FuncOp func, llvm::ArrayRef<unsigned> arguments);

/// Whether the gradient of `op` is known: what `appendGradients` asks.
bool isDifferentiable(mlir::Operation *op);

} // namespace nestor::learn

#endif // NESTOR_LEARN_GRADIENT_H

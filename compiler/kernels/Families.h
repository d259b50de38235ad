//===- Families.h - One describer per kernel family -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Each describer turns one kind of operation into kernel calls; `describeCalls`
// picks one by the operation's type. They are defined in the family's file.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_FAMILIES_H
#define NESTOR_KERNELS_FAMILIES_H

#include "compiler/ir/NestDialect.h"
#include "compiler/kernels/Kernel.h"

namespace nestor::kernels {

using Calls = llvm::SmallVector<KernelCall, 1>;

// Dense linear algebra.
mlir::FailureOr<Calls> describeConv(nest::ConvOp op);
mlir::FailureOr<Calls> describeConvTranspose(nest::ConvTransposeOp op);
mlir::FailureOr<Calls> describeMatmul(nest::MatmulOp op);
mlir::FailureOr<Calls> describePack(nest::PackOp op);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_FAMILIES_H

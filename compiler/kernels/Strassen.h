//===- Strassen.h - Pointwise convolutions by Strassen's algorithm -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The algorithm of compiler/ir/Strassen.h, in the steps of TransformedConv.h.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_STRASSEN_H
#define NESTOR_KERNELS_STRASSEN_H

#include "compiler/kernels/ConvSpec.h"

namespace nestor::kernels {

/// Chooses blocks and grains of a convolution; the full model has so many input and
/// output channels.
void planStrassen(ConvSpec &spec, int64_t inputs, int64_t outputs);

/// Gives the calls of such a convolution of so many input channels, as they are
/// described for a direct one, their memory between the steps.
void finishStrassenCalls(const ConvSpec &spec, int64_t inputs, llvm::SmallVectorImpl<KernelCall> &calls);

/// Parameters as of `emitDirectConv`, with inputs and panels counted in packed ones,
/// and the channels of a pixel behind them. Arguments: input (with
/// `ConvGrain::Panels` the transformed one), filter (or its blocks), epilogue, and
/// the memory between the steps.
mlir::LogicalResult emitStrassenConv(mlir::func::FuncOp func, const TargetInfo &target, const ConvSpec &spec);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_STRASSEN_H

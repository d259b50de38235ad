//===- Winograd.h - Convolutions by Winograd's algorithm --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The algorithms of compiler/ir/Winograd.h, in the steps of TransformedConv.h.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_WINOGRAD_H
#define NESTOR_KERNELS_WINOGRAD_H

#include "compiler/kernels/ConvSpec.h"

namespace nestor::kernels {

/// Chooses blocks and grains of a convolution by tiles of m x m outputs; the
/// full model has so many input and output channels.
void planWinograd(ConvSpec &spec, int64_t m, int64_t inputs, int64_t outputs);

/// Gives the calls of such a convolution of so many input channels, as they are
/// described for a direct one, their memory between the steps.
void finishWinogradCalls(const ConvSpec &spec, int64_t inputs, llvm::SmallVectorImpl<KernelCall> &calls);

/// Parameters as of `emitDirectConv`. Arguments: input (with `ConvGrain::Panels`
/// the transformed one), filter (or its blocks), epilogue, and the memory
/// between the steps.
mlir::LogicalResult emitWinogradConv(mlir::func::FuncOp func, const TargetInfo &target, const ConvSpec &spec);

/// The first step alone. Arguments: input, transformed input; parameter: channels.
mlir::LogicalResult emitWinogradInput(mlir::func::FuncOp func, const TargetInfo &target, const ConvSpec &spec);

/// Emits it for `count` tiles from number `first` on, to `to`, the place of a block
/// that begins there.
void emitWinogradInputTiles(KernelBuilder &b, const ConvSpec &spec, mlir::Value input, mlir::Value channels,
                            mlir::Value first, mlir::Value count, mlir::Value to);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_WINOGRAD_H

//===- Winograd.h - Convolutions by Winograd's algorithm --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The algorithms of compiler/ir/Winograd.h in three steps:
//
//   inputs of all tiles of a block, transformed:  [position][tile][channel]
//   for a group of panels {
//     a matrix product for each position:         [position][tile][output]
//     its results, transformed back and finished
//   }
//
// so that the weights of a panel are read once for a block of tiles, and what is
// between the steps stays in a near cache.
//
// With few tiles there is one block. One call transforms the input for all
// threads, another one shares the panels out. With more tiles, or with no more
// panels than belong to one group, threads have blocks
// of their own, and so has one call all steps; a part of the work uses the memory
// that belongs to its first grain, so that parts do not meet.
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

/// Panels of a group, on every target.
int64_t winogradPanelsTogether(const ConvSpec &spec);

/// Parameters as of `emitDirectConv`. Arguments: input (with `ConvGrain::Panels`
/// the transformed one), filter (or its blocks), epilogue, and the memory
/// between the steps.
mlir::LogicalResult emitWinogradConv(mlir::func::FuncOp func, const TargetInfo &target, const ConvSpec &spec);

/// Tiles of its products that it can have, that of the table first.
llvm::SmallVector<TileShape> winogradConvTiles(const TargetInfo &target, const ConvSpec &spec);

/// The first step alone. Arguments: input, transformed input; parameter: channels.
mlir::LogicalResult emitWinogradInput(mlir::func::FuncOp func, const TargetInfo &target, const ConvSpec &spec);

/// Emits it for `count` tiles from number `first` on, to `to`, the place of a block
/// that begins there.
void emitWinogradInputTiles(KernelBuilder &b, const ConvSpec &spec, mlir::Value input, mlir::Value channels,
                            mlir::Value first, mlir::Value count, mlir::Value to);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_WINOGRAD_H

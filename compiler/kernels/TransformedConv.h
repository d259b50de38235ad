//===- TransformedConv.h - Convolutions in transformed tiles ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Winograd's and Strassen's algorithms have the same three steps:
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
#ifndef NESTOR_KERNELS_TRANSFORMEDCONV_H
#define NESTOR_KERNELS_TRANSFORMEDCONV_H

#include "compiler/kernels/ConvSpec.h"
#include "compiler/kernels/MicroKernel.h"
#include "compiler/kernels/TileTable.h"

namespace nestor::kernels {

/// Chooses blocks and grains of a convolution in `count` tiles of so many positions;
/// `share` tiles of another one are as much work as one of a 3x3 window. The full
/// model has so many input and output channels in each position.
void planTransformed(ConvSpec &spec, int64_t positions, int64_t count, int64_t share, int64_t inputs,
                     int64_t outputs);

/// Gives the calls of such a convolution of so many input channels, as they are
/// described for a direct one, their memory between the steps, and puts
/// `inputCall`, the first step, before those that leave it to another call. The
/// latter's second argument is what it writes.
void finishTransformedCalls(const ConvSpec &spec, const TransformedTiles &tiles, int64_t inputs,
                            KernelCall inputCall, llvm::SmallVectorImpl<KernelCall> &calls);

/// Panels of a group, on every target.
int64_t panelsOfGroup(const ConvSpec &spec);

/// Tiles of its products that it can have, that of the table first.
llvm::SmallVector<TileShape> transformedConvTiles(const TargetInfo &target, const ConvSpec &spec);

/// Emits the code of all steps; what a tile is, the algorithm knows.
class TransformedConv {
public:
  virtual ~TransformedConv() = default;
  void emit() { spec.grain == ConvGrain::Panels ? emitPanelRange() : emitBlockRange(); }

protected:
  TransformedConv(mlir::func::FuncOp func, const TargetInfo &target, const ConvSpec &spec,
                  const TransformedTiles &tiles);

  /// Transforms a tile of the input; `to` is the place of its first position.
  virtual void emitInput(mlir::Value tile, mlir::Value to) = 0;
  /// Transforms products of a tile with `count` panels from `panel` on back and
  /// finishes them; `from` is the place of the first one.
  virtual void emitOutput(mlir::Value tile, mlir::Value from, mlir::Value panel, int64_t count) = 0;
  /// Which of the filter's positions the inputs of `position` are multiplied by.
  virtual mlir::Value filterPosition(mlir::Value position) { return position; }

  KernelBuilder b;
  const ConvSpec spec;
  const TransformedTiles tiles;
  mlir::Value inputs, outputs, panels; ///< Channels of a position, of the result, and panels.

private:
  void emitPanelRange();
  void emitBlockRange();
  void emitBlock(mlir::Value block);
  void emitPanels(mlir::Value first, mlir::Value last, mlir::Value firstTile, mlir::Value tileCount);
  void emitPanelGroup(mlir::Value panel, int64_t count, mlir::Value firstTile, mlir::Value tileCount);
  void emitProducts(int64_t count, int64_t tileCount);
  void emitRows(mlir::Value position, int64_t count, int64_t panel, int64_t tileCount);
  void emitProduct(mlir::Value position, int64_t count, int64_t panel, mlir::Value firstRow, int64_t rows);
  llvm::SmallVector<mlir::Value> forEachRun(int64_t count, mlir::ValueRange sums, NestedFilter::Body body);
  mlir::Value distanceAhead(const ChannelRun &channels);
  unsigned betweenArg() const;

  Tile tile;
  int64_t group; ///< Panels whose products are kept at a time.
  mlir::Value filter, rowFloats;
  std::optional<NestedFilter> nested;

  // Where the emission is.
  mlir::Value transformed, products; ///< Of the block at hand.
  mlir::Value panelPointer, panelStride;
  mlir::Value tap; ///< Position of the filter for the products at hand.
};

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_TRANSFORMEDCONV_H

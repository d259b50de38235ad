//===- ConvSpec.h - A convolution as kernels see it -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_CONVSPEC_H
#define NESTOR_KERNELS_CONVSPEC_H

#include "compiler/ir/FilterForm.h"
#include "compiler/ir/NestDialect.h"
#include "compiler/ir/Strassen.h"
#include "compiler/kernels/Epilogue.h"
#include "compiler/kernels/Kernel.h"
#include "compiler/kernels/NestedFilter.h"
#include "compiler/kernels/TileChoice.h"

#include <array>

namespace nestor::kernels {

/// Three spatial dimensions (depth, height, width); missing ones have extent 1.
struct ConvGeometry {
  int64_t batch = 1;
  std::array<int64_t, 3> in, out, kernel, stride, dilation, pad;

  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t inPixels() const { return batch * in[0] * in[1] * in[2]; }
  int64_t outPixels() const { return batch * outRows() * out[2]; }
  /// Rows of one image: depth * height.
  int64_t outRows() const { return out[0] * out[1]; }
  /// Whether tap `k` of output `o` in dimension `dim` lies inside the input.
  bool inside(int dim, int64_t o, int64_t k) const {
    int64_t x = o * stride[dim] - pad[dim] + k * dilation[dim];
    return x >= 0 && x < in[dim];
  }
  bool alwaysInside(int dim) const;
  /// 1x1, stride 1, no padding: pixels do not see each other.
  bool isPointwise() const;
  std::string identity() const;
  /// For people: `3x3 s2 p1 56x56`.
  std::string describe() const;

  static ConvGeometry get(nest::ConvOp op);
  /// Of the convolution that `op` belongs to, pixels in their rows.
  static ConvGeometry get(nest::ConvFilterGradOp op);
};

/// What the work is counted in; see `KernelSpec::grains`.
enum class ConvGrain {
  Rows,   ///< One row of output pixels, all channels.
  Pixels, ///< One output pixel of a pointwise convolution, all channels.
  Panels, ///< One panel of output channels, all pixels.
};

/// The tiles of a convolution that multiplies transformed ones (TransformedConv.h).
struct TransformedTiles {
  int64_t positions; ///< Products of each tile.
  int64_t count;
  int64_t block; ///< Tiles that go through all steps together; the last may be less.

  int64_t blocks() const { return (count + block - 1) / block; }
  /// Of a call that does all steps; each is about as many blocks.
  int64_t grains() const;

  /// Floats from one tile to the next between the steps, beyond its channels:
  /// rows that are a power of two apart would share cache lines.
  static constexpr int64_t rowPadding = 16;
  /// Outputs whose products are kept at a time.
  static constexpr int64_t groupOutputs = 32;
};

/// How the outputs of a Winograd convolution (Winograd.h) are cut into tiles,
/// numbered by image, row and column.
struct WinogradTiles : TransformedTiles {
  nest::WinogradTile tile;
  int64_t rows, columns;

  int64_t extent() const { return tile.extent(); }
};

struct ConvSpec {
  ConvGeometry geometry;
  EpilogueSpec epilogue;
  bool depthwise = false, grouped = false;
  bool narrow = false;  ///< At most one panel of output channels.
  bool aliased = false; ///< See `matmulTile`.
  /// The last panel of some capacity is at most half full: worth code of its own.
  bool halfPanel = false;
  /// Rows of the result lie apart, as far as the last parameter says. With a
  /// filter in shells `Nesting::slice` says so.
  bool pitched = false;
  /// Depthwise only: see compiler/ir/RowSums.h.
  bool rowSums = false;
  mlir::Type filter; ///< An element of the packed filter.
  ConvGrain grain = ConvGrain::Rows;
  Nesting nesting;
  /// Input channels that lie one after the other, as whole images; 0: channels last.
  int64_t planes = 0;
  /// Winograd tiles of so many outputs squared, or Strassen's algorithm; neither:
  /// computed directly.
  int64_t winograd = 0;
  bool strassen = false;
  int64_t tileBlock = 0; ///< Where transformed, the tiles of a block.
  /// `nest.tiles` of the operation; null: all tiles are those of the tables.
  mlir::DictionaryAttr tiles;

  WinogradTiles winogradTiles() const;
  TransformedTiles strassenTiles() const;
  bool isTransformed() const { return winograd || strassen; }
  /// Of the packed filter.
  int64_t taps() const {
    return winograd ? winogradTiles().tile.filterPositions() : strassen ? nest::Strassen::positions : geometry.taps();
  }
  /// Of one input in a panel, all taps.
  int64_t weightBytes() const;

  /// Where `pitched`, the parameter that is the pitch.
  unsigned pitchParam() const { return depthwise ? 2 : grouped ? 4 : 3; }
  /// Of Strassen's algorithm, the parameter that is the channels of a pixel; those
  /// that count inputs count packed ones. It is the last one.
  unsigned channelsParam() const { return nesting.shells ? nesting.paramCount() : 3 + pitched; }
  /// Floats from one pixel to the next of a result that has `channels`.
  mlir::Value resultPitch(KernelBuilder &b, mlir::Value channels) const {
    return nesting.slice ? b.param(1) : pitched ? b.param(pitchParam()) : channels;
  }

  /// Arguments before it: input, filter (or its blocks).
  unsigned epilogueArg() const { return nesting.shells ? nesting.firstBlock() + nesting.shells : 2; }
  std::string identity() const;
};

/// The clipped range of taps of output `o` in dimension `dim`.
std::pair<mlir::Value, mlir::Value> tapRange(KernelBuilder &b, const ConvGeometry &geometry, int dim, mlir::Value o);

/// Runs `body` for each tap of output `o` along `dim` that lies inside the
/// input, with its number and its input coordinate, carrying `sums`. Without a
/// loop where there is one tap and it always lies inside.
using TapBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value tap, mlir::Value x, mlir::ValueRange sums)>;
llvm::SmallVector<mlir::Value> forEachTap(KernelBuilder &b, const ConvGeometry &geometry, int dim, mlir::Value o,
                                          mlir::ValueRange sums, TapBody body);

/// Panels of one tile of `emitDirectConv`.
int64_t panelsTogether(const TargetInfo &target, const ConvSpec &spec);

// Emitters of kernel bodies. Parameters: inputs per group, outputs per group,
// panels per group, and, if grouped, groups; depthwise: channels, panels; with
// a filter in shells: see `Nesting`.
mlir::LogicalResult emitDirectConv(mlir::func::FuncOp func, const TargetInfo &target, const ConvSpec &spec);
mlir::LogicalResult emitDepthwiseConv(mlir::func::FuncOp func, const TargetInfo &target, const ConvSpec &spec);

// Tiles that these can have, that of the table first.
llvm::SmallVector<TileShape> directTiles(const TargetInfo &target, const ConvSpec &spec);
llvm::SmallVector<TileShape> depthwiseTiles(const TargetInfo &target, const ConvSpec &spec);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_CONVSPEC_H

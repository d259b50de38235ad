//===- TileTable.h - Register tiles per instruction set ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The micro-kernel of convolutions and matrix products keeps a tile of
// rows (pixels) x panels (16 output channels each) in registers.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_TILETABLE_H
#define NESTOR_KERNELS_TILETABLE_H

#include "compiler/kernels/Kernel.h"

namespace nestor::kernels {

/// Output channels in a panel of packed weights, on every target.
constexpr int64_t panelWidth = 16;

struct Tile {
  int64_t rows;   ///< Pixels.
  int64_t panels; ///< Panels of 16 channels.
};

/// The tile for a product over `rows` pixels in one row of tiles. `narrow`: all
/// channels fit one panel. `aliased`: pixels lie a multiple of 4 KiB apart, so
/// that each takes a line of the same cache set.
Tile matmulTile(const TargetInfo &target, int64_t rows, bool narrow, bool aliased);

/// What a depthwise convolution computes together, for one vector of channels.
struct DepthwiseTile {
  int64_t rows, pixels; ///< Of the output.
  bool unrolled;        ///< All rows of the kernel; more than one row of pixels needs it.
};

/// The tile for a kernel of `height` x `width` with horizontal stride `stride`
/// and an output of `outHeight` x `outWidth`.
DepthwiseTile depthwiseTile(const TargetInfo &target, int64_t height, int64_t width, int64_t stride,
                            int64_t outHeight, int64_t outWidth);

/// Cuts `extent` pixels into tiles of at most `rows`, from the left: whole tiles,
/// then what is left as one tile or as two of about the same size, since a
/// sliver of a tile would wait for its additions.
llvm::SmallVector<int64_t> cutIntoTiles(int64_t extent, int64_t rows);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_TILETABLE_H

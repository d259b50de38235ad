//===- TileChoice.h - Another tile than that of the table -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The tile tables (TileTable.h) know an instruction set, not a machine. What was
// measured on one (compiler/tune) can be told to the kernel of an operation:
//
//   nest.conv ... {nest.tiles = {"x86-64-v4" = array<i64: 7, 3>}}
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_TILECHOICE_H
#define NESTOR_KERNELS_TILECHOICE_H

#include "compiler/ir/NestDialect.h"
#include "compiler/kernels/TileTable.h"

#include <array>

namespace nestor::kernels {

/// What a kernel keeps in registers: rows and panels (`Tile`), or rows and pixels
/// of a depthwise convolution (`DepthwiseTile`).
using TileShape = std::array<int64_t, 2>;

/// For people: 14x2.
std::string spell(const TileShape &tile);

/// `table`, the tile of a product over `rows` pixels, and others that fit the
/// registers too. None is wider than `mostPanels`.
llvm::SmallVector<TileShape> tilesBeside(const Tile &table, const TargetInfo &target, int64_t rows, bool narrow,
                                         int64_t mostPanels);

/// On a `nest.conv` or `nest.matmul`: the tile of its kernel by target. Targets
/// that it does not name have that of the table.
inline constexpr llvm::StringLiteral kTilesAttr = "nest.tiles";
mlir::DictionaryAttr tilesOf(mlir::Operation *op);
void setTile(mlir::Operation *op, const TargetInfo &target, const TileShape &tile);

/// Tiles for the kernel of `op` on `target` whose code needs no stack, that of the
/// table first. Empty: there is nothing to choose.
llvm::SmallVector<TileShape> tilesToChoose(mlir::Operation *op, const TargetInfo &target);
llvm::SmallVector<TileShape> convTiles(nest::ConvOp op, const TargetInfo &target);
llvm::SmallVector<TileShape> matmulTiles(nest::MatmulOp op, const TargetInfo &target);

/// An error at `op` where its `nest.tiles` has a tile that is not to choose.
mlir::LogicalResult checkTiles(mlir::Operation *op);

/// What `tiles`, which may be null, has for `target`, or else `table`.
TileShape chosenTile(mlir::DictionaryAttr tiles, const TargetInfo &target, const TileShape &table);
Tile chosenTile(mlir::DictionaryAttr tiles, const TargetInfo &target, const Tile &table);

/// For the signature of a kernel: ` tile 7x3 (x86-64-v4)`.
std::string tileSuffix(mlir::DictionaryAttr tiles);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_TILECHOICE_H

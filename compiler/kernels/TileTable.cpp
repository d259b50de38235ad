//===- TileTable.cpp - Register tiles per instruction set -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/TileChoice.h"

#include <algorithm>

using namespace nestor::kernels;

namespace {

/// The tile to use for products of at most `maxRows` pixels.
struct TileEntry {
  int64_t maxRows;
  Tile tile;
};

struct TileRow {
  llvm::StringRef target;
  TileEntry entries[4]; ///< Ascending; the last one takes all.
  int64_t narrowRows;   ///< Rows of a tile that is one panel wide.
  int64_t aliasedRows;  ///< At most this many rows where pixels alias.
  int64_t depthwiseRows; ///< Pixels of a tile of one row.
  Tile others[5];        ///< What else fits the registers; unused ones have no rows.
  int64_t otherNarrow[3]; ///< The same for tiles that are one panel wide.
};

constexpr int64_t any = INT64_MAX;

// Accumulators, weights and one broadcast must fit the registers: rows * panels
// * 16 / lanes + panels * 16 / lanes + 1. Without FMA one more for the product.
// One row is bound by the bandwidth of the weights: as many independent sums as
// hide the latency of an addition.
const TileRow tileTable[] = {
    {"x86-64-v4", {{1, {1, 4}}, {4, {4, 4}}, {7, {7, 3}}, {any, {14, 2}}}, 14, 8, 12,
     {{14, 2}, {12, 2}, {8, 3}, {7, 3}, {6, 4}}, {28, 16, 8}},
    {"x86-64-v3", {{1, {1, 4}}, {2, {2, 2}}, {any, {6, 1}}}, 6, 6, 7, {{6, 1}, {5, 1}, {4, 1}, {2, 2}}, {5, 4}},
    {"x86-64-v2", {{1, {1, 2}}, {any, {2, 1}}}, 2, 2, 4, {{2, 1}, {1, 2}}, {1}},
    {"aarch64+neon", {{1, {1, 4}}, {2, {2, 2}}, {any, {5, 1}}}, 5, 5, 12, {{5, 1}, {4, 1}, {2, 2}}, {4, 3}},
};

const TileRow &rowFor(const TargetInfo &target) {
  // What is added to a name adds instructions, no registers.
  llvm::StringRef name = target.name;
  const TileRow *row = llvm::find_if(tileTable, [&](const TileRow &r) { return name.starts_with(r.target); });
  assert(row != std::end(tileTable) && "every target has its tiles");
  return *row;
}

} // namespace

Tile nestor::kernels::matmulTile(const TargetInfo &target, int64_t rows, bool narrow, bool aliased) {
  const TileRow &row = rowFor(target);
  if (narrow)
    return {std::min(rows, row.narrowRows), 1};
  Tile tile = {};
  for (const TileEntry &entry : row.entries) {
    tile = entry.tile;
    if (rows <= entry.maxRows)
      break;
  }
  if (aliased)
    tile.rows = std::min(tile.rows, row.aliasedRows);
  return {std::min(rows, tile.rows), tile.panels};
}

llvm::SmallVector<TileShape> nestor::kernels::tilesBeside(const Tile &table, const TargetInfo &target, int64_t rows,
                                                          bool narrow, int64_t mostPanels) {
  llvm::SmallVector<TileShape> tiles{{table.rows, table.panels}};
  auto add = [&](int64_t tileRows, int64_t panels) {
    TileShape tile{std::min(rows, tileRows), panels};
    if (tileRows > 0 && panels <= mostPanels && !llvm::is_contained(tiles, tile))
      tiles.push_back(tile);
  };
  const TileRow &row = rowFor(target);
  if (narrow)
    llvm::for_each(row.otherNarrow, [&](int64_t tileRows) { add(tileRows, 1); });
  else
    llvm::for_each(row.others, [&](const Tile &tile) { add(tile.rows, tile.panels); });
  return tiles;
}

DepthwiseTile nestor::kernels::depthwiseTile(const TargetInfo &target, int64_t height, int64_t width, int64_t stride,
                                             int64_t outHeight, int64_t outWidth) {
  constexpr int64_t maxUnrolled = 5;
  if (target.vectorRegisters >= 32 && target.vectorLanes == 16 && std::max(height, width) <= maxUnrolled) {
    // A small kernel has few sums that do not wait for each other: two rows of
    // pixels have more, and share the input rows between them. Registers: the
    // sums, the columns of an input row, two weights.
    int64_t rows = height > 1 && height <= 3 && outHeight > 1 ? 2 : 1;
    return {rows, outWidth % 8 == 0 && outWidth % 7 != 0 ? 8 : 7, /*unrolled=*/true};
  }
  // Besides the sums a row of weights, an input and, without FMA, a product.
  int64_t spare = target.vectorRegisters - width - 2, most = rowFor(target).depthwiseRows;
  return {1, std::clamp<int64_t>(spare, 2, stride > 1 ? most / 2 : most), /*unrolled=*/false};
}

llvm::SmallVector<int64_t> nestor::kernels::cutIntoTiles(int64_t extent, int64_t rows) {
  llvm::SmallVector<int64_t> tiles;
  int64_t whole = extent / rows, rest = extent % rows;
  if (rest > 0 && rest < (rows + 1) / 2 && whole > 0) {
    --whole;
    rest += rows;
  }
  tiles.assign(whole, rows);
  if (rest > rows)
    tiles.append({(rest + 1) / 2, rest / 2});
  else if (rest > 0)
    tiles.push_back(rest);
  return tiles;
}

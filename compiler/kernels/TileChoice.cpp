//===- TileChoice.cpp - Another tile than that of the table ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/TileChoice.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

std::string nestor::kernels::spell(const TileShape &tile) {
  return std::to_string(tile[0]) + "x" + std::to_string(tile[1]);
}

DictionaryAttr nestor::kernels::tilesOf(Operation *op) { return op->getAttrOfType<DictionaryAttr>(kTilesAttr); }

void nestor::kernels::setTile(Operation *op, const TargetInfo &target, const TileShape &tile) {
  NamedAttrList tiles(tilesOf(op));
  tiles.set(target.name, Builder(op->getContext()).getDenseI64ArrayAttr(tile));
  op->setAttr(kTilesAttr, tiles.getDictionary(op->getContext()));
}

SmallVector<TileShape> nestor::kernels::tilesToChoose(Operation *op, const TargetInfo &target) {
  return llvm::TypeSwitch<Operation *, SmallVector<TileShape>>(op)
      .Case([&](nest::ConvOp conv) { return convTiles(conv, target); })
      .Case([&](nest::MatmulOp matmul) { return matmulTiles(matmul, target); })
      .Default([](Operation *) { return SmallVector<TileShape>(); });
}

/// Nothing where the attribute is no tile.
static std::optional<TileShape> shapeOf(Attribute tile) {
  auto extents = dyn_cast_or_null<DenseI64ArrayAttr>(tile);
  if (!extents || extents.size() != 2)
    return std::nullopt;
  return TileShape{extents[0], extents[1]};
}

LogicalResult nestor::kernels::checkTiles(Operation *op) {
  DictionaryAttr tiles = tilesOf(op);
  for (NamedAttribute entry : tiles ? tiles.getValue() : ArrayRef<NamedAttribute>()) {
    const TargetInfo *target = findTarget(entry.getName());
    std::optional<TileShape> tile = shapeOf(entry.getValue());
    if (!target || !tile || !llvm::is_contained(tilesToChoose(op, *target), *tile))
      return op->emitError(kTilesAttr) << " of '" << entry.getName().getValue() << "' is " << entry.getValue()
                                       << ", which this kernel cannot have";
  }
  return success();
}

TileShape nestor::kernels::chosenTile(DictionaryAttr tiles, const TargetInfo &target, const TileShape &table) {
  return shapeOf(tiles ? tiles.get(target.name) : Attribute()).value_or(table);
}

Tile nestor::kernels::chosenTile(DictionaryAttr tiles, const TargetInfo &target, const Tile &table) {
  auto [rows, panels] = chosenTile(tiles, target, TileShape{table.rows, table.panels});
  return {rows, panels};
}

std::string nestor::kernels::tileSuffix(DictionaryAttr tiles) {
  std::string text;
  for (NamedAttribute entry : tiles ? tiles.getValue() : ArrayRef<NamedAttribute>())
    text += " tile " + spell(*shapeOf(entry.getValue())) + " (" + entry.getName().str() + ")";
  return text;
}

//===- WinogradEmitter.cpp - The code of Winograd convolutions ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A transform is two passes of a transform of one dimension over a tile of
// vectors of channels, with the tile on the stack in between. Both passes are
// loops, so that there are a few hundred instructions for any tile.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/TransformedConv.h"
#include "compiler/kernels/Winograd.h"
#include "compiler/kernels/WinogradTransform.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace nestor::kernels;
using nestor::nest::Winograd;

namespace {

/// Where a tile lies, in an image cut into tiles.
struct TilePlace {
  Value image, row, column;
};

TilePlace placeOf(KernelBuilder &b, const WinogradTiles &tiles, Value tile) {
  Value inImage = b.rem(tile, tiles.rows * tiles.columns);
  return {b.div(tile, tiles.rows * tiles.columns), b.div(inImage, tiles.columns), b.rem(inImage, tiles.columns)};
}

//===----------------------------------------------------------------------===//
// Input
//===----------------------------------------------------------------------===//

/// Transforms tiles of the input, [pixels, channels], to [position][tile][channel].
class InputTransform {
public:
  InputTransform(KernelBuilder &builder, const ConvSpec &spec, Value input, Value channels)
      : b(builder), g(spec.geometry), tiles(spec.winogradTiles()), matrix(b, Winograd(tiles.tile).input()),
        input(input), channels(channels), rowFloats(b.add(channels, WinogradTiles::rowPadding)),
        stage(b.stack(b.getF32Type(), tiles.positions * panelWidth)),
        zeros(b.stack(b.getF32Type(), panelWidth)) {
    b.store(b.constant(VectorType::get(panelWidth, b.getF32Type()), 0), zeros, b.i64(0), {panelWidth});
  }

  /// From one tile to the next in the result.
  Value tileStride() const { return rowFloats; }
  Value positionStride() { return b.mul(rowFloats, tiles.block); }

  /// `to` is the place of the tile's first position.
  void emitTile(Value tile, Value to);

private:
  void emitChannels(Value origin, Value to, bool clipped);
  void emitRows(Value origin, Value channel, Lanes lanes, bool clipped);
  void emitColumns(Value to, Value channel, Lanes lanes);

  KernelBuilder &b;
  const ConvGeometry &g;
  WinogradTiles tiles;
  ConstantMatrix matrix;
  Value input, channels, rowFloats;
  Value stage; ///< [row][column] of vectors that are 16 floats apart.
  Value zeros; ///< What lies outside.
  Value firstRow, firstColumn;
};

void InputTransform::emitTile(Value tile, Value to) {
  TilePlace place = placeOf(b, tiles, tile);
  firstRow = b.sub(b.mul(place.row, tiles.tile.step()), b.i64(g.pad[1]));
  firstColumn = b.sub(b.mul(place.column, tiles.tile.step()), b.i64(g.pad[2]));
  Value row = b.add(b.mul(place.image, g.in[1]), firstRow), pixel = b.add(b.mul(row, g.in[2]), firstColumn);
  Value origin = b.at(input, b.mul(pixel, channels), b.getF32Type());
  // Tiles at the edge may begin before the tensor: only the pixels in it are read.
  auto inside = [&](Value first, int64_t extent) {
    Value last = b.add(first, tiles.extent() - 1);
    return b.createOrFold<arith::AndIOp>(b.less(b.i64(-1), first), b.less(last, b.i64(extent)));
  };
  Value whole = b.createOrFold<arith::AndIOp>(inside(firstRow, g.in[1]), inside(firstColumn, g.in[2]));
  b.ifThenElse(
      whole, [&] { emitChannels(origin, to, /*clipped=*/false); }, [&] { emitChannels(origin, to, /*clipped=*/true); });
}

void InputTransform::emitChannels(Value origin, Value to, bool clipped) {
  b.vectorLoop(b.i64(0), channels, b.target.vectorLanes, [&](Value channel, Lanes lanes) {
    emitRows(origin, channel, lanes, clipped);
    emitColumns(to, channel, lanes);
  });
}

/// Rows of the tile from the tensor to the stack.
void InputTransform::emitRows(Value origin, Value channel, Lanes lanes, bool clipped) {
  Type f32 = b.getF32Type();
  auto isInside = [&](Value x, int64_t extent) {
    return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::ult, x, b.i64(extent));
  };
  b.loop(b.i64(0), b.i64(tiles.extent()), 1, [&](Value i) {
    Value pixels = b.at(origin, b.add(b.mul(b.mul(i, g.in[2]), channels), channel), f32);
    Value rowInside = clipped ? isInside(b.add(firstRow, i), g.in[1]) : Value();
    SmallVector<Value> row;
    for (int64_t j = 0; j < tiles.extent(); ++j) {
      Value pointer = b.at(pixels, b.mul(channels, j), f32);
      if (clipped) {
        Value columnInside = isInside(b.add(firstColumn, j), g.in[2]);
        pointer = b.select(b.createOrFold<arith::AndIOp>(rowInside, columnInside), pointer, zeros);
      }
      row.push_back(b.load(f32, pointer, b.i64(0), lanes));
    }
    Value place = b.mul(i, tiles.extent() * panelWidth);
    for (auto [j, value] : llvm::enumerate(matrix.apply(row)))
      b.store(value, stage, b.add(place, j * panelWidth), {lanes.count});
  });
}

/// Columns of the tile from the stack to the result.
void InputTransform::emitColumns(Value to, Value channel, Lanes lanes) {
  transformColumns(b, matrix, stage, tiles.extent(), to, channel, positionStride(), lanes);
}

//===----------------------------------------------------------------------===//
// Output
//===----------------------------------------------------------------------===//

/// Transforms products, [position][tile][outputs of a group], back and finishes them.
class OutputTransform {
public:
  OutputTransform(KernelBuilder &builder, const ConvSpec &spec, Value resultPitch)
      : b(builder), g(spec.geometry), tiles(spec.winogradTiles()), matrix(b, Winograd(tiles.tile).output()),
        resultPitch(resultPitch), epilogue(builder, spec.epilogue, builder.getF32Type(), spec.epilogueArg()),
        stage(b.stack(b.getF32Type(), tiles.tile.m * tiles.extent() * panelWidth)) {}

  /// `from` is the place of the tile's first product, that of output `channel`.
  /// There are `count` outputs of a group of `width`.
  void emitTile(Value tile, Value from, Value channel, Value count, int64_t width);

private:
  void emitColumns(Value from, Value output, int64_t width, Lanes lanes);
  void emitRows(const TilePlace &tile, Value channel, Lanes lanes);

  KernelBuilder &b;
  const ConvGeometry &g;
  WinogradTiles tiles;
  ConstantMatrix matrix;
  Value resultPitch;
  DirectEpilogue epilogue;
  Value stage; ///< [row of outputs][column of products] of vectors that are 16 floats apart.
};

void OutputTransform::emitTile(Value tile, Value from, Value channel, Value count, int64_t width) {
  TilePlace place = placeOf(b, tiles, tile);
  b.vectorLoop(b.i64(0), count, b.target.vectorLanes, [&](Value output, Lanes lanes) {
    emitColumns(from, output, width, lanes);
    emitRows(place, b.add(channel, output), lanes);
  });
}

void OutputTransform::emitColumns(Value from, Value output, int64_t width, Lanes lanes) {
  int64_t stride = tiles.block * width;
  b.loop(b.i64(0), b.i64(tiles.extent()), 1, [&](Value j) {
    SmallVector<Value> column;
    Value first = b.add(b.mul(j, stride), output), place = b.mul(j, panelWidth);
    for (int64_t i = 0; i < tiles.extent(); ++i)
      column.push_back(
          b.load(b.getF32Type(), from, b.add(first, i * tiles.extent() * stride), {lanes.count}));
    for (auto [i, value] : llvm::enumerate(matrix.apply(column)))
      b.store(value, stage, b.add(place, i * tiles.extent() * panelWidth), {lanes.count});
  });
}

void OutputTransform::emitRows(const TilePlace &tile, Value channel, Lanes lanes) {
  int64_t m = tiles.tile.m;
  Value rowInImage = b.mul(tile.row, m), rows = b.min(b.sub(b.i64(g.out[1]), rowInImage), b.i64(m));
  Value firstRow = b.add(b.mul(tile.image, g.out[1]), rowInImage), firstColumn = b.mul(tile.column, m);
  b.loop(b.i64(0), rows, 1, [&](Value i) {
    SmallVector<Value> row;
    Value place = b.mul(i, tiles.extent() * panelWidth);
    for (int64_t j = 0; j < tiles.extent(); ++j)
      row.push_back(b.load(b.getF32Type(), stage, b.add(place, j * panelWidth), {lanes.count}));
    row = matrix.apply(row);
    Value pixel = b.add(b.mul(b.add(firstRow, i), g.out[2]), firstColumn);
    Value index = b.add(b.mul(pixel, resultPitch), channel);
    auto finish = [&](int64_t width) {
      for (int64_t j = 0; j < width; ++j)
        epilogue.finish(row[j], channel, b.add(index, b.mul(resultPitch, j)), lanes);
    };
    int64_t lastWidth = g.out[2] - (tiles.columns - 1) * m;
    if (lastWidth == m)
      return finish(m);
    b.ifThenElse(
        b.equal(tile.column, b.i64(tiles.columns - 1)), [&] { finish(lastWidth); }, [&] { finish(m); });
  });
}

//===----------------------------------------------------------------------===//
// All steps
//===----------------------------------------------------------------------===//

class WinogradConv final : public TransformedConv {
public:
  WinogradConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec)
      : TransformedConv(func, target, spec, spec.winogradTiles()), tile(spec.winogradTiles().tile),
        output(b, this->spec, spec.resultPitch(b, outputs)) {
    if (spec.grain != ConvGrain::Panels)
      input.emplace(b, this->spec, b.arg(0), inputs);
  }

private:
  void emitInput(Value number, Value to) override { input->emitTile(number, to); }

  void emitOutput(Value number, Value from, Value panel, int64_t count) override {
    int64_t width = count * panelWidth;
    Value channel = b.mul(panel, panelWidth), channels = b.min(b.sub(outputs, channel), b.i64(width));
    output.emitTile(number, from, channel, channels, width);
  }

  Value filterPosition(Value position) override {
    if (tile.filterExtent() == tile.extent())
      return position;
    auto inDimension = [&](Value i) { return b.min(i, b.i64(tile.filterExtent() - 1)); };
    Value row = inDimension(b.div(position, tile.extent())), column = inDimension(b.rem(position, tile.extent()));
    return b.add(b.mul(row, tile.filterExtent()), column);
  }

  nestor::nest::WinogradTile tile;
  OutputTransform output;
  std::optional<InputTransform> input;
};

} // namespace

LogicalResult nestor::kernels::emitWinogradConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec) {
  WinogradConv(func, target, spec).emit();
  return success();
}

LogicalResult nestor::kernels::emitWinogradInput(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec) {
  KernelBuilder b(func, target);
  InputTransform input(b, spec, b.arg(0), b.param(0));
  Value transformed = b.arg(1);
  b.loop(b.begin(), b.end(), 1, [&](Value tile) {
    input.emitTile(tile, b.at(transformed, b.mul(tile, input.tileStride()), b.getF32Type()));
  });
  return success();
}

void nestor::kernels::emitWinogradInputTiles(KernelBuilder &b, const ConvSpec &spec, Value input, Value channels,
                                             Value first, Value count, Value to) {
  InputTransform transform(b, spec, input, channels);
  b.loop(b.i64(0), count, 1, [&](Value i) {
    transform.emitTile(b.add(first, i), b.at(to, b.mul(i, transform.tileStride()), b.getF32Type()));
  });
}

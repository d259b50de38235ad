//===- WinogradFilterGrad.cpp - Filter gradients by Winograd's algorithm --===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What is linear in the filter, A' [(G filter G') * (B' input B)] A, has the
// gradient
//
//   G' [ sum over tiles of (B' input B) * (A gradient A') ] G
//
// so that each position of a tile is a product whose depth are the tiles of all
// images. A part of the tiles goes by in blocks that stay in a near cache: both
// sides are transformed, [position][tile][input] and [position][panel][tile][16],
// and their products added to the part's sums, [position][panel][input][16]. A
// second kernel adds the parts and transforms them back. How many parts there
// are depends on the shapes only, and with it the result.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/ConvFilterGrad.h"
#include "compiler/kernels/MicroKernel.h"
#include "compiler/kernels/StaticCall.h"
#include "compiler/kernels/TileTable.h"
#include "compiler/kernels/Winograd.h"
#include "compiler/kernels/WinogradTransform.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;
using nest::Winograd;

static nest::Matrix transposed(const nest::Matrix &a) {
  nest::Matrix t{a.columns, a.rows, std::vector<double>(a.values.size())};
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j)
      t(j, i) = a(i, j);
  return t;
}

namespace {

/// Shapes, and how the work is cut.
struct WinogradGradSpec {
  ConvSpec conv; ///< With the tiles; what reads the input needs no more of it.
  int64_t inputs, outputs, panels, parts;

  WinogradGradSpec(nest::ConvFilterGradOp op, int64_t m)
      : inputs(typeOf(op.getInput()).getShape().back()), outputs(typeOf(op.getGrad()).getShape().back()),
        panels(llvm::divideCeil(outputs, panelWidth)) {
    constexpr int64_t blockFloats = 128 << 10, leastTiles = 16, mostTiles = 112, mostParts = 4;
    conv.geometry = ConvGeometry::get(op);
    conv.winograd = m;
    WinogradTiles tiles = conv.winogradTiles();
    int64_t tileFloats = tiles.positions * (rowFloats() + panels * panelWidth);
    conv.tileBlock = std::min(tiles.count, std::clamp(blockFloats / tileFloats, leastTiles, mostTiles));
    parts = std::min(conv.winogradTiles().blocks(), mostParts);
  }

  WinogradTiles tiles() const { return conv.winogradTiles(); }
  int64_t positions() const { return tiles().positions; }
  int64_t rowFloats() const { return inputs + TransformedTiles::rowPadding; }
  int64_t panelFloats() const { return inputs * panelWidth; } ///< Of sums of a position.
  int64_t sumFloats() const { return positions() * panels * panelFloats(); }
  // Of a block between the steps: the gradient, whose panels are aligned, then the
  // input.
  int64_t gradFloats() const { return positions() * tiles().block * panels * panelWidth; }
  int64_t blockFloats() const {
    return gradFloats() + llvm::alignTo(positions() * tiles().block * rowFloats(), panelWidth);
  }
};

/// Transforms tiles of the gradient, [pixels, outputs].
class GradTransform {
public:
  GradTransform(KernelBuilder &b, const WinogradGradSpec &spec, Value grad)
      : b(b), spec(spec), g(spec.conv.geometry), tiles(spec.tiles()),
        matrix(b, transposed(Winograd(tiles.tile).output())), grad(grad),
        stage(b.stack(b.getF32Type(), tiles.tile.m * tiles.extent() * panelWidth)),
        zeros(b.stack(b.getF32Type(), panelWidth)) {
    b.store(b.constant(VectorType::get(panelWidth, b.getF32Type()), 0), zeros, b.i64(0), {panelWidth});
  }

  /// `to` is the place of the tile's first position in the first panel.
  void emitTile(Value tile, Value to);

private:
  void emitRows(Value channel, Lanes lanes);
  void emitColumns(Value to, Value channel, Lanes lanes);

  KernelBuilder &b;
  const WinogradGradSpec &spec;
  const ConvGeometry &g;
  WinogradTiles tiles;
  ConstantMatrix matrix;
  Value grad;
  Value stage; ///< [row][column] of vectors that are 16 floats apart.
  Value zeros; ///< What lies outside.
  Value image, firstRow, firstColumn;
};

void GradTransform::emitTile(Value tile, Value to) {
  Value inImage = b.rem(tile, tiles.rows * tiles.columns);
  image = b.div(tile, tiles.rows * tiles.columns);
  firstRow = b.mul(b.div(inImage, tiles.columns), tiles.tile.m);
  firstColumn = b.mul(b.rem(inImage, tiles.columns), tiles.tile.m);
  b.vectorLoop(b.i64(0), b.i64(spec.outputs), b.target.vectorLanes, [&](Value channel, Lanes lanes) {
    emitRows(channel, lanes);
    emitColumns(to, channel, lanes);
  });
}

void GradTransform::emitRows(Value channel, Lanes lanes) {
  Type f32 = b.getF32Type();
  bool clipped = g.out[1] % tiles.tile.m || g.out[2] % tiles.tile.m;
  b.loop(b.i64(0), b.i64(tiles.tile.m), 1, [&](Value i) {
    Value y = b.add(firstRow, i), pixel = b.add(b.mul(b.add(b.mul(image, g.out[1]), y), g.out[2]), firstColumn);
    Value pixels = b.at(grad, b.add(b.mul(pixel, spec.outputs), channel), f32);
    SmallVector<Value> row;
    for (int64_t j = 0; j < tiles.tile.m; ++j) {
      Value pointer = b.at(pixels, b.i64(j * spec.outputs), f32);
      if (clipped) {
        Value rowInside = b.less(y, b.i64(g.out[1])), columnInside = b.less(b.add(firstColumn, j), b.i64(g.out[2]));
        pointer = b.select(b.createOrFold<arith::AndIOp>(rowInside, columnInside), pointer, zeros);
      }
      row.push_back(b.load(f32, pointer, b.i64(0), lanes));
    }
    Value place = b.mul(i, tiles.extent() * panelWidth);
    for (auto [j, value] : llvm::enumerate(matrix.apply(row)))
      b.store(value, stage, b.add(place, j * panelWidth), {lanes.count});
  });
}

/// Lanes past the last output are zeros or, without masks, left as they are:
/// their sums are not read.
void GradTransform::emitColumns(Value to, Value channel, Lanes lanes) {
  int64_t panelStride = tiles.block * panelWidth;
  Value lane = b.add(b.mul(b.div(channel, panelWidth), panelStride), b.rem(channel, panelWidth));
  transformColumns(b, matrix, stage, tiles.extent(), to, lane, b.i64(spec.panels * panelStride), {lanes.count});
}

/// Adds up the products of parts.
class TileProducts {
public:
  TileProducts(KernelBuilder &b, const WinogradGradSpec &spec) : b(b), spec(spec), tiles(spec.tiles()) {}

  void emit();

private:
  void clearSums();
  void emitBlock(Value block, GradTransform &gradient);
  void emitProduct(Value position, int64_t panel, int64_t count, Value firstInput, int64_t rows, Value depth);

  KernelBuilder &b;
  const WinogradGradSpec &spec;
  WinogradTiles tiles;
  Value sums, inputs, gradients; ///< Of the part, and of the block at hand.
};

void TileProducts::emit() {
  Type f32 = b.getF32Type();
  GradTransform gradient(b, spec, b.arg(1));
  b.loop(b.begin(), b.end(), 1, [&](Value part) {
    sums = b.at(b.arg(2), b.mul(part, spec.sumFloats()), f32);
    gradients = b.at(b.arg(3), b.mul(part, spec.blockFloats()), f32);
    inputs = b.at(gradients, b.i64(spec.gradFloats()), f32);
    clearSums();
    Value first = b.div(b.mul(part, tiles.blocks()), spec.parts);
    Value last = b.div(b.mul(b.add(part, 1), tiles.blocks()), spec.parts);
    b.loop(first, last, 1, [&](Value block) { emitBlock(block, gradient); });
  });
}

void TileProducts::clearSums() {
  Value zero = b.constant(withLanes(b.getF32Type(), b.target.vectorLanes), 0);
  b.loop(b.i64(0), b.i64(spec.sumFloats()), b.target.vectorLanes,
         [&](Value i) { b.store(zero, sums, i, {b.target.vectorLanes}); });
}

void TileProducts::emitBlock(Value block, GradTransform &gradient) {
  Type f32 = b.getF32Type();
  Value first = b.mul(block, tiles.block), count = b.min(b.i64(tiles.block), b.sub(b.i64(tiles.count), first));
  emitWinogradInputTiles(b, spec.conv, b.arg(0), b.i64(spec.inputs), first, count, inputs);
  b.loop(b.i64(0), count, 1, [&](Value i) {
    gradient.emitTile(b.add(first, i), b.at(gradients, b.mul(i, panelWidth), f32));
  });
  Tile tile = matmulTile(b.target, spec.inputs, /*narrow=*/spec.panels == 1, /*aliased=*/false);
  b.loop(b.i64(0), b.i64(spec.positions()), 1, [&](Value position) {
    for (int64_t panel = 0; panel < spec.panels; panel += tile.panels) {
      int64_t start = 0;
      for (int64_t rows : cutIntoTiles(spec.inputs, tile.rows)) {
        emitProduct(position, panel, std::min(tile.panels, spec.panels - panel), b.i64(start), rows, count);
        start += rows;
      }
    }
  });
}

/// `rows` inputs, from `firstInput` on, with `count` panels: all tiles of the block.
void TileProducts::emitProduct(Value position, int64_t panel, int64_t count, Value firstInput, int64_t rows,
                               Value depth) {
  Type f32 = b.getF32Type();
  int64_t lanes = b.target.vectorLanes, perPanel = panelWidth / lanes, vectors = count * perPanel;
  Value row = b.mul(position, tiles.block), panelIndex = b.add(b.mul(position, spec.panels), panel);
  RowsOperand lhs{b.at(inputs, b.add(b.mul(row, spec.rowFloats()), firstInput), f32), b.i64(1),
                  b.i64(spec.rowFloats())};
  SmallVector<Value> rhs =
      PanelsOperand{b.at(gradients, b.mul(panelIndex, tiles.block * panelWidth), f32),
                    b.i64(tiles.block * panelWidth), f32}
          .panels(b, count);
  Value to = b.at(sums, b.add(b.mul(panelIndex, spec.panelFloats()), b.mul(firstInput, panelWidth)), f32);
  auto placeOf = [&](int64_t r, int64_t v) {
    return b.i64(v / perPanel * spec.panelFloats() + r * panelWidth + v % perPanel * lanes);
  };
  SmallVector<Value> before;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      before.push_back(b.load(f32, to, placeOf(r, v), {lanes}));
  SmallVector<Value> after = accumulate(b, before, llvm::to_vector(llvm::seq<int64_t>(0, rows)), vectors, lanes, lhs,
                                        rhs, depth);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      b.store(after[r * vectors + v], to, placeOf(r, v), {lanes});
}

/// Adds the parts and transforms them back. A grain is one input of a panel.
class FilterRestore {
public:
  FilterRestore(KernelBuilder &b, const WinogradGradSpec &spec)
      : b(b), spec(spec), extent(spec.tiles().extent()),
        matrix(b, transposed(Winograd(spec.tiles().tile).filter())),
        stage(b.stack(b.getF32Type(), extent * kTaps * panelWidth)) {}

  void emit() {
    b.loop(b.begin(), b.end(), 1, [&](Value grain) {
      Value panel = b.div(grain, spec.inputs), input = b.rem(grain, spec.inputs);
      Value from = b.at(b.arg(0), b.add(b.mul(panel, spec.panelFloats()), b.mul(input, panelWidth)), b.getF32Type());
      Value first = b.mul(panel, panelWidth), count = b.min(b.i64(panelWidth), b.sub(b.i64(spec.outputs), first));
      Value to = b.at(b.arg(1), b.add(b.mul(input, spec.outputs), first), b.getF32Type());
      b.vectorLoop(b.i64(0), count, b.target.vectorLanes, [&](Value output, Lanes lanes) {
        emitRows(from, output, lanes);
        emitColumns(to, output, lanes);
      });
    });
  }

private:
  static constexpr int64_t kTaps = 3;

  void emitRows(Value from, Value output, Lanes lanes) {
    int64_t stride = spec.panels * spec.panelFloats();
    b.loop(b.i64(0), b.i64(extent), 1, [&](Value i) {
      SmallVector<Value> row;
      Value first = b.add(b.mul(i, extent * stride), output);
      for (int64_t j = 0; j < extent; ++j) {
        Value sum;
        for (int64_t part = 0; part < spec.parts; ++part) {
          Value term = b.load(b.getF32Type(), from, b.add(first, part * spec.sumFloats() + j * stride), {lanes.count});
          sum = sum ? arith::AddFOp::create(b, sum, term).getResult() : term;
        }
        row.push_back(sum);
      }
      Value place = b.mul(i, kTaps * panelWidth);
      for (auto [j, value] : llvm::enumerate(matrix.apply(row)))
        b.store(value, stage, b.add(place, j * panelWidth), {lanes.count});
    });
  }

  void emitColumns(Value to, Value output, Lanes lanes) {
    transformColumns(b, matrix, stage, kTaps, to, output, b.i64(spec.inputs * spec.outputs), lanes);
  }

  KernelBuilder &b;
  const WinogradGradSpec &spec;
  int64_t extent;
  ConstantMatrix matrix;
  Value stage; ///< [row][column of taps] of vectors that are 16 floats apart.
};

} // namespace

SmallVector<KernelCall, 1> nestor::kernels::describeWinogradFilterGrad(nest::ConvFilterGradOp op, int64_t m) {
  WinogradGradSpec spec(op, m);
  const ConvGeometry &g = spec.conv.geometry;
  std::string name = "F(" + std::to_string(m) + ") " + g.describe() + " " + std::to_string(spec.inputs) + " to " +
                     std::to_string(spec.outputs);
  std::string detail = name + " of " + g.identity();
  CallArg sums{CallArg::Scratch, 0, 0, 4 * spec.parts * spec.sumFloats()};
  CallArg between{CallArg::Scratch, 1, 0, 4 * spec.parts * spec.blockFloats()};
  auto extent = [](const CallArg &arg, bool written) {
    return ArgSpec{{{arg.scratchBytes, {}}}, written, 64};
  };
  KernelCall products = staticCall(op, "winograd_filter_grad", detail, spec.parts,
                                   [spec](KernelBuilder &b) { TileProducts(b, spec).emit(); });
  products.args.back() = sums, products.spec.args.back() = extent(sums, /*written=*/true);
  products.args.push_back(between), products.spec.args.push_back(extent(between, /*written=*/true));
  products.macs = uint64_t(g.outPixels()) * g.taps() * spec.inputs * spec.outputs;
  KernelCall restore = staticCall(op, "winograd_filter_restore", detail, spec.inputs * spec.panels,
                                  [spec](KernelBuilder &b) { FilterRestore(b, spec).emit(); });
  // Of the operation's arguments it has the result only.
  restore.args = {sums, restore.args.back()};
  restore.spec.args = {extent(sums, /*written=*/false), restore.spec.args.back()};
  return {std::move(products), std::move(restore)};
}

//===- FilterGradEmitter.cpp - The inner product of filter gradients ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A product whose depth are the pixels of all images: rows are (tap, input
// channel), columns are output channels. A tile of rows x columns stays in
// registers while the pixels of a block go by:
//
//   for part of the images { for block { for kernel row { for columns { for rows {
//     load sums; for image, row, pixel { fma(input, gradient) }; store sums } } } } }
//
// A block is so small that its input and gradient stay in the nearest cache
// while all tiles pass over it. Every part has sums of its own, which a second
// kernel adds; the number of parts depends on the shapes only, and with it the
// result. Filters too large for that are one part, cut into kernel rows and
// columns. Depthwise, a row is a tap, whose input channels are the columns.
//
// Channel counts are static: these kernels are compiled for one function and
// run thousands of times.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/ConvFilterGrad.h"
#include "compiler/kernels/KernelBuilder.h"

#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace nestor::kernels;

namespace {

/// Vectors of columns that are computed together.
struct Piece {
  struct Column {
    int64_t offset;
    Lanes lanes;
  };
  SmallVector<Column> columns;
};

/// A row of the filter: an input channel (relative to where the tile begins) of
/// a tap of the kernel row.
struct FilterRow {
  int64_t tap, channel;
};

/// Pixels of an image row that have the taps of these rows of a tile.
struct Segment {
  int64_t first, last;
  SmallVector<int64_t> rows;
};

class FilterGrad {
public:
  FilterGrad(KernelBuilder &b, const FilterGradSpec &spec)
      : b(b), spec(spec), g(spec.g), f32(b.getF32Type()), input(b.arg(0)), grad(b.arg(1)) {
    cutColumns();
  }

  /// Grains are parts, or, with one part, units.
  void emit();

private:
  void cutColumns();
  int64_t rowsOf(const Piece &piece) const;
  SmallVector<Segment> segmentsOf(ArrayRef<FilterRow> rows) const;

  using PieceBody = llvm::function_ref<void(const Piece &)>;
  void atUnit(Value unit, PieceBody body);
  void clear(const Piece &piece);
  void accumulate(Value block, const Piece &piece);
  void overTiles(const Piece &piece, llvm::function_ref<void(ArrayRef<FilterRow>)> body);
  void emitTile(const Piece &piece, ArrayRef<FilterRow> rows);
  SmallVector<Value> overPixels(const Piece &piece, ArrayRef<FilterRow> rows, Value inputRow,
                                Value gradRow, ValueRange sums);
  std::pair<Value, Value> outputsOf(int dim, Value tap, Value first, Value last);

  Value sumAt(const FilterRow &row, const Piece::Column &column) {
    Value tap = b.add(kernelRow, row.tap);
    Value index = b.add(b.mul(tap, spec.inputs), b.add(channel, row.channel));
    return b.add(b.mul(index, spec.outputStride()), b.add(firstColumn, column.offset));
  }

  KernelBuilder &b;
  const FilterGradSpec &spec;
  const ConvGeometry &g;
  Type f32;
  Value input, grad;
  Piece whole, rest;                ///< Either may be empty.
  int64_t wholeWidth, wholeColumns; ///< Of one whole piece, and of all.

  // Where the emission is.
  Value sums;                     ///< Of the part.
  Value group, kd, kh, kernelRow; ///< The latter is a number of a tap.
  Value firstColumn, channel;     ///< In the filter; in the group.
  Value firstImage, lastImage, firstRow, lastRow;
};

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

/// Cuts the outputs of a group: pieces of whole vectors, then what is left.
void FilterGrad::cutColumns() {
  int64_t lanes = b.target.vectorLanes, registers = b.target.vectorRegisters;
  int64_t vectors = lanes == 4 && registers == 32 ? 4 : 2;
  if (spec.depthwise) {
    int64_t taps = std::min(g.kernel[2], registers / 2);
    vectors = std::clamp<int64_t>(llvm::bit_floor(uint64_t(registers - 2) / (taps + 1)), 1, 4);
  }
  wholeWidth = vectors * lanes;
  wholeColumns = spec.outputs / wholeWidth * wholeWidth;
  if (wholeColumns > 0)
    for (int64_t i = 0; i < vectors; ++i)
      whole.columns.push_back({i * lanes, {lanes, nullptr}});
  for (int64_t offset = 0; wholeColumns + offset < spec.outputs;) {
    int64_t left = spec.outputs - wholeColumns - offset;
    bool masked = left < lanes && b.target.maskedMemory;
    int64_t count = masked || left >= lanes ? lanes : left >= 4 ? 4 : 1;
    rest.columns.push_back({offset, {count, masked ? b.maskOf(b.i64(left), lanes) : Value()}});
    offset += count;
  }
}

/// Rows for which there are registers: besides the sums the gradients, a value and
/// the product, or with FMA the next value, which LLVM loads ahead.
int64_t FilterGrad::rowsOf(const Piece &piece) const {
  constexpr int64_t spare = 2;
  int64_t columns = piece.columns.size();
  return std::clamp<int64_t>((b.target.vectorRegisters - spare - columns) / columns, 1, 16);
}

SmallVector<Segment> FilterGrad::segmentsOf(ArrayRef<FilterRow> rows) const {
  SmallVector<Segment> segments;
  for (int64_t x = 0; x < g.out[2]; ++x) {
    SmallVector<int64_t> have;
    for (auto [i, row] : llvm::enumerate(rows))
      if (g.inside(2, x, row.tap))
        have.push_back(i);
    if (have.empty())
      continue;
    if (!segments.empty() && segments.back().last == x && segments.back().rows == have)
      segments.back().last = x + 1;
    else
      segments.push_back({x, x + 1, have});
  }
  return segments;
}

/// Tiles of a kernel row: channels of one tap, or several taps that have few.
void FilterGrad::overTiles(const Piece &piece, llvm::function_ref<void(ArrayRef<FilterRow>)> body) {
  int64_t most = rowsOf(piece);
  if (spec.inputs <= most) {
    int64_t tiles = llvm::divideCeil(g.kernel[2] * spec.inputs, most / spec.inputs * spec.inputs);
    channel = b.i64(0);
    for (int64_t tile = 0; tile < tiles; ++tile) {
      SmallVector<FilterRow> rows;
      for (int64_t tap = g.kernel[2] * tile / tiles; tap < g.kernel[2] * (tile + 1) / tiles; ++tap)
        for (int64_t i = 0; i < spec.inputs; ++i)
          rows.push_back({tap, i});
      body(rows);
    }
    return;
  }
  int64_t tiles = llvm::divideCeil(spec.inputs, most), small = spec.inputs / tiles;
  int64_t firstSmall = spec.inputs % tiles * (small + 1);
  for (int64_t tap = 0; tap < g.kernel[2]; ++tap)
    for (auto [first, last, height] : {std::tuple(int64_t(0), firstSmall, small + 1),
                                       std::tuple(firstSmall, spec.inputs, small)}) {
      SmallVector<FilterRow> rows;
      for (int64_t i = 0; i < height; ++i)
        rows.push_back({tap, i});
      if (first < last)
        b.loop(b.i64(first), b.i64(last), height, [&](Value start) {
          channel = start;
          body(rows);
        });
    }
}

//===----------------------------------------------------------------------===//
// Loops around the tiles
//===----------------------------------------------------------------------===//

void FilterGrad::emit() {
  Value result = b.arg(2);
  auto clearUnit = [&](Value unit) { atUnit(unit, [&](const Piece &piece) { clear(piece); }); };
  auto addBlock = [&](Value unit, Value block) {
    atUnit(unit, [&](const Piece &piece) { accumulate(block, piece); });
  };
  if (spec.parts == 1) {
    sums = result;
    b.loop(b.begin(), b.end(), 1, [&](Value unit) {
      clearUnit(unit);
      b.loop(b.i64(0), b.i64(spec.blocks()), 1, [&](Value block) { addBlock(unit, block); });
    });
    return;
  }
  b.loop(b.begin(), b.end(), 1, [&](Value part) {
    sums = b.at(result, b.mul(part, spec.filterFloats()), f32);
    b.loop(b.i64(0), b.i64(spec.units()), 1, clearUnit);
    Value first = b.div(b.mul(part, spec.blocks()), spec.parts);
    Value last = b.div(b.mul(b.add(part, 1), spec.blocks()), spec.parts);
    b.loop(first, last, 1, [&](Value block) {
      b.loop(b.i64(0), b.i64(spec.units()), 1, [&](Value unit) { addBlock(unit, block); });
    });
  });
}

/// Runs `body` for the pieces of a unit's columns.
void FilterGrad::atUnit(Value unit, PieceBody body) {
  Value strip = b.rem(unit, spec.strips()), row = b.div(unit, spec.strips());
  kh = b.rem(row, g.kernel[1]), row = b.div(row, g.kernel[1]);
  kd = b.rem(row, g.kernel[0]), group = b.div(row, g.kernel[0]);
  kernelRow = b.mul(b.add(b.mul(kd, g.kernel[1]), kh), g.kernel[2]);
  Value base = b.mul(group, spec.outputs), first = b.mul(strip, stripWidth);
  Value last = b.min(b.add(first, stripWidth), b.i64(wholeColumns));
  if (!whole.columns.empty())
    b.loop(first, last, wholeWidth, [&](Value column) {
      firstColumn = b.add(base, column);
      body(whole);
    });
  if (rest.columns.empty())
    return;
  b.ifThen(b.equal(strip, b.i64(spec.strips() - 1)), [&] {
    firstColumn = b.add(base, wholeColumns);
    body(rest);
  });
}

void FilterGrad::clear(const Piece &piece) {
  b.loop(b.i64(0), b.i64(g.kernel[2] * spec.inputs), 1, [&](Value row) {
    channel = row;
    for (const Piece::Column &column : piece.columns)
      b.store(b.constant(withLanes(f32, column.lanes.count), 0), sums, sumAt({0, 0}, column),
              column.lanes);
  });
}

void FilterGrad::accumulate(Value block, const Piece &piece) {
  firstImage = b.mul(b.div(block, spec.rowBlocks()), spec.imagesPerBlock);
  lastImage = b.min(b.add(firstImage, spec.imagesPerBlock), b.i64(g.batch));
  firstRow = b.mul(b.rem(block, spec.rowBlocks()), spec.rowsPerBlock);
  lastRow = b.min(b.add(firstRow, spec.rowsPerBlock), b.i64(g.out[1]));
  overTiles(piece, [&](ArrayRef<FilterRow> rows) { emitTile(piece, rows); });
}

/// The outputs of [first, last) along `dim` that have this tap.
std::pair<Value, Value> FilterGrad::outputsOf(int dim, Value tap, Value first, Value last) {
  if (g.alwaysInside(dim))
    return {first, last};
  // 0 <= o * stride + shift < in, where shift may be negative.
  int64_t stride = g.stride[dim], most = g.out[dim];
  Value shift = b.add(b.mul(tap, g.dilation[dim]), -g.pad[dim]);
  auto below = [&](Value distance) { // Outputs o with o * stride < distance.
    return b.min(b.div(b.add(b.max(distance, b.i64(0)), stride - 1), stride), b.i64(most));
  };
  Value lower = below(b.sub(b.i64(0), shift)), upper = below(b.sub(b.i64(g.in[dim]), shift));
  return {b.max(first, lower), b.min(last, upper)};
}

//===----------------------------------------------------------------------===//
// One tile
//===----------------------------------------------------------------------===//

void FilterGrad::emitTile(const Piece &piece, ArrayRef<FilterRow> rows) {
  SmallVector<Value> start;
  for (const FilterRow &row : rows)
    for (const Piece::Column &column : piece.columns)
      start.push_back(b.load(f32, sums, sumAt(row, column), column.lanes));
  auto [firstDepth, lastDepth] = outputsOf(0, kd, b.i64(0), b.i64(g.out[0]));
  auto [top, bottom] = outputsOf(1, kh, firstRow, lastRow);
  SmallVector<Value> end =
      b.loop(firstImage, lastImage, 1, start, [&](Value image, ValueRange atImage) {
        return b.loop(firstDepth, lastDepth, 1, atImage, [&](Value depth, ValueRange atDepth) {
          return b.loop(top, bottom, 1, atDepth, [&](Value height, ValueRange atRow) {
            Value z = b.add(b.add(b.mul(depth, g.stride[0]), b.mul(kd, g.dilation[0])), -g.pad[0]);
            Value y = b.add(b.add(b.mul(height, g.stride[1]), b.mul(kh, g.dilation[1])), -g.pad[1]);
            Value plane = b.add(b.mul(image, g.in[0]), z);
            Value inputRow = b.mul(b.add(b.mul(plane, g.in[1]), y), g.in[2]);
            Value gradPlane = b.add(b.mul(image, g.out[0]), depth);
            Value gradRow = b.mul(b.add(b.mul(gradPlane, g.out[1]), height), g.out[2]);
            return overPixels(piece, rows, inputRow, gradRow, atRow);
          });
        });
      });
  for (auto [r, row] : llvm::enumerate(rows))
    for (auto [c, column] : llvm::enumerate(piece.columns))
      b.store(end[r * piece.columns.size() + c], sums, sumAt(row, column), column.lanes);
}

/// Adds the pixels of one image row to the sums of a tile. The rows are numbers
/// of their first pixels.
SmallVector<Value> FilterGrad::overPixels(const Piece &piece, ArrayRef<FilterRow> rows,
                                          Value inputRow, Value gradRow, ValueRange carried) {
  SmallVector<Value> current(carried);
  size_t columns = piece.columns.size();
  Value inputChannel = spec.depthwise ? firstColumn : b.add(b.mul(group, spec.inputs), channel);
  for (const Segment &segment : segmentsOf(rows)) {
    SmallVector<Value> used;
    for (int64_t row : segment.rows)
      llvm::append_range(used, ArrayRef(current).slice(row * columns, columns));
    used =
        b.loop(b.i64(segment.first), b.i64(segment.last), 1, used, [&](Value x, ValueRange sums) {
          Value pixel = b.add(inputRow, b.add(b.mul(x, g.stride[2]), -g.pad[2]));
          Value from = b.at(input, b.add(b.mul(pixel, spec.inputStride()), inputChannel), f32);
          Value gradient =
              b.at(grad, b.add(b.mul(b.add(gradRow, x), spec.outputStride()), firstColumn), f32);
          SmallVector<Value> gradients, next;
          for (const Piece::Column &column : piece.columns)
            gradients.push_back(b.load(f32, gradient, b.i64(column.offset), column.lanes));
          for (auto [i, row] : llvm::enumerate(segment.rows)) {
            int64_t offset = rows[row].tap * g.dilation[2] * spec.inputStride() + rows[row].channel;
            Value scalar = spec.depthwise ? Value() : b.load(f32, from, b.i64(offset));
            for (auto [c, column] : llvm::enumerate(piece.columns)) {
              Value value = scalar ? b.broadcast(scalar, column.lanes.count)
                                   : b.load(f32, from, b.i64(offset + column.offset), column.lanes);
              next.push_back(b.fma(value, gradients[c], sums[i * columns + c]));
            }
          }
          return next;
        });
    for (auto [i, row] : llvm::enumerate(segment.rows))
      for (size_t c = 0; c < columns; ++c)
        current[row * columns + c] = used[i * columns + c];
  }
  return current;
}

} // namespace

void nestor::kernels::emitConvFilterGrad(KernelBuilder &b, const FilterGradSpec &spec) {
  FilterGrad(b, spec).emit();
}

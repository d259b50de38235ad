//===- DepthwiseConv.cpp - One filter per channel -------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// For one vector of channels, a tile of output pixels is kept in registers:
//
//   for tile of rows { for tile of pixels { for vector of channels {
//     for kd, input row { for tap { fma } }
//     epilogue } } }
//
// Channels are the innermost loop, so that memory is read in the order in which
// it lies. An input vector is loaded once for all pixels of the tile that see
// it: in a row of the kernel, or where the kernel's rows are unrolled, in all.
// Bytes become floats where they are loaded: their sums stay below 2^24 and so
// are exact.
//
// Sums of rows (compiler/ir/RowSums.h) begin as zeros with a tile of rows, to which
// every tile of pixels adds: no other tile of rows touches them, so that they are the
// same for every cut of the work.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/ConvSpec.h"
#include "compiler/kernels/TileTable.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

#include <map>

using namespace mlir;
using namespace nestor::kernels;

namespace {

/// Where an input row meets a tile: which rows of the kernel it is for which
/// rows of the output.
struct Meeting {
  int64_t outputRow, tap;
};

DepthwiseTile tableTile(const TargetInfo &target, const ConvSpec &spec) {
  const ConvGeometry &g = spec.geometry;
  DepthwiseTile tile = depthwiseTile(target, g.kernel[1], g.kernel[2], g.stride[2], g.out[1], g.out[2]);
  // The constants of a long epilogue need registers too.
  if (spec.epilogue.isHeavy())
    tile.rows = 1;
  return tile;
}

DepthwiseTile tileFor(const TargetInfo &target, const ConvSpec &spec) {
  DepthwiseTile table = tableTile(target, spec);
  auto [rows, pixels] = chosenTile(spec.tiles, target, TileShape{table.rows, table.pixels});
  return {rows, pixels, table.unrolled};
}

class DepthwiseConv {
public:
  DepthwiseConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec)
      : b(func, target), spec(spec), g(spec.geometry),
        tile(tileFor(target, spec)), f32(b.getF32Type()),
        element(spec.epilogue.ofBytes ? Type(b.getI8Type()) : f32), input(b.arg(0)), filter(b.arg(1)), channels(b.param(0)),
        resultPitch(spec.resultPitch(b, channels)), epilogue(b, this->spec.epilogue, f32, spec.epilogueArg()) {}

  void emit();

private:
  Value rowTile(Value row);
  void emitRows(int64_t rows);
  void emitPixels(int64_t rows, Value from);
  void emitChannels(llvm::function_ref<void(Value, Lanes)> body);
  void emitTile(Value start, int64_t firstOutput, int64_t width, int64_t rows, Value channel, Lanes lanes);
  void emitPixel(Value row, Value column, Value channel, Lanes lanes);
  Value inputAt(Value z, Value y, Value x, Value channel);
  Value filterAt(Value kd, Value kh, Value channel);
  Value loadInput(Value pointer, Value index, Lanes lanes);
  SmallVector<Value> accumulateRows(Value kd, Value z, Value start, int64_t firstOutput, int64_t width, int64_t rows,
                                    ValueRange sums, Value channel, Lanes lanes);
  SmallVector<Value> accumulateRow(Value inputRow, ArrayRef<Meeting> meetings, ArrayRef<Value> weights,
                                   int64_t firstOutput, int64_t width, ValueRange sums, Lanes lanes);
  void finishTile(ValueRange sums, int64_t width, Value start, Value channel, Lanes lanes);
  Value rowSumsOf(Value row);
  void clearRowSums(int64_t rows);
  void addToRow(Value row, Value sum, Value channel, Lanes lanes);
  /// A bit per pixel and tap: tiles with equal text run the same code.
  std::string tapsInside(int64_t start, int64_t width) const;

  KernelBuilder b;
  ConvSpec spec;
  const ConvGeometry &g = spec.geometry;
  DepthwiseTile tile;
  Type f32, element; ///< The second one is the input's.
  Value input, filter, channels, resultPitch;
  DirectEpilogue epilogue;

  // Where the emission is: the first row of the tile.
  Value plane, image, depth, height;
};

/// The number of the tile of rows that begins at or after `row`.
Value DepthwiseConv::rowTile(Value row) {
  Value inPlane = b.rem(row, g.out[1]);
  return b.add(b.mul(b.div(row, g.out[1]), llvm::divideCeil(g.out[1], tile.rows)),
               b.div(b.add(inPlane, tile.rows - 1), tile.rows));
}

void DepthwiseConv::emit() {
  int64_t tiles = llvm::divideCeil(g.out[1], tile.rows), rest = g.out[1] % tile.rows;
  b.loop(rowTile(b.begin()), rowTile(b.end()), 1, [&](Value index) {
    plane = b.div(index, tiles);
    image = b.div(plane, g.out[0]);
    depth = b.rem(plane, g.out[0]);
    height = b.mul(b.rem(index, tiles), tile.rows);
    if (rest == 0)
      return emitRows(tile.rows);
    b.ifThenElse(b.less(height, b.i64(g.out[1] - rest)), [&] { emitRows(tile.rows); }, [&] { emitRows(rest); });
  });
}

std::string DepthwiseConv::tapsInside(int64_t start, int64_t width) const {
  std::string text;
  for (int64_t i = 0; i < width; ++i)
    for (int64_t tap = 0; tap < g.kernel[2]; ++tap)
      text += g.inside(2, start + i, tap) ? '1' : '0';
  return text;
}

void DepthwiseConv::emitRows(int64_t rows) {
  SmallVector<int64_t> widths = cutIntoTiles(g.out[2], tile.pixels);
  int64_t start = 0;
  if (spec.rowSums)
    clearRowSums(rows);
  auto tileAt = [&](Value column, int64_t width) {
    emitChannels([&](Value channel, Lanes lanes) { emitTile(column, start, width, rows, channel, lanes); });
  };
  for (size_t i = 0, next; i < widths.size(); i = next) {
    int64_t width = widths[i], end = start + width;
    for (next = i + 1; next < widths.size() && tapsInside(end, widths[next]) == tapsInside(start, width); ++next)
      end += width;
    if (next == i + 1)
      tileAt(b.i64(start), width);
    else
      b.loop(b.i64(start), b.i64(end), width, [&](Value column) { tileAt(column, width); });
    start = end;
  }
  if (!b.target.maskedMemory)
    emitPixels(rows, b.sub(channels, b.rem(channels, b.target.vectorLanes)));
}

/// The whole vectors of channels, and where memory can be masked the rest too.
void DepthwiseConv::emitChannels(llvm::function_ref<void(Value, Lanes)> body) {
  int64_t lanes = b.target.vectorLanes;
  if (b.target.maskedMemory)
    b.loop(b.i64(0), channels, lanes,
           [&](Value channel) { body(channel, {lanes, b.maskOf(b.sub(channels, channel), lanes)}); });
  else
    b.loop(b.i64(0), b.sub(channels, b.rem(channels, lanes)), lanes,
           [&](Value channel) { body(channel, {lanes, nullptr}); });
}

/// The channels `from` on, less than a vector: little work, small code.
void DepthwiseConv::emitPixels(int64_t rows, Value from) {
  b.vectorTail(from, b.sub(channels, from), b.target.vectorLanes, [&](Value channel, Lanes lanes) {
    b.loop(height, b.add(height, rows), 1, [&](Value row) {
      b.loop(b.i64(0), b.i64(g.out[2]), 1, [&](Value column) { emitPixel(row, column, channel, lanes); });
    });
  });
}

Value DepthwiseConv::inputAt(Value z, Value y, Value x, Value channel) {
  Value inPlane = b.add(b.mul(image, g.in[0]), z);
  Value pixel = b.add(b.mul(b.add(b.mul(inPlane, g.in[1]), y), g.in[2]), x);
  return b.at(input, b.add(b.mul(pixel, channels), channel), element);
}

Value DepthwiseConv::loadInput(Value pointer, Value index, Lanes lanes) {
  Value value = b.load(element, pointer, index, lanes);
  return element == f32 ? value : arith::UIToFPOp::create(b, withLanes(f32, lanes.count), value);
}

Value DepthwiseConv::filterAt(Value kd, Value kh, Value channel) {
  Value tap = b.mul(b.add(b.mul(kd, g.kernel[1]), kh), g.kernel[2] * panelWidth);
  Value panel = b.mul(b.div(channel, panelWidth), g.taps() * panelWidth);
  return b.at(filter, b.add(b.add(panel, tap), b.rem(channel, panelWidth)), f32);
}

void DepthwiseConv::emitTile(Value start, int64_t firstOutput, int64_t width, int64_t rows, Value channel, Lanes lanes) {
  SmallVector<Value> sums(rows * width, b.constant(VectorType::get(lanes.count, f32), 0));
  Value column = b.add(b.mul(start, g.stride[2]), -g.pad[2]);
  sums = forEachTap(b, g, 0, depth, sums, [&](Value kd, Value z, ValueRange atDepth) {
    if (tile.unrolled)
      return accumulateRows(kd, z, column, firstOutput, width, rows, atDepth, channel, lanes);
    return forEachTap(b, g, 1, height, atDepth, [&](Value kh, Value y, ValueRange atRow) {
      return accumulateRow(inputAt(z, y, column, channel), Meeting{0, 0}, filterAt(kd, kh, channel), firstOutput, width,
                           atRow, lanes);
    });
  });
  finishTile(sums, width, start, channel, lanes);
}

void DepthwiseConv::finishTile(ValueRange sums, int64_t width, Value start, Value channel, Lanes lanes) {
  SmallVector<Value> ofChannels = epilogue.channelVectors(channel, lanes);
  Value pixel = b.add(b.mul(b.add(b.mul(plane, g.out[1]), height), g.out[2]), start);
  Value first = b.add(b.mul(pixel, resultPitch), channel);
  SmallVector<Value> rowSums(sums.size() / width);
  for (auto [i, sum] : llvm::enumerate(sums)) {
    int64_t row = i / width, column = i % width;
    Value stored = epilogue.finish(sum, ofChannels, b.add(first, b.mul(resultPitch, row * g.out[2] + column)), lanes);
    if (spec.rowSums)
      rowSums[row] = column ? arith::AddFOp::create(b, rowSums[row], stored).getResult() : stored;
  }
  if (spec.rowSums)
    for (auto [row, sum] : llvm::enumerate(rowSums))
      addToRow(b.add(height, row), sum, channel, lanes);
}

/// Where the sums of a row of this plane begin.
Value DepthwiseConv::rowSumsOf(Value row) {
  Value before = b.add(b.add(b.mul(plane, g.out[1]), row), g.outPixels());
  return b.at(epilogue.resultPointer(), b.mul(before, channels), f32);
}

void DepthwiseConv::clearRowSums(int64_t rows) {
  Value first = rowSumsOf(height);
  b.vectorLoop(b.i64(0), b.mul(channels, rows), b.target.vectorLanes, [&](Value index, Lanes lanes) {
    b.store(b.constant(withLanes(f32, lanes.count), 0), first, index, lanes);
  });
}

void DepthwiseConv::addToRow(Value row, Value sum, Value channel, Lanes lanes) {
  Value sums = rowSumsOf(row);
  b.store(arith::AddFOp::create(b, b.load(f32, sums, channel, lanes), sum), sums, channel, lanes);
}

/// All rows of the kernel, unrolled: the input rows that the tile sees, each for
/// all output rows that see it.
SmallVector<Value> DepthwiseConv::accumulateRows(Value kd, Value z, Value column, int64_t firstOutput, int64_t width,
                                                 int64_t rows, ValueRange current, Value channel, Lanes lanes) {
  std::map<int64_t, SmallVector<Meeting>> inputRows;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t tap = 0; tap < g.kernel[1]; ++tap)
      inputRows[row * g.stride[1] + tap * g.dilation[1] - g.pad[1]].push_back({row, tap});
  SmallVector<Value> sums(current), weights;
  for (int64_t tap = 0; tap < g.kernel[1]; ++tap)
    weights.push_back(filterAt(kd, b.i64(tap), channel));
  auto rowAt = [&](int64_t offset) { return b.add(b.mul(height, g.stride[1]), offset); };
  auto accumulate = [&](int64_t offset, ValueRange carried) {
    return accumulateRow(inputAt(z, rowAt(offset), column, channel), inputRows[offset], weights, firstOutput, width,
                         carried, lanes);
  };
  // Behind the last whole tile there may be one of fewer rows.
  int64_t lastHeight = g.out[1] - rows - (rows == tile.rows ? g.out[1] % rows : 0);
  auto isAlwaysInside = [&](int64_t offset) {
    return offset >= 0 && lastHeight * g.stride[1] + offset < g.in[1];
  };
  // Rows that may be padding come first: LLVM would move products of the others
  // behind the branches, and spill what they multiply.
  for (int64_t offset : llvm::make_first_range(inputRows)) {
    if (isAlwaysInside(offset))
      continue;
    Value y = rowAt(offset);
    Value exists = arith::AndIOp::create(b, b.less(b.i64(-1), y), b.less(y, b.i64(g.in[1])));
    sums = b.loop(b.i64(0), b.select(exists, b.i64(1), b.i64(0)), 1, sums,
                  [&](Value, ValueRange carried) { return accumulate(offset, carried); });
  }
  for (int64_t offset : llvm::make_first_range(inputRows))
    if (isAlwaysInside(offset))
      sums = accumulate(offset, sums);
  return sums;
}

/// One input row. `inputRow` is where tap 0 of the tile's first pixel would be,
/// `firstOutput` a tile of this kind, `weights` the rows of the kernel.
SmallVector<Value> DepthwiseConv::accumulateRow(Value inputRow, ArrayRef<Meeting> meetings, ArrayRef<Value> weights,
                                                int64_t firstOutput, int64_t width, ValueRange current, Lanes lanes) {
  SmallVector<Value> sums(current);
  llvm::SmallMapVector<int64_t, Value, 16> loaded;
  auto multiply = [&](const Meeting &meeting, int64_t tap) {
    Value weight = b.load(f32, weights[meeting.tap], b.i64(tap * panelWidth), {lanes.count});
    for (int64_t i = 0; i < width; ++i) {
      if (!g.inside(2, firstOutput + i, tap))
        continue;
      int64_t column = i * g.stride[2] + tap * g.dilation[2];
      Value &x = loaded[column], &sum = sums[meeting.outputRow * width + i];
      if (!x)
        x = loadInput(inputRow, b.mul(channels, column), lanes);
      sum = b.fma(x, weight, sum);
    }
  };
  // Taps a stride apart see the same columns: one after the other.
  for (int64_t phase = 0; phase < std::min(g.stride[2], g.kernel[2]); ++phase)
    for (int64_t tap = phase; tap < g.kernel[2]; tap += g.stride[2])
      for (const Meeting &meeting : meetings)
        multiply(meeting, tap);
  return sums;
}

void DepthwiseConv::emitPixel(Value row, Value column, Value channel, Lanes lanes) {
  SmallVector<Value> sums{b.constant(withLanes(f32, lanes.count), 0)};
  sums = forEachTap(b, g, 0, depth, sums, [&](Value kd, Value z, ValueRange atDepth) {
    return forEachTap(b, g, 1, row, atDepth, [&](Value kh, Value y, ValueRange atRow) {
      Value weights = filterAt(kd, kh, channel);
      return forEachTap(b, g, 2, column, atRow, [&](Value kw, Value x, ValueRange sum) {
        Value weight = b.load(f32, weights, b.mul(kw, panelWidth), lanes);
        Value value = loadInput(inputAt(z, y, x, channel), b.i64(0), lanes);
        return SmallVector<Value>{b.fma(value, weight, sum[0])};
      });
    });
  });
  Value pixel = b.add(b.mul(b.add(b.mul(plane, g.out[1]), row), g.out[2]), column);
  Value stored = epilogue.finish(sums[0], channel, b.add(b.mul(pixel, resultPitch), channel), lanes);
  if (spec.rowSums)
    addToRow(row, stored, channel, lanes);
}

} // namespace

SmallVector<TileShape> nestor::kernels::depthwiseTiles(const TargetInfo &target, const ConvSpec &spec) {
  DepthwiseTile table = tableTile(target, spec);
  SmallVector<TileShape> tiles{{table.rows, table.pixels}};
  // Fewer sums never need more registers.
  for (int64_t rows = table.rows; rows >= 1; --rows)
    for (int64_t pixels : {table.pixels, int64_t(7), table.pixels / 2})
      if (pixels <= table.pixels && !llvm::is_contained(tiles, TileShape{rows, pixels}))
        tiles.push_back({rows, pixels});
  return tiles;
}

LogicalResult nestor::kernels::emitDepthwiseConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec) {
  DepthwiseConv(func, target, spec).emit();
  return success();
}

//===- DepthwiseConv.cpp - One filter per channel -------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// For one vector of channels, a tile of pixels of an output row is kept in
// registers; a row of the kernel is unrolled, so that an input vector is loaded
// once for all pixels that see it. Bytes become floats where they are loaded:
// their sums stay below 2^24 and so are exact.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/ConvSpec.h"
#include "compiler/kernels/TileTable.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace nestor::kernels;

namespace {

class DepthwiseConv {
public:
  DepthwiseConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec)
      : b(func, target), spec(spec), g(spec.geometry), f32(b.getF32Type()),
        element(spec.epilogue.ofBytes ? Type(b.getI8Type()) : f32), input(b.arg(0)), filter(b.arg(1)),
        channels(b.param(0)), epilogue(b, this->spec.epilogue, f32, spec.epilogueArg()) {}

  void emit();

private:
  void emitRows(Value first, Value last, Value channel, Lanes lanes);
  void emitTiles(Value channel, Lanes lanes);
  void emitTile(Value start, int64_t firstOutput, int64_t width, Value channel, Lanes lanes);
  void emitPixel(Value column, Value channel, Lanes lanes);
  Value inputAt(Value z, Value y, Value x, Value channel);
  Value filterAt(Value kd, Value kh, Value channel);
  Value loadInput(Value pointer, Value index, Lanes lanes);
  SmallVector<Value> accumulateRow(Value inputRow, Value weights, int64_t firstOutput, int64_t width,
                                   ValueRange sums, Lanes lanes);
  /// A bit per pixel and tap: tiles with equal text run the same code.
  std::string tapsInside(int64_t start, int64_t width) const;

  KernelBuilder b;
  ConvSpec spec;
  const ConvGeometry &g = spec.geometry;
  Type f32, element; ///< The second one is the input's.
  Value input, filter, channels;
  DirectEpilogue epilogue;
  Value row, image, depth, height;
};

void DepthwiseConv::emit() {
  // Rows of a block stay in a near cache while the channels pass over them.
  constexpr int64_t blockFloats = 64 << 10;
  Value rowFloats = b.mul(channels, g.in[2] * g.stride[1]);
  Value block = b.max(b.div(b.i64(blockFloats), rowFloats), b.i64(1));
  b.loop(b.begin(), b.end(), block, {}, [&](Value first, ValueRange) {
    Value last = b.min(b.add(first, block), b.end());
    int64_t full = b.target.vectorLanes;
    if (b.target.maskedMemory)
      b.loop(b.i64(0), channels, full, [&](Value channel) {
        emitRows(first, last, channel, {full, b.maskOf(b.sub(channels, channel), full)});
      });
    else
      b.vectorLoop(b.i64(0), channels, full,
                   [&](Value channel, Lanes lanes) { emitRows(first, last, channel, lanes); });
    return SmallVector<Value>();
  });
}

void DepthwiseConv::emitRows(Value first, Value last, Value channel, Lanes lanes) {
  b.loop(first, last, 1, [&](Value index) {
    row = index;
    image = b.div(index, g.outRows());
    Value inImage = b.rem(index, g.outRows());
    depth = b.div(inImage, g.out[1]);
    height = b.rem(inImage, g.out[1]);
    // What is left of the channels after the last whole vector is little work:
    // small code for it.
    if (lanes.count < b.target.vectorLanes)
      b.loop(b.i64(0), b.i64(g.out[2]), 1, [&](Value column) { emitPixel(column, channel, lanes); });
    else
      emitTiles(channel, lanes);
  });
}

std::string DepthwiseConv::tapsInside(int64_t start, int64_t width) const {
  std::string text;
  for (int64_t i = 0; i < width; ++i)
    for (int64_t tap = 0; tap < g.kernel[2]; ++tap)
      text += g.inside(2, start + i, tap) ? '1' : '0';
  return text;
}

void DepthwiseConv::emitTiles(Value channel, Lanes lanes) {
  SmallVector<int64_t> widths = cutIntoTiles(g.out[2], depthwiseRows(b.target, g.kernel[2], g.stride[2]));
  int64_t start = 0;
  for (size_t i = 0, next; i < widths.size(); i = next) {
    int64_t width = widths[i], end = start + width;
    for (next = i + 1; next < widths.size() && tapsInside(end, widths[next]) == tapsInside(start, width); ++next)
      end += width;
    if (next == i + 1)
      emitTile(b.i64(start), start, width, channel, lanes);
    else
      b.loop(b.i64(start), b.i64(end), width,
             [&](Value column) { emitTile(column, start, width, channel, lanes); });
    start = end;
  }
}

Value DepthwiseConv::inputAt(Value z, Value y, Value x, Value channel) {
  Value plane = b.add(b.mul(image, g.in[0]), z);
  Value pixel = b.add(b.mul(b.add(b.mul(plane, g.in[1]), y), g.in[2]), x);
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

void DepthwiseConv::emitTile(Value start, int64_t firstOutput, int64_t width, Value channel, Lanes lanes) {
  SmallVector<Value> sums(width, b.constant(VectorType::get(lanes.count, f32), 0));
  sums = forEachTap(b, g, 0, depth, sums, [&](Value kd, Value z, ValueRange atDepth) {
    return forEachTap(b, g, 1, height, atDepth, [&](Value kh, Value y, ValueRange atRow) {
      Value column = b.add(b.mul(start, g.stride[2]), -g.pad[2]);
      return accumulateRow(inputAt(z, y, column, channel), filterAt(kd, kh, channel), firstOutput, width, atRow, lanes);
    });
  });
  Value pixel = b.add(b.mul(row, g.out[2]), start);
  for (auto [i, sum] : llvm::enumerate(sums)) {
    Value index = b.add(b.mul(b.add(pixel, i), channels), channel);
    epilogue.finish(sum, channel, index, lanes);
  }
}

/// One row of the kernel. `inputRow` is where tap 0 of the tile's first pixel
/// would be, `firstOutput` a tile of this kind.
SmallVector<Value> DepthwiseConv::accumulateRow(Value inputRow, Value weights, int64_t firstOutput, int64_t width,
                                                ValueRange current, Lanes lanes) {
  SmallVector<Value> sums(current);
  llvm::SmallMapVector<int64_t, Value, 16> loaded;
  for (int64_t tap = 0; tap < g.kernel[2]; ++tap) {
    Value weight = b.load(f32, weights, b.i64(tap * panelWidth), {lanes.count});
    for (int64_t i = 0; i < width; ++i) {
      if (!g.inside(2, firstOutput + i, tap))
        continue;
      int64_t column = i * g.stride[2] + tap * g.dilation[2];
      Value &x = loaded[column];
      if (!x)
        x = loadInput(inputRow, b.mul(channels, column), lanes);
      sums[i] = b.fma(x, weight, sums[i]);
    }
  }
  return sums;
}

void DepthwiseConv::emitPixel(Value column, Value channel, Lanes lanes) {
  SmallVector<Value> sums{b.constant(withLanes(f32, lanes.count), 0)};
  sums = forEachTap(b, g, 0, depth, sums, [&](Value kd, Value z, ValueRange atDepth) {
    return forEachTap(b, g, 1, height, atDepth, [&](Value kh, Value y, ValueRange atRow) {
      Value weights = filterAt(kd, kh, channel);
      return forEachTap(b, g, 2, column, atRow, [&](Value kw, Value x, ValueRange sum) {
        Value weight = b.load(f32, weights, b.mul(kw, panelWidth), lanes);
        Value value = loadInput(inputAt(z, y, x, channel), b.i64(0), lanes);
        return SmallVector<Value>{b.fma(value, weight, sum[0])};
      });
    });
  });
  Value pixel = b.add(b.mul(row, g.out[2]), column);
  epilogue.finish(sums[0], channel, b.add(b.mul(pixel, channels), channel), lanes);
}

} // namespace

LogicalResult nestor::kernels::emitDepthwiseConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec) {
  DepthwiseConv(func, target, spec).emit();
  return success();
}

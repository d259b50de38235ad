//===- DirectConv.cpp - Convolution straight from the tensor --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Tiles of output pixels x output channels stay in registers while taps and
// input channels go by:
//
//   for block of rows { for panels { for row { for tile {
//     sums = bias; for kd, kh { for taps of a row { for channel { fma } } }
//     epilogue } } } }
//
// Padding is skipped, not read: depth and height clip the range of taps, and a
// tile at the left or right edge runs each tap for the pixels that have it.
// Where the taps of a kernel row lie side by side in memory (no dilation, one
// group) they are one loop of kernel width * channels. A filter in shells adds
// a loop over runs of channels around the taps; see NestedFilter.h.
//
// Planes of an input whose channels come first are a few channels, known when the
// code is made, and are gone through tap by tap.
//
// A convolution of bytes is one of words here: four inputs are one channel, and
// only the innermost loop and the epilogue know better.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/ConvSpec.h"
#include "compiler/kernels/MicroKernel.h"
#include "compiler/kernels/QuantMicroKernel.h"
#include "compiler/kernels/TileTable.h"

using namespace mlir;
using namespace nestor::kernels;

namespace {

Tile tableTile(const TargetInfo &target, const ConvSpec &spec) {
  auto choose = spec.epilogue.ofBytes ? quantTile : matmulTile;
  return choose(target, spec.geometry.out[2], spec.narrow, spec.aliased);
}

Tile tileFor(const TargetInfo &target, const ConvSpec &spec) {
  return chosenTile(spec.tiles, target, tableTile(target, spec));
}

/// Consecutive taps of a kernel row that the same pixels of a tile have.
struct Segment {
  int64_t tap, count;
  SmallVector<int64_t> rows;
  bool operator==(const Segment &other) const {
    return tap == other.tap && count == other.count && rows == other.rows;
  }
};

/// Tiles side by side that run the same code.
struct TileRun {
  int64_t start, width, count;
  SmallVector<Segment> segments;
};

class DirectConv {
public:
  DirectConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec)
      : b(func, target), spec(spec), g(spec.geometry),
        tile(tileFor(target, spec)), input(b.arg(0)), filter(b.arg(1)) {
    if (spec.nesting.shells) {
      nested.emplace(b, func, spec.nesting, spec.filter, g.taps(), tile.panels);
      inputs = nested->inputs(), outputs = b.param(0), panels = nested->panels();
    } else {
      inputs = b.param(0), outputs = b.param(1), panels = b.param(2);
    }
    groups = spec.grouped ? b.param(3) : b.i64(1);
    pixelStride = spec.planes ? b.i64(1) : b.mul(inputs, groups);
    Value resultPitch = spec.resultPitch(b, b.mul(outputs, groups));
    epilogue.emplace(b, this->spec.epilogue, spec.epilogueArg(), resultPitch, tile.rows, tile.panels);
    planTiles();
  }

  void emit() {
    b.loop(b.i64(0), groups, 1, [&](Value index) {
      group = index;
      switch (spec.grain) {
      case ConvGrain::Rows:
        return emitRowRange();
      case ConvGrain::Pixels:
        return emitPixelRange();
      case ConvGrain::Panels:
        return emitPanelRange();
      }
    });
  }

private:
  void planTiles();
  SmallVector<Segment> segmentsOf(int64_t start, int64_t width) const;

  void emitRowRange();
  void emitPixelRange();
  void emitPanelRange();
  Value blockLength(int64_t pixelsPerUnit);
  void emitPanels(Value first, Value last, llvm::function_ref<void()> body);
  void emitRows(Value first, Value last);
  void emitRun(const TileRun &run);
  void emitTile(const TileRun &run, Value start);
  SmallVector<Value> forEachRun(ValueRange sums, NestedFilter::Body body);
  bool fetchesAhead() const;
  Value distanceAhead(const ChannelRun &channels);
  SmallVector<Value> accumulateTap(ArrayRef<int64_t> rows, ValueRange sums, Value pixel, ArrayRef<Value> weights);
  SmallVector<Value> accumulateRow(const TileRun &run, const ChannelRun &channels, Value start, Value inputRow,
                                   Value tapRow, ValueRange sums);

  KernelBuilder b;
  ConvSpec spec;
  const ConvGeometry &g = spec.geometry;
  Tile tile;
  Value input, filter;
  Value inputs, outputs, panels, groups, pixelStride;
  std::optional<NestedFilter> nested;
  std::optional<PanelEpilogue> epilogue;
  SmallVector<TileRun> runs;

  // Where the emission is.
  Value group, panelPointer, panelStride;
  Value image, depth, height, row;
};

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

SmallVector<Segment> DirectConv::segmentsOf(int64_t start, int64_t width) const {
  SmallVector<Segment> segments;
  for (int64_t tap = 0; tap < g.kernel[2]; ++tap) {
    SmallVector<int64_t> rows;
    for (int64_t i = 0; i < width; ++i)
      if (g.inside(2, start + i, tap))
        rows.push_back(i);
    if (rows.empty())
      continue;
    if (!segments.empty() && segments.back().rows == rows && segments.back().tap + segments.back().count == tap)
      ++segments.back().count;
    else
      segments.push_back({tap, 1, rows});
  }
  return segments;
}

void DirectConv::planTiles() {
  int64_t start = 0;
  for (int64_t width : cutIntoTiles(g.out[2], tile.rows)) {
    SmallVector<Segment> segments = segmentsOf(start, width);
    if (!runs.empty() && runs.back().width == width && runs.back().segments == segments)
      ++runs.back().count;
    else
      runs.push_back({start, width, 1, std::move(segments)});
    start += width;
  }
}

//===----------------------------------------------------------------------===//
// Loops around the tiles
//===----------------------------------------------------------------------===//

/// Units (rows or pixels) of a block: with few weights, so many that their
/// input stays in a near cache while all panels pass over it; with more weights
/// than such a cache holds, all, since then the panels should be read once.
Value DirectConv::blockLength(int64_t pixelsPerUnit) {
  constexpr int64_t blockFloats = 64 << 10, nearBytes = 512 << 10;
  Value floats = b.mul(b.mul(b.add(inputs, outputs), groups), pixelsPerUnit);
  Value weights = b.mul(b.mul(panels, inputs), spec.weightBytes());
  Value block = b.max(b.div(b.i64(blockFloats), floats), b.i64(1));
  return b.select(b.less(b.i64(nearBytes), weights), b.i64(1 << 30), block);
}

void DirectConv::emitRowRange() {
  Value block = blockLength(std::max(g.out[2], g.in[2] * g.stride[1]));
  b.loop(b.begin(), b.end(), block, {}, [&](Value first, ValueRange) {
    Value last = b.min(b.add(first, block), b.end());
    emitPanels(b.i64(0), panels, [&] { emitRows(first, last); });
    return SmallVector<Value>();
  });
}

void DirectConv::emitPixelRange() {
  // Tiles that differ from the others lie at the end and go together.
  const TileRun &main = runs.front();
  int64_t mainEnd = main.count * main.width;
  Value width = b.i64(main.width);
  auto tileEdge = [&](Value pixel) {
    Value rounded = b.min(b.mul(b.div(b.add(pixel, main.width - 1), width), width), b.i64(g.out[2]));
    return b.select(b.less(b.i64(mainEnd), rounded), b.i64(g.out[2]), rounded);
  };
  Value begin = tileEdge(b.begin()), end = tileEdge(b.end());
  Value block = b.mul(b.max(b.div(blockLength(1), width), b.i64(1)), width);
  image = depth = height = row = b.i64(0);
  b.loop(begin, end, block, {}, [&](Value first, ValueRange) {
    Value last = b.min(b.add(first, block), end);
    emitPanels(b.i64(0), panels, [&] {
      b.loop(first, b.min(last, b.i64(mainEnd)), main.width, [&](Value start) { emitTile(main, start); });
      if (runs.size() == 1)
        return;
      // The block that reaches the end of the tensor has the tiles left over.
      b.ifThen(b.equal(last, b.i64(g.out[2])), [&] {
        for (const TileRun &run : ArrayRef<TileRun>(runs).drop_front())
          emitRun(run);
      });
    });
    return SmallVector<Value>();
  });
}

void DirectConv::emitPanelRange() {
  Value begin = b.min(b.roundUp(b.begin(), tile.panels), panels);
  Value end = b.min(b.roundUp(b.end(), tile.panels), panels);
  emitPanels(begin, end, [&] { emitRows(b.i64(0), b.i64(g.batch * g.outRows())); });
}

/// Goes over panels [first, last), as many at a time as a tile has.
void DirectConv::emitPanels(Value first, Value last, llvm::function_ref<void()> body) {
  panelStride = b.mul(inputs, g.taps() * panelWidth);
  Value groupPointer = b.at(filter, b.mul(b.mul(group, panels), panelStride), spec.filter);
  forEachPanels(b, first, last, outputs, tile.panels, [&](Value panel, int64_t count) {
    Value channel = b.mul(panel, panelWidth), left = b.sub(outputs, channel);
    if (nested)
      nested->enterPanels(panel, count);
    else
      panelPointer = b.at(groupPointer, b.mul(panel, panelStride), spec.filter);
    auto compute = [&](bool half) {
      epilogue->enterPanels(b.add(b.mul(group, outputs), channel), left, count, half);
      body();
    };
    if (count > 1 || !spec.halfPanel)
      compute(/*half=*/false);
    else
      b.ifThenElse(b.less(b.i64(panelWidth / 2), left), [&] { compute(/*half=*/false); },
                   [&] { compute(/*half=*/true); });
  });
}

void DirectConv::emitRows(Value first, Value last) {
  b.loop(first, last, 1, [&](Value index) {
    row = index;
    image = b.div(index, g.outRows());
    Value inImage = b.rem(index, g.outRows());
    depth = b.div(inImage, g.out[1]);
    height = b.rem(inImage, g.out[1]);
    for (const TileRun &run : runs)
      emitRun(run);
  });
}

void DirectConv::emitRun(const TileRun &run) {
  if (run.count == 1)
    return emitTile(run, b.i64(run.start));
  b.loop(b.i64(run.start), b.i64(run.start + run.count * run.width), run.width,
         [&](Value start) { emitTile(run, start); });
}

//===----------------------------------------------------------------------===//
// One tile
//===----------------------------------------------------------------------===//

/// Without shells all channels are one run.
SmallVector<Value> DirectConv::forEachRun(ValueRange sums, NestedFilter::Body body) {
  if (nested)
    return nested->forEachRun(sums, body);
  int64_t count = epilogue->panelCount();
  ChannelRun all{inputs, b.mul(group, inputs), PanelsOperand{panelPointer, panelStride, spec.filter}.panels(b, count),
                 SmallVector<Value>(count, b.mul(inputs, panelWidth))};
  return body(all, sums);
}

void DirectConv::emitTile(const TileRun &run, Value start) {
  SmallVector<Value> sums = forEachRun(epilogue->start(run.width), [&](const ChannelRun &channels, ValueRange inRun) {
    return forEachTap(b, g, 0, depth, inRun, [&](Value kd, Value z, ValueRange atDepth) {
      return forEachTap(b, g, 1, height, atDepth, [&](Value kh, Value y, ValueRange atRow) {
        Value plane = b.add(b.mul(image, g.in[0] * std::max<int64_t>(spec.planes, 1)), z);
        Value inputRow = b.mul(b.add(b.mul(plane, g.in[1]), y), g.in[2]);
        Value tapRow = b.mul(b.add(b.mul(kd, g.kernel[1]), kh), g.kernel[2]);
        return accumulateRow(run, channels, start, inputRow, tapRow, atRow);
      });
    });
  });
  epilogue->finish(sums, run.width, b.add(b.mul(row, g.out[2]), start));
}

/// With few pixels there is little time until the next panels are read, and
/// processors do not look ahead across pages.
bool DirectConv::fetchesAhead() const { return g.outPixels() <= 512 && tile.rows > 1; }

/// From the weights at hand to those of the next panels. Long panels keep the
/// processor's own prefetching busy: there it is 0, the weights themselves.
Value DirectConv::distanceAhead(const ChannelRun &channels) {
  constexpr int64_t longDepth = 512;
  Value depthOfPanel = b.mul(inputs, g.taps());
  Value distance = b.mul(channels.tapStride.front(), g.taps() * epilogue->panelCount());
  return b.select(b.less(depthOfPanel, b.i64(longDepth)), distance, b.i64(0));
}

/// One tap in all planes of the input.
SmallVector<Value> DirectConv::accumulateTap(ArrayRef<int64_t> rows, ValueRange current, Value pixel,
                                             ArrayRef<Value> weights) {
  SmallVector<Value> sums(current);
  int64_t plane = g.in[0] * g.in[1] * g.in[2];
  for (int64_t channel = 0; channel < spec.planes; ++channel) {
    SmallVector<Value> ofChannel;
    for (Value pointer : weights)
      ofChannel.push_back(b.at(pointer, b.i64(channel * panelWidth), spec.filter));
    Value lhs = b.at(input, b.add(pixel, channel * plane), b.getF32Type());
    sums = accumulate(b, sums, rows, epilogue->vectors(), epilogue->lanes(), {lhs, b.i64(g.stride[2]), b.i64(0)},
                      ofChannel, b.i64(1), /*ahead=*/{}, spec.filter);
  }
  return sums;
}

/// The taps of one kernel row. `inputRow` is the number of the input row's
/// first pixel, `tapRow` that of its first tap.
SmallVector<Value> DirectConv::accumulateRow(const TileRun &run, const ChannelRun &channels, Value start,
                                             Value inputRow, Value tapRow, ValueRange carried) {
  SmallVector<Value> sums(carried);
  Type f32 = b.getF32Type();
  Value rowStride = b.mul(pixelStride, g.stride[2]);
  Value first = b.add(b.add(inputRow, b.mul(start, g.stride[2])), -g.pad[2]);
  Value ahead = fetchesAhead() ? distanceAhead(channels) : Value();
  auto taps = [&](Value tap, Value depthCount, ArrayRef<int64_t> rows, ValueRange current) {
    Value pixel = b.add(first, b.mul(tap, g.dilation[2]));
    SmallVector<Value> rhs;
    for (auto [pointer, stride] : llvm::zip(channels.panels, channels.tapStride))
      rhs.push_back(b.at(pointer, b.mul(b.add(tapRow, tap), stride), spec.filter));
    if (spec.planes)
      return accumulateTap(rows, current, pixel, rhs);
    Value lhs = b.at(input, b.add(b.mul(pixel, pixelStride), channels.first), f32);
    if (spec.epilogue.ofBytes)
      return accumulateBytes(b, SmallVector<Value>(current), rows, epilogue->vectors(), epilogue->lanes(),
                             {lhs, rowStride, b.i64(1)}, rhs, depthCount);
    return accumulate(b, SmallVector<Value>(current), rows, epilogue->vectors(), epilogue->lanes(),
                      {lhs, rowStride, b.i64(1)}, rhs, depthCount, ahead, spec.filter);
  };
  // The taps of a row are one run if they lie side by side and the run has all
  // channels of the pixels, which filters in shells know at run time only.
  bool besideEachOther = g.dilation[2] == 1 && !spec.grouped && !spec.planes;
  bool known = !nested || spec.nesting.wholeInputs;
  for (const Segment &segment : run.segments) {
    Value count = b.i64(segment.count), length = channels.count;
    if (besideEachOther && known) {
      length = b.mul(length, count), count = b.i64(1);
    } else if (besideEachOther) {
      Value whole = b.equal(channels.count, pixelStride);
      length = b.select(whole, b.mul(length, count), length), count = b.select(whole, b.i64(1), count);
    }
    if (segment.count == 1 || (besideEachOther && known))
      sums = taps(b.i64(segment.tap), length, segment.rows, sums);
    else
      sums = b.loop(b.i64(segment.tap), b.add(count, segment.tap), 1, sums,
                    [&](Value tap, ValueRange current) { return taps(tap, length, segment.rows, current); });
  }
  return sums;
}

} // namespace

SmallVector<TileShape> nestor::kernels::directTiles(const TargetInfo &target, const ConvSpec &spec) {
  return tilesBeside(tableTile(target, spec), target, spec.geometry.out[2], spec.narrow, INT64_MAX);
}

int64_t nestor::kernels::panelsTogether(const TargetInfo &target, const ConvSpec &spec) {
  return tileFor(target, spec).panels;
}

LogicalResult nestor::kernels::emitDirectConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec) {
  DirectConv(func, target, spec).emit();
  return success();
}

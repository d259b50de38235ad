//===- Strassen.cpp - Pointwise convolutions by Strassen's algorithm ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Spans of channels that are not whole, and tiles that lack pixels, go through
// zero-padded memory on the stack, so that one code transforms all of them.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Strassen.h"
#include "compiler/kernels/TransformedConv.h"
#include "compiler/kernels/WinogradTransform.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;
using nestor::nest::Strassen;

static_assert(Strassen::run == panelWidth, "a run of outputs is a panel");

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

TransformedTiles ConvSpec::strassenTiles() const {
  int64_t count = llvm::divideCeil(geometry.outPixels(), Strassen::ways);
  return {Strassen::positions, count, tileBlock};
}

void nestor::kernels::planStrassen(ConvSpec &spec, int64_t inputs, int64_t outputs) {
  spec.strassen = true;
  int64_t packedOutputs = Strassen::packedChannels(outputs);
  spec.narrow = packedOutputs <= panelWidth;
  TransformedTiles tiles = spec.strassenTiles();
  planTransformed(spec, tiles.positions, tiles.count, /*share=*/1, Strassen::packedChannels(inputs), packedOutputs);
  // As many blocks for one of two threads as for the other: there are few.
  if (spec.grain == ConvGrain::Rows)
    spec.tileBlock = llvm::divideCeil(tiles.count, llvm::alignTo(spec.strassenTiles().blocks(), 2));
}

static LogicalResult emitInput(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec);

/// The first step as a call of its own.
static KernelCall inputCall(const ConvSpec &spec, int64_t inputs) {
  TransformedTiles tiles = spec.strassenTiles();
  int64_t floats = tiles.positions * tiles.block, pixels = spec.geometry.inPixels();
  KernelCall call;
  call.spec.name = kernelName("strassen_input", std::to_string(pixels) + ',' + std::to_string(tiles.block));
  call.spec.signature = "strassen input " + spec.geometry.describe();
  call.spec.args = {{{{4 * pixels, {1}}}, /*written=*/false, 4},
                    {{{4 * floats * TransformedTiles::rowPadding, {}}, {4 * floats, {0}}}, /*written=*/true, 64}};
  call.spec.params.assign(2, {1, int64_t(1) << 31});
  call.spec.grains = {{tiles.block, {}}};
  call.spec.emit = [spec](func::FuncOp func, const TargetInfo &target) { return emitInput(func, target, spec); };
  call.args = {{CallArg::Operand, 0}, {CallArg::Scratch}};
  call.params = {Strassen::packedChannels(inputs), inputs};
  return call;
}

void nestor::kernels::finishStrassenCalls(const ConvSpec &spec, int64_t inputs, SmallVectorImpl<KernelCall> &calls) {
  finishTransformedCalls(spec, spec.strassenTiles(), Strassen::packedChannels(inputs), inputCall(spec, inputs), calls);
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

namespace {

/// Runs `body` for the vectors of a run of channels.
void forEachVector(KernelBuilder &b, llvm::function_ref<void(Value, Lanes)> body) {
  int64_t lanes = b.target.vectorLanes;
  b.loop(b.i64(0), b.i64(Strassen::run), lanes, [&](Value first) { body(first, {lanes}); });
}

/// Where a block begins in a tile whose pixels are `rowStride` floats apart.
Value placeOf(KernelBuilder &b, int64_t block, Value rowStride) {
  return b.add(b.mul(rowStride, block / Strassen::ways), block % Strassen::ways * Strassen::run);
}

/// Transforms tiles of the input, [pixels, channels], to [position][tile][channel].
class InputTransform {
public:
  /// `inputs`: channels of a position.
  InputTransform(KernelBuilder &builder, const ConvSpec &spec, Value input, Value inputs, Value channels)
      : b(builder), tiles(spec.strassenTiles()), pixels(spec.geometry.inPixels()), matrix(b, Strassen::input()),
        input(input), channels(channels), spans(b.div(inputs, Strassen::run)),
        rowFloats(b.add(inputs, TransformedTiles::rowPadding)),
        padded(b.stack(b.getF32Type(), Strassen::ways * Strassen::span)) {}

  Value tileStride() const { return rowFloats; }
  /// `to` is the place of the tile's first position.
  void emitTile(Value tile, Value to);

private:
  void copyPadded(Value from, Value rows, Value count);
  void emitSpan(Value from, Value rowStride, Value to);

  KernelBuilder &b;
  TransformedTiles tiles;
  int64_t pixels;
  ConstantMatrix matrix;
  Value input, channels, spans, rowFloats;
  Value padded; ///< A tile of a span of channels.
};

void InputTransform::emitTile(Value tile, Value to) {
  Type f32 = b.getF32Type();
  Value pixel = b.mul(tile, Strassen::ways), rows = b.min(b.sub(b.i64(pixels), pixel), b.i64(Strassen::ways));
  Value origin = b.at(input, b.mul(pixel, channels), f32);
  Value whole = b.min(b.div(channels, Strassen::span), spans);
  if (pixels % Strassen::ways)
    whole = b.select(b.less(rows, b.i64(Strassen::ways)), b.i64(0), whole);
  auto place = [&](Value span) { return b.at(to, b.mul(span, Strassen::run), f32); };
  b.loop(b.i64(0), whole, 1, [&](Value span) {
    emitSpan(b.at(origin, b.mul(span, Strassen::span), f32), channels, place(span));
  });
  b.loop(whole, spans, 1, [&](Value span) {
    Value first = b.mul(span, Strassen::span);
    copyPadded(b.at(origin, first, f32), rows, b.min(b.sub(channels, first), b.i64(Strassen::span)));
    emitSpan(padded, b.i64(Strassen::span), place(span));
  });
}

/// `count` channels of `rows` pixels, and zeros beyond them.
void InputTransform::copyPadded(Value from, Value rows, Value count) {
  Type f32 = b.getF32Type();
  b.loop(b.i64(0), b.i64(Strassen::ways), 1, [&](Value row) {
    Value present = b.select(b.less(row, rows), b.max(count, b.i64(0)), b.i64(0));
    Value source = b.at(from, b.mul(row, channels), f32), target = b.at(padded, b.mul(row, Strassen::span), f32);
    b.vectorLoop(b.i64(0), present, b.target.vectorLanes, [&](Value channel, Lanes lanes) {
      b.store(b.load(f32, source, channel, lanes), target, channel, lanes);
    });
    b.loop(present, b.i64(Strassen::span), 1,
           [&](Value channel) { b.store(b.constant(f32, 0), target, channel); });
  });
}

void InputTransform::emitSpan(Value from, Value rowStride, Value to) {
  Type f32 = b.getF32Type();
  Value positionStride = b.mul(rowFloats, tiles.block);
  forEachVector(b, [&](Value vector, Lanes lanes) {
    SmallVector<Value> blocks;
    for (int64_t block = 0; block < Strassen::blocks; ++block)
      blocks.push_back(b.load(f32, from, b.add(vector, placeOf(b, block, rowStride)), lanes));
    for (auto [position, sum] : llvm::enumerate(matrix.apply(blocks)))
      b.store(sum, to, b.add(vector, b.mul(positionStride, position)), lanes);
  });
}

/// Transforms products, [position][tile][outputs of a group], back and finishes them.
class OutputTransform {
public:
  OutputTransform(KernelBuilder &builder, const ConvSpec &spec, Value outputs)
      : b(builder), tiles(spec.strassenTiles()), pixels(spec.geometry.outPixels()), matrix(b, Strassen::output()),
        outputs(outputs), resultPitch(spec.resultPitch(b, outputs)),
        epilogue(builder, spec.epilogue, builder.getF32Type(), spec.epilogueArg()),
        result(b.stack(b.getF32Type(), Strassen::ways * Strassen::span)) {}

  /// `from` is the place of the tile's first product with panel number `panel`; the
  /// group has `count` panels.
  void emitTile(Value tile, Value from, Value panel, int64_t count);

private:
  void emitSpan(Value from, int64_t positionStride);
  void finish(Value tile, Value channel);

  KernelBuilder &b;
  TransformedTiles tiles;
  int64_t pixels;
  ConstantMatrix matrix;
  Value outputs, resultPitch;
  DirectEpilogue epilogue;
  Value result; ///< A tile of a span of outputs.
};

void OutputTransform::emitTile(Value tile, Value from, Value panel, int64_t count) {
  b.loop(b.i64(0), b.i64(count), 1, [&](Value i) {
    emitSpan(b.at(from, b.mul(i, panelWidth), b.getF32Type()), tiles.block * count * panelWidth);
    finish(tile, b.mul(b.add(panel, i), Strassen::span));
  });
}

void OutputTransform::emitSpan(Value from, int64_t positionStride) {
  Type f32 = b.getF32Type();
  forEachVector(b, [&](Value vector, Lanes lanes) {
    SmallVector<Value> products;
    for (int64_t position = 0; position < Strassen::positions; ++position)
      products.push_back(b.load(f32, from, b.add(vector, position * positionStride), lanes));
    for (auto [block, value] : llvm::enumerate(matrix.apply(products)))
      b.store(value, result, b.add(vector, placeOf(b, block, b.i64(Strassen::span))), lanes);
  });
}

void OutputTransform::finish(Value tile, Value channel) {
  Value pixel = b.mul(tile, Strassen::ways), rows = b.min(b.sub(b.i64(pixels), pixel), b.i64(Strassen::ways));
  Value left = b.min(b.sub(outputs, channel), b.i64(Strassen::span));
  b.loop(b.i64(0), rows, 1, [&](Value row) {
    Value index = b.add(b.mul(b.add(pixel, row), resultPitch), channel);
    Value from = b.at(result, b.mul(row, Strassen::span), b.getF32Type());
    b.vectorLoop(b.i64(0), left, b.target.vectorLanes, [&](Value output, Lanes lanes) {
      Value value = b.load(b.getF32Type(), from, output, {lanes.count});
      epilogue.finish(value, b.add(channel, output), b.add(index, output), lanes);
    });
  });
}

class StrassenConv final : public TransformedConv {
public:
  StrassenConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec)
      : TransformedConv(func, target, spec, spec.strassenTiles()), output(b, this->spec, outputs) {
    if (spec.grain != ConvGrain::Panels)
      input.emplace(b, this->spec, b.arg(0), inputs, b.param(spec.channelsParam()));
    outputs = b.mul(panels, panelWidth); // From here on packed ones: what panels hold of the products.
  }

private:
  void emitInput(Value tile, Value to) override { input->emitTile(tile, to); }
  void emitOutput(Value tile, Value from, Value panel, int64_t count) override {
    output.emitTile(tile, from, panel, count);
  }

  OutputTransform output;
  std::optional<InputTransform> input;
};

} // namespace

static LogicalResult emitInput(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec) {
  KernelBuilder b(func, target);
  InputTransform input(b, spec, b.arg(0), b.param(0), b.param(1));
  Value transformed = b.arg(1);
  b.loop(b.begin(), b.end(), 1, [&](Value tile) {
    input.emitTile(tile, b.at(transformed, b.mul(tile, input.tileStride()), b.getF32Type()));
  });
  return success();
}

LogicalResult nestor::kernels::emitStrassenConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &spec) {
  StrassenConv(func, target, spec).emit();
  return success();
}

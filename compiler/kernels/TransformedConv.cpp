//===- TransformedConv.cpp - Convolutions in transformed tiles ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/TransformedConv.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor::kernels;

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

/// Up to so many tiles are one block.
static constexpr int64_t fewTiles = 64;
/// With as few panels as go together threads share those tiles instead.
static constexpr int64_t leastShare = 8, mostShares = 2;
/// The transformed input of a block takes about so much of a near cache, but a
/// block has enough tiles to be worth reading the weights for.
static constexpr int64_t blockBytes = 512 << 10, leastTiles = 28, mostTiles = 112;
/// Parts into which the work can be cut; each has its memory between the steps.
static constexpr int64_t mostGrains = 12;

int64_t TransformedTiles::grains() const { return std::min(blocks(), mostGrains); }

void nestor::kernels::planTransformed(ConvSpec &spec, int64_t positions, int64_t count, int64_t share, int64_t inputs,
                                      int64_t outputs) {
  spec.tileBlock = count;
  spec.grain = ConvGrain::Panels;
  int64_t blocks = 1;
  if (count * share <= fewTiles) {
    // Panels of one group cannot be shared out.
    if (outputs <= TransformedTiles::groupOutputs)
      blocks = std::clamp<int64_t>(count / leastShare, 1, mostShares);
    if (blocks == 1)
      return;
  } else {
    int64_t tileBytes = 4 * positions * (inputs + TransformedTiles::rowPadding);
    int64_t most = std::clamp(blockBytes / tileBytes, leastTiles / share, mostTiles);
    blocks = llvm::divideCeil(count, most);
  }
  // Of about the same size.
  spec.tileBlock = llvm::divideCeil(count, blocks);
  spec.grain = ConvGrain::Rows;
}

int64_t nestor::kernels::panelsOfGroup(const ConvSpec &spec) {
  return spec.narrow ? 1 : TransformedTiles::groupOutputs / panelWidth;
}

/// Bytes of transformed inputs, of which there are `floats` for each channel.
static Polynomial transformedBytes(const ConvSpec &spec, int64_t floats) {
  Polynomial bytes{{4 * floats * TransformedTiles::rowPadding, {}}};
  const Nesting &nesting = spec.nesting;
  if (!nesting.shells)
    bytes.push_back({4 * floats, {0}});
  for (unsigned shell = 0; nesting.shells && shell < nesting.inputShells(); ++shell)
    for (unsigned part = 0; part < nesting.parts; ++part)
      bytes.push_back({4 * floats, {nesting.inputs(part, shell)}});
  return bytes;
}

void nestor::kernels::finishTransformedCalls(const ConvSpec &spec, const TransformedTiles &tiles, int64_t inputs,
                                             KernelCall inputCall, SmallVectorImpl<KernelCall> &calls) {
  int64_t floats = tiles.positions * tiles.block, productBytes = 4 * floats * TransformedTiles::groupOutputs;
  int64_t inputBytes = 4 * floats * (inputs + TransformedTiles::rowPadding);
  enum { Between, Products };
  if (spec.grain == ConvGrain::Rows) {
    // Each grain has memory for a block.
    int64_t bytes = tiles.grains() * (inputBytes + productBytes);
    for (KernelCall &call : calls) {
      Polynomial extent = transformedBytes(spec, floats * tiles.grains());
      extent.push_back({tiles.grains() * productBytes, {}});
      call.spec.args.push_back({std::move(extent), /*written=*/true, 64});
      call.args.push_back({CallArg::Scratch, Between, 0, bytes});
      call.spec.grains = {{tiles.grains(), {}}};
    }
    return;
  }
  CallArg transformed{CallArg::Scratch, Between, 0, inputBytes};
  int64_t mostPanels = 0;
  for (KernelCall &call : calls)
    mostPanels = std::max(mostPanels, evaluatePolynomial(call.spec.grains, call.params));
  for (KernelCall &call : calls) {
    call.spec.args.front() = {transformedBytes(spec, floats), /*written=*/false, 64};
    call.args.front() = transformed;
    // Each panel has memory for its products.
    Polynomial extent = call.spec.grains;
    for (Term &term : extent)
      term.coefficient *= 4 * floats * panelWidth;
    call.spec.args.push_back({std::move(extent), /*written=*/true, 64});
    call.args.push_back({CallArg::Scratch, Products, 0, mostPanels * 4 * floats * panelWidth});
  }
  inputCall.args[1] = transformed;
  calls.insert(calls.begin(), std::move(inputCall));
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

/// From here on no vector register has a value from before: what the transforms
/// need again, such as the zero of an activation, waits in memory and not in a
/// register that the products need.
static void releaseVectors(KernelBuilder &b) {
  std::string clobbers;
  for (int64_t i = 0; i < b.target.vectorRegisters; ++i)
    clobbers += (i ? ",~{" : "~{") + std::string(b.target.arch == "x86_64" ? "xmm" : "v") + std::to_string(i) + "}";
  LLVM::InlineAsmOp::create(b, TypeRange(), ValueRange(), "", clobbers, /*has_side_effects=*/true,
                            /*is_align_stack=*/false, LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
}

static Tile tableTile(const TargetInfo &target, const ConvSpec &spec) {
  Tile tile = matmulTile(target, spec.tileBlock, spec.narrow, /*aliased=*/false);
  return {tile.rows, std::min(tile.panels, panelsOfGroup(spec))};
}

SmallVector<TileShape> nestor::kernels::transformedConvTiles(const TargetInfo &target, const ConvSpec &spec) {
  return tilesBeside(tableTile(target, spec), target, spec.tileBlock, spec.narrow, panelsOfGroup(spec));
}

TransformedConv::TransformedConv(func::FuncOp func, const TargetInfo &target, const ConvSpec &convSpec,
                                 const TransformedTiles &tiles)
    : b(func, target), spec(convSpec), tiles(tiles), tile(chosenTile(spec.tiles, target, tableTile(target, spec))),
      group(panelsOfGroup(spec)), filter(b.arg(1)) {
  if (spec.nesting.shells) {
    nested.emplace(b, func, spec.nesting, spec.filter, spec.taps(), group);
    inputs = nested->inputs(), outputs = b.param(0), panels = nested->panels();
  } else {
    inputs = b.param(0), outputs = b.param(1), panels = b.param(2);
  }
  rowFloats = b.add(inputs, TransformedTiles::rowPadding);
}

/// Behind the epilogue's arguments and the result.
unsigned TransformedConv::betweenArg() const {
  const EpilogueSpec &e = spec.epilogue;
  return spec.epilogueArg() + e.scale + e.bias + e.extras.size() + 1;
}

void TransformedConv::emitPanelRange() {
  Value begin = b.min(b.roundUp(b.begin(), group), panels);
  Value end = b.min(b.roundUp(b.end(), group), panels);
  int64_t floats = tiles.positions * tiles.block;
  transformed = b.arg(0);
  products = b.at(b.arg(betweenArg()), b.mul(begin, floats * panelWidth), b.getF32Type());
  emitPanels(begin, end, b.i64(0), b.i64(tiles.count));
}

void TransformedConv::emitBlockRange() {
  int64_t floats = tiles.positions * tiles.block;
  Value grainFloats = b.mul(b.add(rowFloats, TransformedTiles::groupOutputs), floats);
  transformed = b.at(b.arg(betweenArg()), b.mul(b.begin(), grainFloats), b.getF32Type());
  products = b.at(transformed, b.mul(rowFloats, floats), b.getF32Type());
  auto firstBlock = [&](Value grain) { return b.div(b.mul(grain, tiles.blocks()), tiles.grains()); };
  b.loop(firstBlock(b.begin()), firstBlock(b.end()), 1, [&](Value block) { emitBlock(block); });
}

void TransformedConv::emitBlock(Value block) {
  Value firstTile = b.mul(block, tiles.block);
  Value tileCount = b.min(b.i64(tiles.block), b.sub(b.i64(tiles.count), firstTile));
  b.loop(b.i64(0), tileCount, 1, [&](Value i) {
    emitInput(b.add(firstTile, i), b.at(transformed, b.mul(i, rowFloats), b.getF32Type()));
  });
  emitPanels(b.i64(0), panels, firstTile, tileCount);
}

/// Goes over panels [first, last), a group at a time.
void TransformedConv::emitPanels(Value first, Value last, Value firstTile, Value tileCount) {
  forEachPanels(b, first, last, outputs, group, [&](Value panel, int64_t count) {
    emitPanelGroup(panel, count, firstTile, tileCount);
  });
}

void TransformedConv::emitPanelGroup(Value panel, int64_t count, Value firstTile, Value tileCount) {
  if (nested) {
    nested->enterPanels(panel, count);
  } else {
    panelStride = b.mul(inputs, spec.taps() * panelWidth);
    panelPointer = b.at(filter, b.mul(panel, panelStride), spec.filter);
  }
  int64_t lastCount = tiles.count - (tiles.blocks() - 1) * tiles.block;
  if (lastCount == tiles.block)
    emitProducts(count, tiles.block);
  else
    b.ifThenElse(
        b.equal(tileCount, b.i64(tiles.block)), [&] { emitProducts(count, tiles.block); },
        [&] { emitProducts(count, lastCount); });
  b.loop(b.i64(0), tileCount, 1, [&](Value i) {
    emitOutput(b.add(firstTile, i), b.at(products, b.mul(i, count * panelWidth), b.getF32Type()), panel, count);
  });
}

void TransformedConv::emitProducts(int64_t count, int64_t tileCount) {
  b.loop(b.i64(0), b.i64(tiles.positions), 1, [&](Value position) {
    releaseVectors(b);
    tap = filterPosition(position);
    // The tiles of a position stay near for all panels of the group.
    for (int64_t panel = 0; panel < count; panel += tile.panels)
      emitRows(position, count, panel, tileCount);
  });
}

void TransformedConv::emitRows(Value position, int64_t count, int64_t panel, int64_t tileCount) {
  int64_t start = 0;
  SmallVector<int64_t> widths = cutIntoTiles(tileCount, tile.rows);
  for (size_t i = 0; i < widths.size();) {
    int64_t width = widths[i], first = start;
    for (; i < widths.size() && widths[i] == width; ++i)
      start += width;
    b.loop(b.i64(first), b.i64(start), width, [&](Value row) { emitProduct(position, count, panel, row, width); });
  }
}

/// Without shells all channels are one run.
SmallVector<Value> TransformedConv::forEachRun(int64_t count, ValueRange sums, NestedFilter::Body body) {
  if (nested)
    return nested->forEachRun(sums, body);
  ChannelRun all{inputs, b.i64(0), PanelsOperand{panelPointer, panelStride, spec.filter}.panels(b, count),
                 SmallVector<Value>(count, b.mul(inputs, panelWidth))};
  return body(all, sums);
}

/// From the weights at hand to those of the next position, where few tiles leave
/// little time until it comes. Winograd's filters have short panels, which the
/// processor fetches itself; of long ones it is 0, the weights themselves.
Value TransformedConv::distanceAhead(const ChannelRun &channels) {
  constexpr int64_t longDepth = 512;
  if (!spec.strassen || spec.grain != ConvGrain::Panels)
    return {};
  return b.select(b.less(inputs, b.i64(longDepth)), channels.tapStride.front(), b.i64(0));
}

/// A tile of panels from number `panel` of a group of `count` on.
void TransformedConv::emitProduct(Value position, int64_t count, int64_t panel, Value firstRow, int64_t rows) {
  Type f32 = b.getF32Type();
  int64_t lanes = b.target.vectorLanes, together = std::min(tile.panels, count);
  int64_t vectors = together * panelWidth / lanes, stride = count * panelWidth;
  Value row = b.add(b.mul(position, tiles.block), firstRow), lhs = b.at(transformed, b.mul(row, rowFloats), f32);
  SmallVector<Value> zeros(rows * vectors, b.constant(VectorType::get(lanes, f32), 0));
  SmallVector<Value> sums = forEachRun(count, zeros, [&](const ChannelRun &channels, ValueRange current) {
    SmallVector<Value> rhs;
    for (int64_t i = panel; i < panel + together; ++i)
      rhs.push_back(b.at(channels.panels[i], b.mul(tap, channels.tapStride[i]), spec.filter));
    RowsOperand inRun{b.at(lhs, channels.first, f32), rowFloats, b.i64(1)};
    return accumulate(b, SmallVector<Value>(current), llvm::to_vector(llvm::seq<int64_t>(0, rows)), vectors, lanes,
                      inRun, rhs, channels.count, distanceAhead(channels), spec.filter);
  });
  Value to = b.at(products, b.add(b.mul(row, stride), panel * panelWidth), f32);
  for (auto [i, sum] : llvm::enumerate(sums))
    b.store(sum, to, b.i64(int64_t(i) / vectors * stride + int64_t(i) % vectors * lanes), {lanes});
}

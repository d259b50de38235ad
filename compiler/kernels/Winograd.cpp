//===- Winograd.cpp - Winograd convolutions as kernel calls ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Winograd.h"
#include "compiler/kernels/TileTable.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor::kernels;

/// Up to so many tiles are one block; tiles of stride 2 are larger, and half as many.
static constexpr int64_t fewTiles = 64;
/// With as few panels as go together threads share those tiles instead.
static constexpr int64_t leastShare = 8, mostShares = 2;
/// The transformed input of a block takes about so much of a near cache, but a
/// block has enough tiles (of stride 1) to be worth reading the weights for.
static constexpr int64_t blockBytes = 512 << 10, leastTiles = 28, mostTiles = 112;
/// Parts into which the work can be cut; each has its memory between the steps.
static constexpr int64_t mostGrains = 12;

WinogradTiles ConvSpec::winogradTiles() const {
  int64_t rows = llvm::divideCeil(geometry.out[1], winograd), columns = llvm::divideCeil(geometry.out[2], winograd);
  return {{winograd, geometry.stride[2]}, rows, columns, geometry.batch * rows * columns, winogradBlock};
}

int64_t WinogradTiles::grains() const { return std::min(blocks(), mostGrains); }

void nestor::kernels::planWinograd(ConvSpec &spec, int64_t m, int64_t inputs, int64_t outputs) {
  spec.winograd = m;
  WinogradTiles tiles = spec.winogradTiles();
  spec.winogradBlock = tiles.count;
  spec.grain = ConvGrain::Panels;
  int64_t blocks = 1;
  if (tiles.count * tiles.tile.stride <= fewTiles) {
    // Panels of one group cannot be shared out.
    if (outputs <= WinogradTiles::groupOutputs)
      blocks = std::clamp<int64_t>(tiles.count / leastShare, 1, mostShares);
    if (blocks == 1)
      return;
  } else {
    int64_t tileBytes = 4 * tiles.positions() * (inputs + WinogradTiles::rowPadding);
    int64_t most = std::clamp(blockBytes / tileBytes, leastTiles / tiles.tile.stride, mostTiles);
    blocks = llvm::divideCeil(tiles.count, most);
  }
  // Of about the same size.
  spec.winogradBlock = llvm::divideCeil(tiles.count, blocks);
  spec.grain = ConvGrain::Rows;
}

int64_t nestor::kernels::winogradPanelsTogether(const ConvSpec &spec) {
  return spec.narrow ? 1 : WinogradTiles::groupOutputs / panelWidth;
}

/// Bytes of transformed inputs, of which there are `floats` for each channel.
static Polynomial transformedBytes(const ConvSpec &spec, int64_t floats) {
  Polynomial bytes{{4 * floats * WinogradTiles::rowPadding, {}}};
  const Nesting &nesting = spec.nesting;
  if (!nesting.shells)
    bytes.push_back({4 * floats, {0}});
  for (unsigned shell = 0; nesting.shells && shell < nesting.inputShells(); ++shell)
    for (unsigned part = 0; part < nesting.parts; ++part)
      bytes.push_back({4 * floats, {nesting.inputs(part, shell)}});
  return bytes;
}

/// The call that transforms the input for those that follow.
static KernelCall inputCall(const ConvSpec &spec, int64_t inputs, CallArg transformed) {
  const ConvGeometry &g = spec.geometry;
  int64_t floats = spec.winogradTiles().positions() * spec.winogradBlock;
  KernelCall call;
  call.spec.name = kernelName("winograd_input", g.identity() + ',' + std::to_string(spec.winograd));
  call.spec.signature = "winograd input " + g.describe();
  call.spec.args = {{{{4 * g.inPixels(), {0}}}, /*written=*/false, 4},
                    {{{4 * floats * WinogradTiles::rowPadding, {}}, {4 * floats, {0}}}, /*written=*/true, 64}};
  call.spec.params = {{1, int64_t(1) << 31}};
  call.spec.grains = {{spec.winogradBlock, {}}};
  call.spec.emit = [spec](func::FuncOp func, const TargetInfo &target) {
    return emitWinogradInput(func, target, spec);
  };
  call.args = {{CallArg::Operand, 0}, std::move(transformed)};
  call.params = {inputs};
  return call;
}

void nestor::kernels::finishWinogradCalls(const ConvSpec &spec, int64_t inputs, SmallVectorImpl<KernelCall> &calls) {
  WinogradTiles tiles = spec.winogradTiles();
  int64_t floats = tiles.positions() * tiles.block, productBytes = 4 * floats * WinogradTiles::groupOutputs;
  int64_t inputBytes = 4 * floats * (inputs + WinogradTiles::rowPadding);
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
  calls.insert(calls.begin(), inputCall(spec, inputs, transformed));
}

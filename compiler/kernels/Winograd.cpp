//===- Winograd.cpp - Winograd convolutions as kernel calls ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Winograd.h"
#include "compiler/kernels/TransformedConv.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

WinogradTiles ConvSpec::winogradTiles() const {
  nest::WinogradTile tile{winograd, geometry.stride[2]};
  int64_t rows = llvm::divideCeil(geometry.out[1], winograd), columns = llvm::divideCeil(geometry.out[2], winograd);
  return {{tile.positions(), geometry.batch * rows * columns, tileBlock}, tile, rows, columns};
}

void nestor::kernels::planWinograd(ConvSpec &spec, int64_t m, int64_t inputs, int64_t outputs) {
  spec.winograd = m;
  WinogradTiles tiles = spec.winogradTiles();
  // Tiles of stride 2 are larger, and half as many.
  planTransformed(spec, tiles.positions, tiles.count, tiles.tile.stride, inputs, outputs);
}

/// The call that transforms the input for those that follow.
static KernelCall inputCall(const ConvSpec &spec, int64_t inputs) {
  const ConvGeometry &g = spec.geometry;
  int64_t floats = spec.winogradTiles().positions * spec.tileBlock;
  KernelCall call;
  call.spec.name = kernelName("winograd_input", g.identity() + ',' + std::to_string(spec.winograd));
  call.spec.signature = "winograd input " + g.describe();
  call.spec.args = {{{{4 * g.inPixels(), {0}}}, /*written=*/false, 4},
                    {{{4 * floats * TransformedTiles::rowPadding, {}}, {4 * floats, {0}}}, /*written=*/true, 64}};
  call.spec.params = {{1, int64_t(1) << 31}};
  call.spec.grains = {{spec.tileBlock, {}}};
  call.spec.emit = [spec](func::FuncOp func, const TargetInfo &target) {
    return emitWinogradInput(func, target, spec);
  };
  call.args = {{CallArg::Operand, 0}, {CallArg::Scratch}};
  call.params = {inputs};
  return call;
}

void nestor::kernels::finishWinogradCalls(const ConvSpec &spec, int64_t inputs, SmallVectorImpl<KernelCall> &calls) {
  finishTransformedCalls(spec, spec.winogradTiles(), inputs, inputCall(spec, inputs), calls);
}

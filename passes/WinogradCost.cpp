//===- WinogradCost.cpp - What convolutions take, by algorithm ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/WinogradCost.h"

#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/Winograd.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace nestor;

namespace {

/// Nanoseconds, fitted to what `nestor_kernel_bench --winograd` printed on a
/// machine of 3.7 GHz; for NEON, which was not measured, those of the other target
/// with 4 lanes, with its own rate of products.
struct CostRow {
  llvm::StringRef target;
  double direct;    ///< A multiplication of 16 outputs by the direct algorithm.
  double product;   ///< One of 16 outputs of a product.
  double input[3];  ///< Transforming 16 channels of a tile of 2, 4 and 6.
  double output[3]; ///< The same for 16 outputs.
};

const CostRow costTable[] = {
    {"x86-64-v4", 0.28, 0.29, {25, 63, 120}, {20, 50, 90}},
    {"x86-64-v3", 0.28, 0.32, {40, 90, 180}, {30, 75, 140}},
    {"x86-64-v2", 0.81, 0.83, {80, 180, 360}, {60, 150, 280}},
    {"aarch64+neon", 0.55, 0.58, {80, 180, 360}, {60, 150, 280}},
};

/// From one run to the next weights stay in the nearest cache that holds all.
double nanosecondsPerByte(int64_t weightBytes) {
  constexpr int64_t nearBytes = 512 << 10, farBytes = 8 << 20;
  return weightBytes <= nearBytes ? 0 : weightBytes <= farBytes ? 0.015 : 0.05;
}

/// What a product costs beyond its inputs, in multiplications.
constexpr double productStart = 3;

const CostRow &rowFor(llvm::StringRef target) {
  auto row = llvm::find_if(costTable, [&](const CostRow &r) { return r.target == target; });
  assert(row != std::end(costTable) && "every target has its costs");
  return *row;
}

} // namespace

int64_t nestor::filterBytes(const ConvExtents &conv, int64_t tile) {
  int64_t taps = tile ? nest::Winograd(tile).positions() : 9;
  int64_t weightBytes = nest::packedElement(conv.weights, tile).getIntOrFloatBitWidth() / 8;
  return weightBytes * taps * conv.inputs * llvm::alignTo(conv.outputs, 16);
}

/// The share of taps that meet the input where each side has a pixel of padding.
static double tapsInside(int64_t extent) { return 1 - 2.0 / (3 * extent); }

double nestor::convTime(const ConvExtents &conv, int64_t tile, llvm::StringRef target, int64_t weightBytes) {
  const CostRow &row = rowFor(target);
  double inputs = conv.inputs, panels = llvm::divideCeil(conv.outputs, 16);
  double memory = nanosecondsPerByte(weightBytes) * filterBytes(conv, tile);
  if (tile == 0) {
    double taps = 9 * tapsInside(conv.rows) * tapsInside(conv.columns);
    return std::max(row.direct * taps * conv.batch * conv.rows * conv.columns * inputs * panels, memory);
  }
  int64_t size = tile / 2 - 1, positions = nest::Winograd(tile).positions();
  double tiles = conv.batch * llvm::divideCeil(conv.rows, tile) * llvm::divideCeil(conv.columns, tile);
  double products = row.product * positions * tiles * (inputs + productStart) * panels;
  return std::max(products, memory) + tiles * (inputs / 16 * row.input[size] + panels * row.output[size]);
}

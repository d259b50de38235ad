//===- WinogradCost.cpp - What convolutions take, by algorithm ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/WinogradCost.h"

#include "passes/Utils.h"

#include "compiler/ir/Convolutions.h"
#include "compiler/ir/HalfFilter.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <array>
#include <limits>

using namespace mlir;
using namespace nestor;
using nest::areOnes;

namespace {

/// Nanoseconds, fitted to what `nestor_kernel_bench --winograd` printed on a
/// machine of 3.7 GHz; for NEON, which was not measured, those of the other target
/// with 4 lanes, with its own rate of products.
struct CostRow {
  llvm::StringRef target;
  double direct;  ///< A multiplication of 16 outputs by the direct algorithm.
  double product; ///< One of 16 outputs of a product.
  struct {
    std::array<double, 3> input;  ///< Transforming 16 channels of a tile of 2, 4 and 6.
    std::array<double, 3> output; ///< The same for 16 outputs.
  } transforms[2];                ///< For strides of 1 and 2.
};

const CostRow costTable[] = {
    {"x86-64-v4", 0.28, 0.29, {{{25, 63, 120}, {20, 50, 90}}, {{45, 190}, {35, 150}}}},
    {"x86-64-v3", 0.28, 0.32, {{{40, 90, 180}, {30, 75, 140}}, {{70, 230}, {60, 220}}}},
    {"x86-64-v2", 0.81, 0.83, {{{80, 180, 360}, {60, 150, 280}}, {{150, 430}, {120, 380}}}},
    {"aarch64+neon", 0.55, 0.58, {{{80, 180, 360}, {60, 150, 280}}, {{150, 430}, {120, 380}}}},
};

constexpr int64_t choices[] = {0, 2, 4, 6}, choicesOfStride2[] = {0, 2, 4};

double nanosecondsPerByte(WeightDistance distance) {
  switch (distance) {
  case WeightDistance::Near:
    return 0;
  case WeightDistance::Far:
    return 0.015;
  case WeightDistance::Memory:
    return 0.05;
  }
  llvm_unreachable("all distances are listed");
}

/// What a product costs beyond its inputs, in multiplications.
constexpr double productStart = 3;

const CostRow &rowFor(llvm::StringRef target) {
  auto row = llvm::find_if(costTable, [&](const CostRow &r) { return r.target == target; });
  assert(row != std::end(costTable) && "every target has its costs");
  return *row;
}

} // namespace

std::optional<ConvExtents> nestor::winogradExtents(nest::ConvOp conv) {
  ArrayRef<int64_t> strides = conv.getStrides();
  if (conv.getKernel() != ArrayRef<int64_t>{3, 3} || strides[0] != strides[1] || strides[0] > 2 ||
      !areOnes(conv.getDilations()) || conv.getGroups() != 1 || conv.getPacked() ||
      !nest::computesInF32(conv))
    return std::nullopt;
  ArrayRef<int64_t> out = shapeOf(conv.getResult());
  return ConvExtents{strides[0], out[0], out[1], out[2], shapeOf(conv.getInput()).back(), out.back(),
                     tensorType(conv.getFilter()).getElementType()};
}

std::optional<ConvExtents> nestor::winogradExtents(nest::ConvFilterGradOp grad) {
  if (grad.getKernel() != ArrayRef<int64_t>{3, 3} || !areOnes(grad.getStrides()) ||
      !areOnes(grad.getDilations()) || grad.getGroups() != 1 ||
      !tensorType(grad.getResult()).getElementType().isF32())
    return std::nullopt;
  ArrayRef<int64_t> out = shapeOf(grad.getGrad());
  return ConvExtents{/*stride=*/1, out[0], out[1], out[2], shapeOf(grad.getInput()).back(), out.back(),
                     tensorType(grad.getResult()).getElementType()};
}

ArrayRef<int64_t> nestor::winogradChoices(int64_t stride) {
  return stride == 1 ? ArrayRef(choices) : ArrayRef(choicesOfStride2);
}

void nestor::setMeasured(nest::ConvOp conv, StringRef target, ArrayRef<double> nanoseconds) {
  NamedAttrList times(conv->getAttrOfType<DictionaryAttr>(kMeasuredAttr));
  times.set(target, Builder(conv.getContext()).getDenseF64ArrayAttr(nanoseconds));
  conv->setAttr(kMeasuredAttr, times.getDictionary(conv.getContext()));
}

std::optional<double> nestor::measuredTime(DictionaryAttr measured, StringRef target,
                                           nest::WinogradTile tile) {
  ArrayRef<int64_t> known = winogradChoices(tile.stride);
  auto times = measured ? measured.getAs<DenseF64ArrayAttr>(target) : DenseF64ArrayAttr();
  if (!times || size_t(times.size()) != known.size())
    return std::nullopt;
  return times[llvm::find(known, tile.m) - known.begin()];
}

int64_t nestor::weightBytes(ModuleOp module) {
  DenseSet<Attribute> seen;
  int64_t bytes = 0;
  auto add = [&](ElementsAttr value) {
    if (seen.insert(value).second)
      bytes += llvm::divideCeil(
          value.getNumElements() * value.getShapedType().getElementTypeBitWidth(), 8);
  };
  module->walk([&](nest::ConstOp op) { add(op.getValue()); });
  module->walk([&](nest::GlobalOp op) { add(op.getValue()); });
  return bytes;
}

WeightDistance nestor::weightDistance(int64_t weightBytes) {
  constexpr int64_t nearBytes = 512 << 10, farBytes = 8 << 20;
  return weightBytes <= nearBytes  ? WeightDistance::Near
         : weightBytes <= farBytes ? WeightDistance::Far
                                   : WeightDistance::Memory;
}

int64_t nestor::filterBytes(const ConvExtents &conv, int64_t tile) {
  int64_t taps = tile ? nest::WinogradTile{tile, conv.stride}.filterPositions() : 9;
  int64_t weightBytes = nest::packedElement(conv.weights, tile).getIntOrFloatBitWidth() / 8;
  return weightBytes * taps * conv.inputs * llvm::alignTo(conv.outputs, 16);
}

/// The share of taps that meet the input where each side has a pixel of padding;
/// with a stride of 2 those behind the last pixel are hardly used.
static double tapsInside(int64_t extent, int64_t stride) { return 1 - 2.0 / (3 * extent * stride); }

/// Of the direct algorithm, with so many panels of outputs.
static double directTime(const CostRow &row, const ConvExtents &conv, double panels) {
  double taps = 9 * tapsInside(conv.rows, conv.stride) * tapsInside(conv.columns, conv.stride);
  return row.direct * taps * conv.batch * conv.rows * conv.columns * conv.inputs * panels;
}

double nestor::convTime(const ConvExtents &conv, int64_t tile, llvm::StringRef target, int64_t weightBytes) {
  const CostRow &row = rowFor(target);
  double inputs = conv.inputs, panels = llvm::divideCeil(conv.outputs, 16);
  double memory = nanosecondsPerByte(weightDistance(weightBytes)) * filterBytes(conv, tile);
  if (tile == 0) {
    // The direct algorithm has code for half a panel.
    double halves = llvm::divideCeil(conv.outputs, 8);
    return std::max(directTime(row, conv, halves / 2), memory);
  }
  const auto &transforms = row.transforms[conv.stride - 1];
  int64_t size = tile / 2 - 1, positions = nest::WinogradTile{tile, conv.stride}.positions();
  double tiles = conv.batch * llvm::divideCeil(conv.rows, tile) * llvm::divideCeil(conv.columns, tile);
  double products = row.product * positions * tiles * (inputs + productStart) * panels;
  return std::max(products, memory) + tiles * (inputs / 16 * transforms.input[size] + panels * transforms.output[size]);
}

double nestor::packTime(const ConvExtents &conv, int64_t tile, llvm::StringRef target) {
  double filters = conv.inputs * llvm::divideCeil(conv.outputs, 16);
  // Of 16 outputs, whatever the stride. Transforming is less work than that of an
  // input tile, but its results go further away.
  constexpr double direct = 35, ofInputTile = 2.7;
  return filters * (tile ? ofInputTile * rowFor(target).transforms[0].input[tile / 2 - 1] : direct);
}

double nestor::filterGradTime(const ConvExtents &conv, int64_t tile, llvm::StringRef target) {
  if (tile == 0)
    return directTime(rowFor(target), conv, llvm::divideCeil(conv.outputs, 16));
  // More sums than a near cache holds would need another order of the work, and
  // the kernel's code grows with the channels.
  constexpr int64_t mostBytes = 1 << 20;
  if (filterBytes(conv, tile) > mostBytes)
    return std::numeric_limits<double>::infinity();
  double steps = convTime(conv, tile, target, /*weightBytes=*/0);
  // The sums of all positions are read and written for each block of tiles.
  constexpr double tilesOfBlock = 24;
  double tiles = conv.batch * llvm::divideCeil(conv.rows, tile) * llvm::divideCeil(conv.columns, tile);
  return steps + 2 * (1 + tiles / tilesOfBlock) * filterBytes(conv, tile) * nanosecondsPerByte(WeightDistance::Far);
}

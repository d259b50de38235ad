//===- StrassenCost.cpp - What pointwise convolutions take ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/StrassenCost.h"

#include "passes/Utils.h"
#include "passes/WinogradCost.h"

#include "compiler/ir/Convolutions.h"
#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/Strassen.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::nest;

namespace {

/// What takes how many nanoseconds on one thread.
struct CostRow {
  StringRef target;
  double direct;  ///< A multiplication of 16 outputs by the direct algorithm.
  double product; ///< One of 16 outputs of a product.
  double input, output; ///< Transforming a tile of a span of channels.
};

// Fitted to what `nestor_kernel_bench --strassen` printed and to layers of networks
// on x86-64-v4. Of the others products are as in WinogradCost.cpp and transforms in
// proportion to what Winograd's take there, which chooses no layer that the same
// program found slower; aarch64+neon was not measured.
const CostRow costTable[] = {
    {"x86-64-v4", 0.28, 0.28, 9, 14},
    {"x86-64-v3", 0.28, 0.32, 16, 24},
    {"x86-64-v2", 0.81, 0.83, 32, 50},
    {"aarch64+neon", 0.55, 0.58, 32, 50},
};

/// Multiplications that starting and ending a product takes.
constexpr double kProductStart = 3;
/// Of weights that come from memory with each run, and of those that the direct
/// algorithm would not read: with few pixels threads wait for them.
constexpr double kNanosecondsPerByte = 0.05, kNanosecondsPerMore = 0.012;

const CostRow &rowFor(StringRef target) {
  auto row = llvm::find_if(costTable, [&](const CostRow &r) { return r.target == target; });
  assert(row != std::end(costTable) && "every target has its costs");
  return *row;
}

double directTime(const ProductExtents &conv, StringRef target) {
  // There is code for half a panel.
  double panels = llvm::divideCeil(conv.outputs, Strassen::run / 2) / 2.0;
  return rowFor(target).direct * conv.pixels * conv.inputs * panels;
}

double strassenTime(const ProductExtents &conv, StringRef target) {
  const CostRow &row = rowFor(target);
  double inputs = Strassen::packedChannels(conv.inputs), panels = Strassen::packedChannels(conv.outputs) / Strassen::run;
  double tiles = llvm::divideCeil(conv.pixels, Strassen::ways);
  double products = row.product * Strassen::positions * tiles * (inputs + kProductStart) * panels;
  double bytes = sizeof(float) * Strassen::positions * inputs * panels * Strassen::run;
  double more = std::max(bytes - sizeof(float) * conv.inputs * conv.outputs, 0.0);
  return std::max(products, bytes * kNanosecondsPerByte) + more * kNanosecondsPerMore +
         tiles * (inputs / Strassen::run * row.input + panels * row.output);
}

} // namespace

std::optional<ProductExtents> nestor::strassenExtents(ConvOp conv) {
  ArrayRef<int64_t> in = shapeOf(conv.getInput()), out = shapeOf(conv.getResult());
  if (!areOnes(conv.getKernel()) || !areOnes(conv.getStrides()) || conv.getGroups() != 1 ||
      conv.getPacked() || conv.getPlanar() || in.drop_back() != out.drop_back() || !computesInF32(conv) ||
      !tensorType(conv.getFilter()).getElementType().isF32())
    return std::nullopt;
  return ProductExtents{conv.getType().getNumElements() / out.back(), in.back(), out.back()};
}

ProductTimes nestor::productTimes(const ProductExtents &conv, StringRef target) {
  return {directTime(conv, target), strassenTime(conv, target)};
}

std::optional<ProductTimes> nestor::measuredTimes(ConvOp conv, StringRef target) {
  auto measured = conv->getAttrOfType<DictionaryAttr>(kMeasuredAttr);
  auto times = measured ? measured.getAs<DenseF64ArrayAttr>(target) : DenseF64ArrayAttr();
  if (!times || times.size() != 2)
    return std::nullopt;
  return ProductTimes{times[0], times[1]};
}

//===- ChooseStrassen.cpp - Which products have fewer multiplications -----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

#include "compiler/ir/Convolutions.h"
#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/Nested.h"
#include "compiler/ir/Strassen.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_CHOOSESTRASSENPASS
#include "passes/Passes.h.inc"

namespace {

/// Below that the table may be wrong about who wins, and weights only grow.
constexpr double kLeastGain = 1.04;

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

/// A pointwise convolution, as far as its time depends on it.
struct Extents {
  int64_t pixels, inputs, outputs;
};

const CostRow &rowFor(StringRef target) {
  auto row = llvm::find_if(costTable, [&](const CostRow &r) { return r.target == target; });
  assert(row != std::end(costTable) && "every target has its costs");
  return *row;
}

double directTime(const Extents &conv, StringRef target) {
  // There is code for half a panel.
  double panels = llvm::divideCeil(conv.outputs, Strassen::run / 2) / 2.0;
  return rowFor(target).direct * conv.pixels * conv.inputs * panels;
}

double strassenTime(const Extents &conv, StringRef target) {
  const CostRow &row = rowFor(target);
  double inputs = Strassen::packedChannels(conv.inputs), panels = Strassen::packedChannels(conv.outputs) / Strassen::run;
  double tiles = llvm::divideCeil(conv.pixels, Strassen::ways);
  double products = row.product * Strassen::positions * tiles * (inputs + kProductStart) * panels;
  double bytes = sizeof(float) * Strassen::positions * inputs * panels * Strassen::run;
  double more = std::max(bytes - sizeof(float) * conv.inputs * conv.outputs, 0.0);
  return std::max(products, bytes * kNanosecondsPerByte) + more * kNanosecondsPerMore +
         tiles * (inputs / Strassen::run * row.input + panels * row.output);
}

/// Of `conv`; none where the algorithm cannot compute it.
std::optional<Extents> extentsOf(ConvOp conv) {
  ArrayRef<int64_t> in = shapeOf(conv.getInput()), out = shapeOf(conv.getResult());
  if (!areOnes(conv.getKernel()) || !areOnes(conv.getStrides()) || conv.getGroups() != 1 ||
      conv.getPacked() || conv.getPlanar() || in.drop_back() != out.drop_back() || !computesInF32(conv) ||
      !tensorType(conv.getFilter()).getElementType().isF32())
    return std::nullopt;
  return Extents{conv.getType().getNumElements() / out.back(), in.back(), out.back()};
}

/// Whether all capacities can read one copy of the transformed filter.
bool canShare(GlobalOp global) {
  size_t rank = global.getValue().getShapedType().getRank();
  return partsOf(global, rank - 2).size() <= 1 && partsOf(global, rank - 1).size() <= 1;
}

/// A filter, and what all capacities do with it.
struct Filter {
  SmallVector<ConvOp> readers;
  SmallVector<Extents> layers; ///< Of the largest function that reads it.
  bool open = true;            ///< Whether one algorithm can compute all readers.
};

struct ChooseStrassenPass final : impl::ChooseStrassenPassBase<ChooseStrassenPass> {
  using Base::Base;

  void runOnOperation() override {
    for (auto &[identity, filter] : collect()) {
      if (!filter.open || !pays(filter))
        continue;
      for (ConvOp conv : filter.readers)
        setFilterForm(conv, {{}, /*strassen=*/true});
    }
  }

private:
  llvm::MapVector<const void *, Filter> collect() {
    llvm::MapVector<const void *, Filter> filters;
    // The widest capacity comes last; its layers decide.
    SmallVector<func::FuncOp> functions = capacityFunctions(getOperation());
    for (func::FuncOp function : llvm::reverse(functions)) {
      DenseSet<const void *> known;
      for (const auto &[identity, filter] : filters)
        known.insert(identity);
      function.walk([&](ConvOp conv) { add(conv, known, filters); });
    }
    return filters;
  }

  static void add(ConvOp conv, const DenseSet<const void *> &known, llvm::MapVector<const void *, Filter> &filters) {
    auto weight = conv.getFilter().getDefiningOp<WeightOp>();
    auto constant = conv.getFilter().getDefiningOp<ConstOp>();
    if (!weight && !constant)
      return;
    const void *identity = weight ? globalOf(weight).getOperation() : constant.getValue().getAsOpaquePointer();
    Filter &filter = filters[identity];
    filter.readers.push_back(conv);
    std::optional<Extents> extents = extentsOf(conv);
    filter.open &= extents && (!weight || canShare(globalOf(weight)));
    if (filter.open && !known.contains(identity))
      filter.layers.push_back(*extents);
  }

  bool pays(const Filter &filter) const {
    double direct = 0, strassen = 0;
    for (const std::string &target : targets)
      for (const Extents &layer : filter.layers)
        direct += directTime(layer, target), strassen += strassenTime(layer, target);
    return direct > kLeastGain * strassen;
  }
};

} // namespace
} // namespace nestor

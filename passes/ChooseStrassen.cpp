//===- ChooseStrassen.cpp - Which products have fewer multiplications -----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/StrassenCost.h"

#include "compiler/ir/Nested.h"
#include "compiler/ir/Strassen.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_CHOOSESTRASSENPASS
#include "passes/Passes.h.inc"

namespace {

/// Below that the table may be wrong about who wins, and weights only grow. (Times
/// that were measured and hardly differ come as equal ones.)
constexpr double kLeastGain = 1.04;

/// Whether all capacities can read one copy of the transformed filter.
bool canShare(GlobalOp global) {
  size_t rank = global.getValue().getShapedType().getRank();
  return partsOf(global, rank - 2).size() <= 1 && partsOf(global, rank - 1).size() <= 1;
}

/// A filter, and what all capacities do with it.
struct Filter {
  SmallVector<ConvOp> readers;
  SmallVector<ConvOp> layers; ///< Those of the largest function that reads it.
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
    filter.open &= strassenExtents(conv) && (!weight || canShare(globalOf(weight)));
    if (filter.open && !known.contains(identity))
      filter.layers.push_back(conv);
  }

  bool pays(const Filter &filter) const {
    double direct = 0, strassen = 0;
    for (const std::string &target : targets)
      for (ConvOp layer : filter.layers) {
        std::optional<ProductTimes> measured = measuredTimes(layer, target);
        ProductTimes times = measured ? *measured : productTimes(*strassenExtents(layer), target);
        direct += times.direct, strassen += (measured ? 1 : kLeastGain) * times.strassen;
      }
    return direct > strassen;
  }
};

} // namespace
} // namespace nestor

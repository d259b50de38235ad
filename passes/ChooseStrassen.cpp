//===- ChooseStrassen.cpp - Which products have fewer multiplications -----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/FilterReaders.h"
#include "passes/Passes.h"
#include "passes/StrassenCost.h"

#include "compiler/ir/FilterForm.h"
#include "compiler/ir/Nested.h"

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
  bool open = true;           ///< Whether one algorithm can compute all readers.
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
    forEachFilterReader(getOperation(), [&](const FilterReader &reader) {
      if (!reader.isConstant)
        return;
      ConvOp conv = reader.conv;
      auto weight = conv.getFilter().getDefiningOp<WeightOp>();
      Filter &filter = filters[reader.filter];
      filter.readers.push_back(conv);
      filter.open &= strassenExtents(conv) && (!weight || canShare(globalOf(weight)));
      if (filter.open && reader.isWidest)
        filter.layers.push_back(conv);
    });
    return filters;
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

//===- PackFilters.cpp - Filters in the layout that kernels read ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

#include "compiler/ir/Convolutions.h"
#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/Quantized.h"
#include "compiler/ir/Strassen.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace nestor {

#define GEN_PASS_DEF_PACKFILTERSPASS
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t kPanel = 16;

struct PackFiltersPass final : impl::PackFiltersPassBase<PackFiltersPass> {
  void runOnOperation() override {
    getOperation().walk([](nest::ConvOp conv) {
      if (!conv.getPacked() &&
          (tensorType(conv.getFilter()).getElementType().isF32() || nest::computesInF32(conv) ||
           nest::isOfBytes(conv)))
        pack(conv);
    });
  }

private:
  static void pack(nest::ConvOp conv) {
    ArrayRef<int64_t> filter = shapeOf(conv.getFilter());
    int64_t inputs = filter[filter.size() - 2], outputs = filter.back();
    int64_t groups = conv.getGroups();
    bool depthwise = nest::isDepthwise(conv);
    int64_t runs = depthwise ? 1 : groups;
    int64_t panels = runs * llvm::divideCeil(outputs / runs, kPanel);
    int64_t taps = 1;
    for (int64_t extent : conv.getKernel())
      taps *= extent;
    nest::FilterForm form = nest::filterForm(conv);
    if (form.winograd)
      taps = form.winograd.filterPositions();
    if (form.strassen) {
      panels = nest::Strassen::packedChannels(outputs) / kPanel;
      taps = nest::Strassen::positions;
      inputs = nest::Strassen::packedChannels(inputs);
    }
    OpBuilder builder(conv);
    Type element = nest::packedElement(tensorType(conv.getFilter()).getElementType(), form.winograd.m);
    auto type = RankedTensorType::get({panels, taps, inputs, kPanel}, element);
    auto pack = nest::PackOp::create(builder, conv.getLoc(), type, conv.getFilter(), groups,
                                     depthwise);
    nest::setFilterForm(pack, form);
    conv.getFilterMutable().assign(pack);
    conv.setPacked(true);
  }
};

} // namespace
} // namespace nestor

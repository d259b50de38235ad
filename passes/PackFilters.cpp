//===- PackFilters.cpp - Filters in the layout that kernels read ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

#include "compiler/ir/Convolutions.h"
#include "compiler/ir/FilterForm.h"
#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/Quantized.h"

using namespace mlir;

namespace nestor {

#define GEN_PASS_DEF_PACKFILTERSPASS
#include "passes/Passes.h.inc"

namespace {

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
    nest::FilterForm form = nest::filterForm(conv);
    OpBuilder builder(conv);
    Type element = nest::packedElement(tensorType(conv.getFilter()).getElementType(), form.winograd.m);
    auto type = RankedTensorType::get(
        nest::packedShape(conv.getKernel(), inputs, outputs, groups, depthwise, form), element);
    auto pack = nest::PackOp::create(builder, conv.getLoc(), type, conv.getFilter(), groups,
                                     depthwise);
    nest::setFilterForm(pack, form);
    conv.getFilterMutable().assign(pack);
    conv.setPacked(true);
  }
};

} // namespace
} // namespace nestor

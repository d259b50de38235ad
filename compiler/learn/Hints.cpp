//===- Hints.cpp - Values inside that capacities learn, too ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Hints.h"

#include "compiler/learn/NestedLayers.h"
#include "passes/Utils.h"

#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;

namespace nestor::learn {

/// What a layer's result becomes by element-wise work alone, its activation and
/// the sum that it is part of among it.
static Value featureOf(const LayerSite &site) {
  nest::ConvOp conv = site.conv;
  Value value = conv.getResult();
  while (value.hasOneUse()) {
    auto map = dyn_cast<nest::MapOp>(*value.user_begin());
    if (!map || map.getResult().getType() != value.getType())
      break;
    value = map.getResult();
  }
  return value;
}

/// Whether the layer's filter slides over more than one place.
static bool isOverImage(const LayerSite &site) {
  nest::ConvOp conv = site.conv;
  ArrayRef<int64_t> shape = shapeOf(conv.getResult());
  return llvm::any_of(shape.drop_front().drop_back(), [](int64_t extent) { return extent > 1; });
}

static void appendResult(func::FuncOp func, Value value) {
  Operation *terminator = func.front().getTerminator();
  terminator->insertOperands(terminator->getNumOperands(), value);
  func.setType(FunctionType::get(func.getContext(), func.getArgumentTypes(),
                                 terminator->getOperandTypes()));
}

HintChannels returnHints(ModuleOp nested, ModuleOp teacher) {
  ParameterSet set(nested);
  NestedLayers layers(nested, teacher, set);
  HintChannels channels(nest::capacityFunctions(nested).size());
  const NestedLayer *last = nullptr;
  for (const NestedLayer &layer : layers.layers())
    if (isOverImage(layer.teacher))
      last = &layer;
  llvm::SmallPtrSet<Value, 8> seen;
  for (const NestedLayer &layer : layers.layers()) {
    bool isEverywhere = llvm::all_of(layer.capacities, [](const LayerSite &site) {
      return static_cast<nest::ConvOp>(site.conv) != nullptr;
    });
    bool isHint = (layer.teacher.other && isOverImage(layer.teacher)) || &layer == last;
    if (!isHint || !isEverywhere || !seen.insert(featureOf(layer.teacher)).second)
      continue;
    appendResult(layers.functions().front(), featureOf(layer.teacher));
    for (auto [capacity, site] : llvm::enumerate(layer.capacities)) {
      Value feature = featureOf(site);
      if (isScaled(layer.teacher, site))
        feature = meanOverPlaces(feature);
      appendResult(layers.functions()[1 + capacity], feature);
      channels[capacity].push_back(site.outputs);
    }
  }
  return channels;
}

Value meanOverPlaces(Value feature) {
  OpBuilder builder(feature.getContext());
  builder.setInsertionPointAfterValue(feature);
  RankedTensorType type = tensorType(feature);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(1, type.getRank() - 1));
  SmallVector<int64_t> shape(type.getShape());
  for (int64_t axis : axes)
    shape[axis] = 1;
  return nest::ReduceOp::create(builder, feature.getLoc(), type.clone(shape), feature,
                                nest::ReduceKind::mean, axes);
}

} // namespace nestor::learn

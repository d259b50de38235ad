//===- NestedLayers.cpp - The same layer in all capacities ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/NestedLayers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/SetVector.h"

#include <algorithm>
#include <numeric>

using namespace mlir;

namespace nestor::learn {

static SmallVector<nest::ConvOp> convsOf(func::FuncOp func) {
  SmallVector<nest::ConvOp> convs;
  func.walk([&](nest::ConvOp conv) { convs.push_back(conv); });
  return convs;
}

/// What `value` is added to where that is all that happens to it.
static Value addedTo(Value value) {
  if (!value.hasOneUse())
    return {};
  auto map = dyn_cast<nest::MapOp>(*value.user_begin());
  if (!map || map.getInputs().size() != 2)
    return {};
  // More may follow on the sum, such as an activation.
  Block &body = map.getBody().front();
  BlockArgument left = body.getArgument(0), right = body.getArgument(1);
  bool isSum = left.hasOneUse() && right.hasOneUse() &&
               *left.user_begin() == *right.user_begin() && isa<arith::AddFOp>(*left.user_begin());
  Value other = map.getInputs()[map.getInputs()[0] == value ? 1 : 0];
  return isSum && other.getType() == value.getType() && !other.getDefiningOp<nest::ConstOp>()
             ? other
             : Value();
}

static SmallVector<int64_t> allIndices(int64_t count) {
  SmallVector<int64_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

static LayerSite siteOf(nest::ConvOp conv, nest::WeightOp weight) {
  ArrayRef<int64_t> filter = cast<RankedTensorType>(conv.getFilter().getType()).getShape();
  LayerSite site{conv, addedTo(conv.getResult()), allIndices(filter.back()),
                 allIndices(filter[filter.size() - 2])};
  if (weight) {
    nest::GlobalOp global = nest::globalOf(weight);
    site.outputs = nest::keptIndices(global, filter.size() - 1, weight.getCapacity());
    site.inputs = nest::keptIndices(global, filter.size() - 2, weight.getCapacity());
  }
  return site;
}

bool isScaled(const LayerSite &teacher, const LayerSite &site) {
  auto placesOf = [](nest::ConvOp conv) { return conv.getType().getShape().drop_back(); };
  return placesOf(site.conv) != placesOf(teacher.conv);
}

NestedLayers::NestedLayers(ModuleOp nested, ModuleOp teacher, const ParameterSet &set) {
  auto main = teacher.lookupSymbol<func::FuncOp>("main");
  SmallVector<func::FuncOp> capacities = nest::capacityFunctions(nested);
  functionList.push_back(main);
  functionList.insert(functionList.end(), capacities.begin(), capacities.end());

  // The full capacity has the teacher's convolutions, one for one.
  SmallVector<nest::ConvOp> full = convsOf(capacities.back()), original = convsOf(main);
  if (full.size() != original.size())
    return;
  for (auto [conv, twin] : llvm::zip(full, original)) {
    int filter = set.indexOf(conv.getFilter());
    if (filter < 0 || set[filter].role != Parameter::Filter)
      continue;
    NestedLayer layer{siteOf(twin, {}), {}, unsigned(filter)};
    layer.capacities.resize(capacities.size());
    list.push_back(std::move(layer));
  }
  for (auto [number, function] : llvm::enumerate(capacities))
    match(function, number, set);
  computeDepths();
}

bool NestedLayers::hasScaledInput(size_t capacity) const {
  return llvm::any_of(list, [&](const NestedLayer &layer) {
    nest::ConvOp conv = layer.capacities[capacity].conv;
    return conv && isScaled(layer.teacher, layer.capacities[capacity]);
  });
}

/// Finds the layers in `function`: the same filters in the same order, some of
/// them left out.
void NestedLayers::match(func::FuncOp function, int capacity, const ParameterSet &set) {
  size_t next = 0;
  for (nest::ConvOp conv : convsOf(function)) {
    auto weight = conv.getFilter().getDefiningOp<nest::WeightOp>();
    int filter = set.indexOf(conv.getFilter());
    if (!weight || filter < 0)
      continue;
    auto isSame = [&](const NestedLayer &layer) {
      nest::ConvOp twin = layer.teacher.conv;
      return int(layer.filter) == filter && twin.getLoc() == conv.getLoc();
    };
    auto found = std::find_if(list.begin() + next, list.end(), isSame);
    if (found == list.end())
      continue;
    found->capacities[capacity] = siteOf(conv, weight);
    next = found - list.begin() + 1;
  }
}

void NestedLayers::computeDepths() {
  DenseMap<Operation *, size_t> numbers;
  for (auto [number, layer] : llvm::enumerate(list)) {
    numbers[layer.teacher.conv] = number + 1;
    for (LayerSite &site : layer.capacities)
      if (site.conv)
        numbers[site.conv] = number + 1;
  }
  for (func::FuncOp function : functionList)
    for (Operation &op : function.front()) {
      size_t depth = numbers.lookup(&op);
      op.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          depth = std::max(depth, depthOf(operand));
      });
      for (Value result : op.getResults())
        depths[result] = depth;
    }
}

SmallVector<Value> NestedLayers::frontier(size_t layer) const {
  llvm::SetVector<Value> values;
  auto visit = [&](Operation &op, Value value) {
    Operation *definition = value.getDefiningOp();
    bool isConstant = definition && definition->getNumOperands() == 0;
    bool isLater = op.getNumResults() == 0 || depthOf(op.getResult(0)) > layer;
    if (!isConstant && isLater && isReady(value, layer))
      values.insert(value);
  };
  for (func::FuncOp function : functionList)
    for (Operation &op : function.front())
      op.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (operand.getParentRegion() == op.getParentRegion())
            visit(op, operand);
      });
  return SmallVector<Value>(values.getArrayRef());
}

} // namespace nestor::learn

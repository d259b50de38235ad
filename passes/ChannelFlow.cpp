//===- ChannelFlow.cpp - What operations do to indices --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/FlowBuilder.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

/// The outermost named location in `loc` that comes first.
static NameLoc firstName(LocationAttr loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name;
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      if (NameLoc name = firstName(part))
        return name;
  return nullptr;
}

std::string nodeName(Operation *op) {
  NameLoc name = firstName(op->getLoc());
  return name ? name.getName().str() : op->getName().getStringRef().str();
}

//===----------------------------------------------------------------------===//
// Axes
//===----------------------------------------------------------------------===//

void *ChannelFlow::tensorOf(OpOperand &operand) {
  bool isShared = llvm::is_contained(sharedOperands(operand.getOwner()), &operand);
  return isConstant(operand.get()) && !isShared ? static_cast<void *>(&operand)
                                                : operand.get().getAsOpaquePointer();
}

static Axis rootOf(ArrayRef<Axis> parents, Axis axis) {
  while (parents[axis] != axis)
    axis = parents[axis];
  return axis;
}

Axis ChannelFlow::axisOf(OpOperand &operand, unsigned dim) const {
  return rootOf(parents, axes.at({tensorOf(operand), dim}));
}

Axis ChannelFlow::axisOf(Value value, unsigned dim) const {
  auto known = axes.find({value.getAsOpaquePointer(), dim});
  if (known == axes.end())
    known = axes.find({&*value.use_begin(), dim});
  return rootOf(parents, known->second);
}

ChannelFlow::ChannelFlow(func::FuncOp func) { FlowBuilder(*this).build(func); }

//===----------------------------------------------------------------------===//
// Axes
//===----------------------------------------------------------------------===//

void FlowBuilder::build(func::FuncOp func) {
  for (BlockArgument argument : func.getArguments())
    for (unsigned dim = 0; dim < shapeOf(argument).size(); ++dim)
      fix(axis(argument, dim), func, "the model's input");
  for (auto reshape : func.getOps<ReshapeOp>())
    if (auto shuffle = ChannelShuffle::endingAt(reshape)) {
      insideShuffles.insert(shuffle->first);
      insideShuffles.insert(shuffle->transpose);
      shuffles.try_emplace(reshape, *shuffle);
    }
  for (Operation &op : func.getBody().front())
    if (!isa<ConstOp>(op))
      visit(&op);
  resolveProducts();
  finish();
}

Axis FlowBuilder::find(Axis axis) {
  while (flow.parents[axis] != axis)
    axis = flow.parents[axis] = flow.parents[flow.parents[axis]];
  return axis;
}

Axis FlowBuilder::create(int64_t extent) {
  flow.parents.push_back(flow.parents.size());
  flow.extents.push_back(extent);
  return flow.parents.back();
}

Axis FlowBuilder::axis(void *tensor, unsigned dim, int64_t extent) {
  auto [known, isNew] = flow.axes.try_emplace({tensor, dim}, 0);
  if (isNew)
    known->second = create(extent);
  return known->second;
}
Axis FlowBuilder::axis(Value value, unsigned dim) {
  return axis(value.getAsOpaquePointer(), dim, shapeOf(value)[dim]);
}
Axis FlowBuilder::axis(OpOperand &operand, unsigned dim) {
  return axis(ChannelFlow::tensorOf(operand), dim, shapeOf(operand.get())[dim]);
}

bool FlowBuilder::unite(Axis a, Axis b) {
  a = find(a);
  b = find(b);
  if (a == b)
    return false;
  flow.parents[std::max(a, b)] = std::min(a, b);
  return true;
}

void FlowBuilder::fix(Axis axis, Operation *op, const Twine &reason) {
  flow.fixedList.push_back({axis, op, reason.str()});
}
void FlowBuilder::fixAll(OpOperand &operand, const Twine &reason) {
  for (unsigned dim = 0; dim < shapeOf(operand.get()).size(); ++dim)
    fix(axis(operand, dim), operand.getOwner(), reason);
}
void FlowBuilder::fixAll(Operation *op, const Twine &reason) {
  for (OpOperand &operand : op->getOpOperands())
    fixAll(operand, reason);
  for (Value result : op->getResults())
    for (unsigned dim = 0; dim < shapeOf(result).size(); ++dim)
      fix(axis(result, dim), op, reason);
}

void FlowBuilder::multiply(Operation *op, Axis whole, ArrayRef<Axis> factors) {
  SmallVector<Axis> proper;
  llvm::copy_if(factors, std::back_inserter(proper),
                [&](Axis factor) { return flow.extents[factor] != 1; });
  if (proper.size() == 1)
    unite(whole, proper.front());
  else if (!proper.empty())
    flow.productList.push_back({op, whole, std::move(proper), 0});
}

AxisSelection &FlowBuilder::select(Operation *op, unsigned dim) {
  Axis result = axis(op->getResult(0), dim);
  flow.selectionList.push_back({op, op, dim, result, {}});
  flow.selectionList.back().sources.assign(flow.extents[result], {-1, 0, 0});
  return flow.selectionList.back();
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Two products of one axis have the same factors, or the axis stays as it is.
void FlowBuilder::resolveProducts() {
  for (bool changed = true; changed;) {
    changed = false;
    llvm::DenseMap<Axis, AxisProduct *> first;
    for (AxisProduct &product : flow.productList) {
      auto [known, isNew] = first.try_emplace(find(product.whole), &product);
      auto extent = [&](Axis axis) { return flow.extents[axis]; };
      if (isNew || !llvm::equal(llvm::map_range(known->second->factors, extent),
                                llvm::map_range(product.factors, extent)))
        continue;
      for (auto [a, b] : llvm::zip(known->second->factors, product.factors))
        changed |= unite(a, b);
    }
  }
}

/// A factor that is preferred, or else the last one that nothing fixes: in
/// [H, W, C] flattened the channels, in [C, 2, 2] that become pixels, too.
void FlowBuilder::chooseCarrier(AxisProduct &product, const llvm::DenseSet<Axis> &fixed) {
  ArrayRef<Axis> factors = product.factors;
  product.carrier = factors.size() - 1;
  auto isFree = [&](Axis factor) { return !fixed.contains(factor); };
  auto preferred = llvm::find_if(factors, [&](Axis factor) { return carriers.contains(factor); });
  auto lastFree = llvm::find_if(llvm::reverse(factors), isFree);
  if (preferred != factors.end())
    product.carrier = preferred - factors.begin();
  else if (lastFree != factors.rend())
    product.carrier = &*lastFree - factors.begin();
  for (auto [index, factor] : llvm::enumerate(factors))
    if (index != product.carrier)
      fix(factor, product.op, "cuts them into pieces");
}

/// The axes that are fixed, factors of fixed ones included.
llvm::DenseSet<Axis> FlowBuilder::findFixed() {
  llvm::DenseSet<Axis> fixed;
  for (const FixedAxis &each : flow.fixedList)
    fixed.insert(find(each.axis));
  for (bool changed = true; changed;) {
    changed = false;
    for (const AxisProduct &product : flow.productList)
      for (Axis factor : product.factors)
        changed |= fixed.contains(find(product.whole)) && fixed.insert(find(factor)).second;
  }
  return fixed;
}

/// From now on, axes are named by their roots.
void FlowBuilder::finish() {
  auto rootSet = [&](const llvm::DenseSet<Axis> &set) {
    llvm::DenseSet<Axis> roots;
    for (Axis axis : set)
      roots.insert(find(axis));
    return roots;
  };
  carriers = rootSet(carriers);
  flow.producedAxes = rootSet(flow.producedAxes);
  flow.computedAxes = rootSet(flow.computedAxes);
  for (AxisSelection &selection : flow.selectionList) {
    selection.result = find(selection.result);
    for (AxisSelection::Source &source : selection.sources)
      source.axis = find(source.axis);
  }
  llvm::DenseSet<Axis> fixedBefore = findFixed();
  llvm::DenseMap<Axis, AxisProduct *> first;
  for (AxisProduct &product : flow.productList) {
    product.whole = find(product.whole);
    for (Axis &factor : product.factors)
      factor = find(factor);
    chooseCarrier(product, fixedBefore);
    auto [known, isNew] = first.try_emplace(product.whole, &product);
    if (!isNew && known->second->factors != product.factors)
      for (AxisProduct *other : {known->second, &product}) {
        fix(product.whole, other->op, "cuts them otherwise than another node");
        for (Axis factor : other->factors)
          fix(factor, other->op, "cuts them otherwise than another node");
      }
    if (product.carrier != 0 && flow.producedAxes.contains(product.whole))
      fix(product.whole, product.op, "spreads them over several places");
  }
  for (FixedAxis &fixed : flow.fixedList)
    flow.fixedAxes.insert(fixed.axis = find(fixed.axis));
  for (Axis &parent : flow.parents)
    parent = find(parent);
}

} // namespace nestor

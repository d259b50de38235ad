//===- NestCapacities.cpp - One function for each capacity ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/NarrowFunction.h"
#include "passes/ResidualBlocks.h"
#include "passes/ScaleInput.h"

#include "mlir/IR/SymbolTable.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {
namespace {

class CapacityNester {
public:
  CapacityNester(ModuleOp module, const ChannelGroups &groups, const CapacityPlan &plan)
      : module(module), main(module.lookupSymbol<func::FuncOp>("main")), groups(groups), plan(plan),
        symbols(module), blocks(skippableBlocks(main)) {}

  LogicalResult run() {
    if (failed(checkPlan()) || failed(shareWeights()))
      return failure();
    SmallVector<func::FuncOp> functions;
    for (size_t capacity = 0; capacity < plan.widths.size(); ++capacity)
      functions.push_back(narrow(capacity));
    if (failed(scaleInputs(functions)))
      return failure();
    main.erase();
    for (auto [capacity, func] : llvm::enumerate(functions)) {
      bool isFull = capacity + 1 == functions.size();
      func.setName(isFull ? "main" : "capacity_" + std::to_string(capacity));
      module.push_back(func);
    }
    return success();
  }

private:
  ModuleOp module;
  func::FuncOp main;
  const ChannelGroups &groups;
  const CapacityPlan &plan;
  SymbolTable symbols;
  std::vector<ResidualBlock> blocks;
  llvm::DenseMap<Value, GlobalOp> globals; ///< By the constant.

  LogicalResult checkPlan();
  LogicalResult checkSkips();
  LogicalResult shareWeights();
  FailureOr<ArrayAttr> edgesOf(OpOperand &weight);
  SmallVector<int64_t> firstCapacities(Axis axis) const;
  func::FuncOp narrow(size_t capacity);
  void givePrivateVectors(func::FuncOp func) const;
  LogicalResult scaleInputs(ArrayRef<func::FuncOp> functions) const;
};

LogicalResult CapacityNester::checkPlan() {
  SmallVector<int64_t> whole;
  for (const ChannelGroup &group : groups.groups())
    whole.push_back(group.channels);
  if (plan.widths.empty() || plan.widths.back() != whole)
    return main.emitError("the last capacity must keep every channel");
  for (size_t capacity = 0; capacity < plan.widths.size(); ++capacity)
    for (size_t group = 0; group < whole.size(); ++group) {
      if (plan.widths[capacity].size() != whole.size())
        return main.emitError("every capacity needs a width for each of the ")
               << whole.size() << " groups";
      int64_t before = capacity ? plan.widths[capacity - 1][group] : 1;
      if (plan.widths[capacity][group] < before)
        return main.emitError("widths of group '")
               << groups.groups()[group].name << "' must ascend from 1";
    }
  return checkSkips();
}

LogicalResult CapacityNester::checkSkips() {
  for (auto [capacity, skipped] : llvm::enumerate(plan.skipped))
    for (int64_t number : skipped) {
      if (number < 0 || number >= int64_t(blocks.size()))
        return main.emitError("there are ")
               << blocks.size() << " residual blocks, none with number " << number;
      bool isFull = capacity + 1 == plan.widths.size();
      if (isFull || (capacity && !llvm::is_contained(plan.skipped[capacity - 1], number)))
        return blocks[number].add->emitError("a branch that a capacity leaves out, smaller ones "
                                             "leave out, too, and the last one none");
    }
  return success();
}

/// For each index of an axis, the first capacity that keeps it.
SmallVector<int64_t> CapacityNester::firstCapacities(Axis axis) const {
  SmallVector<int64_t> first(groups.flow().extentOf(axis), 0);
  int64_t index = 0;
  for (const ChannelRun &run : groups.runs(axis))
    for (int64_t i = 0; i < run.length; ++i, ++index)
      if (run.group >= 0)
        while (plan.widths[first[index]][run.group] <= run.first + i)
          ++first[index];
  return first;
}

/// A dimension's parts are the longest stretches of which each capacity keeps
/// a prefix.
FailureOr<ArrayAttr> CapacityNester::edgesOf(OpOperand &weight) {
  Builder builder(main.getContext());
  SmallVector<Attribute> dims;
  unsigned rank = shapeOf(weight.get()).size();
  for (unsigned dim = 0; dim < rank; ++dim) {
    SmallVector<SmallVector<int64_t>> parts;
    SmallVector<int64_t> first = firstCapacities(groups.flow().axisOf(weight, dim));
    bool shrinks = plan.widths.size() > 1 && llvm::any_of(first, [](int64_t k) { return k != 0; });
    for (size_t i = 0; shrinks && i < first.size(); ++i) {
      if (i == 0 || first[i] < first[i - 1])
        parts.emplace_back(plan.widths.size(), 0);
      for (size_t capacity = first[i]; capacity < plan.widths.size(); ++capacity)
        ++parts.back()[capacity];
    }
    if (isa<ConvOp>(weight.getOwner()) && dim + 1 == rank && parts.size() > 1)
      return weight.getOwner()->emitError("the outputs that a capacity keeps do not come first "
                                          "(sortByCapacity brings them there)");
    SmallVector<Attribute> list;
    for (const SmallVector<int64_t> &part : parts)
      list.push_back(builder.getDenseI64ArrayAttr(part));
    dims.push_back(builder.getArrayAttr(list));
  }
  return builder.getArrayAttr(dims);
}

LogicalResult CapacityNester::shareWeights() {
  OpBuilder builder(main);
  for (Operation &op : main.getBody().front())
    for (OpOperand *operand : sharedOperands(&op)) {
      if (globals.contains(operand->get()))
        continue;
      FailureOr<ArrayAttr> edges = edgesOf(*operand);
      if (failed(edges))
        return failure();
      auto constant = operand->get().getDefiningOp<ConstOp>();
      auto global =
          GlobalOp::create(builder, op.getLoc(), nodeName(&op), constant.getValue(), *edges);
      symbols.insert(global, Block::iterator(main));
      globals[operand->get()] = global;
    }
  return success();
}

func::FuncOp CapacityNester::narrow(size_t capacity) {
  IndexOrder order = IndexOrder::prefix(groups, plan.widths[capacity]);
  FunctionNarrower narrower(groups, order);
  narrower.weightOf = [&](OpBuilder &builder, OpOperand &operand) -> Value {
    SmallVector<int64_t> shape;
    for (unsigned dim = 0; dim < shapeOf(operand.get()).size(); ++dim)
      shape.push_back(order.of(groups.flow().axisOf(operand, dim)).size());
    return WeightOp::create(builder, operand.getOwner()->getLoc(),
                            tensorType(operand.get()).clone(shape),
                            globals.lookup(operand.get()).getSymName(), capacity);
  };
  ArrayRef<int64_t> skipped;
  if (capacity < plan.skipped.size())
    skipped = plan.skipped[capacity];
  narrower.replacementOf = [&](OpBuilder &builder, Operation *op, IRMapping &mapping) -> Value {
    for (int64_t number : skipped)
      if (const ResidualBlock &block = blocks[number]; block.add == op)
        return buildWithoutBranch(builder, block, mapping.lookup(op->getOperand(block.shortcut)));
    return {};
  };
  func::FuncOp func = main.cloneWithoutRegions();
  narrower.run(main, func);
  if (!skipped.empty())
    dropRepeatedClamps(func);
  if (plan.widths.size() > 1)
    givePrivateVectors(func);
  return func;
}

/// Ones and zeros where a convolution with a shared filter has no scale or bias.
void CapacityNester::givePrivateVectors(func::FuncOp func) const {
  for (auto conv : func.getOps<ConvOp>()) {
    if (!conv.getFilter().getDefiningOp<WeightOp>())
      continue;
    OpBuilder builder(conv);
    auto type = RankedTensorType::get(shapeOf(conv.getResult()).back(), builder.getF32Type());
    auto vectorOf = [&](float value) {
      return ConstOp::create(builder, conv.getLoc(), DenseElementsAttr::get(type, value));
    };
    if (!conv.getScale())
      conv.getScaleMutable().assign(vectorOf(1));
    if (!conv.getBias())
      conv.getBiasMutable().assign(vectorOf(0));
  }
}

LogicalResult CapacityNester::scaleInputs(ArrayRef<func::FuncOp> functions) const {
  for (auto [capacity, extents] : llvm::enumerate(plan.extents)) {
    if (extents.empty())
      continue;
    func::FuncOp func = functions[capacity];
    if (std::string reason = scaleInput(func, extents); !reason.empty())
      return func.emitError("capacity ") << capacity << " cannot have a smaller input: " << reason;
  }
  return success();
}

} // namespace

LogicalResult nestCapacities(ModuleOp module, const ChannelGroups &groups,
                             const CapacityPlan &plan) {
  return CapacityNester(module, groups, plan).run();
}

} // namespace nestor

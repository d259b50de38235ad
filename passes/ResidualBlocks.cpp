//===- ResidualBlocks.cpp - Blocks that a network can do without ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/ResidualBlocks.h"

#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OperationSupport.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

/// Whether `value` is computed by convolutions, among others, from `source`
/// and constants and from nothing else.
static bool isBranchFrom(Value source, Value value) {
  SmallVector<Value> open{value};
  llvm::SmallDenseSet<Value> seen;
  bool reached = false, convolves = false;
  while (!open.empty()) {
    Value next = open.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    if (next == source) {
      reached = true;
      continue;
    }
    Operation *op = next.getDefiningOp();
    if (!op)
      return false; // Another input of the model.
    convolves |= isa<ConvOp>(op);
    llvm::append_range(open, op->getOperands());
  }
  return reached && convolves;
}

/// The addition of `map`'s two inputs, if its body has one and uses them for
/// nothing else.
static arith::AddFOp sumOfInputs(MapOp map) {
  if (map.getInputs().size() != 2)
    return nullptr;
  Block &body = map.getBody().front();
  Value first = body.getArgument(0), second = body.getArgument(1);
  if (!first.hasOneUse() || !second.hasOneUse())
    return nullptr;
  auto add = dyn_cast<arith::AddFOp>(*first.user_begin());
  return add && *second.user_begin() == add ? add : nullptr;
}

std::vector<ResidualBlock> skippableBlocks(func::FuncOp func) {
  std::vector<ResidualBlock> blocks;
  for (auto map : func.getOps<MapOp>()) {
    if (!sumOfInputs(map) || map.getInputs()[0].getType() != map.getType() ||
        map.getInputs()[1].getType() != map.getType())
      continue;
    for (unsigned branch : {0u, 1u})
      if (isBranchFrom(map.getInputs()[1 - branch], map.getInputs()[branch])) {
        blocks.push_back({map, branch, 1 - branch});
        break;
      }
  }
  return blocks;
}

Value buildWithoutBranch(OpBuilder &builder, const ResidualBlock &block, Value shortcut) {
  auto map = cast<MapOp>(block.add);
  arith::AddFOp add = sumOfInputs(map);
  if (add->isBeforeInBlock(map.getBody().front().getTerminator()) &&
      cast<YieldOp>(map.getBody().front().back()).getValue() == add.getResult())
    return shortcut;
  auto left = MapOp::create(builder, map.getLoc(), shortcut.getType(), shortcut);
  Block &body = left.getBody().emplaceBlock();
  IRMapping mapping;
  mapping.map(add.getResult(), body.addArgument(scalarTypeOf(shortcut.getType()), map.getLoc()));
  OpBuilder inner = OpBuilder::atBlockEnd(&body);
  for (Operation &op : map.getBody().front())
    if (&op != add)
      inner.clone(op, mapping);
  return left.getResult();
}

/// Whether applying `map` twice is applying it once: it clamps its input.
static bool isClamp(MapOp map) {
  if (map.getInputs().size() != 1)
    return false;
  return llvm::all_of(map.getBody().front(), [](Operation &op) {
    return isa<arith::MaximumFOp, arith::MinimumFOp, arith::ConstantOp, YieldOp>(op);
  });
}

void dropRepeatedClamps(func::FuncOp func) {
  for (auto map : llvm::make_early_inc_range(func.getOps<MapOp>())) {
    auto before = map.getInputs().front().getDefiningOp<MapOp>();
    if (!before || !isClamp(map) || !isClamp(before) || map.getType() != before.getType() ||
        !OperationEquivalence::isRegionEquivalentTo(&map.getBody(), &before.getBody(),
                                                    OperationEquivalence::IgnoreLocations))
      continue;
    map.replaceAllUsesWith(before.getResult());
    map.erase();
  }
}

} // namespace nestor

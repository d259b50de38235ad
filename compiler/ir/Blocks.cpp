//===- Blocks.cpp - Which block each operation belongs to -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Blocks.h"

using namespace mlir;
using namespace nestor::nest;

std::optional<unsigned> nestor::nest::blockNumber(Operation *op, StringRef name) {
  auto number = op->getAttrOfType<IntegerAttr>(name);
  return number ? std::optional<unsigned>(number.getInt()) : std::nullopt;
}

void nestor::nest::setBlockNumber(Operation *op, unsigned number, StringRef name) {
  op->setAttr(name, Builder(op->getContext()).getI64IntegerAttr(number));
}

std::optional<unsigned> nestor::nest::blockCount(func::FuncOp func) {
  return blockNumber(func, kBlockCountAttr);
}

BlockNumbers nestor::nest::blocksOf(
    func::FuncOp func, llvm::function_ref<std::optional<unsigned>(Operation *)> numbers) {
  BlockNumbers blocks;
  for (Operation &op : func.front().without_terminator()) {
    std::optional<unsigned> block = numbers(&op);
    for (Value operand : op.getOperands())
      if (auto found = blocks.find(operand.getDefiningOp()); found != blocks.end())
        block = std::max(block, std::optional(found->second)); // None is the least.
    if (block)
      blocks[&op] = *block;
  }
  for (Operation &op : llvm::reverse(func.front().without_terminator())) {
    if (blocks.contains(&op))
      continue;
    std::optional<unsigned> first;
    for (Operation *user : op.getUsers())
      if (auto found = blocks.find(user); found != blocks.end())
        first = std::min(first.value_or(found->second), found->second);
    blocks[&op] = first.value_or(0);
  }
  return blocks;
}

BlockNumbers nestor::nest::blocksOf(func::FuncOp func) {
  return blocksOf(func, [](Operation *op) { return blockNumber(op); });
}

void nestor::nest::removeBlocks(func::FuncOp func) {
  func->removeAttr(kBlockCountAttr);
  for (Operation &op : func.front()) {
    op.removeAttr(kBlockAttr);
    op.removeAttr(kFirstBlockAttr);
  }
}

void nestor::nest::labelBlocks(func::FuncOp func) {
  for (auto [op, block] : blocksOf(func))
    if (!isa<ConstOp, WeightOp>(op))
      setBlockNumber(op, block);
}

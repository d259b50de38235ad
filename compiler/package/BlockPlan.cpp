//===- BlockPlan.cpp - The blocks of all capacities -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/BlockPlan.h"

#include "compiler/package/Plan.h"

using namespace mlir;

namespace nestor::package {

/// What the runtime accepts (runtime/src/blocks.cpp).
static constexpr unsigned kMaxBlocks = 4096;

void BlockPlan::add(func::FuncOp func, std::vector<bool> &isLost) {
  unsigned count = isLost.size();
  fused.clear(); // The full capacity comes last.
  for (auto [op, block] : nest::blocksOf(func))
    blocks[op] = std::min(block, count - 1);
  for (Operation &op : func.front()) {
    if (auto first = nest::blockNumber(&op, nest::kFirstBlockAttr)) {
      for (unsigned cut = *first + 1; cut <= blocks.lookup(&op); ++cut)
        isLost[cut] = true;
      fused.push_back(layerName(op.getLoc()));
    }
  }
}

FailureOr<BlockPlan> BlockPlan::take(ArrayRef<func::FuncOp> capacities) {
  BlockPlan plan;
  func::FuncOp full = capacities.back();
  unsigned count = nest::blockCount(full).value_or(0);
  if (count > kMaxBlocks)
    return full.emitError("at most ") << kMaxBlocks << " blocks are possible, not " << count;
  for (func::FuncOp func : capacities)
    if (nest::blockCount(func).value_or(0) != count)
      count = 0;
  std::vector<bool> isLost(count);
  for (func::FuncOp func : capacities) {
    if (count)
      plan.add(func, isLost);
    nest::removeBlocks(func);
  }
  if (count)
    plan.number(isLost);
  return plan;
}

/// Counts blocks without the cuts that are lost.
void BlockPlan::number(const std::vector<bool> &isLost) {
  unsigned number = 0;
  std::vector<unsigned> numbers;
  for (unsigned block = 0; block < isLost.size(); ++block) {
    number += block && !isLost[block];
    numbers.push_back(number);
  }
  for (auto &entry : blocks)
    entry.second = numbers[entry.second];
  blockCount = number + 1;
  lost = isLost.size() - blockCount;
}

} // namespace nestor::package

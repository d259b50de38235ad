//===- FindCuts.cpp - Where a network may be cut --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

#include "compiler/ir/Blocks.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_FINDCUTSPASS
#include "passes/Passes.h.inc"

namespace {

/// Whether element-wise work puts `value`, a mean or sum, together with larger
/// tensors, as in a normalisation, or does so with what products make of it, as in
/// squeeze and excitation: what it is computed from is then alive anyway.
bool isBroadcastBack(Value value) {
  llvm::SetVector<Value> reached;
  reached.insert(value);
  for (size_t i = 0; i < reached.size(); ++i)
    for (Operation *user : reached[i].getUsers()) {
      if (!isa<MapOp, ReshapeOp, ConvOp>(user))
        continue;
      Value result = user->getResult(0);
      if (isa<MapOp>(user) && tensorType(result).getNumElements() > tensorType(reached[i]).getNumElements())
        return true;
      reached.insert(result);
    }
  return false;
}

/// What begins a block: operations that cost most, and those behind which
/// tensors have another size, so that before or behind them a cut is small.
bool beginsBlock(Operation *op) {
  if (auto reduce = dyn_cast<ReduceOp>(op))
    return !isBroadcastBack(reduce.getResult());
  return isa<ConvOp, ConvTransposeOp, MatmulOp, LstmOp, GruOp, RnnOp, PoolOp, NormOp, ResizeOp>(op);
}

/// What is alive at a cut.
struct Candidate {
  int64_t tensors = 0, bytes = 0;
};

class CutFinder {
public:
  CutFinder(func::FuncOp func, int64_t maxTensors, int64_t maxCuts)
      : func(func), maxTensors(maxTensors), maxCuts(maxCuts) {}

  void run() {
    splitEverywhere();
    measure();
    choose();
    write();
  }

private:
  void splitEverywhere();
  void measure();
  void addLive(Value value, int64_t from);
  void choose();
  void write();

  func::FuncOp func;
  int64_t maxTensors, maxCuts;
  BlockNumbers blocks;                ///< As if every candidate were a cut.
  std::vector<Candidate> candidates;  ///< Number c lies before block c.
  llvm::SmallBitVector chosen;
};

/// Each operation that begins a block gets one; the light ones after it join,
/// which are those that it may be fused with.
void CutFinder::splitEverywhere() {
  llvm::DenseMap<Operation *, unsigned> first;
  for (Operation &op : func.front())
    if (beginsBlock(&op))
      first.try_emplace(&op, first.size());
  blocks = blocksOf(func, [&](Operation *op) -> std::optional<unsigned> {
    auto found = first.find(op);
    return found == first.end() ? std::nullopt : std::optional(found->second);
  });
  candidates.resize(std::max<size_t>(first.size(), 1));
}

/// `value` exists behind block `from` and is alive up to its last reader. What
/// the function returns is alive to the end.
void CutFinder::addLive(Value value, int64_t from) {
  int64_t last = from;
  SmallVector<Value> names{value}; // A reshape is another name for the same memory.
  for (size_t i = 0; i < names.size(); ++i)
    for (Operation *user : names[i].getUsers()) {
      if (auto reshape = dyn_cast<ReshapeOp>(user))
        names.push_back(reshape);
      else
        last = std::max<int64_t>(last, user->hasTrait<OpTrait::IsTerminator>()
                                           ? candidates.size() - 1
                                           : blocks.lookup(user));
    }
  for (int64_t cut = from + 1; cut <= last; ++cut) {
    ++candidates[cut].tensors;
    candidates[cut].bytes += bytesOf(value);
  }
}

void CutFinder::measure() {
  for (BlockArgument argument : func.getArguments())
    addLive(argument, -1);
  for (Operation &op : func.front().without_terminator())
    if (!isa<ConstOp, WeightOp, ReshapeOp>(op))
      for (Value result : op.getResults())
        addLive(result, blocks.lookup(&op));
}

/// Cuts across more tensors than anyone would send are left out, and of too
/// many those with most bytes.
void CutFinder::choose() {
  chosen.resize(candidates.size());
  SmallVector<unsigned> order;
  for (unsigned cut = 1; cut < candidates.size(); ++cut)
    if (candidates[cut].tensors <= maxTensors)
      order.push_back(cut);
  llvm::stable_sort(order, [&](unsigned a, unsigned b) {
    return candidates[a].bytes < candidates[b].bytes;
  });
  order.truncate(std::min<size_t>(order.size(), maxCuts));
  for (unsigned cut : order)
    chosen.set(cut);
}

void CutFinder::write() {
  SmallVector<unsigned> numbers{0};
  for (unsigned cut = 1; cut < candidates.size(); ++cut)
    numbers.push_back(numbers.back() + chosen.test(cut));
  for (Operation &op : func.front().without_terminator())
    if (!isa<ConstOp, WeightOp>(op))
      setBlockNumber(&op, numbers[blocks.lookup(&op)]);
  setBlockNumber(func, numbers.back() + 1, kBlockCountAttr);
}

struct FindCutsPass final : impl::FindCutsPassBase<FindCutsPass> {
  using Base::Base;
  void runOnOperation() override {
    if (!blockCount(getOperation()))
      CutFinder(getOperation(), maxTensors, maxCuts).run();
  }
};

} // namespace
} // namespace nestor

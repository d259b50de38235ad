//===- ChannelCost.cpp - Multiply-accumulates at given widths -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/ChannelFlow.h"
#include "passes/ChannelGroups.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {
namespace {

/// Extents of tensors when groups keep some of their channels.
class Extents {
public:
  Extents(const ChannelGroups &groups, ArrayRef<int64_t> widths) : groups(groups), widths(widths) {}

  uint64_t of(Axis axis) const {
    ArrayRef<ChannelRun> runs = groups.runs(axis);
    if (runs.empty())
      return groups.flow().extentOf(axis);
    uint64_t kept = 0;
    for (const ChannelRun &run : runs)
      kept += run.group < 0 ? run.length
                            : std::clamp<int64_t>(widths[run.group] - run.first, 0, run.length);
    return kept;
  }
  uint64_t of(OpOperand &operand, unsigned dim) const {
    return of(groups.flow().axisOf(operand, dim));
  }
  uint64_t elementsOf(Value value) const {
    uint64_t product = 1;
    for (unsigned dim = 0; dim < shapeOf(value).size(); ++dim)
      product *= of(groups.flow().axisOf(value, dim));
    return product;
  }

private:
  const ChannelGroups &groups;
  ArrayRef<int64_t> widths;
};

/// Every gate of a hidden unit reads all inputs and all hidden units.
uint64_t macsOf(const RecurrentOperands &layer, const Extents &extents) {
  return extents.elementsOf(layer.hidden()) * layer.gates *
         (extents.of(*layer.input, 2) + extents.of(*layer.recurrence, 2));
}

uint64_t macsOf(Operation *op, const Extents &extents) {
  return llvm::TypeSwitch<Operation *, uint64_t>(op)
      .Case([&](ConvOp conv) {
        // Every output reads each tap of the inputs of its group.
        uint64_t macs = extents.elementsOf(conv.getResult());
        unsigned inputs = shapeOf(conv.getFilter()).size() - 2;
        for (int64_t taps : conv.getKernel())
          macs *= taps;
        return macs * extents.of(conv.getFilterMutable(), inputs);
      })
      .Case([&](MatmulOp matmul) {
        unsigned depth = matmul.getType().getRank() - (matmul.getTransposeLhs() ? 2 : 1);
        return extents.elementsOf(matmul.getResult()) * extents.of(matmul.getLhsMutable(), depth);
      })
      .Case([&](ConvTransposeOp conv) {
        ArrayRef<int64_t> filter = shapeOf(conv.getFilter());
        uint64_t macs = extents.elementsOf(conv.getInput());
        for (int64_t extent : filter.drop_back(2))
          macs *= extent;
        return macs * filter.back();
      })
      .Case<LstmOp, GruOp, RnnOp>([&](auto) { return macsOf(*RecurrentOperands::of(op), extents); })
      .Default([](Operation *) { return 0; });
}

} // namespace

uint64_t macsAt(func::FuncOp func, const ChannelGroups &groups, ArrayRef<int64_t> widths,
                ArrayRef<int64_t> skipped) {
  llvm::SmallDenseMap<Operation *, unsigned> branchOf;
  if (!skipped.empty()) {
    std::vector<ResidualBlock> blocks = skippableBlocks(func);
    for (int64_t number : skipped)
      branchOf[blocks[number].add] = blocks[number].branch;
  }

  Extents extents(groups, widths);
  llvm::DenseSet<Operation *> needed;
  uint64_t macs = 0;
  for (Operation &op : llvm::reverse(func.getBody().front())) {
    if (!op.hasTrait<OpTrait::IsTerminator>() && !needed.contains(&op))
      continue;
    macs += macsOf(&op, extents);
    auto branch = branchOf.find(&op);
    for (OpOperand &operand : op.getOpOperands())
      if (Operation *producer = operand.get().getDefiningOp())
        if (branch == branchOf.end() || branch->second != operand.getOperandNumber())
          needed.insert(producer);
  }
  return macs;
}

} // namespace nestor

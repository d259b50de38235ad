//===- NetworkCost.cpp - Work and time by width ---------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/NetworkCost.h"

#include "compiler/kernels/Kernel.h"
#include "compiler/kernels/TileTable.h"
#include "compiler/reference/Indices.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using nestor::reference::product;

namespace nestor::learn {

/// Of one core, for vectors of 16, 8 and 4 floats: ResNet-20 and MobileNetV2
/// on a server of 2023, the others by their peaks.
static constexpr KernelSpeed kSpeeds[] = {
    {90e3, 30e3, 12e3, 0.7}, {45e3, 16e3, 10e3, 0.7}, {15e3, 6e3, 8e3, 0.7}};

const KernelSpeed &hostSpeed() {
  int64_t lanes = kernels::hostTarget().vectorLanes;
  return kSpeeds[lanes >= 16 ? 0 : lanes >= 8 ? 1 : 2];
}

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// Operations that nobody needs any more once the branch of `block` is left
/// out.
static DenseSet<Operation *> branchOf(const ResidualBlock &block) {
  DenseSet<Operation *> branch;
  SmallVector<Value> pending{block.add->getOperand(block.branch)};
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val().getDefiningOp();
    // An operation with a reader outside stays; it is met again from its last
    // reader inside.
    if (!op || branch.contains(op) || !llvm::all_of(op->getUsers(), [&](Operation *user) {
          return user == block.add || branch.contains(user);
        }))
      continue;
    branch.insert(op);
    llvm::append_range(pending, op->getOperands());
  }
  return branch;
}

NetworkCost::NetworkCost(func::FuncOp main, const ChannelGroups &groups,
                         ArrayRef<ResidualBlock> blocks, const KernelSpeed &speed)
    : groups(groups), speed(speed) {
  std::vector<DenseSet<Operation *>> branches;
  for (const ResidualBlock &block : blocks)
    branches.push_back(branchOf(block));
  for (Operation &op : main.front().without_terminator()) {
    size_t before = items.size();
    addItem(&op);
    for (size_t i = before; i < items.size(); ++i)
      for (auto [block, branch] : llvm::enumerate(branches))
        if (branch.contains(&op) || blocks[block].add == &op)
          items[i].blocks.push_back(block);
  }
  for (const DenseSet<Operation *> &branch : branches) {
    auto &list = inside.emplace_back();
    for (auto [number, group] : llvm::enumerate(groups.groups())) {
      auto isInside = [&](Operation *op) { return branch.contains(op); };
      bool isProduced = !group.producers.empty() || !group.recurrences.empty();
      if (isProduced && llvm::all_of(group.producers, isInside) &&
          llvm::all_of(group.consumers, isInside) && llvm::all_of(group.recurrences, isInside) &&
          llvm::all_of(group.recurrentReaders, isInside))
        list.push_back(number);
    }
  }
}

NetworkCost::Extent NetworkCost::extentOf(Value value, unsigned dim) const {
  Extent extent;
  llvm::ArrayRef<ChannelRun> runs = groups.runs(value, dim);
  if (runs.empty())
    extent.fixed = shapeOf(value)[dim];
  for (const ChannelRun &run : runs) {
    if (run.group < 0) {
      extent.fixed += run.length;
      continue;
    }
    auto found = llvm::find_if(extent.parts, [&](auto &part) { return part.first == run.group; });
    if (found == extent.parts.end()) {
      std::vector<int64_t> counts(groups.groups()[run.group].channels + 1);
      found = extent.parts.insert(found, {run.group, std::move(counts)});
    }
    // All widths above a channel have it.
    for (int64_t width = run.first + 1; width < int64_t(found->second.size()); ++width)
      found->second[width] += std::min(width - run.first, run.length);
  }
  return extent;
}

void NetworkCost::addItem(Operation *op) {
  if (op->getNumResults() == 0 || op->hasTrait<OpTrait::ConstantLike>() ||
      isa<nest::WeightOp, nest::ReshapeOp>(op))
    return;
  Value result = op->getResult(0);
  ArrayRef<int64_t> shape = shapeOf(result);
  Item item{Item::Movement, 0, 0, 0, {}, {}, {}};
  if (shape.empty())
    return;
  item.output = extentOf(result, shape.size() - 1);
  item.perOutput = double(product(shape.drop_back()));
  if (auto conv = dyn_cast<nest::ConvOp>(op)) {
    ArrayRef<int64_t> filter = shapeOf(conv.getFilter());
    int64_t taps = product(filter.drop_back(2)), number = conv.getGroups();
    ArrayRef<int64_t> input = shapeOf(conv.getInput());
    bool isDepthwise = number > 1 && filter[filter.size() - 2] == 1;
    item.kind = isDepthwise ? Item::Depthwise : Item::Product;
    item.input = extentOf(conv.getInput(), input.size() - 1);
    item.perInput = double(product(input.drop_back()));
    item.perPair = item.perOutput * double(taps);
    // Groups of channels go as a whole: each output keeps its inputs.
    if (number > 1)
      item.input = {filter[filter.size() - 2], {}};
  } else if (auto matmul = dyn_cast<nest::MatmulOp>(op)) {
    ArrayRef<int64_t> lhs = shapeOf(matmul.getLhs());
    unsigned depth = lhs.size() - (matmul.getTransposeLhs() ? 2 : 1);
    item.kind = Item::Product;
    item.input = extentOf(matmul.getLhs(), depth);
    item.perInput = double(product(lhs)) / double(lhs[depth]);
    item.perPair = item.perOutput;
  } else if (auto layer = RecurrentOperands::of(op)) {
    return addRecurrent(*layer);
  } else {
    item.perInput = 0;
    for (Value operand : op->getOperands())
      if (!operand.getDefiningOp<nest::ConstOp>() && !shapeOf(operand).empty())
        item.perInput += double(product(shapeOf(operand)));
    // Of the same proportion as the result.
    item.perOutput += item.perInput / double(shape.back());
    item.perInput = 0;
  }
  items.push_back(std::move(item));
}

/// Two products: of the inputs of all steps, and of the hidden states.
void NetworkCost::addRecurrent(const RecurrentOperands &layer) {
  double states = double(product(shapeOf(layer.hidden()).drop_back()));
  double rows = states * layer.gates;
  Extent hidden = extentOf(layer.hidden(), 3);
  for (const Extent &input : {extentOf(layer.input->get(), 2), hidden})
    items.push_back({Item::Product, rows, states, rows, hidden, input, {}});
}

bool NetworkCost::isSkipped(const Item &item, const std::vector<bool> &skipped) const {
  return llvm::any_of(item.blocks, [&](size_t block) { return skipped[block]; });
}

uint64_t NetworkCost::macs(ArrayRef<int64_t> widths, const std::vector<bool> &skipped) const {
  double sum = 0;
  for (const Item &item : items) {
    if (item.kind == Item::Movement || isSkipped(item, skipped))
      continue;
    double inputs = item.kind == Item::Product ? item.input.at(widths) : 1;
    sum += item.perPair * inputs * item.output.at(widths);
  }
  return uint64_t(sum);
}

double NetworkCost::microseconds(ArrayRef<int64_t> widths, const std::vector<bool> &skipped) const {
  double sum = 0;
  for (const Item &item : items) {
    if (isSkipped(item, skipped))
      continue;
    double outputs = item.output.at(widths), inputs = item.input.at(widths);
    // Kernels compute whole panels.
    double panels = double(llvm::alignTo(uint64_t(outputs), kernels::panelWidth));
    double bytes = 4 * (item.perOutput * outputs + item.perInput * inputs);
    sum += speed.microsecondsPerCall;
    if (item.kind == Item::Product)
      sum += item.perPair * inputs * panels / speed.macsPerMicrosecond;
    else if (item.kind == Item::Depthwise)
      sum += item.perPair * panels / speed.depthwiseMacsPerMicrosecond;
    // Convolutions hide the movement of the maps around them behind the
    // arithmetic; element-wise work is mostly fused into them.
    sum += bytes / speed.bytesPerMicrosecond / (item.kind == Item::Movement ? 2 : 1);
  }
  return sum;
}

} // namespace nestor::learn

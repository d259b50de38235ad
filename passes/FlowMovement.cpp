//===- FlowMovement.cpp - What operations that move data do to indices -===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/FlowBuilder.h"
#include "passes/Layout.h"

#include "compiler/reference/Evaluator.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

void FlowBuilder::visitSlice(SliceOp op) {
  ArrayRef<int64_t> from = shapeOf(op.getInput()), to = shapeOf(op.getResult());
  for (unsigned dim = 0; dim < from.size(); ++dim) {
    int64_t start = op.getStarts()[dim], step = op.getSteps()[dim];
    Axis input = axis(op.getInputMutable(), dim);
    if (from[dim] == to[dim] && start == 0 && step == 1) {
      unite(input, axis(op.getResult(), dim));
      continue;
    }
    AxisSelection &selection = select(op, dim);
    for (int64_t i = 0; i < to[dim]; ++i)
      selection.sources[i] = {0, input, start + i * step};
  }
}

/// Whether what lies outside is zero.
static bool padsWithZeros(PadOp op) {
  if (op.getMode() != PadMode::constant)
    return false;
  if (!op.getValue())
    return true;
  auto constant = op.getValue().getDefiningOp<ConstOp>();
  auto value = constant ? dyn_cast<DenseFPElementsAttr>(constant.getValue()) : nullptr;
  return value && value.isSplat() && value.getSplatValue<APFloat>().isZero();
}

void FlowBuilder::visitPad(PadOp op) {
  bool zeros = padsWithZeros(op);
  for (auto [dim, extent] : llvm::enumerate(shapeOf(op.getInput()))) {
    int64_t low = op.getLow()[dim];
    Axis input = axis(op.getInputMutable(), dim);
    if (low == 0 && op.getHigh()[dim] == 0) {
      unite(input, axis(op.getResult(), dim));
    } else if (!zeros) {
      fix(input, op, "extends them by other than zeros");
      fix(axis(op.getResult(), dim), op, "extends them by other than zeros");
    } else {
      AxisSelection &selection = select(op, dim);
      for (int64_t i = std::max<int64_t>(0, -low); i < extent; ++i)
        if (size_t(low + i) < selection.sources.size())
          selection.sources[low + i] = {0, input, i};
    }
  }
}

void FlowBuilder::visitConcat(ConcatOp op) {
  unsigned along = op.getAxis();
  for (OpOperand &operand : op->getOpOperands())
    for (unsigned dim = 0; dim < shapeOf(op.getResult()).size(); ++dim)
      if (dim != along)
        unite(axis(operand, dim), axis(op.getResult(), dim));
  AxisSelection &selection = select(op, along);
  auto source = selection.sources.begin();
  for (OpOperand &operand : op->getOpOperands())
    for (int64_t i = 0; i < shapeOf(operand.get())[along]; ++i)
      *source++ = {int(operand.getOperandNumber()), axis(operand, along), i};
}

void FlowBuilder::visitGather(GatherOp op) {
  int64_t along = op.getAxis(), extent = shapeOf(op.getInput())[along];
  int64_t rank = shapeOf(op.getIndices()).size();
  OpOperand &input = op.getInputMutable();
  for (int64_t dim = 0; dim < int64_t(shapeOf(op.getInput()).size()); ++dim)
    if (dim != along)
      unite(axis(input, dim), axis(op.getResult(), dim < along ? dim : dim + rank - 1));
  auto constant = op.getIndices().getDefiningOp<ConstOp>();
  if (!constant || rank != 1) {
    fix(axis(input, along), op, "picks any of them");
    for (int64_t dim = along; dim < along + rank; ++dim)
      fix(axis(op.getResult(), dim), op, "picks them by number");
    return;
  }
  auto indices = reference::TensorValue::fromAttr(constant.getValue());
  AxisSelection &selection = select(op, along);
  for (auto [i, source] : llvm::enumerate(selection.sources)) {
    int64_t index = indices.getInt(i);
    source = {0, axis(input, along),
              std::clamp<int64_t>(index < 0 ? index + extent : index, 0, extent - 1)};
  }
}

/// The factors of which each of `extents` and each of `others` is a product,
/// both of the same total; none if there are no such factors.
static std::optional<SmallVector<int64_t>> commonFactors(ArrayRef<int64_t> extents,
                                                         ArrayRef<int64_t> others) {
  SmallVector<int64_t> bounds, factors;
  for (ArrayRef<int64_t> shape : {extents, others}) {
    int64_t bound = 1;
    for (int64_t extent : shape)
      bounds.push_back(bound *= extent);
  }
  llvm::sort(bounds);
  bounds.erase(llvm::unique(bounds), bounds.end());
  int64_t last = 1;
  for (int64_t bound : bounds) {
    if (bound % last)
      return std::nullopt;
    factors.push_back(bound / last);
    last = bound;
  }
  return factors;
}

//===----------------------------------------------------------------------===//
// Shuffles
//===----------------------------------------------------------------------===//

/// Row-major, indices of extents `split`, in the order in which a transpose of
/// those dimensions by `perm` has them.
static SmallVector<int64_t> shuffledIndices(ArrayRef<int64_t> split, ArrayRef<int64_t> perm) {
  SmallVector<int64_t> indices{0};
  for (int64_t dim : perm) {
    int64_t stride = 1;
    for (int64_t extent : split.drop_front(dim + 1))
      stride *= extent;
    SmallVector<int64_t> outer = std::move(indices);
    indices.clear();
    for (int64_t index : outer)
      for (int64_t i = 0; i < split[dim]; ++i)
        indices.push_back(index + i * stride);
  }
  return indices;
}

std::optional<ChannelShuffle> ChannelShuffle::endingAt(ReshapeOp last) {
  auto transpose = last.getInput().getDefiningOp<TransposeOp>();
  auto first = transpose ? transpose.getInput().getDefiningOp<ReshapeOp>() : nullptr;
  if (!first || !transpose->hasOneUse() || !first->hasOneUse() ||
      shapeOf(first.getInput()) != shapeOf(last.getResult()))
    return std::nullopt;
  ArrayRef<int64_t> split = shapeOf(first.getResult());
  auto groups = groupDims(shapeOf(last.getResult()), split);
  if (!groups)
    return std::nullopt;

  SmallVector<int64_t> order;
  llvm::copy_if(transpose.getPerm(), std::back_inserter(order),
                [&](int64_t dim) { return split[dim] != 1; });
  std::optional<ChannelShuffle> shuffle;
  ArrayRef<int64_t> left = order;
  for (const ReshapeGroup &group : *groups) {
    SmallVector<int64_t> perm(left.take_front(group.to.size()));
    left = left.drop_front(group.to.size());
    if (perm == group.to)
      continue;
    bool permutes = std::is_permutation(perm.begin(), perm.end(), group.to.begin());
    if (shuffle || !permutes || group.from.size() != 1)
      return std::nullopt;
    SmallVector<int64_t> extents;
    for (int64_t &dim : perm)
      dim = llvm::find(group.to, dim) - group.to.begin();
    for (int64_t dim : group.to)
      extents.push_back(split[dim]);
    shuffle = {first, transpose, unsigned(group.from.front()), shuffledIndices(extents, perm)};
  }
  return shuffle;
}

void FlowBuilder::visitShuffle(ReshapeOp op, const ChannelShuffle &shuffle) {
  ReshapeOp first = shuffle.first;
  AxisSelection &selection = select(op, shuffle.dim);
  selection.reads = first;
  Axis input = axis(first.getInputMutable(), shuffle.dim);
  for (auto [source, index] : llvm::zip_equal(selection.sources, shuffle.indices))
    source = {0, input, index};
  for (unsigned dim = 0; dim < shapeOf(op.getResult()).size(); ++dim)
    if (dim != shuffle.dim)
      unite(axis(first.getInputMutable(), dim), axis(op.getResult(), dim));
}

void FlowBuilder::visitReshape(ReshapeOp op) {
  ArrayRef<int64_t> from = shapeOf(op.getInput()), to = shapeOf(op.getResult());
  auto groups = groupDims(from, to);
  if (!groups)
    return fixAll(op.getOperation(), "has no elements");
  // Dimensions of extent 1 come and go.
  for (auto [dim, extent] : llvm::enumerate(from))
    if (extent == 1)
      fix(axis(op.getInputMutable(), dim), op, "reshapes it");
  for (auto [dim, extent] : llvm::enumerate(to))
    if (extent == 1)
      fix(axis(op.getResult(), dim), op, "reshapes it");
  for (const ReshapeGroup &group : *groups) {
    SmallVector<std::pair<Axis, int64_t>> inputs, results;
    SmallVector<int64_t> fromExtents, toExtents;
    for (int64_t dim : group.from) {
      inputs.push_back({axis(op.getInputMutable(), dim), from[dim]});
      fromExtents.push_back(from[dim]);
    }
    for (int64_t dim : group.to) {
      results.push_back({axis(op.getResult(), dim), to[dim]});
      toExtents.push_back(to[dim]);
    }
    auto extents = commonFactors(fromExtents, toExtents);
    SmallVector<Axis> factors;
    for (int64_t extent : extents.value_or(SmallVector<int64_t>()))
      factors.push_back(create(extent));
    for (auto &side : {inputs, results}) {
      ArrayRef<Axis> left = factors;
      for (auto [whole, extent] : side) {
        if (!extents) {
          fix(whole, op, "reshapes them");
          continue;
        }
        size_t count = 0;
        for (int64_t product = 1; product < extent; ++count)
          product *= flow.extents[left[count]];
        multiply(op, whole, left.take_front(count));
        left = left.drop_front(count);
      }
    }
  }
}

} // namespace nestor

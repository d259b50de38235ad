//===- Views.cpp - Tensors that lie inside others -------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Views.h"

#include "compiler/ir/Slices.h"
#include "compiler/kernels/KernelBuilder.h"

using namespace mlir;
using namespace nestor::kernels;

namespace nestor::package {

Value rootOf(Value value) {
  while (auto reshape = value.getDefiningOp<nest::ReshapeOp>())
    value = reshape.getInput();
  return value;
}

/// A joined tensor of more bytes does not stay in a near cache while its parts are
/// computed. Products, which read many rows at a time, then wait for what copying
/// would have brought near; what reads row by row does not. SqueezeNet: of 346 KB
/// and less, writing in place saves 8 us each; of 746 KB and more, it costs 30 us
/// each where a convolution reads it, and saves 14 us each where a pooling does.
static constexpr int64_t kNearCacheBytes = 512 << 10;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// The length of a row; 0 of a scalar, whose like is no part of anything.
static int64_t rowLength(Value value) {
  RankedTensorType type = typeOf(value);
  return type.getRank() ? type.getShape().back() : 0;
}

/// Whether `op` takes a run of channels of every row.
static bool takesChannels(nest::SliceOp op) {
  int64_t rank = op.getType().getRank();
  return rank > 0 && nest::takesRun(op, rank - 1);
}

Views::Views(func::FuncOp func) {
  for (Value result : func.front().getTerminator()->getOperands())
    returned.insert(rootOf(result));
  // A slice depends on those of its slices.
  for (Operation &op : llvm::reverse(func.front()))
    if (auto slice = dyn_cast<nest::SliceOp>(op); slice && staysInPlace(slice))
      slices.insert(slice);
  for (Operation &op : func.front()) {
    if (slices.contains(&op))
      parts[op.getResult(0)] = {rootOf(op.getOperand(0)), cast<nest::SliceOp>(op).getStarts().back()};
    else if (auto concat = dyn_cast<nest::ConcatOp>(op))
      placeOperands(concat);
  }
}

/// Whether the tensor is computed, and lies in memory of the plan.
bool Views::isOwn(Value root) const {
  Operation *op = root.getDefiningOp();
  return op && !isa<nest::ConstOp, nest::WeightOp, nest::PackOp, nest::PackRecurrentOp>(op) &&
         !returned.contains(root) && typeOf(root).getNumElements() > 0;
}

bool Views::allReadRows(Value value) const {
  return llvm::all_of(value.getUses(), [&](OpOperand &use) {
    Operation *user = use.getOwner();
    if (isa<nest::ReshapeOp>(user))
      return rowLength(user->getResult(0)) == rowLength(value) && allReadRows(user->getResult(0));
    return slices.contains(user) || readsRows(user);
  });
}

bool Views::staysInPlace(nest::SliceOp op) const {
  Value whole = rootOf(op.getInput());
  return takesChannels(op) && isOwn(op.getResult()) && isOwn(whole) && rowLength(whole) == rowLength(op.getInput()) &&
         allReadRows(op.getResult());
}

static bool paysToWriteInPlace(nest::ConcatOp op) {
  int64_t bytes = op.getType().getNumElements() * storageBytes(op.getType().getElementType());
  return bytes <= kNearCacheBytes || llvm::none_of(op->getUsers(), llvm::IsaPred<nest::ConvOp, nest::MatmulOp>);
}

void Views::placeOperands(nest::ConcatOp op) {
  if (!readsRows(op) || !isOwn(op.getResult()) || !paysToWriteInPlace(op))
    return;
  int64_t channel = 0;
  for (Value input : op.getInputs()) {
    Value root = rootOf(input);
    if (isOwn(root) && !parts.contains(root) && rowLength(root) == rowLength(input) &&
        writesRows(root.getDefiningOp()) && allReadRows(root))
      parts[root] = {op.getResult(), channel};
    channel += rowLength(input);
  }
}

std::optional<View> Views::lookup(Value root) const {
  auto part = parts.find(root);
  if (part == parts.end())
    return std::nullopt;
  View view = part->second;
  for (auto outer = parts.find(view.whole); outer != parts.end(); outer = parts.find(view.whole))
    view = {outer->second.whole, view.channel + outer->second.channel};
  return view;
}

RowPitches Views::pitchesOf(Operation *op) const {
  RowPitches pitches = RowPitches::dense(op);
  auto pitchOf = [&](Value root) {
    std::optional<View> view = lookup(root);
    return view ? rowLength(view->whole) : 0;
  };
  for (auto [pitch, operand] : llvm::zip(pitches.operands, op->getOperands()))
    pitch = pitchOf(rootOf(operand));
  if (op->getNumResults())
    pitches.result = pitchOf(op->getResult(0));
  auto concat = dyn_cast<nest::ConcatOp>(op);
  if (!concat)
    return pitches;
  int64_t channel = 0;
  for (auto [isInPlace, input] : llvm::zip(pitches.inPlace, concat.getInputs())) {
    auto part = parts.find(rootOf(input));
    isInPlace = part != parts.end() && part->second.whole == op->getResult(0) && part->second.channel == channel;
    channel += rowLength(input);
  }
  return pitches;
}

} // namespace nestor::package

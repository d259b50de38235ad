//===- Placement.cpp - Where the values of a capacity lie -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Placement.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/package/PlanTensors.h"
#include "compiler/reference/Element.h"
#include "runtime/format/header.h"

using namespace mlir;
using namespace nestor::kernels;

namespace nestor::package {

Placement::Placement(func::FuncOp func, unsigned number, const std::vector<Layer> &layers, const Views &views,
                     WeightPlan &weights)
    : number(number), layers(layers), views(views), weights(weights) {
  placeBoundary(func);
  findLastUses();
}

void Placement::placeBoundary(func::FuncOp func) {
  for (BlockArgument argument : func.getArguments())
    places[argument] = {format::MODEL_INPUT, argument.getArgNumber()};
  for (OpOperand &result : func.front().getTerminator()->getOpOperands()) {
    [[maybe_unused]] bool isNew =
        outputs.try_emplace(rootOf(result.get()), result.getOperandNumber()).second;
    assert(isNew && "copySharedResults must run before planning");
  }
}

void Placement::findLastUses() {
  for (auto [time, layer] : llvm::enumerate(layers))
    for (Value operand : layer.op->getOperands())
      lastUses[rootOf(operand)] = time;
  for (auto [root, index] : outputs)
    lastUses[root] = layers.size();
}

/// The buffer of an operand that `result` may be written over: one that holds
/// nothing else any more, and that the operand fills.
std::optional<unsigned> Placement::placeInPlace(unsigned time, Value result) const {
  Operation *op = layers[time].op;
  for (OpOperand &operand : op->getOpOperands()) {
    Value root = rootOf(operand.get());
    auto found = places.find(root);
    if (found == places.end() || found->second.space != format::ARENA ||
        lastUses.lookup(root) != time || byteSize(root) != byteSize(result) ||
        bytesInMemory(result) > bytesInMemory(root))
      continue;
    unsigned buffer = found->second.index;
    if (found->second.pitch || buffers[buffer].last > time)
      continue; // What lies inside is needed, or this is inside another one.
    auto sharesBuffer = [&](OpOperand &other) {
      auto place = places.find(rootOf(other.get()));
      return &other != &operand && place != places.end() &&
             place->second.space == format::ARENA && place->second.index == buffer;
    };
    if (llvm::any_of(op->getOpOperands(), sharesBuffer) ||
        !canRunInPlace(op, operand.getOperandNumber()))
      continue;
    return buffer;
  }
  return std::nullopt;
}

/// The place of a view. The tensor that it lies in gets its buffer with the
/// first of its parts.
Place Placement::placeInside(const View &view, unsigned time) {
  auto type = cast<RankedTensorType>(view.whole.getType());
  auto [whole, isNew] = places.try_emplace(view.whole, Place{format::ARENA, unsigned(buffers.size())});
  if (isNew)
    buffers.push_back({uint64_t(byteSize(view.whole)), time, time});
  int64_t element = reference::elementBytes(type.getElementType());
  return {format::ARENA, whole->second.index, view.channel * element, type.getShape().back() * element};
}

void Placement::placeResults(unsigned time) {
  for (OpResult result : layers[time].op->getResults()) {
    if (std::optional<View> view = views.lookup(result))
      places.insert({result, placeInside(*view, time)});
    if (auto known = places.find(result); known != places.end()) {
      unsigned &last = buffers[known->second.index].last;
      last = std::max({last, time, lastUses.lookup(result)});
      continue;
    }
    if (auto output = outputs.find(result); output != outputs.end()) {
      places[result] = {format::MODEL_OUTPUT, output->second};
      continue;
    }
    unsigned last = std::max(time, lastUses.lookup(result));
    std::optional<unsigned> buffer;
    if (result.getResultNumber() == 0)
      buffer = placeInPlace(time, result);
    if (buffer) {
      buffers[*buffer].last = std::max(buffers[*buffer].last, last);
    } else {
      buffer = buffers.size();
      buffers.push_back({uint64_t(bytesInMemory(result)), time, last});
    }
    places[result] = {format::ARENA, *buffer};
  }
}

FailureOr<Place> Placement::placeOperand(unsigned time, Value value) {
  Value root = rootOf(value);
  if (auto found = places.find(root); found != places.end())
    return found->second;
  // Constants get a number when a kernel first reads them: weights lie in the
  // order of the plan, and those that kernels swallowed are left out.
  unsigned block = layers[time].block;
  auto [known, isNew] = weightNumbers.try_emplace({root, block});
  if (isNew) {
    FailureOr<unsigned> weight = weights.read(root, {number, block});
    if (failed(weight))
      return failure();
    known->second = *weight;
  }
  return Place{format::WEIGHT_SHELL, known->second};
}

FailureOr<Place> Placement::placeArgument(unsigned time, const CallArg &arg) {
  Operation *op = layers[time].op;
  switch (arg.kind) {
  case CallArg::Operand:
    return placeOperand(time, op->getOperand(arg.index));
  case CallArg::Result:
    return placeOperand(time, op->getResult(arg.index));
  case CallArg::Block: {
    std::optional<SharedFilter> filter = SharedFilter::get(op->getOperand(arg.index));
    WeightReader reader = {number, layers[time].block};
    return Place{format::WEIGHT_SHELL, weights.readBlock(*filter, arg.block, reader)};
  }
  case CallArg::Scratch:
    break;
  }
  // The calls of one layer share a scratch buffer by its index.
  auto [entry, isNew] = scratchBuffers.try_emplace({time, arg.index}, buffers.size());
  if (isNew)
    buffers.push_back({uint64_t(arg.scratchBytes), time, time});
  return Place{format::ARENA, entry->second};
}

int64_t Placement::bytesBehind(Operation *op, const CallArg &arg, Place place) const {
  if (arg.kind == CallArg::Scratch)
    return arg.scratchBytes;
  if (arg.kind == CallArg::Block)
    return weights.weights()[place.index].size;
  Value value = arg.kind == CallArg::Operand ? op->getOperand(arg.index)
                                             : Value(op->getResult(arg.index));
  if (place.pitch)
    return buffers[place.index].bytes - place.offset - arg.offsetBytes;
  return bytesInMemory(value) - arg.offsetBytes;
}

std::optional<unsigned> Placement::lastUse(Value value) const {
  auto last = lastUses.find(value);
  return last == lastUses.end() ? std::nullopt : std::optional(last->second);
}

uint64_t Placement::packArena() { return packBuffers(buffers, format::kBufferAlignment); }

} // namespace nestor::package

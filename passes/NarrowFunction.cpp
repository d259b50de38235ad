//===- NarrowFunction.cpp - A function with other indices -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/NarrowFunction.h"

#include "compiler/reference/Evaluator.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor::nest;
using nestor::reference::TensorValue;

namespace nestor {

ElementsAttr selectElements(ElementsAttr value, ArrayRef<ArrayRef<int64_t>> indices) {
  TensorValue whole = TensorValue::fromAttr(value);
  SmallVector<int64_t> shape(whole.type.getShape());
  for (auto [dim, kept] : llvm::enumerate(indices)) {
    int64_t outer = 1, inner = reference::elementBytes(whole.type.getElementType());
    for (int64_t extent : ArrayRef(shape).take_front(dim))
      outer *= extent;
    for (int64_t extent : ArrayRef(shape).drop_front(dim + 1))
      inner *= extent;
    std::vector<char> bytes;
    bytes.reserve(outer * kept.size() * inner);
    for (int64_t line = 0; line < outer; ++line)
      for (int64_t index : kept) {
        auto from = whole.bytes.begin() + (line * shape[dim] + index) * inner;
        bytes.insert(bytes.end(), from, from + inner);
      }
    shape[dim] = kept.size();
    whole.bytes = std::move(bytes);
  }
  whole.type = whole.type.clone(shape);
  return whole.toAttr();
}

void FunctionNarrower::run(func::FuncOp from, func::FuncOp to) {
  findChanged();
  Block *body = to.addEntryBlock();
  mapping.map(from.getArguments(), body->getArguments());
  OpBuilder builder = OpBuilder::atBlockEnd(body);
  for (Operation &op : from.getBody().front())
    if (!isa<ConstOp>(op) && !skipped.contains(&op))
      copy(builder, &op);
  // Without a branch, what computed it is not needed.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*body)))
    if (op.use_empty() && !op.hasTrait<OpTrait::IsTerminator>())
      op.erase();
}

void FunctionNarrower::findChanged() {
  for (const AxisSelection &selection : flow.selections()) {
    auto moved = [&](const AxisSelection::Source &source) {
      return source.operand >= 0 && !order.isIdentity(source.axis);
    };
    if (!order.isIdentity(selection.result) || llvm::any_of(selection.sources, moved))
      changed[selection.op].push_back(&selection);
    if (changed.contains(selection.op) && selection.reads != selection.op) {
      skipped.insert(selection.reads);
      skipped.insert(selection.op->getOperand(0).getDefiningOp());
    }
  }
}

RankedTensorType FunctionNarrower::narrowType(Value value) const {
  SmallVector<int64_t> shape(shapeOf(value));
  for (auto [dim, extent] : llvm::enumerate(shape))
    extent = order.of(flow.axisOf(value, dim)).size();
  return tensorType(value).clone(shape);
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

Value FunctionNarrower::constant(OpBuilder &builder, OpOperand &operand) {
  auto op = operand.get().getDefiningOp<ConstOp>();
  SmallVector<ArrayRef<int64_t>> indices;
  bool whole = true;
  for (unsigned dim = 0; dim < shapeOf(op).size(); ++dim) {
    Axis axis = flow.axisOf(operand, dim);
    indices.push_back(order.of(axis));
    whole &= order.isIdentity(axis);
  }
  ElementsAttr value = whole ? op.getValue() : selectElements(op.getValue(), indices);
  return ConstOp::create(builder, op.getLoc(), value);
}

Value FunctionNarrower::sharedWeight(OpBuilder &builder, OpOperand &operand) {
  if (weightOf)
    return weightOf(builder, operand);
  // Operations that share a weight go on doing so.
  Value &weight = weights[operand.get()];
  if (!weight) {
    OpBuilder front = OpBuilder::atBlockBegin(builder.getBlock());
    weight = constant(front, operand);
  }
  return weight;
}

Value FunctionNarrower::operand(OpBuilder &builder, OpOperand &operand) {
  if (llvm::is_contained(sharedOperands(operand.getOwner()), &operand))
    return sharedWeight(builder, operand);
  return isConstant(operand.get()) ? constant(builder, operand) : mapping.lookup(operand.get());
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

void FunctionNarrower::copy(OpBuilder &builder, Operation *op) {
  if (Value replaced = replacementOf ? replacementOf(builder, op, mapping) : Value()) {
    mapping.map(op->getResult(0), replaced);
    return;
  }
  auto selections = changed.find(op);
  bool selects = selections != changed.end();
  SmallVector<Value> operands;
  for (OpOperand &each : (selects ? selections->second.front()->reads : op)->getOpOperands())
    operands.push_back(operand(builder, each));
  if (selects) {
    Value value;
    if (!isa<ConcatOp>(op))
      value = withoutSelections(builder, op, operands.front(), selections->second);
    for (const AxisSelection *selection : selections->second) {
      SmallVector<Value> inputs(operands);
      if (value)
        inputs = {value};
      value = select(builder, *selection, inputs);
    }
    mapping.map(op->getResult(0), value);
    return;
  }
  if (auto layer = RecurrentOperands::of(op))
    return copyRecurrent(builder, *layer);
  Operation *clone = op->clone();
  clone->setOperands(operands);
  for (auto [from, to] : llvm::zip(op->getResults(), clone->getResults())) {
    to.setType(narrowType(from));
    mapping.map(from, to);
  }
  if (auto conv = dyn_cast<ConvOp>(clone); conv && conv.getGroups() != 1)
    conv.setGroups(shapeOf(conv.getInput()).back() /
                   shapeOf(cast<ConvOp>(op).getFilter()).drop_back().back());
  builder.insert(clone);
}

//===----------------------------------------------------------------------===//
// Recurrent layers
//===----------------------------------------------------------------------===//

/// The elements of `value` at `indices` of its last dimension.
static Value pick(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> indices) {
  int64_t last = tensorType(value).getRank() - 1;
  SmallVector<int64_t> shape(shapeOf(value));
  bool isPrefix = llvm::equal(indices, llvm::seq<int64_t>(0, indices.size()));
  if (isPrefix && int64_t(indices.size()) == shape.back())
    return value;
  shape.back() = indices.size();
  RankedTensorType type = tensorType(value).clone(shape);
  if (isPrefix) {
    SmallVector<int64_t> starts(shape.size(), 0), steps(shape.size(), 1);
    return SliceOp::create(builder, loc, type, value, starts, steps);
  }
  auto list = RankedTensorType::get(shape.back(), builder.getI64Type());
  Value numbers = ConstOp::create(builder, loc, DenseElementsAttr::get(list, indices));
  return GatherOp::create(builder, loc, type, value, numbers, last);
}

/// The inverse: index i of `value` is put to indices[i] of `extent`, and zeros
/// to the others.
static Value spread(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> indices,
                    int64_t extent) {
  SmallVector<int64_t> shape(shapeOf(value)), low(shape.size(), 0), high(shape.size(), 0);
  SmallVector<int64_t> positions(extent, -1);
  for (auto [position, index] : llvm::enumerate(indices))
    positions[index] = position;
  int64_t zero = indices.size();
  for (int64_t &position : positions)
    if (position < 0)
      position = zero++;
  if (high.back() = extent - shape.back(); high.back() > 0) {
    shape.back() = extent;
    value = PadOp::create(builder, loc, tensorType(value).clone(shape), value, Value(), low, high,
                          PadMode::constant);
  }
  return pick(builder, loc, value, positions);
}

/// States whose units are not the layer's own axis are the model's.
void FunctionNarrower::copyRecurrent(OpBuilder &builder, const RecurrentOperands &layer) {
  Location loc = layer.op->getLoc();
  Axis hidden = flow.axisOf(layer.hidden(), 3);
  ArrayRef<int64_t> units = order.of(hidden);
  Operation *copy = layer.op->clone();
  for (OpOperand &each : layer.op->getOpOperands())
    copy->setOperand(each.getOperandNumber(), operand(builder, each));
  for (OpOperand *state : layer.initialStates)
    if (OpOperand &own = copy->getOpOperand(state->getOperandNumber());
        flow.axisOf(*state, 2) != hidden)
      own.set(pick(builder, loc, own.get(), units));
  builder.insert(copy);
  for (auto [from, to] : llvm::zip(layer.op->getResults(), copy->getResults())) {
    SmallVector<int64_t> shape(narrowType(from).getShape());
    shape.back() = units.size();
    to.setType(tensorType(from).clone(shape));
    bool isOutside = flow.axisOf(from, shape.size() - 1) != hidden;
    mapping.map(from, isOutside ? spread(builder, loc, to, units, flow.extentOf(hidden)) : to);
  }
}

/// What a slice or pad of `input` does along other dimensions than those of
/// `selections`.
Value FunctionNarrower::withoutSelections(OpBuilder &builder, Operation *op, Value input,
                                          ArrayRef<const AxisSelection *> selections) {
  SmallVector<int64_t> shape(narrowType(op->getResult(0)).getShape());
  for (const AxisSelection *selection : selections)
    shape[selection->dim] = shapeOf(input)[selection->dim];
  auto isSelected = [&](unsigned dim) {
    return llvm::any_of(selections, [&](const AxisSelection *s) { return s->dim == dim; });
  };
  RankedTensorType type = tensorType(input).clone(shape);
  bool trivial = true;
  if (auto slice = dyn_cast<SliceOp>(op)) {
    SmallVector<int64_t> starts(slice.getStarts()), steps(slice.getSteps());
    for (unsigned dim = 0; dim < shape.size(); ++dim) {
      if (isSelected(dim)) {
        starts[dim] = 0;
        steps[dim] = 1;
      }
      trivial &= starts[dim] == 0 && steps[dim] == 1 && shape[dim] == shapeOf(input)[dim];
    }
    return trivial ? input
                   : SliceOp::create(builder, op->getLoc(), type, input, starts, steps).getResult();
  }
  if (auto pad = dyn_cast<PadOp>(op)) {
    SmallVector<int64_t> low(pad.getLow()), high(pad.getHigh());
    for (unsigned dim = 0; dim < shape.size(); ++dim) {
      if (isSelected(dim))
        low[dim] = high[dim] = 0;
      trivial &= low[dim] == 0 && high[dim] == 0;
    }
    return trivial ? input
                   : PadOp::create(builder, op->getLoc(), type, input, Value(), low, high,
                                   PadMode::constant)
                         .getResult();
  }
  return input; // A gather or shuffle has one dimension to select along.
}

namespace {

/// Evenly spaced channels of one operand with zeros around them.
struct Piece {
  int operand;
  int64_t start, step = 1, length = 1, zerosBefore = 0, zerosAfter = 0;
};

/// Appends the channel at `position` of `operand` to the last piece, if it
/// goes on with it, or as a new piece. With `strided`, the second channel of a
/// piece decides the step.
void append(SmallVectorImpl<Piece> &pieces, int operand, int64_t position, bool strided) {
  Piece *last = pieces.empty() ? nullptr : &pieces.back();
  if (last && strided && last->length == 1 && position != last->start)
    last->step = position - last->start;
  if (last && last->operand == operand && !last->zerosAfter &&
      position == last->start + last->length * last->step)
    ++last->length;
  else
    pieces.push_back({operand, position});
}

Value build(OpBuilder &builder, Location loc, const Piece &piece, Value input, unsigned dim) {
  SmallVector<int64_t> shape(shapeOf(input)), zeros(shape.size(), 0), low = zeros, high = zeros;
  if (piece.start != 0 || piece.step != 1 || piece.length != shape[dim]) {
    SmallVector<int64_t> starts = zeros, steps(shape.size(), 1);
    starts[dim] = piece.start;
    steps[dim] = piece.step;
    shape[dim] = piece.length;
    input = SliceOp::create(builder, loc, tensorType(input).clone(shape), input, starts, steps);
  }
  if (!piece.zerosBefore && !piece.zerosAfter)
    return input;
  low[dim] = piece.zerosBefore;
  high[dim] = piece.zerosAfter;
  shape[dim] += piece.zerosBefore + piece.zerosAfter;
  return PadOp::create(builder, loc, tensorType(input).clone(shape), input, Value(), low, high,
                       PadMode::constant);
}

} // namespace

Value FunctionNarrower::select(OpBuilder &builder, const AxisSelection &selection,
                               ValueRange operands) {
  llvm::DenseMap<std::pair<int, int64_t>, int64_t> positions;
  llvm::SmallDenseSet<int> seen;
  for (const AxisSelection::Source &source : selection.sources)
    if (source.operand >= 0 && seen.insert(source.operand).second)
      for (auto [position, index] : llvm::enumerate(order.of(source.axis)))
        positions[{source.operand, index}] = position;

  SmallVector<Piece> pieces;
  int64_t zeros = 0;
  // Prefer one strided slice, then as few contiguous ones as there are.
  for (bool strided : {true, false}) {
    pieces.clear();
    zeros = 0;
    for (int64_t index : order.of(selection.result)) {
      const AxisSelection::Source &source = selection.sources[index];
      if (source.operand < 0)
        ++(pieces.empty() ? zeros : pieces.back().zerosAfter);
      else
        append(pieces, source.operand, positions.at({source.operand, source.index}), strided);
    }
    if (pieces.size() <= 1)
      break;
  }
  Location loc = selection.op->getLoc();
  if (pieces.empty()) { // All of it is padding.
    SmallVector<int64_t> shape(shapeOf(operands[0]));
    shape[selection.dim] = zeros;
    RankedTensorType type = tensorType(operands[0]).clone(shape);
    return ConstOp::create(builder, loc, TensorValue::zeros(type).toAttr());
  }
  pieces.front().zerosBefore = zeros;

  SmallVector<Value> parts;
  SmallVector<int64_t> shape(shapeOf(operands[0]));
  shape[selection.dim] = 0;
  for (const Piece &piece : pieces) {
    parts.push_back(build(builder, loc, piece, operands[piece.operand], selection.dim));
    shape[selection.dim] += shapeOf(parts.back())[selection.dim];
  }
  if (parts.size() == 1)
    return parts.front();
  return ConcatOp::create(builder, loc, tensorType(operands[0]).clone(shape), parts, selection.dim);
}

} // namespace nestor

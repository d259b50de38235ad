//===- FlowRules.cpp - What operations that compute do to indices ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/FlowBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

void FlowBuilder::visitAligned(Operation *op, function_ref<bool(int64_t)> needs,
                               const Twine &reason) {
  Value result = op->getResult(0);
  for (unsigned dim = 0; dim < shapeOf(result).size(); ++dim) {
    if (needs(dim)) {
      fix(axis(op->getOpOperand(0), dim), op, reason);
      fix(axis(result, dim), op, reason);
    } else {
      unite(axis(op->getOpOperand(0), dim), axis(result, dim));
    }
  }
}

void FlowBuilder::alignBroadcast(OpOperand &operand, Value result) {
  int64_t lead = shapeOf(result).size() - shapeOf(operand.get()).size();
  for (auto [dim, extent] : llvm::enumerate(shapeOf(operand.get()))) {
    if (extent == shapeOf(result)[lead + dim])
      unite(axis(operand, dim), axis(result, lead + dim));
    else
      fix(axis(operand, dim), operand.getOwner(), "repeats it");
  }
}

void FlowBuilder::visit(Operation *op) {
  SmallVector<Axis> all;
  for (OpOperand &operand : op->getOpOperands())
    for (unsigned dim = 0; dim < shapeOf(operand.get()).size(); ++dim)
      all.push_back(axis(operand, dim));
  for (Value result : op->getResults())
    for (unsigned dim = 0; dim < shapeOf(result).size(); ++dim)
      all.push_back(axis(result, dim));
  if (!isa<SliceOp, PadOp, ConcatOp, GatherOp, ReshapeOp, TransposeOp>(op))
    flow.computedAxes.insert(all.begin(), all.end());
  if (insideShuffles.contains(op))
    return;
  TypeSwitch<Operation *>(op)
      .Case([&](ConvOp conv) { visitConv(conv); })
      .Case([&](MapOp map) {
        for (OpOperand &input : op->getOpOperands())
          alignBroadcast(input, map.getResult());
      })
      .Case([&](MatmulOp matmul) { visitMatmul(matmul); })
      .Case([&](ReshapeOp reshape) {
        if (auto shuffle = shuffles.find(op); shuffle != shuffles.end())
          visitShuffle(reshape, shuffle->second);
        else
          visitReshape(reshape);
      })
      .Case([&](SliceOp slice) { visitSlice(slice); })
      .Case([&](PadOp pad) { visitPad(pad); })
      .Case([&](ConcatOp concat) { visitConcat(concat); })
      .Case([&](GatherOp gather) { visitGather(gather); })
      .Case([&](ResizeOp resize) {
        ArrayRef<int64_t> from = shapeOf(resize.getInput()), to = shapeOf(resize.getResult());
        visitAligned(
            op,
            [&](int64_t dim) {
              return resize.getRoi() || resize.getScales()[dim] != 1.0 || from[dim] != to[dim];
            },
            "resizes along them");
      })
      .Case([&](TransposeOp transpose) {
        for (auto [to, from] : llvm::enumerate(transpose.getPerm()))
          unite(axis(op->getOpOperand(0), from), axis(transpose.getResult(), to));
      })
      .Case([&](PoolOp pool) {
        int64_t last = shapeOf(pool.getResult()).size() - 1;
        visitAligned(op, [&](int64_t dim) { return dim != 0 && dim != last; }, "pools over them");
      })
      .Case([&](ReduceOp reduce) {
        visitAligned(
            op, [&](int64_t dim) { return llvm::is_contained(reduce.getAxes(), dim); },
            "reduces over them");
      })
      .Case([&](SoftmaxOp softmax) {
        visitAligned(
            op, [&](int64_t dim) { return dim == int64_t(softmax.getAxis()); },
            "takes its softmax over them");
      })
      .Case([&](NormOp norm) {
        visitAligned(
            op, [&](int64_t dim) { return dim >= int64_t(norm.getAxis()); },
            "normalises over them");
        for (OpOperand &operand : op->getOpOperands().drop_front())
          alignBroadcast(operand, norm.getResult());
      })
      .Case([&](LrnOp lrn) {
        int64_t last = shapeOf(lrn.getResult()).size() - 1;
        visitAligned(
            op, [&](int64_t dim) { return dim == last; }, "normalises each by its neighbours");
      })
      .Case([&](CumsumOp cumsum) {
        visitAligned(
            op, [&](int64_t dim) { return dim == int64_t(cumsum.getAxis()); },
            "adds them up one after the other");
      })
      .Case([&](ArgReduceOp reduce) {
        visitAligned(
            op, [&](int64_t dim) { return dim == int64_t(reduce.getAxis()); },
            "yields their numbers");
      })
      .Case<LstmOp, GruOp, RnnOp>([&](auto) { visitRecurrent(*RecurrentOperands::of(op)); })
      .Case([&](func::ReturnOp) { fixAll(op, "the model's output"); })
      .Default([&](Operation *) { fixAll(op, "needs all of its input"); });
}

void FlowBuilder::visitConv(ConvOp op) {
  OpOperand &input = op.getInputMutable(), &filter = op.getFilterMutable();
  unsigned last = shapeOf(op.getResult()).size() - 1;
  Axis inputs = axis(input, last), outputs = axis(op.getResult(), last);
  unite(axis(input, 0), axis(op.getResult(), 0));
  for (unsigned dim = 1; dim < last; ++dim) {
    // A product of matrices: pixels are rows.
    if (op.getKernel()[dim - 1] == 1 && op.getStrides()[dim - 1] == 1 &&
        op.getPadBegin()[dim - 1] == 0 && op.getPadEnd()[dim - 1] == 0) {
      unite(axis(input, dim), axis(op.getResult(), dim));
      continue;
    }
    for (Axis window : {axis(input, dim), axis(op.getResult(), dim), axis(filter, dim - 1)})
      fix(window, op, "slides its window over them");
  }
  unite(outputs, axis(filter, last));
  for (MutableOperandRange vector : {op.getScaleMutable(), op.getBiasMutable()})
    for (OpOperand &operand : vector)
      unite(outputs, axis(operand, 0));
  if (!tensorType(op.getFilter()).getElementType().isF32())
    fix(inputs, op, "is quantised"), fix(outputs, op, "is quantised");
  else if (hasSharedFilter(op))
    flow.producedAxes.insert(outputs);

  int64_t groups = op.getGroups();
  if (groups == 1) {
    unite(inputs, axis(filter, last - 1));
  } else {
    // Groups go as a whole: what is left are the first panels of the filter.
    Axis group = create(groups);
    carriers.insert(group);
    multiply(op, inputs, {group, axis(filter, last - 1)});
    multiply(op, outputs, {group, create(flow.extents[outputs] / groups)});
  }
}

static bool movesData(Operation *op) {
  return isa_and_nonnull<ReshapeOp, TransposeOp, SliceOp, PadOp, ConcatOp, GatherOp>(op);
}

/// Whether `value` is made of the model's inputs without any arithmetic.
static bool comesFromInput(Value value) {
  auto isInput = [](Value part) { return isConstant(part) || comesFromInput(part); };
  Operation *op = value.getDefiningOp();
  return !op || (movesData(op) && llvm::all_of(op->getOperands(), isInput));
}

/// Whether `value` becomes part of the model's outputs without any arithmetic.
static bool goesToOutput(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    return isa<func::ReturnOp>(user) || (movesData(user) && goesToOutput(user->getResult(0)));
  });
}

/// A hidden unit is one row of every gate, and a column of the recurrence. Both
/// directions have the same units, for their states are one tensor. States that
/// go round through the model's inputs and outputs keep their shape there: the
/// layer picks the units that it has and returns zeros for the others.
void FlowBuilder::visitRecurrent(const RecurrentOperands &layer) {
  if (!layer.hasSharedWeights())
    return fixAll(layer.op, "has weights that are not float32 constants");
  Value all = layer.hidden();
  Axis directions = axis(all, 1), batch = axis(all, 2), hidden = axis(all, 3);
  carriers.insert(hidden);
  flow.producedAxes.insert(hidden);
  fix(axis(all, 0), layer.op, "goes through them one after the other");
  fix(directions, layer.op, "goes in both directions");
  unite(axis(*layer.input, 0), axis(all, 0));
  unite(axis(*layer.input, 1), batch);
  unite(axis(*layer.input, 2), axis(*layer.weights, 2));
  unite(axis(*layer.recurrence, 2), hidden);
  // Rows of `count` vectors as long as the hidden state.
  auto alignRows = [&](OpOperand *operand, int64_t count) {
    if (!operand)
      return;
    unite(axis(*operand, 0), directions);
    multiply(layer.op, axis(*operand, 1), {create(count), hidden});
  };
  alignRows(layer.weights, layer.gates);
  alignRows(layer.recurrence, layer.gates);
  alignRows(layer.bias, 2 * layer.gates);
  alignRows(layer.peephole, 3);
  auto alignState = [&](auto &&state, bool isOutside) {
    unite(axis(state, 0), directions);
    unite(axis(state, 1), batch);
    if (!isOutside)
      unite(axis(state, 2), hidden);
  };
  bool goesRound = false;
  for (OpOperand *state : layer.initialStates) {
    bool isOutside = comesFromInput(state->get());
    goesRound |= isOutside;
    alignState(*state, isOutside);
  }
  for (Value state : layer.lastStates())
    alignState(state, goesRound && goesToOutput(state));
  if (layer.lengths)
    unite(axis(*layer.lengths, 0), batch);
}

void FlowBuilder::visitMatmul(MatmulOp op) {
  unsigned rank = shapeOf(op.getResult()).size();
  OpOperand &lhs = op.getLhsMutable(), &rhs = op.getRhsMutable();
  unite(axis(lhs, rank - (op.getTransposeLhs() ? 1 : 2)), axis(op.getResult(), rank - 2));
  unite(axis(rhs, rank - (op.getTransposeRhs() ? 2 : 1)), axis(op.getResult(), rank - 1));
  unite(axis(lhs, rank - (op.getTransposeLhs() ? 2 : 1)),
        axis(rhs, rank - (op.getTransposeRhs() ? 1 : 2)));
  for (unsigned dim = 0; dim + 2 < rank; ++dim) {
    Axis batch = axis(op.getResult(), dim);
    carriers.insert(batch); // Attention leaves out whole heads.
    for (OpOperand *operand : {&lhs, &rhs}) {
      if (shapeOf(operand->get())[dim] == shapeOf(op.getResult())[dim])
        unite(axis(*operand, dim), batch);
      else
        fix(axis(*operand, dim), op, "repeats it");
    }
  }
  for (OpOperand *operand : {&lhs, &rhs})
    if (isConstant(operand->get()))
      fixAll(*operand, "reads a constant matrix whole");
}

} // namespace nestor

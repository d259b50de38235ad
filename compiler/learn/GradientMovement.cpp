//===- GradientMovement.cpp - Gradients of operations that move data ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What moved an element there moves its gradient back.
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/GradientRules.h"
#include "passes/Utils.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;
using namespace nestor::nest;

void nestor::learn::differentiate(TransposeOp op, Value grad, Gradients &g) {
  SmallVector<int64_t> inverse(op.getPerm().size());
  for (auto [i, p] : llvm::enumerate(op.getPerm()))
    inverse[p] = i;
  g.add(op.getInput(), transposeTo(g, op.getLoc(), grad, inverse));
}

void nestor::learn::differentiate(ReshapeOp op, Value grad, Gradients &g) {
  g.add(op.getInput(), reshapeTo(g, op.getLoc(), grad, shapeOf(op.getInput())));
}

void nestor::learn::differentiate(SliceOp op, Value grad, Gradients &g) {
  ArrayRef<int64_t> in = shapeOf(op.getInput());
  SmallVector<int64_t> out(shapeOf(grad)), starts(out.size()), flips(out.size(), 1), steps, high;
  SmallVector<int64_t> low(op.getStarts());
  for (auto [i, step] : llvm::enumerate(op.getSteps())) {
    steps.push_back(std::abs(step));
    if (step > 0)
      continue;
    starts[i] = out[i] - 1, flips[i] = -1;
    low[i] += (out[i] - 1) * step; // Where the last, now first, element came from.
  }
  grad = g.spread(g.slice(grad, starts, flips, out), steps);
  for (size_t i = 0; i < out.size(); ++i)
    high.push_back(in[i] - low[i] - out[i] * steps[i]);
  g.add(op.getInput(), g.pad(grad, low, high));
}

void nestor::learn::differentiate(PadOp op, Value grad, Gradients &g) {
  SmallVector<int64_t> low, high;
  for (auto [before, after] : llvm::zip_equal(op.getLow(), op.getHigh())) {
    low.push_back(-before);
    high.push_back(-after);
  }
  g.add(op.getInput(), g.pad(grad, low, high));
}

void nestor::learn::differentiate(ConcatOp op, Value grad, Gradients &g) {
  SmallVector<int64_t> starts(shapeOf(grad).size()), steps(starts.size(), 1);
  for (Value input : op.getInputs()) {
    if (g.wants(input))
      g.add(input, g.slice(grad, starts, steps, shapeOf(input)));
    starts[op.getAxis()] += shapeOf(input)[op.getAxis()];
  }
}

/// Rows of the result are added to the rows of the input that they came from,
/// with the gathered axis in front.
void nestor::learn::differentiate(GatherOp op, Value grad, Gradients &g) {
  ArrayRef<int64_t> in = shapeOf(op.getInput()), indices = shapeOf(op.getIndices());
  int64_t axis = op.getAxis(), rank = in.size(), added = indices.size();
  int64_t count = tensorType(op.getIndices()).getNumElements();
  SmallVector<int64_t> front, back, rows{count}, target{in[axis]};
  llvm::append_range(front, llvm::seq(axis, axis + added));
  back.append({axis});
  for (int64_t i = 0; i < rank; ++i) {
    if (i == axis)
      continue;
    front.push_back(i < axis ? i : i + added - 1);
    rows.push_back(in[i]);
    target.push_back(in[i]);
    back.push_back(i);
  }
  Location loc = op.getLoc();
  Value updates = reshapeTo(g, loc, transposeTo(g, loc, grad, front), rows);
  Value places = reshapeTo(g, loc, op.getIndices(), {count, 1});
  RankedTensorType type = tensorType(grad).clone(target);
  Value scattered =
      ScatterNDOp::create(g, type, g.filled(type, 0), places, updates, ScatterKind::add);
  SmallVector<int64_t> inverse(rank);
  for (auto [i, p] : llvm::enumerate(back))
    inverse[p] = i;
  g.add(op.getInput(), transposeTo(g, loc, scattered, inverse));
}

//===- Movement.cpp - Transpose, Reshape, Slice, Pad, Concat --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

#include <limits>

using namespace mlir;
using nestor::nest::PadMode;

namespace nestor::onnx_export {

LogicalResult exportOp(GraphExporter &g, nest::TransposeOp op) {
  View view;
  if (g.isConstant(op.getInput()))
    view = View::direct(g.use(op.getInput()), shapeOf(op.getInput()),
                        identityOrder(shapeOf(op.getInput()).size()));
  else
    view = g.viewOf(op.getInput());
  g.define(op.getResult(), view.transposed(op.getPerm()));
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::ReshapeOp op) {
  ArrayRef<int64_t> from = shapeOf(op.getInput()), to = shapeOf(op.getResult());
  std::optional<ReshapedView> result;
  if (!g.isConstant(op.getInput()))
    result = reshaped(g.viewOf(op.getInput()), from, to);
  if (!result) {
    g.define(op.getResult(), g.useAs(op.getInput(), identityOrder(from.size()), to),
             identityOrder(to.size()));
    return success();
  }
  if (result->splitShape)
    result->view.tensor =
        g.reshape(result->view.tensor, g.viewOf(op.getInput()).shape, *result->splitShape);
  g.define(op.getResult(), result->view);
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::SliceOp op) {
  Dims order = g.orderOf(op.getInput()), starts, ends, axes, steps;
  for (auto [place, dim] : llvm::enumerate(order)) {
    int64_t from = shapeOf(op.getInput())[dim], to = shapeOf(op.getResult())[dim];
    int64_t start = op.getStarts()[dim], step = op.getSteps()[dim], end = start + to * step;
    if (start == 0 && step == 1 && from == to)
      continue;
    // Behind the first element downwards there is no number to name.
    end = end < 0 ? std::numeric_limits<int64_t>::min() : step > 0 ? std::min(end, from) : end;
    starts.push_back(start);
    ends.push_back(end);
    axes.push_back(place);
    steps.push_back(step);
  }
  std::string input = g.use(op.getInput(), order);
  if (axes.empty()) {
    g.define(op.getResult(), input, order);
    return success();
  }
  SmallVector<std::string> inputs{input, g.integers("starts", starts), g.integers("ends", ends),
                                  g.integers("axes", axes)};
  if (llvm::any_of(steps, [](int64_t step) { return step != 1; }))
    inputs.push_back(g.integers("steps", steps));
  g.define(op.getResult(), g.node("Slice", inputs).output(), order);
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::PadOp op) {
  Dims order = g.orderOf(op.getInput()), pads = ordered(op.getLow(), order);
  llvm::append_range(pads, ordered(op.getHigh(), order));
  SmallVector<std::string> inputs{g.use(op.getInput(), order), g.integers("pads", pads)};
  if (op.getValue())
    inputs.push_back(g.useAs(op.getValue(), identityOrder(shapeOf(op.getValue()).size()), {}));
  Node node = g.node("Pad", inputs);
  if (op.getMode() != PadMode::constant)
    node.set("mode", stringifyPadMode(op.getMode()));
  if (op.getMode() == PadMode::wrap)
    g.require(19);
  g.define(op.getResult(), node.output(), order);
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::ConcatOp op) {
  Value largest = op.getInputs().front();
  for (Value input : op.getInputs())
    if (!g.isConstant(input) && (g.isConstant(largest) ||
                                 typeOf(input).getNumElements() > typeOf(largest).getNumElements()))
      largest = input;
  Dims order = g.orderOf(largest);
  SmallVector<std::string> inputs;
  for (Value input : op.getInputs())
    inputs.push_back(g.use(input, order));
  Node node = g.node("Concat", inputs);
  node.set("axis", placeOf(op.getAxis(), order));
  g.define(op.getResult(), node.output(), order);
  return success();
}

} // namespace nestor::onnx_export

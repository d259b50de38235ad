//===- Indexing.cpp - Gather, Scatter, OneHot, ReverseSequence ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

using namespace mlir;
using nestor::nest::ScatterKind;

namespace nestor::onnx_export {
namespace {

/// Indices as i64: ONNX takes no others everywhere.
std::string useIndices(GraphExporter &g, Value indices, ArrayRef<int64_t> order) {
  std::string tensor = g.use(indices, order);
  if (typeOf(indices).getElementType().isSignlessInteger(64))
    return tensor;
  return g.node("Cast", tensor).set("to", int64_t(onnx::TensorProto::INT64)).output();
}
std::string useIndices(GraphExporter &g, Value indices) {
  return useIndices(g, indices, identityOrder(shapeOf(indices).size()));
}

void setReduction(GraphExporter &g, Node &node, ScatterKind kind) {
  if (kind != ScatterKind::none)
    node.set("reduction", stringifyScatterKind(kind));
  if (kind == ScatterKind::max || kind == ScatterKind::min)
    g.require(18);
}

} // namespace

LogicalResult exportOp(GraphExporter &g, nest::GatherOp op) {
  // A vector of indices leaves the other dimensions where they are.
  bool keepsRank = shapeOf(op.getIndices()).size() == 1;
  size_t rank = shapeOf(op.getInput()).size();
  Dims order = keepsRank ? g.orderOf(op.getInput()) : identityOrder(rank);
  Node node = g.node("Gather", {g.use(op.getInput(), order), useIndices(g, op.getIndices())});
  node.set("axis", placeOf(op.getAxis(), order));
  g.define(op.getResult(), node.output(),
           keepsRank ? order : identityOrder(shapeOf(op.getResult()).size()));
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::GatherElementsOp op) {
  Dims order = g.orderOf(op.getInput());
  Node node = g.node("GatherElements",
                     {g.use(op.getInput(), order), useIndices(g, op.getIndices(), order)});
  node.set("axis", placeOf(op.getAxis(), order));
  g.define(op.getResult(), node.output(), order);
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::GatherNDOp op) {
  Node node = g.node("GatherND", {g.use(op.getInput()), useIndices(g, op.getIndices())});
  if (op.getBatchDims())
    node.set("batch_dims", int64_t(op.getBatchDims()));
  g.define(op.getResult(), node.output(), identityOrder(shapeOf(op.getResult()).size()));
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::ScatterElementsOp op) {
  Dims order = g.orderOf(op.getInput());
  Node node =
      g.node("ScatterElements", {g.use(op.getInput(), order), useIndices(g, op.getIndices(), order),
                                 g.use(op.getUpdates(), order)});
  node.set("axis", placeOf(op.getAxis(), order));
  setReduction(g, node, op.getKind());
  g.define(op.getResult(), node.output(), order);
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::ScatterNDOp op) {
  Node node = g.node(
      "ScatterND", {g.use(op.getInput()), useIndices(g, op.getIndices()), g.use(op.getUpdates())});
  setReduction(g, node, op.getKind());
  g.define(op.getResult(), node.output(), identityOrder(shapeOf(op.getResult()).size()));
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::OneHotOp op) {
  int64_t depth = shapeOf(op.getResult())[op.getAxis()];
  Node node =
      g.node("OneHot", {g.use(op.getIndices()), g.integers("depth", depth), g.use(op.getValues())});
  node.set("axis", int64_t(op.getAxis()));
  g.define(op.getResult(), node.output(), identityOrder(shapeOf(op.getResult()).size()));
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::ReverseSequenceOp op) {
  Dims order = identityOrder(shapeOf(op.getInput()).size());
  Node node = g.node("ReverseSequence", {g.use(op.getInput()), useIndices(g, op.getLengths())});
  node.set("batch_axis", int64_t(op.getBatchAxis())).set("time_axis", int64_t(op.getTimeAxis()));
  g.define(op.getResult(), node.output(), order);
  return success();
}

} // namespace nestor::onnx_export

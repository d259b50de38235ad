//===- Reduction.cpp - ReduceX, GlobalXPool, ArgMax, CumSum, TopK ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

using namespace mlir;
using nestor::nest::ReduceKind;

namespace nestor::onnx_export {
namespace {

/// Whether the reduction is over everything but the batch and the channels of
/// a float tensor that lies channels first: a global pooling.
bool isGlobalPool(nest::ReduceOp op, ArrayRef<int64_t> order) {
  size_t rank = order.size();
  Dims spatial;
  for (size_t dim = 1; dim + 1 < rank; ++dim)
    spatial.push_back(dim);
  return rank >= 3 && op.getAxes() == ArrayRef(spatial) && order == ArrayRef(channelsFirst(rank)) &&
         isa<FloatType>(typeOf(op.getInput()).getElementType()) &&
         (op.getKind() == ReduceKind::mean || op.getKind() == ReduceKind::max);
}

} // namespace

LogicalResult exportOp(GraphExporter &g, nest::ReduceOp op) {
  Dims order = g.orderOf(op.getInput()), axes;
  std::string input = g.use(op.getInput(), order);
  if (op.getAxes().empty()) {
    g.define(op.getResult(), input, order);
    return success();
  }
  if (isGlobalPool(op, order)) {
    StringRef name = op.getKind() == ReduceKind::mean ? "GlobalAveragePool" : "GlobalMaxPool";
    g.define(op.getResult(), g.node(name, input).output(), order);
    return success();
  }
  for (int64_t axis : op.getAxes())
    axes.push_back(placeOf(axis, order));
  llvm::sort(axes);
  const char *names[] = {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"};
  // The axes became an input with opset 13 for sums, with 18 for the others.
  bool asInput = op.getKind() == ReduceKind::sum || g.opset >= 18;
  SmallVector<std::string> inputs{input};
  if (asInput)
    inputs.push_back(g.integers("axes", axes));
  Node node = g.node(names[unsigned(op.getKind())], inputs);
  if (!asInput)
    node.set("axes", axes);
  node.set("keepdims", int64_t(1));
  g.define(op.getResult(), node.output(), order);
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::ArgReduceOp op) {
  Dims order = g.orderOf(op.getInput());
  Node node = g.node(op.getMin() ? "ArgMin" : "ArgMax", g.use(op.getInput(), order));
  node.set("axis", placeOf(op.getAxis(), order)).set("keepdims", int64_t(1));
  if (op.getSelectLast())
    node.set("select_last_index", int64_t(1));
  g.define(op.getResult(), node.output(), order);
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::CumsumOp op) {
  Dims order = g.orderOf(op.getInput());
  auto i64 = IntegerType::get(op.getContext(), 64);
  Node node = g.node(
      "CumSum", {g.use(op.getInput(), order), g.scalar("axis", i64, placeOf(op.getAxis(), order))});
  if (op.getExclusive())
    node.set("exclusive", int64_t(1));
  if (op.getReverse())
    node.set("reverse", int64_t(1));
  g.define(op.getResult(), node.output(), order);
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::TopKOp op) {
  Dims order = g.orderOf(op.getInput());
  Node node = g.node("TopK", {g.use(op.getInput(), order), g.integers("k", int64_t(op.getK()))}, 2);
  node.set("axis", placeOf(op.getAxis(), order));
  if (op.getSmallest())
    node.set("largest", int64_t(0));
  g.define(op.getValues(), node.output(0), order);
  g.define(op.getIndices(), node.output(1), order);
  return success();
}

} // namespace nestor::onnx_export

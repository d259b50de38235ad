//===- Normalization.cpp - Softmax, LayerNormalization, LRN ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::onnx_export {

LogicalResult exportOp(GraphExporter &g, nest::SoftmaxOp op) {
  Dims order = g.orderOf(op.getInput());
  Node node = g.node(op.getLog() ? "LogSoftmax" : "Softmax", g.use(op.getInput(), order));
  node.set("axis", placeOf(op.getAxis(), order));
  g.define(op.getResult(), node.output(), order);
  return success();
}

namespace {

/// Ones in the shape of the normalised dimensions: ONNX wants a scale.
std::string unitScale(GraphExporter &g, nest::NormOp op) {
  RankedTensorType type = typeOf(op.getInput());
  TensorValue ones = TensorValue::zeros(
      RankedTensorType::get(type.getShape().drop_front(op.getAxis()), type.getElementType()));
  for (float &element : ones.as<float>())
    element = 1;
  return g.initializer("scale", ones);
}

/// A scale or bias in the shape of the normalised dimensions; nothing where it
/// varies along others.
std::optional<std::string> overNormalized(GraphExporter &g, nest::NormOp op, Value vector) {
  ArrayRef<int64_t> shape = shapeOf(op.getInput()).drop_front(op.getAxis());
  auto isOne = [](int64_t extent) { return extent == 1; };
  Dims have(shapeOf(vector).drop_while(isOne));
  if (ArrayRef(have) == shape.drop_while(isOne) &&
      shapeOf(vector).size() <= shape.size() + op.getAxis())
    return g.useAs(vector, identityOrder(shapeOf(vector).size()), shape);
  if (shapeOf(vector).size() > shape.size())
    return std::nullopt;
  return g.node("Expand", {g.use(vector), g.integers("shape", shape)}).output();
}

/// x / sqrt(mean(x * x) + epsilon) * scale, which ONNX has no operator for.
std::string exportRms(GraphExporter &g, nest::NormOp op, const std::string &input) {
  Dims axes;
  for (int64_t axis = op.getAxis(); axis < int64_t(shapeOf(op.getInput()).size()); ++axis)
    axes.push_back(axis);
  Type element = typeOf(op.getInput()).getElementType();
  std::string square = g.node("Mul", {input, input}).output();
  SmallVector<std::string> inputs{square};
  if (g.opset >= 18)
    inputs.push_back(g.integers("axes", axes));
  Node mean = g.node("ReduceMean", inputs);
  if (g.opset < 18)
    mean.set("axes", axes);
  std::string epsilon = g.scalar("epsilon", element, op.getEpsilon().convertToDouble());
  std::string sum = g.node("Add", {mean.output(), epsilon}).output();
  std::string result = g.node("Div", {input, g.node("Sqrt", sum).output()}).output();
  return op.getScale() ? g.node("Mul", {result, g.use(op.getScale())}).output() : result;
}

} // namespace

LogicalResult exportOp(GraphExporter &g, nest::NormOp op) {
  Dims order = identityOrder(shapeOf(op.getInput()).size());
  std::string input = g.use(op.getInput());
  if (op.getRms()) {
    g.define(op.getResult(), exportRms(g, op, input), order);
    return success();
  }
  std::optional<std::string> scale =
      op.getScale() ? overNormalized(g, op, op.getScale()) : unitScale(g, op);
  std::optional<std::string> bias = op.getBias() ? overNormalized(g, op, op.getBias()) : "";
  // What varies along other dimensions is applied to the result.
  std::string result = g.node("LayerNormalization", {input, scale ? *scale : unitScale(g, op),
                                                     scale && bias ? *bias : ""})
                           .set("axis", int64_t(op.getAxis()))
                           .set("epsilon", op.getEpsilon().convertToDouble())
                           .output();
  if (!scale)
    result = g.node("Mul", {result, g.use(op.getScale())}).output();
  if (op.getBias() && !(scale && bias))
    result = g.node("Add", {result, g.use(op.getBias())}).output();
  g.define(op.getResult(), result, order);
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::LrnOp op) {
  Dims order = channelsFirst(shapeOf(op.getInput()).size());
  Node node = g.node("LRN", g.use(op.getInput(), order));
  node.set("alpha", op.getAlpha().convertToDouble())
      .set("beta", op.getBeta().convertToDouble())
      .set("bias", op.getK().convertToDouble())
      .set("size", int64_t(op.getSize()));
  g.define(op.getResult(), node.output(), order);
  return success();
}

} // namespace nestor::onnx_export

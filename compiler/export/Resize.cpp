//===- Resize.cpp - Resize ------------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

#include <cmath>

using namespace mlir;
using nestor::nest::CoordinateMode;
using nestor::nest::ResizeMode;
using nestor::reference::TensorValue;

namespace nestor::onnx_export {
namespace {

std::string floats(GraphExporter &g, StringRef hint, ArrayRef<double> values,
                   MLIRContext *context) {
  TensorValue tensor =
      TensorValue::zeros(RankedTensorType::get(int64_t(values.size()), Float32Type::get(context)));
  llvm::copy(values, tensor.as<float>().begin());
  return g.initializer(hint, tensor);
}

/// Whether ONNX computes the result's extents and positions from scales in
/// single precision, or from the result's extents.
bool scalesGiveExtents(nest::ResizeOp op) {
  for (auto [scale, from, to] :
       llvm::zip(op.getScales(), shapeOf(op.getInput()), shapeOf(op.getResult())))
    if (double(float(scale)) != scale || std::floor(double(from) * scale) != double(to))
      return false;
  return true;
}
bool extentsGiveScales(nest::ResizeOp op) {
  for (auto [scale, from, to] :
       llvm::zip(op.getScales(), shapeOf(op.getInput()), shapeOf(op.getResult())))
    if (std::abs(scale - double(to) / double(from)) > 1e-6 * scale)
      return false;
  return true;
}

} // namespace

LogicalResult exportOp(GraphExporter &g, nest::ResizeOp op) {
  Dims order = g.orderOf(op.getInput());
  SmallVector<std::string> inputs{g.use(op.getInput(), order), "", "", ""};
  if (std::optional<ArrayRef<double>> roi = op.getRoi()) {
    SmallVector<double> both = ordered(roi->take_front(order.size()), order);
    llvm::append_range(both, ordered(roi->drop_front(order.size()), order));
    inputs[1] = floats(g, "roi", both, op.getContext());
  }
  if (scalesGiveExtents(op))
    inputs[2] = floats(g, "scales", ordered(op.getScales(), order), op.getContext());
  else if (extentsGiveScales(op))
    inputs[3] = g.integers("sizes", ordered(shapeOf(op.getResult()), order));
  else
    return g.unsupported(op, "its scales and its result's shape do not agree");
  Node node = g.node("Resize", inputs);
  node.set("coordinate_transformation_mode", stringifyCoordinateMode(op.getCoordinates()))
      .set("mode", stringifyResizeMode(op.getMode()));
  if (op.getCoordinates() == CoordinateMode::half_pixel_symmetric)
    g.require(19);
  if (op.getMode() == ResizeMode::nearest)
    node.set("nearest_mode", stringifyNearestMode(op.getNearest()));
  if (op.getMode() == ResizeMode::cubic)
    node.set("cubic_coeff_a", op.getCubicCoefficient().convertToDouble());
  if (op.getExcludeOutside())
    node.set("exclude_outside", int64_t(1));
  if (op.getCoordinates() == CoordinateMode::tf_crop_and_resize)
    node.set("extrapolation_value", op.getExtrapolation().convertToDouble());
  if (op.getAntialias()) {
    node.set("antialias", int64_t(1));
    g.require(18);
  }
  g.define(op.getResult(), node.output(), order);
  return success();
}

} // namespace nestor::onnx_export

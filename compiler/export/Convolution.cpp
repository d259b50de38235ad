//===- Convolution.cpp - Conv, ConvTranspose ------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

#include "compiler/ir/HalfFilter.h"

#include "llvm/ADT/Twine.h"

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::onnx_export {
namespace {

/// The spatial dimensions of a filter [K.., A, B] behind `first` and `second`.
Dims filterOrder(int64_t rank, int64_t first, int64_t second) {
  Dims order{first, second};
  llvm::append_range(order, llvm::seq<int64_t>(0, rank - 2));
  return order;
}

Dims joined(ArrayRef<int64_t> begin, ArrayRef<int64_t> end) {
  Dims pads(begin);
  llvm::append_range(pads, end);
  return pads;
}

/// The input channels first, without what a negative `padEnd` cuts off, which
/// ONNX does not have; `padEnd` becomes what is left to pad.
std::string croppedInput(GraphExporter &g, nest::ConvOp op, Dims &padEnd) {
  size_t rank = shapeOf(op.getInput()).size();
  std::string input = g.use(op.getInput(), channelsFirst(rank));
  Dims ends(rank, 0);
  for (auto [i, pad] : llvm::enumerate(padEnd)) {
    int64_t positions = shapeOf(op.getInput())[i + 1] + op.getPadBegin()[i] -
                        op.getDilations()[i] * (op.getKernel()[i] - 1) - 1;
    // Strides often leave the end unread anyway.
    bool unread = positions / op.getStrides()[i] + 1 == shapeOf(op.getResult())[i + 1];
    if (pad < 0 && !unread)
      ends[i + 2] = pad;
    pad = std::max<int64_t>(pad, 0);
  }
  if (llvm::all_of(ends, [](int64_t end) { return end == 0; }))
    return input;
  return g.node("Pad", {input, g.integers("pads", joined(Dims(rank, 0), ends))}).output();
}

/// Multiplies a tensor, channels first, by a computed vector over its channels.
std::string timesChannels(GraphExporter &g, const std::string &tensor, Value scale, size_t rank) {
  Dims shape(rank - 1, 1);
  shape[0] = typeOf(scale).getNumElements();
  return g.node("Mul", {tensor, g.useAs(scale, {0}, shape)}).output();
}

std::string plusChannels(GraphExporter &g, const std::string &tensor, Value bias, size_t rank) {
  Dims shape(rank - 1, 1);
  shape[0] = typeOf(bias).getNumElements();
  return g.node("Add", {tensor, g.useAs(bias, {0}, shape)}).output();
}

} // namespace

std::optional<TensorValue> scaledFilter(GraphExporter &g, nest::ConvOp op) {
  std::optional<TensorValue> filter = g.constant(op.getFilter());
  if (filter && nest::computesInF32(op)) // ONNX has one type for all operands.
    filter = reference::convert(*filter, op.getType().getElementType());
  if (!filter || !op.getScale())
    return filter;
  std::optional<TensorValue> scale = g.constant(op.getScale());
  if (!scale)
    return std::nullopt;
  for (auto [i, weight] : llvm::enumerate(filter->as<float>()))
    weight *= scale->as<float>()[i % scale->size()]; // Outputs are the last dimension.
  return filter;
}

std::string biasOf(GraphExporter &g, nest::ConvOp op) {
  if (!op.getBias())
    return "";
  std::optional<TensorValue> bias = g.constant(op.getBias());
  return bias ? g.initializer("bias", *bias) : g.use(op.getBias());
}

LogicalResult exportOp(GraphExporter &g, nest::ConvOp op) {
  if (op.getPacked() || !op.getEpilogue().empty())
    return g.unsupported(op, "it is fused or packed for kernels");
  if (exportAsGemm(g, op))
    return success();
  size_t rank = shapeOf(op.getInput()).size();
  Dims padEnd(op.getPadEnd()), order = filterOrder(rank, rank - 1, rank - 2);
  std::optional<TensorValue> filter = scaledFilter(g, op);
  bool scaleAfter = op.getScale() && !filter;
  std::string weight =
      filter ? g.initializer("weight", permuted(*filter, order)) : g.use(op.getFilter(), order);
  std::string input = croppedInput(g, op, padEnd), bias = scaleAfter ? "" : biasOf(g, op);
  std::string result = g.node("Conv", {input, weight, bias})
                           .set("dilations", op.getDilations())
                           .set("group", int64_t(op.getGroups()))
                           .set("kernel_shape", op.getKernel())
                           .set("pads", joined(op.getPadBegin(), padEnd))
                           .set("strides", op.getStrides())
                           .output();
  if (scaleAfter)
    result = timesChannels(g, result, op.getScale(), rank);
  if (scaleAfter && op.getBias())
    result = plusChannels(g, result, op.getBias(), rank);
  g.define(op.getResult(), result, channelsFirst(rank));
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::ConvTransposeOp op) {
  size_t rank = shapeOf(op.getInput()).size();
  Dims padEnd(op.getPadEnd()), outputPadding(padEnd.size(), 0);
  bool padAfter = false; // ONNX extends a result by less than the stride only.
  for (auto [i, pad] : llvm::enumerate(padEnd)) {
    outputPadding[i] = std::max<int64_t>(-pad, 0);
    pad = std::max<int64_t>(pad, 0);
    padAfter |= outputPadding[i] >= std::max(op.getStrides()[i], op.getDilations()[i]);
  }
  bool biasInside = op.getBias() && !padAfter;
  Node node = g.node("ConvTranspose", {g.use(op.getInput(), channelsFirst(rank)),
                                       g.use(op.getFilter(), filterOrder(rank, rank - 2, rank - 1)),
                                       biasInside ? g.use(op.getBias()) : ""});
  node.set("dilations", op.getDilations())
      .set("group", int64_t(op.getGroups()))
      .set("kernel_shape", shapeOf(op.getFilter()).drop_back(2))
      .set("pads", joined(op.getPadBegin(), padEnd))
      .set("strides", op.getStrides());
  std::string result = node.output();
  if (padAfter) {
    Dims pads(rank + 2, 0);
    llvm::append_range(pads, outputPadding);
    result = g.node("Pad", {result, g.integers("pads", pads)}).output();
  } else if (llvm::any_of(outputPadding, [](int64_t pad) { return pad != 0; })) {
    node.set("output_padding", outputPadding);
  }
  if (op.getBias() && !biasInside)
    result = plusChannels(g, result, op.getBias(), rank);
  g.define(op.getResult(), result, channelsFirst(rank));
  return success();
}

} // namespace nestor::onnx_export

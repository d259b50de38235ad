//===- Recurrent.cpp - LSTM, GRU, RNN -------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

using namespace mlir;

namespace nestor::onnx_export {
namespace {

/// Sequence lengths as ONNX wants them, i32.
std::string useLengths(GraphExporter &g, Value lengths) {
  if (!lengths || typeOf(lengths).getElementType().isSignlessInteger(32))
    return lengths ? g.use(lengths) : "";
  return g.node("Cast", g.use(lengths)).set("to", int64_t(onnx::TensorProto::INT32)).output();
}

/// ONNX lists parameters for those functions only that have them.
template <typename OpTy> void setActivations(Node &node, OpTy op) {
  static const llvm::StringSet<> withAlpha{
      "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Affine"};
  static const llvm::StringSet<> withBeta{"ScaledTanh", "HardSigmoid", "Affine"};
  std::vector<std::string> names;
  SmallVector<double> alpha, beta;
  for (auto [i, attribute] : llvm::enumerate(op.getActivations())) {
    names.push_back(cast<StringAttr>(attribute).str());
    if (withAlpha.contains(names.back()))
      alpha.push_back(op.getActivationAlpha()[i]);
    if (withBeta.contains(names.back()))
      beta.push_back(op.getActivationBeta()[i]);
  }
  node.set("activations", names);
  if (!alpha.empty())
    node.set("activation_alpha", ArrayRef<double>(alpha));
  if (!beta.empty())
    node.set("activation_beta", ArrayRef<double>(beta));
}

/// What the three cells have in common: `inputs` in the order of ONNX, and the
/// results, of which those that nobody reads are left out.
template <typename OpTy>
Node exportCell(GraphExporter &g, OpTy op, StringRef name, ArrayRef<Value> optional) {
  SmallVector<std::string> inputs{
      g.use(op.getInput()), g.use(op.getWeights()), g.use(op.getRecurrence()),
      op.getBias() ? g.use(op.getBias()) : "", useLengths(g, op.getLengths())};
  for (Value value : optional)
    inputs.push_back(value ? g.use(value) : "");
  Node node = g.node(name, inputs, op->getNumResults());
  setActivations(node, op);
  if (op.getClip())
    node.set("clip", op.getClip()->convertToDouble());
  node.set("direction", stringifyDirection(op.getDirection()))
      .set("hidden_size", shapeOf(op.getRecurrence()).back());
  for (OpResult result : op->getResults()) {
    g.define(result, node.output(result.getResultNumber()), identityOrder(shapeOf(result).size()));
    if (result.use_empty())
      node.drop(result.getResultNumber());
  }
  return node;
}

} // namespace

LogicalResult exportOp(GraphExporter &g, nest::LstmOp op) {
  if (op.getPacked())
    return g.unsupported(op, "it is packed for kernels");
  Node node =
      exportCell(g, op, "LSTM", {op.getInitialHidden(), op.getInitialCell(), op.getPeephole()});
  if (op.getInputForget())
    node.set("input_forget", int64_t(1));
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::GruOp op) {
  if (op.getPacked())
    return g.unsupported(op, "it is packed for kernels");
  Node node = exportCell(g, op, "GRU", op.getInitialHidden());
  if (op.getLinearBeforeReset())
    node.set("linear_before_reset", int64_t(1));
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::RnnOp op) {
  if (op.getPacked())
    return g.unsupported(op, "it is packed for kernels");
  exportCell(g, op, "RNN", op.getInitialHidden());
  return success();
}

} // namespace nestor::onnx_export

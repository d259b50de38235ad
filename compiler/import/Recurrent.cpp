//===- Recurrent.cpp - LSTM, GRU, RNN -------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/Twine.h"

using namespace mlir;
using nestor::nest::Direction;

namespace nestor::import {

namespace {

/// What the three layers have in common.
struct Layer {
  int64_t steps, batch, inputs, hidden, directions;
  Direction direction;
  bool batchFirst; ///< layout = 1
  ArrayAttr activations;
  SmallVector<double> alpha, beta; ///< One per activation.
  FloatAttr clip;                  ///< Null: none.
};

/// Attribute activation_alpha lists only the activations that have an alpha;
/// where it ends, these defaults hold.
struct ActivationDefaults {
  bool hasAlpha, hasBeta;
  double alpha, beta;
};

std::optional<ActivationDefaults> activationDefaults(StringRef name) {
  return llvm::StringSwitch<std::optional<ActivationDefaults>>(name)
      .Cases({"Relu", "Tanh", "Sigmoid", "Softsign", "Softplus"},
             ActivationDefaults{false, false, 0, 0})
      .Case("LeakyRelu", ActivationDefaults{true, false, 0.01, 0})
      .Case("ThresholdedRelu", ActivationDefaults{true, false, 1, 0})
      .Case("Elu", ActivationDefaults{true, false, 1, 0})
      .Case("HardSigmoid", ActivationDefaults{true, true, 0.2, 0.5})
      .Cases({"Affine", "ScaledTanh"}, ActivationDefaults{true, true, 1, 0})
      .Default(std::nullopt);
}

LogicalResult readActivations(NodeImporter &n, ArrayRef<StringRef> defaults, Layer &layer) {
  std::vector<std::string> names = n.stringsAttr("activations");
  if (names.empty())
    for (int64_t i = 0; i < layer.directions; ++i)
      names.insert(names.end(), defaults.begin(), defaults.end());
  if (names.size() != defaults.size() * layer.directions)
    return n.unsupported("attribute 'activations' has " + Twine(names.size()) + " entries");
  SmallVector<double> alphas = n.floatsAttr("activation_alpha"),
                      betas = n.floatsAttr("activation_beta");
  size_t nextAlpha = 0, nextBeta = 0;
  SmallVector<Attribute> attributes;
  for (StringRef name : names) {
    // ONNX compares these names without case.
    std::string known = name.str();
    for (StringRef candidate : {"Relu", "Tanh", "Sigmoid", "Softsign", "Softplus", "LeakyRelu",
                                "ThresholdedRelu", "Elu", "HardSigmoid", "Affine", "ScaledTanh"})
      if (candidate.equals_insensitive(name))
        known = candidate.str();
    std::optional<ActivationDefaults> activation = activationDefaults(known);
    if (!activation)
      return n.unsupported("activation '" + name + "'");
    attributes.push_back(n.builder.getStringAttr(known));
    bool givenAlpha = activation->hasAlpha && nextAlpha < alphas.size();
    bool givenBeta = activation->hasBeta && nextBeta < betas.size();
    layer.alpha.push_back(givenAlpha ? alphas[nextAlpha++] : activation->alpha);
    layer.beta.push_back(givenBeta ? betas[nextBeta++] : activation->beta);
  }
  layer.activations = n.builder.getArrayAttr(attributes);
  return success();
}

LogicalResult requireShape(NodeImporter &n, unsigned index, ArrayRef<int64_t> shape) {
  if (!n.hasInput(index) || n.shape(index) == shape)
    return success();
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::interleaveComma(shape, stream);
  return n.unsupported("input " + Twine(index) + " must have the shape [" + text + "]");
}

/// Reads and checks attributes and the operands that all three have. `gates`
/// is the number of gates.
FailureOr<Layer> readLayer(NodeImporter &n, int64_t gates, ArrayRef<StringRef> activations) {
  Layer layer;
  if (n.type(0).getRank() != 3 || n.type(1).getRank() != 3 || n.type(2).getRank() != 3)
    return n.unsupported("input, weights and recurrence weights must have rank 3");
  layer.batchFirst = n.intAttr("layout", 0);
  ArrayRef<int64_t> input = n.shape(0);
  layer.steps = input[layer.batchFirst ? 1 : 0];
  layer.batch = input[layer.batchFirst ? 0 : 1];
  layer.inputs = input[2];
  layer.hidden = n.shape(2)[2];
  std::string direction = n.stringAttr("direction", "forward");
  std::optional<Direction> parsed = nest::symbolizeDirection(direction);
  if (!parsed)
    return n.unsupported("direction '" + direction + "'");
  layer.direction = *parsed;
  layer.directions = *parsed == Direction::bidirectional ? 2 : 1;
  int64_t d = layer.directions, h = layer.hidden;
  SmallVector<int64_t> state{d, layer.batch, h};
  if (layer.batchFirst)
    std::swap(state[0], state[1]);
  if (failed(requireShape(n, 1, {d, gates * h, layer.inputs})) ||
      failed(requireShape(n, 2, {d, gates * h, h})) ||
      failed(requireShape(n, 3, {d, 2 * gates * h})) || failed(requireShape(n, 4, {layer.batch})) ||
      failed(requireShape(n, 5, state)) || failed(readActivations(n, activations, layer)))
    return failure();
  if (n.hasAttr("clip"))
    layer.clip = n.builder.getF64FloatAttr(n.floatAttr("clip", 0));
  return layer;
}

/// An operand [D, B, ..], from [B, D, ..] with layout = 1.
Value stepsFirst(NodeImporter &n, const Layer &layer, Value value) {
  return value && layer.batchFirst ? n.transpose(value, {1, 0, 2}) : value;
}

RankedTensorType sequenceType(NodeImporter &n, const Layer &layer) {
  return withShape(n.input(0), {layer.steps, layer.directions, layer.batch, layer.hidden});
}
RankedTensorType stateType(NodeImporter &n, const Layer &layer) {
  return withShape(n.input(0), {layer.directions, layer.batch, layer.hidden});
}

/// Results in the node's layout: all states, then the last ones.
void setResults(NodeImporter &n, const Layer &layer, ArrayRef<Value> results) {
  for (auto [i, result] : llvm::enumerate(results)) {
    if (!n.wantsOutput(i))
      continue;
    if (!layer.batchFirst)
      n.setOutput(i, result);
    else if (i == 0) // [T, D, B, H] -> [B, T, D, H]
      n.setOutput(i, n.transpose(result, {2, 0, 1, 3}));
    else
      n.setOutput(i, n.transpose(result, {1, 0, 2}));
  }
}

LogicalResult importLstm(NodeImporter &n) {
  FailureOr<Layer> layer = readLayer(n, 4, {"Sigmoid", "Tanh", "Tanh"});
  if (failed(layer))
    return failure();
  SmallVector<int64_t> state{layer->directions, layer->batch, layer->hidden};
  if (layer->batchFirst)
    std::swap(state[0], state[1]);
  if (failed(requireShape(n, 6, state)) ||
      failed(requireShape(n, 7, {layer->directions, 3 * layer->hidden})))
    return failure();
  setResults(n, *layer,
             n.createMulti<nest::LstmOp>(
                 sequenceType(n, *layer), stateType(n, *layer), stateType(n, *layer),
                 stepsFirst(n, *layer, n.input(0)), n.input(1), n.input(2), n.input(3), n.input(4),
                 stepsFirst(n, *layer, n.input(5)), stepsFirst(n, *layer, n.input(6)), n.input(7),
                 layer->direction, layer->activations, layer->alpha, layer->beta, layer->clip,
                 bool(n.intAttr("input_forget", 0))));
  return success();
}

LogicalResult importGru(NodeImporter &n) {
  FailureOr<Layer> layer = readLayer(n, 3, {"Sigmoid", "Tanh"});
  if (failed(layer))
    return failure();
  setResults(n, *layer,
             n.createMulti<nest::GruOp>(
                 sequenceType(n, *layer), stateType(n, *layer), stepsFirst(n, *layer, n.input(0)),
                 n.input(1), n.input(2), n.input(3), n.input(4), stepsFirst(n, *layer, n.input(5)),
                 layer->direction, layer->activations, layer->alpha, layer->beta, layer->clip,
                 bool(n.intAttr("linear_before_reset", 0))));
  return success();
}

LogicalResult importRnn(NodeImporter &n) {
  FailureOr<Layer> layer = readLayer(n, 1, {"Tanh"});
  if (failed(layer))
    return failure();
  setResults(n, *layer,
             n.createMulti<nest::RnnOp>(
                 sequenceType(n, *layer), stateType(n, *layer), stepsFirst(n, *layer, n.input(0)),
                 n.input(1), n.input(2), n.input(3), n.input(4), stepsFirst(n, *layer, n.input(5)),
                 layer->direction, layer->activations, layer->alpha, layer->beta, layer->clip));
  return success();
}

} // namespace

void registerRecurrentRules(ImportRegistry &registry) {
  // Opset 1 to 6 differ in how they mark missing operands only.
  registry.add({"", "LSTM", 1, kNewestOpset, importLstm, "", 3});
  registry.add({"", "GRU", 1, kNewestOpset, importGru, "", 3});
  registry.add({"", "RNN", 1, kNewestOpset, importRnn, "", 3});
}

} // namespace nestor::import

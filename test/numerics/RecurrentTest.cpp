//===- RecurrentTest.cpp - Recurrent kernels against the reference --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Layers are evaluated in ONNX's layout and compiled after
// `--nest-pack-recurrent`, so that the packing is under test as well.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "test/numerics/KernelRunner.h"
#include "test/numerics/OpText.h"

#include "gtest/gtest.h"

using namespace nestor;
using namespace nestor::test;

namespace {

/// The kind of a layer.
struct Kind {
  std::string name;
  int64_t gates;
  std::vector<std::string> activations; ///< Defaults of one direction.
};

const Kind lstm{"lstm", 4, {"Sigmoid", "Tanh", "Tanh"}};
const Kind gru{"gru", 3, {"Sigmoid", "Tanh"}};
const Kind rnn{"rnn", 1, {"Tanh"}};

/// What is drawn for a layer.
struct Layer {
  const Kind &kind;
  Draw draw;
  int64_t steps, batch, inputs, hidden;
  std::string direction, element;

  Layer(const Kind &kind, uint64_t seed)
      : kind(kind), draw(seed), steps(draw(1, 6)), batch(draw(1, 3)), inputs(draw(1, 20)),
        hidden(draw.of<int64_t>({1, 5, 16, 20, 33, 50})),
        direction(draw.of<std::string>({"forward", "reverse", "bidirectional"})),
        element(draw.of<std::string>({"f32", "f32", "f32", "f64"})) {}

  int64_t directions() const { return direction == "bidirectional" ? 2 : 1; }
  std::string tensor(const Dims &dims) const { return tensorType(dims, element); }
  std::string state() const { return tensor({directions(), batch, hidden}); }

  /// Operand types and the attribute that says which operands are there.
  std::pair<std::vector<std::string>, std::string> operands() {
    int64_t rows = kind.gates * hidden;
    std::vector<std::string> types{tensor({steps, batch, inputs}), tensor({directions(), rows, inputs}),
                                   tensor({directions(), rows, hidden})};
    std::string segments = "1, 1, 1";
    auto optional = [&](const std::string &type) {
      bool present = draw.coin();
      if (present)
        types.push_back(type);
      segments += present ? ", 1" : ", 0";
    };
    optional(tensor({directions(), 2 * rows}));
    optional(tensorType({batch}, draw.of<std::string>({"i32", "ui8", "i64"})));
    optional(state());
    if (kind.name == "lstm") {
      optional(state());
      optional(tensor({directions(), 3 * hidden}));
    }
    return {types, "operandSegmentSizes = array<i32: " + segments + ">"};
  }

  std::string activations() {
    std::string names;
    Dims alphas, betas;
    bool custom = draw.coin();
    for (int64_t direction = 0; direction < directions(); ++direction)
      for (const std::string &usual : kind.activations) {
        std::string name = usual;
        if (custom)
          name = draw.of<std::string>({"Sigmoid", "Tanh", "Relu", "HardSigmoid", "Softsign", "Elu", "LeakyRelu",
                                       "Affine", "ScaledTanh", "Softplus", "ThresholdedRelu"});
        names += (names.empty() ? "\"" : ", \"") + name + "\"";
        // A threshold is one that no input of the activation is next to.
        alphas.push_back(name == "ThresholdedRelu" ? -100 : 1);
        betas.push_back(draw(0, 1));
      }
    return "activations = [" + names + "], activationAlpha = " + arrayAttr(alphas, "f64") +
           ", activationBeta = " + arrayAttr(betas, "f64");
  }

  std::string flags() {
    std::string text = "direction = #nest.direction<" + direction + ">";
    if (draw.coin())
      text += ", clip = 0.5 : f64";
    if (kind.name != "rnn" && draw.coin())
      text += kind.name == "lstm" ? ", inputForget" : ", linearBeforeReset";
    return text;
  }

  std::string source() {
    auto [types, segments] = operands();
    std::vector<std::string> results{tensor({steps, directions(), batch, hidden}), state()};
    if (kind.name == "lstm")
      results.push_back(state());
    return genericOp("nest." + kind.name, types, segments + ", " + activations() + ", " + flags(), results);
  }
};

void checkLayers(const Kind &kind, uint64_t firstSeed) {
  for (uint64_t seed = firstSeed; seed < firstSeed + 12; ++seed)
    checkOperation(Layer(kind, seed).source(), seed, 2e-5, {-0.5, 0.5}, createPackRecurrentPass());
}

TEST(Recurrent, Lstm) { checkLayers(lstm, 100); }
TEST(Recurrent, Gru) { checkLayers(gru, 200); }
TEST(Recurrent, Rnn) { checkLayers(rnn, 300); }

} // namespace

//===- RecurrentTest.cpp - Cells of one unit, worked out with numpy -------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/reference/EvaluatorTest.h"

namespace nestor::reference {
namespace {

class RecurrentTest : public EvaluatorTest {
protected:
  /// A constant of shape `shape` named `name`.
  static std::string constant(const std::string &name, const std::string &shape,
                              const std::string &elements, const std::string &type = "f32") {
    return "%" + name + " = nest.const dense<" + elements + "> : tensor<" + shape + "x" + type + ">\n";
  }
};

// Two steps of one input, initial state 0.25.
std::string sequence() {
  return "%x = nest.const dense<[[[1.0]], [[-2.0]]]> : tensor<2x1x1xf32>\n"
         "%h = nest.const dense<0.25> : tensor<1x1x1xf32>\n";
}

TEST_F(RecurrentTest, LstmWithPeepholes) {
  auto results = evaluate(
      sequence() + constant("w", "1x4x1", "[[[0.5], [-0.3], [0.8], [0.2]]]") +
          constant("r", "1x4x1", "[[[0.1], [0.4], [-0.2], [0.7]]]") +
          constant("b", "1x8", "[[0.05, 0.1, -0.1, 0.2, 0.01, 0.02, 0.03, 0.04]]") +
          constant("c", "1x1x1", "-0.5") + constant("p", "1x3", "[[0.3, -0.6, 0.9]]") + R"(
    %y, %yh, %yc = "nest.lstm"(%x, %w, %r, %b, %h, %c, %p) {
        operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 1, 1, 1>,
        direction = #nest.direction<forward>, activations = ["Sigmoid", "Tanh", "Tanh"],
        activationAlpha = array<f64: 0.0, 0.0, 0.0>, activationBeta = array<f64: 0.0, 0.0, 0.0>}
        : (tensor<2x1x1xf32>, tensor<1x4x1xf32>, tensor<1x4x1xf32>, tensor<1x8xf32>,
           tensor<1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x3xf32>)
        -> (tensor<2x1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>)
    return %y, %yh, %yc : tensor<2x1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>)",
      "tensor<2x1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>");
  ASSERT_EQ(results.size(), 3u);
  expectElements(results[0], {0.0253801349, -0.0212973863});
  expectElements(results[1], {-0.0212973863});
  expectElements(results[2], {-0.0313781307});
}

TEST_F(RecurrentTest, GruInBothForms) {
  auto run = [&](const std::string &flag) {
    return evaluate(sequence() + constant("w", "1x3x1", "[[[0.5], [-0.3], [0.8]]]") +
                        constant("r", "1x3x1", "[[[0.1], [0.4], [-0.2]]]") +
                        constant("b", "1x6", "[[0.05, 0.1, -0.1, 0.01, 0.02, 0.03]]") + R"(
    %y, %yh = "nest.gru"(%x, %w, %r, %b, %h) {
        operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 1>,
        direction = #nest.direction<forward>, activations = ["Sigmoid", "Tanh"],
        activationAlpha = array<f64: 0.0, 0.0>, activationBeta = array<f64: 0.0, 0.0>)" +
                        flag + R"(}
        : (tensor<2x1x1xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>, tensor<1x6xf32>,
           tensor<1x1x1xf32>) -> (tensor<2x1x1x1xf32>, tensor<1x1x1xf32>)
    return %y, %yh : tensor<2x1x1x1xf32>, tensor<1x1x1xf32>)",
                    "tensor<2x1x1x1xf32>, tensor<1x1x1xf32>");
  };
  auto plain = run(""), linear = run(", linearBeforeReset");
  ASSERT_EQ(plain.size() + linear.size(), 4u);
  expectElements(plain[0], {0.3781442677, -0.5583446795});
  expectElements(linear[0], {0.3745938792, -0.5601692009});
  expectElements(linear[1], {-0.5601692009});
}

TEST_F(RecurrentTest, ReverseRnnStartsAtTheLastStepOfEachSequence) {
  auto results = evaluate(
      "%x = nest.const dense<[[[1.0]], [[-2.0]], [[99.0]]]> : tensor<3x1x1xf32>\n" +
          constant("w", "1x1x1", "0.5") + constant("r", "1x1x1", "0.25") +
          constant("b", "1x2", "[[0.1, 0.2]]") + constant("n", "1", "[2]", "i32") + R"(
    %y, %yh = "nest.rnn"(%x, %w, %r, %b, %n) {
        operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0>,
        direction = #nest.direction<reverse>, activations = ["Tanh"], clip = 0.5 : f64,
        activationAlpha = array<f64: 0.0>, activationBeta = array<f64: 0.0>}
        : (tensor<3x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x2xf32>, tensor<1xi32>)
        -> (tensor<3x1x1x1xf32>, tensor<1x1x1xf32>)
    return %y, %yh : tensor<3x1x1x1xf32>, tensor<1x1x1xf32>)",
      "tensor<3x1x1x1xf32>, tensor<1x1x1xf32>");
  ASSERT_EQ(results.size(), 2u);
  // The step after the end of the sequence is zero, and never entered.
  expectElements(results[0], {0.4621171573, -0.4621171573, 0});
  expectElements(results[1], {0.4621171573});
}

} // namespace
} // namespace nestor::reference

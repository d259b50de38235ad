//===- GradientNetworkTest.cpp - Recurrent layers; what kernels compute ---===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "GradientCheck.h"

#include "compiler/learn/Executor.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::test;

namespace {

std::string recurrent(const std::string &name, int64_t gates, const std::string &direction,
                      const std::string &names, bool withCell, const std::string &extra,
                      bool peephole = false) {
  int64_t d = direction == "bidirectional" ? 2 : 1, t = 3, b = 2, i = 3, h = 2;
  std::vector<Dims> operands{
      {t, b, i}, {d, gates * h, i}, {d, gates * h, h}, {d, 2 * gates * h}, {d, b, h}};
  if (withCell)
    operands.push_back({d, b, h});
  if (peephole)
    operands.push_back({d, 3 * h});
  std::string values, types;
  for (size_t n = 0; n < operands.size(); ++n) {
    values += (n ? ", %a" : "%a") + std::to_string(n);
    types += (n ? ", " : "") + type(operands[n]);
  }
  std::string activations, numbers;
  for (int64_t n = 0; n < d; ++n)
    activations += (n ? ", " : "") + names;
  int64_t count = d * (withCell ? 3 : 2);
  Dims alpha(count, 1);
  std::string segments =
      withCell ? std::string("1, 1, 1, 1, 0, 1, 1, ") + (peephole ? "1" : "0") : "1, 1, 1, 1, 0, 1";
  std::string all = type({t, d, b, h}), state = type({d, b, h});
  std::string results = withCell ? all + ", " + state + ", " + state : all + ", " + state;
  // All results count: the states are joined along the time.
  std::string join = "  %h = nest.reshape %o#1 : (" + state + ") -> " + type({1, d, b, h}) + "\n";
  std::string joined = "%o#0, %h", joinedTypes = all + ", " + type({1, d, b, h});
  if (withCell) {
    join += "  %c = nest.reshape %o#2 : (" + state + ") -> " + type({1, d, b, h}) + "\n";
    joined += ", %c", joinedTypes += ", " + type({1, d, b, h});
  }
  Dims result{t + (withCell ? 2 : 1), d, b, h};
  return lossOf(operands, result,
                "  %o:" + std::string(withCell ? "3" : "2") + " = \"" + name + "\"(" + values +
                    ") {direction = #nest.direction<" + direction + ">, activations = [" +
                    activations + "], activationAlpha = " + arrayAttr(alpha, "f64") +
                    ", activationBeta = " + arrayAttr(alpha, "f64") + extra +
                    ", operandSegmentSizes = array<i32: " + segments + ">} : (" + types + ") -> (" +
                    results + ")\n" + join + "  %r = nest.concat " + joined +
                    " {axis = 0 : i64} : (" + joinedTypes + ") -> " + type(result));
}

TEST(Gradient, RecurrentLayers) {
  uint64_t seed = 900;
  std::string lstm = "\"Sigmoid\", \"Tanh\", \"Tanh\"", gru = "\"Sigmoid\", \"Tanh\"";
  for (const char *direction : {"forward", "reverse", "bidirectional"}) {
    checkGradients(recurrent("nest.lstm", 4, direction, lstm, true, ""), ++seed);
    checkGradients(recurrent("nest.gru", 3, direction, gru, false, ""), ++seed);
  }
  checkGradients(
      recurrent("nest.lstm", 4, "forward", lstm, true, ", inputForget, clip = 5.0 : f64", true),
      ++seed);
  checkGradients(
      recurrent("nest.lstm", 4, "forward", "\"HardSigmoid\", \"ScaledTanh\", \"Affine\"", true, ""),
      ++seed);
  checkGradients(recurrent("nest.gru", 3, "forward", gru, false, ", linearBeforeReset"), ++seed);
}

/// What the kernels make of a small network and its gradients: convolutions of
/// stride 1 and 2, a depthwise one, a residual, pooling, a dense layer.
const char *const network = R"(
func.func @main(%x: tensor<4x9x9x5xf32>, %w0: tensor<3x3x5x20xf32>, %b0: tensor<20xf32>, %s0: tensor<20xf32>,
                %w1: tensor<3x3x20x20xf32>, %w2: tensor<3x3x1x20xf32>, %w3: tensor<1x1x20x7xf32>,
                %w4: tensor<1x1x20x20xf32>, %t: tensor<4x7xf32>) -> tensor<1xf32> {
  %zero = nest.const dense<0.0> : tensor<1xf32>
  %0 = nest.conv %x, %w0 scale %s0 bias %b0 {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
       : (tensor<4x9x9x5xf32>, tensor<3x3x5x20xf32>, tensor<20xf32>, tensor<20xf32>) -> tensor<4x9x9x20xf32>
  %1 = nest.map %0, %zero : tensor<4x9x9x20xf32>, tensor<1xf32> -> tensor<4x9x9x20xf32> {
  ^bb0(%a: f32, %z: f32):
    %m = arith.maximumf %a, %z : f32
    nest.yield %m : f32
  }
  %2 = nest.conv %1, %w1 {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
       : (tensor<4x9x9x20xf32>, tensor<3x3x20x20xf32>) -> tensor<4x5x5x20xf32>
  %3 = nest.conv %1, %w4 {kernel = array<i64: 1, 1>, strides = array<i64: 2, 2>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1 : i64}
       : (tensor<4x9x9x20xf32>, tensor<1x1x20x20xf32>) -> tensor<4x5x5x20xf32>
  %4 = nest.map %2, %3 : tensor<4x5x5x20xf32>, tensor<4x5x5x20xf32> -> tensor<4x5x5x20xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    %c = arith.constant 0.0 : f32
    %m = arith.maximumf %s, %c : f32
    nest.yield %m : f32
  }
  %5 = nest.conv %4, %w2 {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 20 : i64}
       : (tensor<4x5x5x20xf32>, tensor<3x3x1x20xf32>) -> tensor<4x3x3x20xf32>
  %6 = nest.pool %5 {kind = #nest.pool_kind<max>, kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>}
       : (tensor<4x3x3x20xf32>) -> tensor<4x2x2x20xf32>
  %7 = nest.reduce %6 {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>} : (tensor<4x2x2x20xf32>) -> tensor<4x1x1x20xf32>
  %8 = nest.conv %7, %w3 {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1 : i64}
       : (tensor<4x1x1x20xf32>, tensor<1x1x20x7xf32>) -> tensor<4x1x1x7xf32>
  %9 = nest.reshape %8 : (tensor<4x1x1x7xf32>) -> tensor<4x7xf32>
  %10 = nest.softmax %9 {axis = 1 : i64, log} : tensor<4x7xf32>
  %11 = nest.map %10, %t : tensor<4x7xf32>, tensor<4x7xf32> -> tensor<4x7xf32> {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    nest.yield %p : f32
  }
  %12 = nest.reduce %11 {kind = #nest.reduce_kind<sum>, axes = array<i64: 0, 1>} : (tensor<4x7xf32>) -> tensor<1x1xf32>
  %13 = nest.reshape %12 : (tensor<1x1xf32>) -> tensor<1xf32>
  return %13 : tensor<1xf32>
}
)";

TEST(Gradient, KernelsComputeWhatTheReferenceDoes) {
  Differentiated f(network);
  ASSERT_TRUE(f.ok);
  std::mt19937_64 random(7);
  std::normal_distribution<float> draw;
  SmallVector<TensorValue> arguments, values;
  for (Type argument : f.mainOf(f.module).getArgumentTypes()) {
    arguments.push_back(TensorValue::zeros(cast<RankedTensorType>(argument)));
    for (float &element : arguments.back().as<float>())
      element = draw(random);
  }
  ASSERT_TRUE(succeeded(reference::evaluate(f.mainOf(f.module), arguments, values)));
  for (unsigned threads : {1, 2}) {
    auto executor = learn::Executor::compile(f.mainOf(f.module), threads);
    ASSERT_TRUE(bool(executor)) << toString(executor.takeError());
    for (auto [i, argument] : llvm::enumerate(arguments))
      llvm::copy(argument.as<float>(), executor->input(i).begin());
    executor->run();
    for (auto [i, value] : llvm::enumerate(values)) {
      double largest = 0, worst = 0;
      for (int64_t e = 0; e < value.size(); ++e) {
        largest = std::max(largest, std::abs(value.getDouble(e)));
        worst = std::max(worst, std::abs(value.getDouble(e) - executor->output(i)[e]));
      }
      EXPECT_LE(worst, 1e-4 * largest) << "result " << i;
      EXPECT_GT(largest, 0) << "result " << i;
    }
  }
}

} // namespace

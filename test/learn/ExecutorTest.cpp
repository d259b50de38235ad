//===- ExecutorTest.cpp - Functions that run while compiling --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "LearnTest.h"

#include "compiler/learn/Executor.h"
#include "compiler/learn/Gradient.h"
#include "compiler/learn/Parameters.h"
#include "compiler/reference/Evaluator.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace nestor::learn;

namespace nestor::test {
namespace {

/// Two capacities of a convolution, an activation and a dense layer; filters of
/// which the first capacity keeps 2 of 4 channels, in two parts of one each.
const char *const nested = R"(
nest.global @a = dense_resource<a> : tensor<3x3x2x4xf32>
    edges [[], [], [], [array<i64: 1, 2>, array<i64: 1, 2>]]
nest.global @b = dense_resource<b> : tensor<1x1x4x3xf32>
    edges [[], [], [array<i64: 1, 2>, array<i64: 1, 2>], []]
func.func @capacity_0(%x: tensor<1x5x5x2xf32>) -> tensor<1x3xf32> {
  %w = nest.weight @a at 0 : tensor<3x3x2x2xf32>
  %s = nest.const dense<[2.0, 0.5]> : tensor<2xf32>
  %0 = nest.conv %x, %w scale %s {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
       : (tensor<1x5x5x2xf32>, tensor<3x3x2x2xf32>, tensor<2xf32>) -> tensor<1x5x5x2xf32>
  %1 = nest.reduce %0 {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>} : (tensor<1x5x5x2xf32>) -> tensor<1x1x1x2xf32>
  %v = nest.weight @b at 0 : tensor<1x1x2x3xf32>
  %2 = nest.conv %1, %v {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1 : i64}
       : (tensor<1x1x1x2xf32>, tensor<1x1x2x3xf32>) -> tensor<1x1x1x3xf32>
  %3 = nest.reshape %2 : (tensor<1x1x1x3xf32>) -> tensor<1x3xf32>
  return %3 : tensor<1x3xf32>
}
func.func @main(%x: tensor<1x5x5x2xf32>) -> tensor<1x3xf32> {
  %0 = nest.reshape %x : (tensor<1x5x5x2xf32>) -> tensor<1x50xf32>
  %1 = nest.slice %0 {starts = array<i64: 0, 4>, steps = array<i64: 1, 2>} : (tensor<1x50xf32>) -> tensor<1x3xf32>
  return %1 : tensor<1x3xf32>
}
{-# dialect_resources: { builtin: {
  a: "RESOURCE_A", b: "RESOURCE_B"
} } #-}
)";

/// `nested` with random filters.
std::string withResources(std::mt19937_64 &random) {
  std::normal_distribution<float> normal;
  auto blob = [&](size_t count) {
    std::string hex = "0x04000000";
    for (size_t i = 0; i < count; ++i) {
      float value = normal(random);
      hex += llvm::toHex(llvm::StringRef(reinterpret_cast<char *>(&value), sizeof value));
    }
    return hex;
  };
  std::string text = nested;
  text.replace(text.find("RESOURCE_A"), 10, blob(72));
  text.replace(text.find("RESOURCE_B"), 10, blob(12));
  return text;
}

class ExecutorTest : public LearnTest {};

TEST_F(ExecutorTest, ArgumentsOfOtherTypesAreGivenAsFloats) {
  auto module = parse(R"(
func.func @main(%a: tensor<1x3xsi32>, %b: tensor<1x3xui8>, %c: tensor<1x3xi1>, %d: tensor<1x3xf64>)
    -> tensor<1x3xf32> {
  %0 = nest.map %a, %b, %c, %d : tensor<1x3xsi32>, tensor<1x3xui8>, tensor<1x3xi1>, tensor<1x3xf64> -> tensor<1x3xf32> {
  ^bb0(%i: i32, %u: i8, %p: i1, %x: f64):
    %s = arith.sitofp %i : i32 to f32
    %t = arith.uitofp %u : i8 to f32
    %f = arith.truncf %x : f64 to f32
    %r = arith.addf %s, %t : f32
    %q = arith.select %p, %r, %f : f32
    nest.yield %q : f32
  }
  return %0 : tensor<1x3xf32>
})");
  auto executor = Executor::compile(module->lookupSymbol<func::FuncOp>("main"), 1);
  ASSERT_TRUE(bool(executor)) << toString(executor.takeError());
  llvm::copy(std::vector<float>{-70000, 5, 6}, executor->input(0).begin());
  llvm::copy(std::vector<float>{255, 200, 1}, executor->input(1).begin());
  llvm::copy(std::vector<float>{1, 1, 0}, executor->input(2).begin());
  llvm::copy(std::vector<float>{1, 2, 0.5f}, executor->input(3).begin());
  executor->run();
  EXPECT_EQ(executor->output(0).vec(), (std::vector<float>{-69745, 205, 0.5f}));
}

TEST_F(ExecutorTest, ParameterizedFunctionComputesTheCapacity) {
  auto module = parse(withResources(random));
  ParameterSet set(*module);
  ASSERT_EQ(set.size(), 3u); // Two filters, one scale.
  auto capacity = nest::capacityFunctions(*module).front();
  ParameterizedFunction function = parameterize(capacity, set);
  ASSERT_EQ(function.parameters.size(), 3u);
  auto executor = Executor::compile(function.func, 1);
  ASSERT_TRUE(bool(executor)) << toString(executor.takeError());

  std::vector<float> x = draw(50);
  llvm::copy(x, executor->input(0).begin());
  for (auto [i, parameter] : llvm::enumerate(function.parameters))
    llvm::copy(set[parameter].value, executor->input(function.inputs + i).begin());
  executor->run();
  std::vector<float> expected = evaluate(capacity, {x});
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(executor->output(0)[i], expected[i], 1e-4);
}

/// Many pixels and channels: filters that train are transformed at run time, and
/// so is what their gradients convolve with.
TEST_F(ExecutorTest, TrainingConvolvesByWinogradsAlgorithm) {
  auto module = parse(R"(
func.func @main(%x: tensor<16x12x12x16xf32>, %v: tensor<3x3x16x24xf32>, %w: tensor<3x3x24x16xf32>) -> tensor<1x1x1x1xf32> {
  %0 = nest.conv %x, %v {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
         padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
       : (tensor<16x12x12x16xf32>, tensor<3x3x16x24xf32>) -> tensor<16x12x12x24xf32>
  %1 = nest.conv %0, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
         padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 1>, groups = 1 : i64}
       : (tensor<16x12x12x24xf32>, tensor<3x3x24x16xf32>) -> tensor<16x10x11x16xf32>
  %2 = nest.map %1 : tensor<16x10x11x16xf32> -> tensor<16x10x11x16xf32> {
  ^bb0(%a: f32):
    %s = arith.mulf %a, %a : f32
    nest.yield %s : f32
  }
  %3 = nest.reduce %2 {kind = #nest.reduce_kind<mean>, axes = array<i64: 0, 1, 2, 3>} : (tensor<16x10x11x16xf32>) -> tensor<1x1x1x1xf32>
  return %3 : tensor<1x1x1x1xf32>
})");
  auto func = module->lookupSymbol<func::FuncOp>("main");
  ASSERT_TRUE(succeeded(appendGradients(func, {1, 2})));
  auto executor = Executor::compile(func, 1);
  ASSERT_TRUE(bool(executor)) << toString(executor.takeError());
  SmallVector<reference::TensorValue> arguments, expected;
  for (auto [i, type] : llvm::enumerate(func.getArgumentTypes())) {
    arguments.push_back(reference::TensorValue::zeros(cast<RankedTensorType>(type)));
    llvm::copy(draw(executor->input(i).size()), arguments.back().as<float>().begin());
    llvm::copy(arguments.back().as<float>(), executor->input(i).begin());
  }
  auto steps = executor->runTimed();
  auto callsOf = [&](StringRef kernel) {
    return llvm::count_if(steps, [&](const Executor::StepTime &step) { return StringRef(step.kernel).starts_with(kernel); });
  };
  EXPECT_EQ(callsOf("winograd F(4)"), 3); // Two forward, one back: nobody asks for the gradient of %x.
  EXPECT_EQ(callsOf("winograd_filter_grad F(4)"), 2);
  ASSERT_TRUE(succeeded(reference::evaluate(func, arguments, expected)));
  for (auto [i, value] : llvm::enumerate(expected)) {
    double largest = 0, worst = 0;
    for (int64_t e = 0; e < value.size(); ++e) {
      largest = std::max(largest, std::abs(value.getDouble(e)));
      worst = std::max(worst, std::abs(value.getDouble(e) - executor->output(i)[e]));
    }
    EXPECT_LE(worst, 1e-5 * largest) << "result " << i;
  }
}

TEST_F(ExecutorTest, WrittenBackParametersChangeTheModule) {
  auto module = parse(withResources(random));
  ParameterSet set(*module);
  for (Parameter &parameter : set.parameters())
    for (float &value : parameter.value)
      value *= 2;
  set.writeBack();
  ParameterSet again(*module);
  for (size_t i = 0; i < set.size(); ++i)
    EXPECT_EQ(again[i].value, set[i].value);
}

TEST_F(ExecutorTest, BatchComputesEverySample) {
  auto module = parse(withResources(random));
  for (func::FuncOp func : nest::capacityFunctions(*module)) {
    std::string reason;
    auto batched = withBatch(func, 3, reason);
    ASSERT_TRUE(batched) << reason;
    std::vector<float> all, expected;
    for (int sample = 0; sample < 3; ++sample) {
      std::vector<float> x = draw(50);
      llvm::append_range(all, x);
      llvm::append_range(expected, evaluate(func, {x}));
    }
    batched->setName("batched");
    func::FuncOp inserted = batched.release();
    module->push_back(inserted);
    EXPECT_EQ(evaluate(inserted, {all}), expected);
    inserted.erase();
  }
}

TEST_F(ExecutorTest, BatchMovesAlongWithWhatWasATranspose) {
  // Of one sample, the transposes around a recurrent layer are reshapes.
  auto module = parse(R"(
func.func @main(%x: tensor<1x3x2xf32>) -> tensor<1x4xf32> {
  %t = nest.reshape %x : (tensor<1x3x2xf32>) -> tensor<3x1x2xf32>
  %w = nest.const dense<[[[0.5, -1.0], [1.0, 0.25]], [[-0.5, 1.0], [2.0, 0.75]]]> : tensor<2x2x2xf32>
  %r = nest.const dense<[[[1.5, -1.0], [1.0, 0.25]], [[-0.5, 1.0], [0.5, 0.75]]]> : tensor<2x2x2xf32>
  %y, %h = "nest.rnn"(%t, %w, %r) {direction = #nest.direction<bidirectional>, activations = ["Tanh", "Tanh"],
      activationAlpha = array<f64: 1.0, 1.0>, activationBeta = array<f64: 1.0, 1.0>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
    : (tensor<3x1x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>) -> (tensor<3x2x1x2xf32>, tensor<2x1x2xf32>)
  %v = nest.const dense<[[[0.5, -1.0, 1.0, 2.0], [1.0, 0.25, 0.5, -0.5]],
                         [[-0.5, 1.0, 2.0, -1.0], [2.0, 0.75, 1.5, 0.5]]]> : tensor<2x2x4xf32>
  %both = nest.reshape %y : (tensor<3x2x1x2xf32>) -> tensor<3x1x4xf32>
  %next, %last = "nest.rnn"(%both, %v, %r) {direction = #nest.direction<bidirectional>, activations = ["Tanh", "Tanh"],
      activationAlpha = array<f64: 1.0, 1.0>, activationBeta = array<f64: 1.0, 1.0>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
    : (tensor<3x1x4xf32>, tensor<2x2x4xf32>, tensor<2x2x2xf32>) -> (tensor<3x2x1x2xf32>, tensor<2x1x2xf32>)
  %0 = nest.reshape %last : (tensor<2x1x2xf32>) -> tensor<1x4xf32>
  return %0 : tensor<1x4xf32>
})");
  auto func = *module->getOps<func::FuncOp>().begin();
  std::string reason;
  auto batched = withBatch(func, 3, reason);
  ASSERT_TRUE(batched) << reason;
  std::vector<float> all, expected;
  for (int sample = 0; sample < 3; ++sample) {
    std::vector<float> x = draw(6);
    llvm::append_range(all, x);
    llvm::append_range(expected, evaluate(func, {x}));
  }
  EXPECT_EQ(evaluate(*batched, {all}), expected);
}

TEST_F(ExecutorTest, BatchRefusesWhatMixesSamples) {
  auto module = parse(R"(
func.func @main(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %0 = nest.reduce %x {kind = #nest.reduce_kind<sum>, axes = array<i64: 0>} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  return %0 : tensor<1x4xf32>
})");
  std::string reason;
  EXPECT_FALSE(withBatch(*module->getOps<func::FuncOp>().begin(), 2, reason));
  EXPECT_NE(reason.find("nest.reduce"), std::string::npos) << reason;
}

} // namespace
} // namespace nestor::test

//===- RowSumsTest.cpp - Means of what convolutions leave the sums of -----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/RowSums.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/reference/Evaluator.h"
#include "passes/Passes.h"
#include "test/numerics/KernelRunner.h"
#include "test/numerics/NestedText.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

#include <cstring>

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;
using namespace nestor::test;
using reference::TensorValue;

namespace {

/// A depthwise convolution at one of the capacities that share its filter, and the
/// mean of its pixels, as a module.
std::string printPooledConv(uint64_t seed) {
  Draw draw(seed);
  Edges channels = drawEdges(draw, 1, 3);
  int64_t capacity = draw(0, 2), c = keptAt(channels, capacity), taps = 1;
  Dims x = {draw(1, 2)}, y = x, kernel, strides, pads;
  for (int dim = 0; dim < 2; ++dim) {
    kernel.push_back(draw.of<int64_t>({1, 3, 5})), strides.push_back(draw(1, 2)), pads.push_back(kernel.back() / 2);
    x.push_back(draw(kernel.back(), 19));
    y.push_back((x.back() + 2 * pads.back() - kernel.back()) / strides.back() + 1);
    taps *= kernel.back();
  }
  x.push_back(c), y.push_back(c);
  Dims whole = kernel, part = kernel, mean = {x[0], 1, 1, c};
  whole.insert(whole.end(), {1, keptAt(channels, 2)}), part.insert(part.end(), {1, c});
  std::string groups = "groups = " + std::to_string(c) + " : i64", packed = tensorType({(c + 15) / 16, taps, 1, 16});
  std::string silu = " {\n^bb0(%a: f32):\n %o = arith.constant 1.0 : f32\n %n = arith.negf %a : f32\n"
                     " %e = math.exp %n : f32\n %d = arith.addf %e, %o : f32\n %s = arith.divf %a, %d : f32\n"
                     " nest.yield %s : f32 }";
  return "nest.global @w = " + randomDense(whole, seed) + " edges [[], [], [], " + printEdges(channels) + "]\n" +
         "func.func @f(%x: " + tensorType(x) + ", %b: " + tensorType({c}) + ") -> " + tensorType(mean) + " {\n" +
         " %w = nest.weight @w at " + std::to_string(capacity) + " : " + tensorType(part) + "\n %p = nest.pack %w {" +
         groups + ", depthwise} : (" + tensorType(part) + ") -> " + packed + "\n %y = nest.conv %x, %p bias %b {kernel = " +
         arrayAttr(kernel) + ", strides = " + arrayAttr(strides) + ", dilations = array<i64: 1, 1>, padBegin = " +
         arrayAttr(pads) + ", padEnd = " + arrayAttr(pads) + ", " + groups + ", packed} : (" + tensorType(x) + ", " +
         packed + ", " + tensorType({c}) + ") -> " + tensorType(y) + (draw.coin() ? silu : "") +
         "\n %m = nest.reduce %y {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>, keepDims} : (" +
         tensorType(y) + ") -> " + tensorType(mean) + "\n return %m : " + tensorType(mean) + "\n}\n";
}

struct PooledConv {
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp func;
  nest::ConvOp conv;
  nest::ReduceOp mean;
  SmallVector<TensorValue> operands; ///< Of the convolution.
  TensorValue expected;              ///< The mean.

  static DialectRegistry dialects() {
    DialectRegistry registry;
    registry.insert<nest::NestDialect, func::FuncDialect>();
    registerKernelDialects(registry);
    return registry;
  }

  explicit PooledConv(uint64_t seed)
      : context(dialects()), module(parseSourceString<ModuleOp>(printPooledConv(seed), &context)) {
    func = *module->getOps<func::FuncOp>().begin();
    PassManager passes(&context, func::FuncOp::getOperationName());
    passes.addPass(createSumRowsPass());
    EXPECT_TRUE(succeeded(passes.run(func)));
    conv = *func.getOps<nest::ConvOp>().begin(), mean = *func.getOps<nest::ReduceOp>().begin();
    EXPECT_TRUE(nest::leavesRowSums(conv));
    evaluate(seed);
  }

  void evaluate(uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> draw(-1, 1);
    DenseMap<Value, TensorValue> values;
    for (BlockArgument argument : func.getArguments()) {
      TensorValue value = TensorValue::zeros(cast<RankedTensorType>(argument.getType()));
      for (int64_t i = 0; i < value.size(); ++i)
        value.as<float>()[i] = draw(random);
      values[argument] = value;
    }
    for (Operation &op : func.front().without_terminator()) {
      SmallVector<TensorValue> results, inputs;
      for (Value operand : op.getOperands())
        inputs.push_back(values.at(operand));
      ASSERT_TRUE(succeeded(reference::evaluate(&op, inputs, results)));
      if (&op == conv)
        operands = inputs;
      values[op.getResult(0)] = expected = results.front();
    }
  }
};

/// Runs both kernels, the convolution in parts that `cuts` makes, and returns the
/// memory of the means. What lies between them is NaN but for the sums.
std::vector<float> meansOf(PooledConv &pooled, CompiledCalls &conv, CompiledCalls &mean, ArrayRef<double> cuts) {
  std::vector<GuardedBuffer> inputs;
  SmallVector<char *> operands;
  for (const TensorValue &value : pooled.operands) {
    inputs.emplace_back(value.bytes.size(), 4);
    std::memcpy(inputs.back().data(), value.bytes.data(), value.bytes.size());
    operands.push_back(inputs.back().data());
  }
  size_t elements = pooled.conv.getType().getNumElements(), sums = llvm::product_of(nest::rowSumsShape(pooled.conv.getResult()));
  GuardedBuffer result((elements + sums) * sizeof(float), 4), means(pooled.expected.bytes.size(), 4);
  std::memset(result.data(), 0xff, result.size());
  conv.run(operands, {result.data()}, cuts);
  std::memset(result.data(), 0xff, elements * sizeof(float));
  mean.run({result.data()}, {means.data()}, cuts);
  const float *first = reinterpret_cast<const float *>(means.data());
  return {first, first + pooled.expected.size()};
}

/// Of any capacity and batch, on every target; the mean reads nothing but the sums,
/// which are the same however the work is cut.
TEST(RowSumsTest, MeanReadsTheSums) {
  for (uint64_t seed = 1; seed <= 7; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + printPooledConv(seed));
    PooledConv pooled(seed);
    for (const TargetInfo *target : runnableTargets()) {
      SCOPED_TRACE(target->name);
      CompiledCalls conv(pooled.conv, *target), mean(pooled.mean, *target);
      ASSERT_TRUE(conv.ok() && mean.ok());
      std::vector<float> whole = meansOf(pooled, conv, mean, {}), parts = meansOf(pooled, conv, mean, {0.3, 0.6});
      EXPECT_EQ(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)), 0) << "depends on the cuts";
      for (int64_t i = 0; i < pooled.expected.size(); ++i)
        ASSERT_NEAR(whole[i], pooled.expected.getDouble(i), 1e-5) << "channel " << i;
    }
  }
}

} // namespace

//===- QuantizedFiltersTest.cpp - Filters as whole numbers ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "LearnTest.h"

#include "passes/QuantizedFilters.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::test {
namespace {

class QuantizedFiltersTest : public LearnTest {
protected:
  /// A convolution of one tap whose filter [1, inputs, outputs] is `filter`, an
  /// operation or two.
  nest::ConvOp conv(const std::string &filter, int inputs, int outputs, int groups = 1,
                    const std::string &globals = "") {
    const char *text = R"({5}
      func.func @main(%x: tensor<1x2x{0}xf32>) -> tensor<1x2x{1}xf32> {{
        {2}
        %y = nest.conv %x, %w {{kernel = array<i64: 1>, strides = array<i64: 1>,
            dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>,
            groups = {3} : i64}
          : (tensor<1x2x{0}xf32>, tensor<1x{4}x{1}xf32>) -> tensor<1x2x{1}xf32>
        return %y : tensor<1x2x{1}xf32>
      })";
    module = parse(
        llvm::formatv(text, inputs, outputs, filter, groups, inputs / groups, globals).str());
    nest::ConvOp found;
    module->walk([&](nest::ConvOp op) { found = op; });
    return found;
  }

  QuantizedFilter quantize(nest::ConvOp conv) {
    OpBuilder builder(conv);
    return filters.quantize(builder, conv);
  }

  /// The weights in the words of a constant filter: [row][output].
  static std::vector<std::vector<int>> weightsOf(const QuantizedFilter &filter) {
    TensorValue words =
        TensorValue::fromAttr(filter.words.getDefiningOp<nest::ConstOp>().getValue());
    int64_t outputs = words.type.getShape().back(), rows = words.type.getNumElements() / outputs;
    std::vector<std::vector<int>> weights(rows * 4, std::vector<int>(outputs));
    for (int64_t row = 0; row < rows * 4; ++row)
      for (int64_t o = 0; o < outputs; ++o)
        weights[row][o] = int8_t(words.as<uint32_t>()[row / 4 * outputs + o] >> row % 4 * 8);
    return weights;
  }

  OwningOpRef<ModuleOp> module;
  QuantizedFilters filters;
};

using Rows = std::vector<std::vector<int>>;

/// The largest weight of each output is 127 or -127, never -128; an output
/// without weights stays 0.
TEST_F(QuantizedFiltersTest, EachOutputHasItsScale) {
  QuantizedFilter filter = quantize(conv(
      "%w = nest.const dense<[[[1.0, 0.0, -2.54], [0.5, 0.0, 0.02], [-0.25, 0.0, 0.0], "
      "[-1.0, 0.0, 1.27]]]> : tensor<1x4x3xf32>",
      4, 3));
  EXPECT_EQ(weightsOf(filter), (Rows{{127, 0, -127}, {64, 0, 1}, {-32, 0, 0}, {-127, 0, 64}}));
  ASSERT_EQ(filter.scales.size(), 3u);
  EXPECT_FLOAT_EQ(filter.scales[0], 1 / 127.0f);
  EXPECT_FLOAT_EQ(filter.scales[1], 1);
  EXPECT_FLOAT_EQ(filter.scales[2], 0.02f);
  EXPECT_EQ(filter.sums, (std::vector<float>{32, 0, -62}));
  EXPECT_EQ(filter.inputs, 4);
}

TEST_F(QuantizedFiltersTest, TiesRoundToEven) {
  QuantizedFilter filter = quantize(conv(
      "%w = nest.const dense<[[[127.0], [0.5], [1.5], [2.5], [-0.5], [-1.5], [-2.5], [126.5]]]> "
      ": tensor<1x8x1xf32>",
      8, 1));
  EXPECT_EQ(weightsOf(filter), (Rows{{127}, {0}, {2}, {2}, {0}, {-2}, {-2}, {126}}));
  EXPECT_EQ(filter.scales, (std::vector<float>{1}));
}

/// Inputs that fill a word count nothing.
TEST_F(QuantizedFiltersTest, FillsWords) {
  QuantizedFilter filter =
      quantize(conv("%w = nest.const dense<-3.0> : tensor<1x5x2xf32>", 5, 2));
  EXPECT_EQ(filter.inputs, 8);
  Rows expected(8, {0, 0});
  std::fill_n(expected.begin(), 5, std::vector<int>{-127, -127});
  EXPECT_EQ(weightsOf(filter), expected);
  EXPECT_EQ(filter.sums, (std::vector<float>{-635, -635}));
}

TEST_F(QuantizedFiltersTest, DepthwiseFiltersAreWholeFloats) {
  QuantizedFilter filter = quantize(
      conv("%w = nest.const dense<[[[1.0, -0.3, 0.0]]]> : tensor<1x1x3xf32>", 3, 3, /*groups=*/3));
  TensorValue words =
      TensorValue::fromAttr(filter.words.getDefiningOp<nest::ConstOp>().getValue());
  EXPECT_TRUE(llvm::equal(words.as<float>(), (std::vector<float>{127, -127, 0})));
  EXPECT_EQ(filter.inputs, 3);
}

/// A scale is that of all capacities: the words are the same, the sums are not.
TEST_F(QuantizedFiltersTest, CapacitiesShareWords) {
  const char *global = "nest.global @g = dense<[[[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], "
                       "[4.0, 8.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]]> : tensor<1x8x2xf32> "
                       "edges [[], [array<i64: 4, 8>], [array<i64: 1, 2>]]";
  nest::ConvOp whole =
      conv("%w = nest.weight @g at 1 : tensor<1x8x2xf32>", 8, 2, /*groups=*/1, global);
  QuantizedFilter large = quantize(whole);
  EXPECT_EQ(large.scales, (std::vector<float>{4 / 127.0f, 8 / 127.0f}));
  EXPECT_EQ(large.sums, (std::vector<float>{127 + 4 * 32, 127 + 4 * 32}));

  OpBuilder builder(whole);
  Location loc = whole.getLoc();
  auto weight = nest::WeightOp::create(
      builder, loc, RankedTensorType::get({1, 4, 1}, builder.getF32Type()), "g", 0);
  Value input = nest::ConstOp::create(
      builder, loc,
      TensorValue::zeros(RankedTensorType::get({1, 2, 4}, builder.getF32Type())).toAttr());
  auto narrow = cast<nest::ConvOp>(builder.clone(*whole));
  narrow->setOperand(0, input);
  narrow->setOperand(1, weight);
  narrow.getResult().setType(RankedTensorType::get({1, 2, 1}, builder.getF32Type()));
  QuantizedFilter small = quantize(narrow);
  EXPECT_EQ(small.scales, (std::vector<float>{4 / 127.0f}));
  EXPECT_EQ(small.sums, (std::vector<float>{4 * 32}));
  EXPECT_EQ(small.words.getDefiningOp<nest::WeightOp>().getGlobal(),
            large.words.getDefiningOp<nest::WeightOp>().getGlobal());
}

TEST_F(QuantizedFiltersTest, WhatCannotBeBytes) {
  auto can = [&](nest::ConvOp conv) { return QuantizedFilters::whyNot(conv).empty(); };
  EXPECT_TRUE(can(conv("%w = nest.const dense<1.0> : tensor<1x4x4xf32>", 4, 4)));
  EXPECT_FALSE(can(conv("%w = nest.const dense<1.0> : tensor<1x2x4xf32>", 4, 4, /*groups=*/2)))
      << "groups of two";
  EXPECT_FALSE(can(conv("%v = nest.const dense<1.0> : tensor<1x4x4xf32>\n"
                        "%w = nest.map %v : tensor<1x4x4xf32> -> tensor<1x4x4xf32> {\n"
                        "^bb0(%a: f32):\n nest.yield %a : f32 }",
                        4, 4)))
      << "a filter that is computed";
  const char *global = "nest.global @g = dense<1.0> : tensor<1x8x4xf32> "
                       "edges [[], [array<i64: 3, 8>], []]";
  EXPECT_FALSE(
      can(conv("%w = nest.weight @g at 1 : tensor<1x8x4xf32>", 8, 4, /*groups=*/1, global)))
      << "a capacity ends inside of a word";
}

} // namespace
} // namespace nestor::test

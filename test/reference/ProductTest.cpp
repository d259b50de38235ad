//===- ProductTest.cpp - Convolutions, matrix products, poolings ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/reference/EvaluatorTest.h"

#include <cmath>

namespace nestor::reference {
namespace {

using ProductTest = EvaluatorTest;

/// The 3x3 image 1..9 with one channel.
const char *const kImage =
    "%x = nest.const dense<[[[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]], [[7.0], [8.0], [9.0]]]]>"
    " : tensor<1x3x3x1xf32>\n";

TEST_F(ProductTest, ConvolutionWithAsymmetricPads) {
  // Sums of 2x2 windows; a row above and a column to the right are padding.
  expect(std::string(kImage) + R"(
    %w = nest.const dense<1.0> : tensor<2x2x1x1xf32>
    %y = nest.conv %x, %w {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>,
        dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 0>, padEnd = array<i64: 0, 1>,
        groups = 1 : i64} : (tensor<1x3x3x1xf32>, tensor<2x2x1x1xf32>) -> tensor<1x3x3x1xf32>
    return %y : tensor<1x3x3x1xf32>)",
         "tensor<1x3x3x1xf32>", {3, 5, 3, 12, 16, 9, 24, 28, 15});
}

TEST_F(ProductTest, StridedDilatedConvolutionWithEpilogue) {
  // The corners of the image: 1 + 3 + 7 + 9 = 20; times 2, minus 50, Relu after
  // adding 3 or 30.
  expect(std::string(kImage) + R"(
    %w = nest.const dense<1.0> : tensor<2x2x1x2xf32>
    %s = nest.const dense<2.0> : tensor<2xf32>
    %b = nest.const dense<-50.0> : tensor<2xf32>
    %e = nest.const dense<[3.0, 30.0]> : tensor<2xf32>
    %y = nest.conv %x, %w scale %s bias %b extras (%e) {kernel = array<i64: 2, 2>,
        strides = array<i64: 2, 2>, dilations = array<i64: 2, 2>, padBegin = array<i64: 0, 0>,
        padEnd = array<i64: 0, 0>, groups = 1 : i64} : (tensor<1x3x3x1xf32>, tensor<2x2x1x2xf32>,
        tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x1x1x2xf32> {
    ^bb0(%acc: f32, %extra: f32):
      %zero = arith.constant 0.0 : f32
      %sum = arith.addf %acc, %extra : f32
      %r = arith.maximumf %sum, %zero : f32
      nest.yield %r : f32
    }
    return %y : tensor<1x1x1x2xf32>)",
         "tensor<1x1x1x2xf32>", {0, 20});
}

TEST_F(ProductTest, PackedFiltersGiveTheSame) {
  // Two groups of one input and two outputs each, so that a group's panel is
  // mostly padding.
  const char *const lines = R"(
    %x = nest.const dense<[[[1.0, 10.0]]]> : tensor<1x1x2xf32>
    %w = nest.const dense<[[[1.0, 2.0, 3.0, 4.0]]]> : tensor<1x1x4xf32>
    %p = nest.pack %w {groups = 2 : i64} : (tensor<1x1x4xf32>) -> tensor<2x1x1x16xf32>
    %y = nest.conv %x, %p {kernel = array<i64: 1>, strides = array<i64: 1>,
        dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>,
        groups = 2 : i64, packed} : (tensor<1x1x2xf32>, tensor<2x1x1x16xf32>) -> tensor<1x1x4xf32>
    return %y, %p : tensor<1x1x4xf32>, tensor<2x1x1x16xf32>)";
  auto results = evaluate(lines, "tensor<1x1x4xf32>, tensor<2x1x1x16xf32>");
  ASSERT_EQ(results.size(), 2u);
  expectElements(results[0], {1, 2, 30, 40});
  std::vector<double> panels(32);
  panels[0] = 1, panels[1] = 2, panels[16] = 3, panels[17] = 4;
  expectElements(results[1], panels);
}

TEST_F(ProductTest, DepthwisePanelsRunAcrossGroups) {
  expect(R"(
    %w = nest.const dense<[[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]> : tensor<2x1x3xf32>
    %p = nest.pack %w {groups = 3 : i64, depthwise} : (tensor<2x1x3xf32>) -> tensor<1x2x1x16xf32>
    %r = nest.slice %p {starts = array<i64: 0, 0, 0, 0>, steps = array<i64: 1, 1, 1, 1>}
        : (tensor<1x2x1x16xf32>) -> tensor<1x2x1x4xf32>
    return %r : tensor<1x2x1x4xf32>)",
         "tensor<1x2x1x4xf32>", {1, 2, 3, 0, 4, 5, 6, 0});
}

TEST_F(ProductTest, TransposedConvolution) {
  // Stride 2 with a kernel of 3: [1, 2] becomes 1*k at 0 and 2*k at 2; one is
  // cut off in front.
  expect(R"(
    %x = nest.const dense<[[[1.0], [2.0]]]> : tensor<1x2x1xf32>
    %w = nest.const dense<[[[1.0]], [[10.0]], [[100.0]]]> : tensor<3x1x1xf32>
    %b = nest.const dense<[0.5]> : tensor<1xf32>
    %y = nest.conv_transpose %x, %w bias %b {strides = array<i64: 2>, dilations = array<i64: 1>,
        padBegin = array<i64: 1>, padEnd = array<i64: 0>, groups = 1 : i64}
        : (tensor<1x2x1xf32>, tensor<3x1x1xf32>, tensor<1xf32>) -> tensor<1x4x1xf32>
    return %y : tensor<1x4x1xf32>)",
         "tensor<1x4x1xf32>", {10.5, 102.5, 20.5, 200.5});
}

TEST_F(ProductTest, MatricesBroadcastAndTransposed) {
  expect(R"(
    %a = nest.const dense<[[[1.0, 3.0], [2.0, 4.0]]]> : tensor<1x2x2xf32>
    %b = nest.const dense<[[[1.0, 2.0]], [[3.0, 4.0]]]> : tensor<2x1x2xf32>
    %y = nest.matmul %a, %b {transposeLhs, transposeRhs}
        : (tensor<1x2x2xf32>, tensor<2x1x2xf32>) -> tensor<2x2x1xf32>
    return %y : tensor<2x2x1xf32>)",
         "tensor<2x2x1xf32>", {5, 11, 11, 25});
}

TEST_F(ProductTest, IntegerMatricesAccumulateInTheResultType) {
  expect(R"(
    %a = nest.const dense<[[200, 100]]> : tensor<1x2xui8>
    %b = nest.const dense<[[-100], [100]]> : tensor<2x1xi8>
    %y = nest.matmul %a, %b : (tensor<1x2xui8>, tensor<2x1xi8>) -> tensor<1x1xi32>
    return %y : tensor<1x1xi32>)",
         "tensor<1x1xi32>", {-10000});
}

class PoolTest : public EvaluatorTest {
protected:
  /// Pools the image in 2x2 windows with stride 2, a row and a column of
  /// padding in front.
  void expectPool(const std::string &attributes, const std::vector<double> &values) {
    expect(std::string(kImage) + "%y = nest.pool %x {kernel = array<i64: 2, 2>, strides = "
                                 "array<i64: 2, 2>, dilations = array<i64: 1, 1>, padBegin = "
                                 "array<i64: 1, 1>, padEnd = array<i64: 0, 0>, " +
               attributes +
               "} : (tensor<1x3x3x1xf32>) -> tensor<1x2x2x1xf32>\nreturn %y : tensor<1x2x2x1xf32>",
           "tensor<1x2x2x1xf32>", values);
  }
};

TEST_F(PoolTest, Kinds) {
  expectPool("kind = #nest.pool_kind<max>", {1, 3, 7, 9});
  expectPool("kind = #nest.pool_kind<avg>", {1, 2.5, 5.5, 7});
  expectPool("kind = #nest.pool_kind<avg>, countIncludePad", {0.25, 1.25, 2.75, 7});
  expectPool("kind = #nest.pool_kind<lp>", {1, std::sqrt(13), std::sqrt(65), std::sqrt(206)});
}

TEST_F(PoolTest, IndicesOfMaxima) {
  auto lines = [](const std::string &order) {
    return std::string(kImage) +
           "%y = nest.max_pool_indices %x {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, "
           "dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>" +
           order + "} : (tensor<1x3x3x1xf32>) -> tensor<1x2x2x1xi64>\nreturn %y : tensor<1x2x2x1xi64>";
  };
  expect(lines(""), "tensor<1x2x2x1xi64>", {4, 5, 7, 8});
  expect(lines(", columnMajor"), "tensor<1x2x2x1xi64>", {4, 7, 5, 8});
}

} // namespace
} // namespace nestor::reference

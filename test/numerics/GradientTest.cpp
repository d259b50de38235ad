//===- GradientTest.cpp - Gradient kernels against the reference ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/KernelRunner.h"
#include "test/numerics/OpText.h"

#include "gtest/gtest.h"

#include <array>

using namespace nestor::test;

namespace {

/// The window of a convolution or pooling, and both of its tensors.
struct RandomWindow {
  Dims in, out, kernel, strides, dilations, padBegin, padEnd;

  RandomWindow(Draw &draw, int64_t images, int64_t mostPad) : in{images}, out{images} {
    for (int64_t rank = draw(1, 3); rank > 0; --rank) {
      kernel.push_back(draw(1, 4));
      strides.push_back(draw(1, 3));
      dilations.push_back(draw(1, 2));
      int64_t span = dilations.back() * (kernel.back() - 1) + 1;
      padBegin.push_back(draw(0, std::min(mostPad, kernel.back() - 1)));
      padEnd.push_back(draw(0, std::min(mostPad, kernel.back() - 1)));
      in.push_back(draw(span, rank == 1 ? 19 : 9));
      out.push_back((in.back() + padBegin.back() + padEnd.back() - span) / strides.back() + 1);
    }
  }
  std::string attributes() const {
    return "kernel = " + arrayAttr(kernel) + ", strides = " + arrayAttr(strides) +
           ", dilations = " + arrayAttr(dilations) + ", padBegin = " + arrayAttr(padBegin) +
           ", padEnd = " + arrayAttr(padEnd);
  }
};

void checkFilterGrad(RandomWindow window, int64_t groups, int64_t inputs, int64_t outputs,
                     uint64_t seed) {
  Dims result = window.kernel;
  result.push_back(inputs / groups);
  result.push_back(outputs);
  window.in.push_back(inputs);
  window.out.push_back(outputs);
  checkOperation(genericOp("nest.conv_filter_grad", {tensorType(window.in), tensorType(window.out)},
                           window.attributes() + ", groups = " + std::to_string(groups) + " : i64",
                           {tensorType(result)}),
                 seed, 1e-5);
}

TEST(ConvFilterGrad, RandomConvolutions) {
  for (uint64_t seed = 1; seed < 19; ++seed) {
    Draw draw(seed);
    RandomWindow window(draw, draw(1, 5), 2);
    int64_t groups = draw.of<int64_t>({1, 1, 1, 3});
    checkFilterGrad(window, groups, groups * draw.extent(), groups * draw.extent(), seed);
  }
}

/// Tiles that the image cuts off, few and many of them, and channels that leave
/// panels and rows of a tile incomplete.
TEST(ConvFilterGrad, ByWinogradsAlgorithm) {
  uint64_t seed = 120;
  for (auto [tile, images, inputs, outputs] :
       {std::array<int64_t, 4>{2, 5, 19, 40}, {4, 1, 1, 7}, {4, 9, 19, 40}, {6, 3, 16, 24}}) {
    Draw draw(seed);
    Dims in{images, draw(3, 20), draw(3, 20)}, out{images}, begin, end, ones{1, 1};
    for (int i = 1; i < 3; ++i) {
      begin.push_back(draw(0, 2)), end.push_back(draw(0, 2));
      out.push_back(in[i] + begin.back() + end.back() - 2);
    }
    in.push_back(inputs), out.push_back(outputs);
    checkOperation(genericOp("nest.conv_filter_grad", {tensorType(in), tensorType(out)},
                             "kernel = array<i64: 3, 3>, strides = " + arrayAttr(ones) + ", dilations = " +
                                 arrayAttr(ones) + ", padBegin = " + arrayAttr(begin) + ", padEnd = " + arrayAttr(end) +
                                 ", groups = 1 : i64, nest.winograd = " + std::to_string(tile) + " : i64",
                             {tensorType({3, 3, inputs, outputs})}),
                   seed++, 1e-4);
  }
}

TEST(ConvFilterGrad, RandomDepthwiseConvolutions) {
  for (uint64_t seed = 50; seed < 62; ++seed) {
    Draw draw(seed);
    RandomWindow window(draw, draw(1, 5), 2);
    int64_t channels = draw.extent() + 1;
    checkFilterGrad(window, channels, channels, channels, seed);
  }
}

/// Few pixels and many channels: no parts, but strips of columns.
TEST(ConvFilterGrad, LargeFilters) {
  Draw draw(90);
  RandomWindow dense(draw, 9, 0);
  dense.in = dense.out = {9, 1};
  dense.kernel = dense.strides = dense.dilations = {1};
  dense.padBegin = dense.padEnd = {0};
  checkFilterGrad(dense, 1, 517, 300, 90);
  RandomWindow square(draw, 2, 0);
  square.in = square.out = {2, 4, 4};
  square.kernel = {3, 3};
  square.strides = square.dilations = square.padBegin = square.padEnd = {1, 1};
  checkFilterGrad(square, 1, 130, 140, 91);
}

TEST(PoolGrad, RandomWindows) {
  for (uint64_t seed = 100; seed < 114; ++seed) {
    Draw draw(seed);
    RandomWindow window(draw, draw(1, 3), 1);
    window.in.push_back(draw.extent());
    window.out.push_back(window.in.back());
    std::string kind = draw.of<std::string>({"max", "avg"});
    std::string attributes = "kind = #nest.pool_kind<" + kind + ">, " + window.attributes() +
                             (kind == "avg" && draw.coin() ? ", countIncludePad" : "");
    checkOperation(genericOp("nest.pool_grad", {tensorType(window.in), tensorType(window.out)},
                             attributes, {tensorType(window.in)}),
                   seed, 1e-5);
  }
}

} // namespace

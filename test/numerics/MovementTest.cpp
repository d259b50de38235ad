//===- MovementTest.cpp - Rearranging kernels against the reference -------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/KernelRunner.h"
#include "test/numerics/OpText.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <numeric>

using namespace nestor::test;

namespace {

const std::vector<std::string> elements = {"f32", "f32", "f64", "i8", "i64", "i1", "ui16"};

void checkTranspose(const Dims &in, const Dims &perm, const std::string &element, uint64_t seed) {
  Dims out;
  for (int64_t p : perm)
    out.push_back(in[p]);
  checkOperation(genericOp("nest.transpose", {tensorType(in, element)}, "perm = " + arrayAttr(perm),
                           {tensorType(out, element)}),
                 seed, 0);
}

TEST(Transpose, ImagesAndTokens) {
  checkTranspose({1, 3, 20, 17}, {0, 2, 3, 1}, "f32", 1);  // RGB to channels last: woven.
  checkTranspose({1, 20, 17, 3}, {0, 3, 1, 2}, "f32", 2);  // And back: unravelled.
  checkTranspose({2, 40, 7, 7}, {0, 2, 3, 1}, "f32", 3);   // Tiles with ragged edges.
  checkTranspose({1, 16, 4, 12}, {0, 2, 1, 3}, "f32", 4);  // Attention heads: runs.
  checkTranspose({1, 5, 5, 2, 29}, {0, 1, 2, 4, 3}, "f32", 5); // Channel shuffle.
  checkTranspose({64, 5}, {1, 0}, "f32", 6);
}

TEST(Transpose, RandomPermutations) {
  for (uint64_t seed = 10; seed < 22; ++seed) {
    Draw draw(seed);
    Dims in(size_t(draw(2, 4))), perm(in.size());
    for (int64_t &extent : in)
      extent = draw.of<int64_t>({1, 2, 3, 5, 8, 17, 20});
    std::iota(perm.begin(), perm.end(), 0);
    for (size_t i = perm.size(); i-- > 1;)
      std::swap(perm[i], perm[size_t(draw(0, int64_t(i)))]);
    checkTranspose(in, perm, draw.of(elements), seed);
  }
}

TEST(Slice, RandomWithNegativeSteps) {
  for (uint64_t seed = 100; seed < 110; ++seed) {
    Draw draw(seed);
    Dims in, out, starts, steps;
    for (int64_t rank = draw(1, 4); rank > 0; --rank) {
      int64_t extent = draw(1, 20), step = draw.of<int64_t>({1, 1, 1, 2, -1, -2}), start = draw(0, extent - 1);
      int64_t room = step > 0 ? (extent - 1 - start) / step : start / -step;
      in.push_back(extent);
      starts.push_back(start);
      steps.push_back(step);
      out.push_back(draw(0, room) + 1);
    }
    const std::string &element = draw.of(elements);
    checkOperation(genericOp("nest.slice", {tensorType(in, element)},
                             "starts = " + arrayAttr(starts) + ", steps = " + arrayAttr(steps),
                             {tensorType(out, element)}),
                   seed, 0);
  }
}

TEST(Concat, AlongEveryAxis) {
  for (uint64_t seed = 200; seed < 206; ++seed) {
    Draw draw(seed);
    Dims shape{draw(1, 3), draw(1, 9), draw.extent()};
    size_t axis = size_t(draw(0, 2));
    const std::string &element = draw.of(elements);
    std::vector<std::string> types;
    int64_t sum = 0;
    for (int64_t i = draw(1, 4); i > 0; --i) {
      shape[axis] = draw.extent();
      sum += shape[axis];
      types.push_back(tensorType(shape, element));
    }
    shape[axis] = sum;
    checkOperation(genericOp("nest.concat", types, "axis = " + std::to_string(axis) + " : i64",
                             {tensorType(shape, element)}),
                   seed, 0);
  }
}

/// Of slices that stay where they are, into a part of yet another tensor.
TEST(Concat, OfRowsThatLieApart) {
  for (uint64_t seed = 220; seed < 226; ++seed) {
    Draw draw(seed);
    Dims shape{draw(1, 3), draw(1, 9), 0};
    const std::string &element = draw.of(elements);
    std::vector<std::string> types;
    int64_t sum = 0;
    for (int64_t i = draw(1, 4); i > 0; --i) {
      shape.back() = draw.extent();
      sum += shape.back();
      types.push_back(tensorType(shape, element));
    }
    shape.back() = sum;
    checkRows(genericOp("nest.concat", types, "axis = 2 : i64", {tensorType(shape, element)}), seed);
  }
}

TEST(Pad, EveryMode) {
  for (const std::string mode : {"constant", "reflect", "edge", "wrap"})
    for (uint64_t seed = 300; seed < 304; ++seed) {
      Draw draw(seed);
      Dims in, out, low, high;
      for (int64_t rank = draw(2, 4); rank > 0; --rank) {
        int64_t extent = draw(3, 18);
        bool padded = draw.coin();
        in.push_back(extent);
        low.push_back(padded ? draw(-1, 2) : 0);
        high.push_back(padded ? draw(-1, 2) : 0);
        out.push_back(extent + low.back() + high.back());
      }
      std::string element = mode == "constant" && draw.coin() ? "i64" : "f32";
      std::vector<std::string> types{tensorType(in, element)};
      if (mode == "constant" && draw.coin())
        types.push_back(tensorType({1}, element));
      checkOperation(genericOp("nest.pad", types,
                               "low = " + arrayAttr(low) + ", high = " + arrayAttr(high) +
                                   ", mode = #nest.pad_mode<" + mode + ">",
                               {tensorType(out, element)}),
                     seed, 0);
    }
}

} // namespace

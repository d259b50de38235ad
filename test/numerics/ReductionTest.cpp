//===- ReductionTest.cpp - Reducing kernels against the reference ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/KernelRunner.h"
#include "test/numerics/OpText.h"

#include "gtest/gtest.h"

using namespace nestor::test;

namespace {

TEST(Reduce, RandomAxes) {
  const std::vector<std::string> kinds = {"sum", "mean", "max", "min", "prod"};
  for (uint64_t seed = 1; seed < 16; ++seed) {
    Draw draw(seed);
    Dims in, out, axes;
    for (int64_t rank = draw(1, 4); rank > 0; --rank) {
      in.push_back(rank == 1 ? draw.extent() : draw(1, 6));
      out.push_back(in.back());
      if (draw.coin()) {
        axes.push_back(int64_t(in.size()) - 1);
        out.back() = 1;
      }
    }
    std::string kind = draw.of(kinds), element = kind == "prod" ? "f64" : draw.of<std::string>({"f32", "f32", "f64", "i32", "i64", "ui8"});
    checkOperation(genericOp("nest.reduce", {tensorType(in, element)},
                             "kind = #nest.reduce_kind<" + kind + ">, axes = " + arrayAttr(axes),
                             {tensorType(out, element)}),
                   seed, element == "f32" || element == "f64" ? 1e-5 : 0);
  }
}

TEST(Reduce, GlobalAveragePool) {
  for (int64_t channels : {5, 64, 200})
    checkOperation(genericOp("nest.reduce", {tensorType({2, 7, 7, channels})},
                             "kind = #nest.reduce_kind<mean>, axes = " + arrayAttr({1, 2}),
                             {tensorType({2, 1, 1, channels})}),
                   uint64_t(channels));
}

/// Enough elements for parts, of lengths that sixteen divides or not.
TEST(Reduce, LongTensorsToOneRun) {
  uint64_t seed = 20;
  for (const Dims &in : {Dims{8, 25, 11, 20}, Dims{1021, 17}, Dims{17, 1100}})
    for (const char *kind : {"sum", "mean"}) {
      Dims out(in.size(), 1), axes;
      for (size_t i = 0; i + 1 < in.size(); ++i)
        axes.push_back(int64_t(i));
      out.back() = in.back();
      for (bool last : {false, true}) {
        if (last)
          axes.push_back(int64_t(in.size()) - 1), out.back() = 1;
        std::string element = ++seed % 3 ? "f32" : "i32";
        checkOperation(genericOp("nest.reduce", {tensorType(in, element)},
                                 std::string("kind = #nest.reduce_kind<") + kind + ">, axes = " + arrayAttr(axes),
                                 {tensorType(out, element)}),
                       seed, element == "f32" ? 1e-4 : 0);
      }
    }
}

TEST(ArgReduce, FirstAndLast) {
  for (uint64_t seed = 30; seed < 36; ++seed) {
    Draw draw(seed);
    Dims in{draw(1, 4), draw(1, 20), draw(1, 9)}, out = in;
    size_t axis = size_t(draw(0, 2));
    out[axis] = 1;
    std::string attributes = "axis = " + std::to_string(axis) + " : i64";
    attributes += std::string(draw.coin() ? ", min" : "") + (draw.coin() ? ", selectLast" : "");
    std::string element = draw.of<std::string>({"f32", "i32", "ui8"});
    checkOperation(genericOp("nest.arg_reduce", {tensorType(in, element)}, attributes, {tensorType(out, "i64")}), seed, 0);
  }
}

TEST(Softmax, EveryAxis) {
  for (uint64_t seed = 50; seed < 60; ++seed) {
    Draw draw(seed);
    Dims shape{draw(1, 3), draw.extent(), draw.extent()};
    std::string type = tensorType(shape, seed % 4 ? "f32" : "f64");
    std::string attributes = "axis = " + std::to_string(draw(0, 2)) + " : i64" + (draw.coin() ? ", log" : "");
    checkOperation(genericOp("nest.softmax", {type}, attributes, {type}), seed, 1e-5, {-30, 30});
  }
}

TEST(Norm, LayerAndRms) {
  for (uint64_t seed = 70; seed < 78; ++seed) {
    Draw draw(seed);
    Dims shape{draw(1, 3), draw(1, 5), draw.extent() + 1};
    int64_t axis = draw(1, 2);
    Dims row(shape.begin() + axis, shape.end());
    bool scale = draw.coin(), bias = draw.coin();
    std::vector<std::string> types{tensorType(shape)};
    for (bool present : {scale, bias})
      if (present)
        types.push_back(tensorType(draw.coin() ? row : Dims{1}));
    std::string attributes = "axis = " + std::to_string(axis) + " : i64, epsilon = 1.0e-5 : f64" +
                             (draw.coin() ? ", rms" : "") + ", operandSegmentSizes = array<i32: 1, " +
                             std::to_string(scale) + ", " + std::to_string(bias) + ">";
    checkOperation(genericOp("nest.norm", types, attributes, {tensorType(shape)}), seed, 2e-5);
  }
}

} // namespace

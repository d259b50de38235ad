//===- GradientTest.cpp - Gradients of operations and functions -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "GradientCheck.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::test;

namespace {

TEST(Gradient, Convolutions) {
  for (uint64_t seed = 300; seed < 340; ++seed) {
    Draw draw(seed);
    int64_t groups = draw.of<int64_t>({1, 1, 2, 3}), inputs = groups * draw(1, 2),
            outputs = groups * draw(1, 2);
    if (draw.coin() && groups > 1)
      inputs = outputs = groups; // Depthwise.
    Dims in{draw(1, 2)}, out = in, kernel, strides, dilations, padBegin, padEnd;
    bool dilated = draw(0, 3) == 0;
    for (int64_t rank = draw(1, 3); rank > 0; --rank) {
      kernel.push_back(draw(1, 3));
      strides.push_back(draw(1, 3));
      dilations.push_back(dilated ? draw(1, 2) : 1);
      int64_t span = dilations.back() * (kernel.back() - 1) + 1;
      padBegin.push_back(draw(0, span));
      padEnd.push_back(draw(-1, 2));
      in.push_back(draw(span + 1, span + 3));
      out.push_back((in.back() + padBegin.back() + padEnd.back() - span) / strides.back() + 1);
    }
    Dims filter = kernel;
    filter.push_back(inputs / groups);
    filter.push_back(outputs);
    in.push_back(inputs);
    out.push_back(outputs);
    bool scaled = draw.coin();
    std::vector<Dims> operands{in, filter};
    if (scaled)
      operands.push_back({outputs});
    operands.push_back({outputs});
    std::string attributes =
        "kernel = " + arrayAttr(kernel) + ", strides = " + arrayAttr(strides) +
        ", dilations = " + arrayAttr(dilations) + ", padBegin = " + arrayAttr(padBegin) +
        ", padEnd = " + arrayAttr(padEnd) + ", groups = " + std::to_string(groups) + " : i64";
    checkGradients(operation("nest.conv", operands, out, attributes,
                             scaled ? "1, 1, 1, 1, 0" : "1, 1, 0, 1, 0"),
                   seed);
  }
}

TEST(Gradient, MatrixProducts) {
  uint64_t seed = 400;
  for (bool left : {false, true})
    for (bool right : {false, true})
      for (int repeats : {0, 1, 2}) {
        Dims lhs{2, 3, 4}, rhs{2, 4, 5}, out{2, 3, 5};
        if (left)
          std::swap(lhs[1], lhs[2]);
        if (right)
          std::swap(rhs[1], rhs[2]);
        if (repeats)
          (repeats == 1 ? lhs : rhs)[0] = 1;
        std::string attributes = std::string(left ? "transposeLhs" : "") +
                                 (left && right ? ", " : "") + (right ? "transposeRhs" : "");
        std::string text = operation("nest.matmul", {lhs, rhs}, out, attributes);
        checkGradients(text, ++seed);
      }
}

TEST(Gradient, Pooling) {
  for (uint64_t seed = 500; seed < 520; ++seed) {
    Draw draw(seed);
    std::string kind = draw.of<std::string>({"max", "avg"});
    Dims in{2}, out = in, kernel, strides, dilations, padBegin, padEnd;
    for (int64_t rank = draw(1, 2); rank > 0; --rank) {
      kernel.push_back(draw(1, 3));
      strides.push_back(draw(1, 3));
      dilations.push_back(draw(1, 2));
      int64_t span = dilations.back() * (kernel.back() - 1) + 1;
      padBegin.push_back(draw(0, kernel.back() - 1));
      padEnd.push_back(draw(0, kernel.back() - 1));
      in.push_back(draw(span, 6));
      out.push_back((in.back() + padBegin.back() + padEnd.back() - span) / strides.back() + 1);
    }
    in.push_back(3);
    out.push_back(3);
    std::string attributes =
        "kind = #nest.pool_kind<" + kind + ">, kernel = " + arrayAttr(kernel) +
        ", strides = " + arrayAttr(strides) + ", dilations = " + arrayAttr(dilations) +
        ", padBegin = " + arrayAttr(padBegin) + ", padEnd = " + arrayAttr(padEnd) +
        (draw.coin() && kind == "avg" ? ", countIncludePad" : "");
    checkGradients(operation("nest.pool", {in}, out, attributes), seed);
  }
}

TEST(Gradient, Reductions) {
  uint64_t seed = 600;
  for (const char *kind : {"sum", "mean", "max", "min"})
    for (const auto &[axes, result] : std::vector<std::pair<Dims, Dims>>{
             {{0}, {1, 3, 4}}, {{1, 2}, {2, 1, 1}}, {{0, 2}, {1, 3, 1}}, {{2}, {2, 3, 1}}})
      checkGradients(operation("nest.reduce", {{2, 3, 4}}, result,
                               std::string("kind = #nest.reduce_kind<") + kind +
                                   ">, axes = " + arrayAttr(axes)),
                     ++seed);
  for (int64_t axis = 0; axis < 3; ++axis) {
    std::string along = "axis = " + std::to_string(axis) + " : i64";
    for (const char *log : {"", ", log"})
      checkGradients(operation("nest.softmax", {{2, 3, 4}}, {2, 3, 4}, along + log), ++seed, -2, 2);
    for (const char *how : {"", ", exclusive", ", reverse", ", exclusive, reverse"})
      checkGradients(operation("nest.cumsum", {{2, 3, 4}}, {2, 3, 4}, along + how), ++seed);
    for (const char *rms : {"", ", rms"}) {
      std::string attributes = along + ", epsilon = 0.01 : f64" + rms;
      checkGradients(operation("nest.norm", {{2, 3, 4}}, {2, 3, 4}, attributes, "1, 0, 0"), ++seed);
      checkGradients(
          operation("nest.norm", {{2, 3, 4}, {4}, {3, 1}}, {2, 3, 4}, attributes, "1, 1, 1"),
          ++seed);
    }
  }
}

TEST(Gradient, Movement) {
  uint64_t seed = 700;
  checkGradients(operation("nest.transpose", {{2, 3, 4}}, {4, 2, 3}, "perm = array<i64: 2, 0, 1>"),
                 ++seed);
  checkGradients(operation("nest.reshape", {{2, 3, 4}}, {6, 4}, ""), ++seed);
  checkGradients(operation("nest.slice", {{7, 5}}, {3, 2},
                           "starts = array<i64: 1, 2>, steps = array<i64: 2, 1>"),
                 ++seed);
  checkGradients(operation("nest.slice", {{7, 5}}, {3, 5},
                           "starts = array<i64: 6, 4>, steps = array<i64: -3, -1>"),
                 ++seed);
  checkGradients(
      operation("nest.pad", {{4, 5}}, {6, 4},
                "low = array<i64: 2, -2>, high = array<i64: 0, 1>, mode = #nest.pad_mode<constant>",
                "1, 0"),
      ++seed);
  checkGradients(operation("nest.concat", {{2, 3}, {2, 1}, {2, 4}}, {2, 8}, "axis = 1 : i64"),
                 ++seed);
  std::string indices = "  %i = nest.const dense<[[1, -1], [1, 0]]> : tensor<2x2xi64>\n";
  for (const auto &[axis, result] :
       std::vector<std::pair<int, Dims>>{{0, {2, 2, 3, 4}}, {1, {5, 2, 2, 4}}, {2, {5, 3, 2, 2}}})
    checkGradients(lossOf({{5, 3, 4}}, result,
                          indices + "  %r = nest.gather %a0, %i {axis = " + std::to_string(axis) +
                              " : i64} : (" + type({5, 3, 4}) + ", tensor<2x2xi64>) -> " +
                              type(result)),
                   ++seed);
}

/// A value read twice gets the sum of both gradients; an argument that is not
/// read, zeros.
TEST(Gradient, SeveralReadersAndNone) {
  std::string t = type({3});
  std::string text =
      lossOf({{3}, {3}}, {3},
             "  %u = nest.map %a0 : " + t + " -> " + t +
                 " {\n  ^bb0(%x: f64):\n    %e = math.exp %x : f64\n    nest.yield %e : f64\n  }\n"
                 "  %r = nest.map %u, %a0, %u : " +
                 t + ", " + t + ", " + t + " -> " + t +
                 " {\n  ^bb0(%x: f64, %v: f64, %w: f64):\n    %m = arith.mulf %x, %v : f64\n"
                 "    %n = arith.addf %m, %w : f64\n    nest.yield %n : f64\n  }");
  checkGradients(text, 800);
}

TEST(Gradient, UnknownOperationsAreNamedAndLeaveTheFunctionAlone) {
  testing::internal::CaptureStderr();
  Differentiated f(operation("nest.reduce", {{2, 3}}, {2, 1},
                             "kind = #nest.reduce_kind<prod>, axes = array<i64: 1>"));
  std::string message = testing::internal::GetCapturedStderr();
  EXPECT_FALSE(f.ok);
  EXPECT_NE(message.find("the gradient of 'nest.reduce' is not known"), std::string::npos)
      << message;
  EXPECT_EQ(f.mainOf(f.module).getNumResults(), 1u);
}

} // namespace

//===- MovementTest.cpp - Moving, picking and resizing --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/reference/EvaluatorTest.h"

namespace nestor::reference {
namespace {

class MovementTest : public EvaluatorTest {
protected:
  /// Expects `op` with `attributes` to give `values`. `operands` are pairs of
  /// elements and type; `keywords` go before the operand of the same index.
  void expectOp(const std::string &op, const std::vector<std::pair<std::string, std::string>> &operands,
                const std::string &attributes, const std::string &to,
                const std::vector<double> &values, const std::string &separator = ", ") {
    std::string lines, names, types;
    for (auto [i, operand] : llvm::enumerate(operands)) {
      std::string name = "%x" + std::to_string(i);
      lines += name + " = nest.const dense<" + operand.first + "> : " + operand.second + "\n";
      names += (i ? separator : "") + name;
      types += (i ? ", " : "") + operand.second;
    }
    lines += "%y = nest." + op + " " + names + " {" + attributes + "} : (" + types + ") -> " + to;
    expect(lines + "\nreturn %y : " + to, to, values);
  }
};

const std::pair<std::string, std::string> kMatrix{"[[1, 2, 3], [4, 5, 6]]", "tensor<2x3xi32>"};
const std::pair<std::string, std::string> kLine{"[1, 2, 3, 4]", "tensor<4xi32>"};

TEST_F(MovementTest, Transpose) {
  expectOp("transpose", {kMatrix}, "perm = array<i64: 1, 0>", "tensor<3x2xi32>", {1, 4, 2, 5, 3, 6});
}

TEST_F(MovementTest, SliceBackwards) {
  expectOp("slice", {kMatrix}, "starts = array<i64: 1, 2>, steps = array<i64: -1, -2>",
           "tensor<2x2xi32>", {6, 4, 3, 1});
}

TEST_F(MovementTest, Concat) {
  expectOp("concat", {kMatrix, {"[[7], [8]]", "tensor<2x1xi32>"}}, "axis = 1 : i64",
           "tensor<2x4xi32>", {1, 2, 3, 7, 4, 5, 6, 8});
}

TEST_F(MovementTest, Pad) {
  auto attributes = [](int low, int high, const std::string &mode) {
    return "low = array<i64: " + std::to_string(low) + ">, high = array<i64: " +
           std::to_string(high) + ">, mode = #nest.pad_mode<" + mode + ">";
  };
  expectOp("pad", {kLine}, attributes(1, 1, "constant"), "tensor<6xi32>", {0, 1, 2, 3, 4, 0});
  expectOp("pad", {kLine, {"9", "tensor<i32>"}}, attributes(2, 0, "constant"), "tensor<6xi32>",
           {9, 9, 1, 2, 3, 4}, " value ");
  expectOp("pad", {kLine}, attributes(2, 1, "edge"), "tensor<7xi32>", {1, 1, 1, 2, 3, 4, 4});
  expectOp("pad", {kLine}, attributes(2, 5, "reflect"), "tensor<11xi32>",
           {3, 2, 1, 2, 3, 4, 3, 2, 1, 2, 3});
  expectOp("pad", {kLine}, attributes(5, 1, "wrap"), "tensor<10xi32>",
           {4, 1, 2, 3, 4, 1, 2, 3, 4, 1});
  expectOp("pad", {kLine}, attributes(-1, 2, "reflect"), "tensor<5xi32>", {2, 3, 4, 3, 2});
}

TEST_F(MovementTest, ReverseSequence) {
  expectOp("reverse_sequence", {kMatrix, {"[2, 3]", "tensor<2xi64>"}},
           "batchAxis = 0 : i64, timeAxis = 1 : i64", "tensor<2x3xi32>", {2, 1, 3, 6, 5, 4});
}

TEST_F(MovementTest, Gather) {
  expectOp("gather", {kMatrix, {"[[2, -3], [99, -99]]", "tensor<2x2xi64>"}}, "axis = 1 : i64",
           "tensor<2x2x2xi32>", {3, 1, 3, 1, 6, 4, 6, 4});
  expectOp("gather_elements", {kMatrix, {"[[1, 0, -1]]", "tensor<1x3xi32>"}}, "axis = 0 : i64",
           "tensor<1x3xi32>", {4, 2, 6});
}

TEST_F(MovementTest, GatherND) {
  expectOp("gather_nd", {kMatrix, {"[[0, 2], [1, -3]]", "tensor<2x2xi64>"}}, "batchDims = 0 : i64",
           "tensor<2xi32>", {3, 4});
  expectOp("gather_nd", {kMatrix, {"[[2], [0]]", "tensor<2x1xi64>"}}, "batchDims = 1 : i64",
           "tensor<2xi32>", {3, 4});
  expectOp("gather_nd", {kMatrix, {"[[1]]", "tensor<1x1xi64>"}}, "batchDims = 0 : i64",
           "tensor<1x3xi32>", {4, 5, 6});
}

TEST_F(MovementTest, Scatter) {
  auto kind = [](const std::string &name) { return "kind = #nest.scatter_kind<" + name + ">"; };
  std::pair<std::string, std::string> twice{"[1, 1]", "tensor<2xi64>"}, updates{"[7, -3]", "tensor<2xi32>"};
  std::vector<std::pair<std::string, double>> expected{
      {"none", -3}, {"add", 6}, {"mul", -42}, {"max", 7}, {"min", -3}};
  for (auto [name, value] : expected) {
    expectOp("scatter_elements", {kLine, twice, updates}, "axis = 0 : i64, " + kind(name),
             "tensor<4xi32>", {1, value, 3, 4});
    expectOp("scatter_nd", {kLine, {"[[1], [1]]", "tensor<2x1xi64>"}, updates}, kind(name),
             "tensor<4xi32>", {1, value, 3, 4});
  }
  expectOp("scatter_nd", {kMatrix, {"[[-1]]", "tensor<1x1xi64>"}, {"[[7, 8, 9]]", "tensor<1x3xi32>"}},
           kind("none"), "tensor<2x3xi32>", {1, 2, 3, 7, 8, 9});
}

TEST_F(MovementTest, OneHot) {
  expectOp("one_hot", {{"[1, -1, 5]", "tensor<3xi64>"}, {"[0.5, 2.0]", "tensor<2xf32>"}},
           "axis = 0 : i64", "tensor<3x3xf32>", {0.5, 0.5, 0.5, 2, 0.5, 0.5, 0.5, 2, 0.5});
}

class ResizeTest : public MovementTest {
protected:
  void expectResize(const std::string &dense, int64_t from, int64_t to, const std::string &scale,
                    const std::string &mode, const std::string &coordinates,
                    const std::vector<double> &values, const std::string &more = "",
                    const std::string &nearest = "round_prefer_floor") {
    expectOp("resize", {{dense, "tensor<" + std::to_string(from) + "xf32>"}},
             "scales = array<f64: " + scale + ">, mode = #nest.resize_mode<" + mode +
                 ">, coordinates = #nest.coordinate_mode<" + coordinates +
                 ">, nearest = #nest.nearest_mode<" + nearest + ">" + more,
             "tensor<" + std::to_string(to) + "xf32>", values);
  }
};

TEST_F(ResizeTest, Nearest) {
  expectResize("[1.0, 2.0]", 2, 4, "2.0", "nearest", "half_pixel", {1, 1, 2, 2});
  // Coordinates 0, 0.5, 1, 1.5.
  expectResize("[1.0, 2.0]", 2, 4, "2.0", "nearest", "asymmetric", {1, 1, 2, 2});
  expectResize("[1.0, 2.0]", 2, 4, "2.0", "nearest", "asymmetric", {1, 2, 2, 2}, "",
               "round_prefer_ceil");
  expectResize("[1.0, 2.0]", 2, 4, "2.0", "nearest", "asymmetric", {1, 1, 2, 2}, "", "floor");
  expectResize("[1.0, 2.0]", 2, 4, "2.0", "nearest", "asymmetric", {1, 2, 2, 2}, "", "ceil");
}

TEST_F(ResizeTest, Linear) {
  expectResize("[1.0, 2.0]", 2, 4, "2.0", "linear", "half_pixel", {1, 1.25, 1.75, 2});
  expectResize("[1.0, 2.0]", 2, 4, "2.0", "linear", "align_corners", {1, 4.0 / 3, 5.0 / 3, 2});
  expectResize("[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]", 6, 3, "0.5", "linear", "half_pixel",
               {1.75, 6.75, 23}, ", antialias");
}

TEST_F(ResizeTest, Cubic) {
  // At a quarter between elements, with a = -0.75.
  std::vector<double> w{-0.10546875, 0.87890625, 0.26171875, -0.03515625};
  std::vector<double> x{1, 4, 2, 8};
  double quarter = w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3];
  auto results = evaluate(
      "%x = nest.const dense<[1.0, 4.0, 2.0, 8.0]> : tensor<4xf32>\n"
      "%y = nest.resize %x {scales = array<f64: 2.0>, mode = #nest.resize_mode<cubic>, "
      "coordinates = #nest.coordinate_mode<half_pixel>, nearest = #nest.nearest_mode<floor>} : "
      "(tensor<4xf32>) -> tensor<8xf32>\nreturn %y : tensor<8xf32>",
      "tensor<8xf32>");
  ASSERT_EQ(results.size(), 1u);
  // Position 3 is at 1.25 in the input.
  EXPECT_NEAR(results[0].getDouble(3), quarter, 1e-6);
}

TEST_F(ResizeTest, CropExtrapolates) {
  // From -0.5*3 to 1.5*3 of the input in four steps: -1.5, 0.5, 2.5, 4.5.
  expectResize("[1.0, 2.0, 3.0, 4.0]", 4, 4, "1.0", "linear", "tf_crop_and_resize",
               {-7, 1.5, 3.5, -7}, ", roi = array<f64: -0.5, 1.5>, extrapolation = -7.0 : f64");
}

} // namespace
} // namespace nestor::reference

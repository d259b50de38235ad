//===- ReductionTest.cpp - Reductions and normalisations ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/reference/EvaluatorTest.h"

#include <cmath>

namespace nestor::reference {
namespace {

class ReductionTest : public EvaluatorTest {
protected:
  /// Expects `op`, applied to `dense` of `from`, to give `values` of `to`.
  void expectOp(const std::string &op, const std::string &attributes, const std::string &dense,
                const std::string &from, const std::string &to, const std::vector<double> &values) {
    expect("%x = nest.const dense<" + dense + "> : " + from + "\n%y = nest." + op + " %x {" +
               attributes + "} : (" + from + ") -> " + to + "\nreturn %y : " + to,
           to, values);
  }
  /// The same for operations whose type is that of the operand.
  void expectSame(const std::string &op, const std::string &attributes, const std::string &dense,
                  const std::string &type, const std::vector<double> &values) {
    expect("%x = nest.const dense<" + dense + "> : " + type + "\n%y = nest." + op + " %x {" +
               attributes + "} : " + type + "\nreturn %y : " + type,
           type, values);
  }
};

std::string kind(const std::string &name) { return "kind = #nest.reduce_kind<" + name + ">, "; }

TEST_F(ReductionTest, Reduce) {
  std::string x = "[[1.0, 5.0, 3.0], [4.0, -2.0, 6.0]]", from = "tensor<2x3xf32>";
  std::string rows = "axes = array<i64: 1>", all = "axes = array<i64: 0, 1>";
  expectOp("reduce", kind("sum") + rows, x, from, "tensor<2x1xf32>", {9, 8});
  expectOp("reduce", kind("mean") + "axes = array<i64: 0>", x, from, "tensor<1x3xf32>",
           {2.5, 1.5, 4.5});
  expectOp("reduce", kind("max") + all, x, from, "tensor<1x1xf32>", {6});
  expectOp("reduce", kind("min") + all, x, from, "tensor<1x1xf32>", {-2});
  expectOp("reduce", kind("prod") + rows, x, from, "tensor<2x1xf32>", {15, -48});
  expectOp("reduce", kind("max") + "axes = array<i64: 0>", "[1.0, 0x7fc00000, 2.0]",
           "tensor<3xf32>", "tensor<1xf32>", {std::nan("")});
}

TEST_F(ReductionTest, ReduceIntegers) {
  std::string axis = "axes = array<i64: 0>";
  expectOp("reduce", kind("sum") + axis, "[100, 100]", "tensor<2xi8>", "tensor<1xi8>", {-56});
  expectOp("reduce", kind("mean") + axis, "[-3, -4]", "tensor<2xi32>", "tensor<1xi32>", {-3});
  expectOp("reduce", kind("max") + axis, "[18446744073709551615, 1]", "tensor<2xui64>",
           "tensor<1xui64>", {18446744073709551615.0});
}

TEST_F(ReductionTest, ReduceNothing) {
  std::string axis = "axes = array<i64: 0>", from = "tensor<0x2xf32>", to = "tensor<1x2xf32>";
  expectOp("reduce", kind("sum") + axis, "", from, to, {0, 0});
  expectOp("reduce", kind("prod") + axis, "", from, to, {1, 1});
  expectOp("reduce", kind("max") + axis, "", from, to, {-INFINITY, -INFINITY});
  expectOp("reduce", kind("mean") + axis, "", from, to, {NAN, NAN});
}

TEST_F(ReductionTest, ArgReduce) {
  std::string x = "[[3.0, 1.0, 3.0, 1.0]]", from = "tensor<1x4xf32>", to = "tensor<1x1xi64>";
  expectOp("arg_reduce", "axis = 1 : i64", x, from, to, {0});
  expectOp("arg_reduce", "axis = 1 : i64, selectLast", x, from, to, {2});
  expectOp("arg_reduce", "axis = 1 : i64, min", x, from, to, {1});
  expectOp("arg_reduce", "axis = 1 : i64, min, selectLast", x, from, to, {3});
}

TEST_F(ReductionTest, Cumsum) {
  std::string x = "[[1.0, 2.0, 3.0]]", type = "tensor<1x3xf32>";
  expectSame("cumsum", "axis = 1 : i64", x, type, {1, 3, 6});
  expectSame("cumsum", "axis = 1 : i64, exclusive", x, type, {0, 1, 3});
  expectSame("cumsum", "axis = 1 : i64, reverse", x, type, {6, 5, 3});
  expectSame("cumsum", "axis = 1 : i64, exclusive, reverse", x, type, {5, 3, 0});
}

TEST_F(ReductionTest, TopK) {
  auto run = [&](const std::string &attributes) {
    return evaluate("%x = nest.const dense<[3.0, 0x7fc00000, 3.0, 1.0]> : tensor<4xf32>\n"
                    "%v, %i = nest.topk %x {k = 3 : i64, axis = 0 : i64" + attributes +
                        "} : (tensor<4xf32>) -> (tensor<3xf32>, tensor<3xi64>)\n"
                        "return %v, %i : tensor<3xf32>, tensor<3xi64>",
                    "tensor<3xf32>, tensor<3xi64>");
  };
  auto largest = run(""), smallest = run(", smallest");
  ASSERT_EQ(largest.size() + smallest.size(), 4u);
  expectElements(largest[0], {NAN, 3, 3});
  expectElements(largest[1], {1, 0, 2});
  expectElements(smallest[0], {1, 3, 3});
  expectElements(smallest[1], {3, 0, 2});
}

TEST_F(ReductionTest, Softmax) {
  std::string x = "[[1.0, 2.0, 3.0]]", type = "tensor<1x3xf32>";
  expectSame("softmax", "axis = 1 : i64", x, type, {0.0900306, 0.2447285, 0.6652410});
  expectSame("softmax", "axis = 1 : i64, log", x, type, {-2.407606, -1.407606, -0.407606});
  expectSame("softmax", "axis = 1 : i64", "[[1000.0, 1000.0, 0.0]]", type, {0.5, 0.5, 0});
}

TEST_F(ReductionTest, Norm) {
  std::string x = "[[1.0, 2.0, 3.0], [4.0, 6.0, 11.0]]", type = "tensor<2x3xf32>";
  expectOp("norm", "axis = 1 : i64, epsilon = 1.0e-5 : f64", x, type, type,
           {-1.2247357, 0, 1.2247357, -1.0190487, -0.3396829, 1.3587317});
  expectOp("norm", "axis = 1 : i64, epsilon = 1.0e-5 : f64, rms", x, type, type,
           {0.4629096, 0.9258191, 1.3887287, 0.5267415, 0.7901122, 1.4485391});
  expect(R"(
    %x = nest.const dense<[[1.0, 3.0]]> : tensor<1x2xf32>
    %s = nest.const dense<[2.0, 4.0]> : tensor<2xf32>
    %b = nest.const dense<[[10.0]]> : tensor<1x1xf32>
    %y = nest.norm %x scale %s bias %b {axis = 0 : i64, epsilon = 0.0 : f64}
        : (tensor<1x2xf32>, tensor<2xf32>, tensor<1x1xf32>) -> tensor<1x2xf32>
    return %y : tensor<1x2xf32>)",
         "tensor<1x2xf32>", {8, 14});
}

TEST_F(ReductionTest, Lrn) {
  expectSame("lrn", "size = 3 : i64, alpha = 0.5 : f64, beta = 0.75 : f64, k = 1.0 : f64",
             "[[1.0, 2.0, 3.0, 4.0]]", "tensor<1x4xf32>",
             {0.6347006, 0.8107201, 0.7992519, 1.1672185});
}

} // namespace
} // namespace nestor::reference

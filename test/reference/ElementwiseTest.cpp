//===- ElementwiseTest.cpp - Maps and the operations inside them ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/reference/EvaluatorTest.h"

#include <cmath>

namespace nestor::reference {
namespace {

class ElementwiseTest : public EvaluatorTest {
protected:
  /// Expects a map over one constant, `dense` of `from`, whose body computes
  /// %r of type `scalar` from %a, to give `values` of type `to`.
  void expectMap(const std::string &dense, const std::string &from, const std::string &argument,
                 const std::string &body, const std::string &scalar, const std::string &to,
                 const std::vector<double> &values) {
    expect("%x = nest.const dense<" + dense + "> : " + from + "\n" +
               "%y = nest.map %x : " + from + " -> " + to + " {\n^bb0(%a: " + argument + "):\n" +
               body + "\nnest.yield %r : " + scalar + "\n}\nreturn %y : " + to,
           to, values);
  }
  void expectFloats(const std::string &dense, const std::string &body,
                    const std::vector<double> &values) {
    std::string type = "tensor<" + std::to_string(values.size()) + "xf32>";
    expectMap(dense, type, "f32", body, "f32", type, values);
  }
};

TEST_F(ElementwiseTest, BroadcastsBothWays) {
  expect(R"(
    %x = nest.const dense<[[1.0], [2.0]]> : tensor<2x1xf32>
    %y = nest.const dense<[10.0, 20.0, 30.0]> : tensor<3xf32>
    %z = nest.map %x, %y : tensor<2x1xf32>, tensor<3xf32> -> tensor<2x3xf32> {
    ^bb0(%a: f32, %b: f32):
      %r = arith.addf %a, %b : f32
      nest.yield %r : f32
    }
    return %z : tensor<2x3xf32>)",
         "tensor<2x3xf32>", {11, 21, 31, 12, 22, 32});
}

TEST_F(ElementwiseTest, RunsOfElementsMeet) {
  // More elements than are interpreted at a time.
  expect(R"(
    %x = nest.const dense<1.5> : tensor<5000xf32>
    %y = nest.map %x : tensor<5000xf32> -> tensor<5000xf32> {
    ^bb0(%a: f32):
      %r = arith.addf %a, %a : f32
      nest.yield %r : f32
    }
    return %y : tensor<5000xf32>)",
         "tensor<5000xf32>", std::vector<double>(5000, 3));
}

TEST_F(ElementwiseTest, RoundsToTheTypeOfEachOperation) {
  // 2^24 + 1 is no f32, so that the sum falls back to 2^24.
  expectFloats("[16777216.0]", R"(
    %one = arith.constant 1.0 : f32
    %s = arith.addf %a, %one : f32
    %r = arith.subf %s, %a : f32)",
               {0});
}

TEST_F(ElementwiseTest, Functions) {
  expectFloats("[-1.5, 0.5, 2.5]", "%r = math.roundeven %a : f32", {-2, 0, 2});
  expectFloats("[-1.5, 0.5, 2.5]", "%r = math.round %a : f32", {-2, 1, 3});
  expectFloats("[0.0, 0.5, -1.0]", "%r = math.erf %a : f32", {0, 0.5204998778, -0.8427007929});
  expectFloats("[4.0, 0.25]", "%r = math.rsqrt %a : f32", {0.5, 2});
  expectFloats("[-3.0, 2.0]", "%r = math.powf %a, %a : f32", {-1.0 / 27, 4});
  expectFloats("[-7.0]", "%c = arith.constant 3.0 : f32\n%r = arith.remf %a, %c : f32", {-1});
}

TEST_F(ElementwiseTest, NaNPropagatesThroughMaximumAlone) {
  std::string zero = "%z = arith.constant 0.0 : f32\n";
  expectFloats("[0x7fc00000, -1.0, 2.0]", zero + "%r = arith.maximumf %a, %z : f32",
               {std::nan(""), 0, 2});
  expectFloats("[0x7fc00000, -1.0, 2.0]", zero + "%r = arith.maxnumf %a, %z : f32", {0, 0, 2});
  expectFloats("[0x7fc00000, -1.0, 2.0]", R"(
    %nan = math.isnan %a : f32
    %one = arith.constant 1.0 : f32
    %r = arith.select %nan, %one, %a : f32)",
               {1, -1, 2});
}

TEST_F(ElementwiseTest, SignedAndUnsignedIntegers) {
  std::string type = "tensor<2xi8>", unsignedType = "tensor<2xui8>";
  std::string two = "%c = arith.constant 2 : i8\n";
  expectMap("[-128, 7]", type, "i8", two + "%r = arith.divsi %a, %c : i8", "i8", type, {-64, 3});
  expectMap("[200, 7]", unsignedType, "i8", two + "%r = arith.divui %a, %c : i8", "i8",
            unsignedType, {100, 3});
  expectMap("[200, 100]", unsignedType, "i8", two + "%r = arith.muli %a, %c : i8", "i8",
            unsignedType, {144, 200});
  expectMap("[200, 7]", unsignedType, "i8", two + "%r = arith.maxui %a, %c : i8", "i8",
            unsignedType, {200, 7});
  expectMap("[200, 7]", unsignedType, "i8", "%r = arith.uitofp %a : i8 to f32", "f32",
            "tensor<2xf32>", {200, 7});
}

TEST_F(ElementwiseTest, UndefinedIntegersDoNotTrap) {
  std::string type = "tensor<2xi32>";
  for (const char *op : {"divsi", "divui", "remsi", "remui", "ceildivsi", "floordivsi"})
    expectMap("[7, -2147483648]", type, "i32",
              "%z = arith.constant 0 : i32\n%r = arith." + std::string(op) + " %a, %z : i32", "i32",
              type, {0, 0});
  expectMap("[7, -2147483648]", type, "i32",
            "%m = arith.constant -1 : i32\n%r = arith.divsi %a, %m : i32", "i32", type,
            {-7, -2147483648.0});
  expectMap("[1, -1]", type, "i32", "%s = arith.constant 40 : i32\n%r = arith.shrsi %a, %s : i32",
            "i32", type, {0, -1});
}

TEST_F(ElementwiseTest, FloorAndCeilingDivision) {
  std::string type = "tensor<4xi32>";
  std::string body = "%c = arith.constant 2 : i32\n%r = arith.";
  expectMap("[-3, -2, 2, 3]", type, "i32", body + "floordivsi %a, %c : i32", "i32", type,
            {-2, -1, 1, 1});
  expectMap("[-3, -2, 2, 3]", type, "i32", body + "ceildivsi %a, %c : i32", "i32", type,
            {-1, -1, 1, 2});
}

TEST_F(ElementwiseTest, Casts) {
  expectMap("[-2.7, 1.0e10]", "tensor<2xf32>", "f32", "%r = arith.fptosi %a : f32 to i32", "i32",
            "tensor<2xi32>", {-2, 2147483647});
  expectMap("[-2.7, 300.0]", "tensor<2xf32>", "f32", "%r = arith.fptoui %a : f32 to i8", "i8",
            "tensor<2xui8>", {0, 255});
  expectMap("[1.0, -2.0]", "tensor<2xf32>", "f32", "%r = arith.bitcast %a : f32 to i32", "i32",
            "tensor<2xi32>", {0x3f800000, -1073741824});
  expectMap("[true, false]", "tensor<2xi1>", "i1", "%r = arith.uitofp %a : i1 to f32", "f32",
            "tensor<2xf32>", {1, 0});
  expectMap("[true, false]", "tensor<2xi1>", "i1", "%r = arith.extsi %a : i1 to i32", "i32",
            "tensor<2xi32>", {-1, 0});
  expectMap("[1.0, 1.0009]", "tensor<2xf32>", "f32", "%r = arith.truncf %a : f32 to f16", "f16",
            "tensor<2xf16>", {1, 1.0009765625});
}

TEST_F(ElementwiseTest, Comparisons) {
  expectMap("[0x7fc00000, 1.0]", "tensor<2xf32>", "f32", "%r = arith.cmpf une, %a, %a : f32", "i1",
            "tensor<2xi1>", {1, 0});
  expectMap("[200, 7]", "tensor<2xui8>", "i8",
            "%c = arith.constant 100 : i8\n%r = arith.cmpi ugt, %a, %c : i8", "i1", "tensor<2xi1>",
            {1, 0});
  expectMap("[200, 7]", "tensor<2xui8>", "i8",
            "%c = arith.constant 100 : i8\n%r = arith.cmpi sgt, %a, %c : i8", "i1", "tensor<2xi1>",
            {0, 0});
}

} // namespace
} // namespace nestor::reference

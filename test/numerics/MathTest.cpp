//===- MathTest.cpp - Elementary functions as kernels compute them --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/KernelRunner.h"

#include "gtest/gtest.h"

using namespace nestor::test;

namespace {

/// One function over 1003 elements, so that tails are reached too.
std::string mapOf(const std::string &function, const std::string &element) {
  std::string type = "tensor<1003x" + element + ">";
  return "func.func @f(%x: " + type + ") -> " + type + " {\n %y = nest.map %x : " + type + " -> " + type +
         " {\n^bb0(%a: " + element + "):\n %r = math." + function + " %a : " + element + "\n nest.yield %r : " + element +
         "\n}\n return %y : " + type + "\n}\n";
}

struct Function {
  const char *name;
  double low, high;
};

class MathTest : public testing::TestWithParam<Function> {};

TEST_P(MathTest, AgreesWithTheReference) {
  for (const char *element : {"f32", "f64"})
    checkOperation(mapOf(GetParam().name, element), 1, 2e-6, {GetParam().low, GetParam().high});
}

/// Errors are relative to the largest result: in parts, to see those of all.
TEST(MathTest, ExponentialOfLargeNumbers) {
  for (auto [low, high] : {std::pair(-87.0, -84.0), {-60.0, -57.0}, {-0.3, 0.3}, {57.0, 60.0}, {85.0, 88.0}})
    checkOperation(mapOf("exp", "f32"), 5, 2e-6, {low, high});
}

TEST(MathTest, PowerOfNegativeNumbers) {
  for (const char *exponent : {"2.0", "3.0", "0.5", "-1.0", "-2.0", "0.0", "1.0", "2.5"}) {
    std::string type = "tensor<101xf32>";
    checkOperation("func.func @f(%x: " + type + ") -> " + type + " {\n %y = nest.map %x : " + type + " -> " + type +
                       " {\n^bb0(%a: f32):\n %c = arith.constant " + exponent +
                       " : f32\n %r = math.powf %a, %c : f32\n nest.yield %r : f32\n}\n return %y : " + type + "\n}\n",
                   4, 1e-5, {-3, 3});
  }
}

/// Not those that no f32 approximation gets right far from zero (sin, cos, tan),
/// nor cbrt, which no ONNX operator becomes.
TEST(MathTest, NotANumberAndInfinity) {
  for (const char *name : {"exp", "log", "log2", "log10", "log1p", "expm1", "tanh", "erf", "atan", "sqrt", "rsqrt", "floor", "ceil",
                           "round", "roundeven", "trunc", "absf", "asin", "acos"})
    checkOperation(mapOf(name, "f32"), 3, 1e-5, {0.1, 0.9, /*specials=*/true});
}

const Function functions[] = {
    {"exp", -20, 5},   {"log", 0.01, 50},  {"log2", 0.01, 50}, {"log10", 0.01, 50}, {"log1p", -0.9, 9}, {"expm1", -3, 3},
    {"tanh", -6, 6},   {"erf", -4, 4},     {"sin", -20, 20},   {"cos", -20, 20},    {"tan", -1.4, 1.4}, {"asin", -1, 1},
    {"acos", -1, 1},   {"atan", -9, 9},    {"sinh", -4, 4},    {"cosh", -4, 4},     {"asinh", -9, 9},   {"acosh", 1, 20},
    {"atanh", -.9, .9}, {"sqrt", 0, 9},    {"rsqrt", 0.01, 9}, {"cbrt", -9, 9},     {"exp2", -9, 9},    {"floor", -9, 9},
    {"ceil", -9, 9},   {"round", -9, 9},   {"roundeven", -9, 9}, {"trunc", -9, 9},  {"absf", -9, 9}};

INSTANTIATE_TEST_SUITE_P(All, MathTest, testing::ValuesIn(functions),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(MathTest, PowerAndRemainder) {
  for (const char *operation : {"math.powf", "arith.remf", "math.atan2"}) {
    std::string type = "tensor<517xf32>";
    checkOperation("func.func @f(%x: " + type + ", %z: " + type + ") -> " + type + " {\n %y = nest.map %x, %z : " + type + ", " +
                       type + " -> " + type + " {\n^bb0(%a: f32, %b: f32):\n %r = " + operation +
                       " %a, %b : f32\n nest.yield %r : f32\n}\n return %y : " + type + "\n}\n",
                   2, 1e-5, {0.1, 4});
  }
}

} // namespace

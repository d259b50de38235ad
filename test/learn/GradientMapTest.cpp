//===- GradientMapTest.cpp - Gradients of element-wise computation --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "GradientCheck.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::test;

namespace {

/// A map of inputs %x0, %x1, .. whose body is `body` and yields %y.
std::string mapOf(const std::vector<Dims> &arguments, const Dims &result, const std::string &body) {
  std::string operands, types, scalars;
  for (size_t i = 0; i < arguments.size(); ++i) {
    operands += (i ? ", %a" : "%a") + std::to_string(i);
    types += (i ? ", " : "") + type(arguments[i]);
    scalars += (i ? ", %x" : "%x") + std::to_string(i) + ": f64";
  }
  return lossOf(arguments, result,
                "  %r = nest.map " + operands + " : " + types + " -> " + type(result) +
                    " {\n  ^bb0(" + scalars + "):\n" + body + "    nest.yield %y : f64\n  }");
}

std::string constant(const std::string &name, double value) {
  return "    %" + name + " = arith.constant " + std::to_string(value) + " : f64\n";
}
std::string scalarOp(const std::string &result, const std::string &op,
                     const std::string &operands) {
  return "    %" + result + " = " + op + " " + operands + " : f64\n";
}

TEST(Gradient, UnaryFunctions) {
  struct Case {
    const char *op;
    double low, high;
  };
  const Case cases[] = {{"math.absf", -2, 2},      {"math.acos", -.9, .9}, {"math.acosh", 1.1, 3},
                        {"math.asin", -.9, .9},    {"math.asinh", -2, 2},  {"math.atan", -2, 2},
                        {"math.atanh", -.9, .9},   {"math.cos", -3, 3},    {"math.cosh", -2, 2},
                        {"math.erf", -2, 2},       {"math.exp", -2, 2},    {"math.expm1", -2, 2},
                        {"math.log", .1, 3},       {"math.log1p", -.5, 3}, {"math.rsqrt", .2, 3},
                        {"math.sin", -3, 3},       {"math.sinh", -2, 2},   {"math.sqrt", .1, 3},
                        {"math.tan", -1, 1},       {"math.tanh", -2, 2},   {"arith.negf", -2, 2},
                        {"math.floor", .1, .9},    {"math.ceil", .1, .9},  {"math.trunc", .1, .9},
                        {"math.roundeven", .1, .4}};
  uint64_t seed = 1;
  for (const Case &c : cases) {
    // As the root of the body, whose value is at hand, and inside it.
    checkGradients(mapOf({{3, 5}}, {3, 5}, scalarOp("y", c.op, "%x0")), ++seed, c.low, c.high);
    checkGradients(mapOf({{3, 5}}, {3, 5},
                         scalarOp("v", c.op, "%x0") + scalarOp("y", "arith.mulf", "%v, %x0")),
                   ++seed, c.low, c.high);
  }
}

TEST(Gradient, BinaryFunctionsBroadcast) {
  uint64_t seed = 100;
  for (const char *op :
       {"arith.addf", "arith.subf", "arith.mulf", "arith.divf", "arith.maximumf", "arith.minimumf",
        "arith.maxnumf", "arith.minnumf", "math.powf", "math.copysign"})
    for (const Dims &right : {Dims{2, 3, 4}, Dims{4}, Dims{3, 1}, Dims{1, 1, 1}})
      checkGradients(mapOf({{2, 3, 4}, right}, {2, 3, 4}, scalarOp("y", op, "%x0, %x1")), ++seed,
                     .2, 1.5);
  // Both sides repeat.
  checkGradients(mapOf({{2, 1, 4}, {3, 1}}, {2, 3, 4}, scalarOp("y", "arith.mulf", "%x0, %x1")),
                 ++seed);
}

TEST(Gradient, Activations) {
  std::string zero = constant("zero", 0), one = constant("one", 1), slope = constant("slope", .1);
  std::string sigmoid = scalarOp("n", "arith.negf", "%x0") + scalarOp("e", "math.exp", "%n") +
                        scalarOp("d", "arith.addf", "%one, %e");
  std::string less = "    %c = arith.cmpf olt, %x0, %zero : f64\n";
  const std::vector<std::string> bodies = {
      zero + scalarOp("y", "arith.maximumf", "%x0, %zero"),
      zero + constant("six", .6) + scalarOp("v", "arith.maximumf", "%x0, %zero") +
          scalarOp("y", "arith.minimumf", "%v, %six"),
      one + sigmoid + scalarOp("y", "arith.divf", "%one, %d"),
      one + sigmoid + scalarOp("s", "arith.divf", "%one, %d") +
          scalarOp("y", "arith.mulf", "%x0, %s"),
      zero + slope + less + scalarOp("v", "arith.mulf", "%x0, %slope") +
          "    %y = arith.select %c, %v, %x0 : f64\n",
      zero + slope + less + scalarOp("m", "math.expm1", "%x0") +
          scalarOp("v", "arith.mulf", "%m, %slope") + "    %y = arith.select %c, %v, %x0 : f64\n",
      zero + one + slope + scalarOp("u", "arith.mulf", "%x0, %slope") +
          scalarOp("v", "arith.maximumf", "%u, %zero") +
          scalarOp("w", "arith.minimumf", "%v, %one") + scalarOp("y", "arith.mulf", "%x0, %w"),
      scalarOp("y", "math.fma", "%x0, %x0, %x0"),
  };
  uint64_t seed = 200;
  for (const std::string &body : bodies)
    checkGradients(mapOf({{4, 6}}, {4, 6}, body), ++seed, -2, 2);
}

/// Text of a map may only mention what was computed before it and does not
/// repeat: the gradient of a relu reads the result, not the input.
TEST(Gradient, ActivationsReadTheirResult) {
  std::string body = constant("zero", 0) + scalarOp("y", "arith.maximumf", "%x0, %zero");
  Differentiated f(mapOf({{4, 6}}, {4, 6}, body));
  ASSERT_TRUE(f.ok);
  BlockArgument x = f.mainOf(f.module).getArgument(0);
  EXPECT_TRUE(x.hasOneUse()) << "a convolution in its place could not take the activation";
}

/// What a branch not taken computes may be infinite and does not matter.
TEST(Gradient, BranchesNotTakenDoNotMatter) {
  std::string body = constant("zero", 0) + "    %c = arith.cmpf olt, %x0, %zero : f64\n" +
                     scalarOp("m", "math.expm1", "%x0") +
                     "    %y = arith.select %c, %m, %x0 : f64\n";
  Differentiated f(mapOf({{2}}, {2}, body));
  ASSERT_TRUE(f.ok);
  SmallVector<TensorValue> arguments(
      2, TensorValue::zeros(RankedTensorType::get({2}, Float64Type::get(&f.context))));
  llvm::copy(ArrayRef<double>{1e4, -1}, arguments[0].as<double>().begin());
  llvm::fill(arguments[1].as<double>(), 1);
  SmallVector<TensorValue> values;
  ASSERT_TRUE(succeeded(reference::evaluate(f.mainOf(f.module), arguments, values)));
  EXPECT_EQ(values[1].getDouble(0), 1);
  EXPECT_NEAR(values[1].getDouble(1), std::exp(-1), 1e-12);
}

} // namespace

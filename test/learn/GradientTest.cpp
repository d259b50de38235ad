//===- GradientTest.cpp - Gradients against finite differences ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Functions in double precision are differentiated, and the gradients that the
// reference evaluator computes compared with central differences of what it
// computes without them: no element may be off by more than 1e-6 of the largest.
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Gradient.h"
#include "compiler/driver/Compile.h"
#include "compiler/learn/Executor.h"
#include "compiler/reference/Evaluator.h"
#include "test/numerics/OpText.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace mlir;
using namespace nestor;
using nestor::reference::TensorValue;
using test::arrayAttr;
using test::Dims;
using test::Draw;

namespace {

std::string type(const Dims &dims) { return test::tensorType(dims, "f64"); }

/// A function of arguments %a0, %a1, .. and %weights that computes %r by `body`
/// and returns the sum of %r * %weights.
std::string lossOf(const std::vector<Dims> &arguments, const Dims &result,
                   const std::string &body) {
  std::string text = "func.func @main(";
  for (size_t i = 0; i < arguments.size(); ++i)
    text += "%a" + std::to_string(i) + ": " + type(arguments[i]) + ", ";
  Dims axes, ones(result.size(), 1);
  for (size_t i = 0; i < result.size(); ++i)
    axes.push_back(int64_t(i));
  return text + "%weights: " + type(result) + ") -> tensor<1xf64> {\n" + body +
         "\n  %p = nest.map %r, %weights : " + type(result) + ", " + type(result) + " -> " +
         type(result) + " {\n  ^bb0(%x: f64, %y: f64):\n    %z = arith.mulf %x, %y : f64\n" +
         "    nest.yield %z : f64\n  }\n  %s = nest.reduce %p {kind = #nest.reduce_kind<sum>, axes "
         "= " +
         arrayAttr(axes) + "} : (" + type(result) + ") -> " + type(ones) +
         "\n  %l = nest.reshape %s : (" + type(ones) +
         ") -> tensor<1xf64>\n  return %l : tensor<1xf64>\n}\n";
}

struct Differentiated {
  explicit Differentiated(const std::string &source) {
    original = parseSourceString<ModuleOp>(source, &context);
    if (!original)
      return;
    module = original->clone();
    SmallVector<unsigned> all = llvm::to_vector(llvm::seq(0u, mainOf(original).getNumArguments()));
    ok = succeeded(learn::appendGradients(mainOf(module), all)) && succeeded(verify(*module));
  }
  static func::FuncOp mainOf(OwningOpRef<ModuleOp> &of) {
    return of->lookupSymbol<func::FuncOp>("main");
  }

  std::unique_ptr<MLIRContext> owner = driver::createContext();
  MLIRContext &context = *owner;
  OwningOpRef<ModuleOp> original, module;
  bool ok = false;
};

void checkGradients(const std::string &source, uint64_t seed, double low = -1, double high = 1) {
  SCOPED_TRACE("seed " + std::to_string(seed) + ": " + source);
  Differentiated f(source);
  ASSERT_TRUE(f.ok);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> draw(low, high);
  SmallVector<TensorValue> arguments, values;
  for (Type argument : f.mainOf(f.original).getArgumentTypes()) {
    arguments.push_back(TensorValue::zeros(cast<RankedTensorType>(argument)));
    for (double &element : arguments.back().as<double>())
      element = draw(random);
  }
  ASSERT_TRUE(succeeded(reference::evaluate(f.mainOf(f.module), arguments, values)));
  auto lossWith = [&](double &element, double value) {
    double before = std::exchange(element, value);
    SmallVector<TensorValue> results;
    EXPECT_TRUE(succeeded(reference::evaluate(f.mainOf(f.original), arguments, results)));
    element = before;
    return results.front().getDouble(0);
  };
  for (auto [index, argument] : llvm::enumerate(arguments)) {
    const TensorValue &gradient = values[index + 1];
    ASSERT_EQ(gradient.type, argument.type);
    double largest = 1e-3;
    for (int64_t i = 0; i < gradient.size(); ++i)
      largest = std::max(largest, std::abs(gradient.getDouble(i)));
    // A few elements of each argument; an error is seldom in one only.
    for (int64_t i = 0, step = std::max<int64_t>(1, gradient.size() / 12); i < gradient.size();
         i += step) {
      double &element = argument.as<double>()[i];
      constexpr double h = 1e-5;
      double want = (lossWith(element, element + h) - lossWith(element, element - h)) / (2 * h);
      ASSERT_NEAR(gradient.getDouble(i), want, 1e-6 * largest)
          << "argument " << index << ", element " << i;
    }
  }
}

/// One operation on %a0, %a1, ..
std::string operation(const std::string &name, const std::vector<Dims> &arguments,
                      const Dims &result, const std::string &attributes,
                      const std::string &operandSegments = "") {
  std::string operands, types;
  for (size_t i = 0; i < arguments.size(); ++i) {
    operands += (i ? ", %a" : "%a") + std::to_string(i);
    types += (i ? ", " : "") + type(arguments[i]);
  }
  bool hasRegion = name == "nest.conv" || name == "nest.matmul";
  std::string properties =
      operandSegments.empty() ? "" : ", operandSegmentSizes = array<i32: " + operandSegments + ">";
  return lossOf(arguments, result,
                "  %r = \"" + name + "\"(" + operands + ") " + (hasRegion ? "({}) " : "") + "{" +
                    attributes + properties + "} : (" + types + ") -> " + type(result));
}

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

std::string recurrent(const std::string &name, int64_t gates, const std::string &direction,
                      const std::string &names, bool withCell, const std::string &extra,
                      bool peephole = false) {
  int64_t d = direction == "bidirectional" ? 2 : 1, t = 3, b = 2, i = 3, h = 2;
  std::vector<Dims> operands{
      {t, b, i}, {d, gates * h, i}, {d, gates * h, h}, {d, 2 * gates * h}, {d, b, h}};
  if (withCell)
    operands.push_back({d, b, h});
  if (peephole)
    operands.push_back({d, 3 * h});
  std::string values, types;
  for (size_t n = 0; n < operands.size(); ++n) {
    values += (n ? ", %a" : "%a") + std::to_string(n);
    types += (n ? ", " : "") + type(operands[n]);
  }
  std::string activations, numbers;
  for (int64_t n = 0; n < d; ++n)
    activations += (n ? ", " : "") + names;
  int64_t count = d * (withCell ? 3 : 2);
  Dims alpha(count, 1);
  std::string segments =
      withCell ? std::string("1, 1, 1, 1, 0, 1, 1, ") + (peephole ? "1" : "0") : "1, 1, 1, 1, 0, 1";
  std::string all = type({t, d, b, h}), state = type({d, b, h});
  std::string results = withCell ? all + ", " + state + ", " + state : all + ", " + state;
  // All results count: the states are joined along the time.
  std::string join = "  %h = nest.reshape %o#1 : (" + state + ") -> " + type({1, d, b, h}) + "\n";
  std::string joined = "%o#0, %h", joinedTypes = all + ", " + type({1, d, b, h});
  if (withCell) {
    join += "  %c = nest.reshape %o#2 : (" + state + ") -> " + type({1, d, b, h}) + "\n";
    joined += ", %c", joinedTypes += ", " + type({1, d, b, h});
  }
  Dims result{t + (withCell ? 2 : 1), d, b, h};
  return lossOf(operands, result,
                "  %o:" + std::string(withCell ? "3" : "2") + " = \"" + name + "\"(" + values +
                    ") {direction = #nest.direction<" + direction + ">, activations = [" +
                    activations + "], activationAlpha = " + arrayAttr(alpha, "f64") +
                    ", activationBeta = " + arrayAttr(alpha, "f64") + extra +
                    ", operandSegmentSizes = array<i32: " + segments + ">} : (" + types + ") -> (" +
                    results + ")\n" + join + "  %r = nest.concat " + joined +
                    " {axis = 0 : i64} : (" + joinedTypes + ") -> " + type(result));
}

TEST(Gradient, RecurrentLayers) {
  uint64_t seed = 900;
  std::string lstm = "\"Sigmoid\", \"Tanh\", \"Tanh\"", gru = "\"Sigmoid\", \"Tanh\"";
  for (const char *direction : {"forward", "reverse", "bidirectional"}) {
    checkGradients(recurrent("nest.lstm", 4, direction, lstm, true, ""), ++seed);
    checkGradients(recurrent("nest.gru", 3, direction, gru, false, ""), ++seed);
  }
  checkGradients(
      recurrent("nest.lstm", 4, "forward", lstm, true, ", inputForget, clip = 5.0 : f64", true),
      ++seed);
  checkGradients(
      recurrent("nest.lstm", 4, "forward", "\"HardSigmoid\", \"ScaledTanh\", \"Affine\"", true, ""),
      ++seed);
  checkGradients(recurrent("nest.gru", 3, "forward", gru, false, ", linearBeforeReset"), ++seed);
}

/// What the kernels make of a small network and its gradients: convolutions of
/// stride 1 and 2, a depthwise one, a residual, pooling, a dense layer.
const char *const network = R"(
func.func @main(%x: tensor<4x9x9x5xf32>, %w0: tensor<3x3x5x20xf32>, %b0: tensor<20xf32>, %s0: tensor<20xf32>,
                %w1: tensor<3x3x20x20xf32>, %w2: tensor<3x3x1x20xf32>, %w3: tensor<1x1x20x7xf32>,
                %w4: tensor<1x1x20x20xf32>, %t: tensor<4x7xf32>) -> tensor<1xf32> {
  %zero = nest.const dense<0.0> : tensor<1xf32>
  %0 = nest.conv %x, %w0 scale %s0 bias %b0 {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
       : (tensor<4x9x9x5xf32>, tensor<3x3x5x20xf32>, tensor<20xf32>, tensor<20xf32>) -> tensor<4x9x9x20xf32>
  %1 = nest.map %0, %zero : tensor<4x9x9x20xf32>, tensor<1xf32> -> tensor<4x9x9x20xf32> {
  ^bb0(%a: f32, %z: f32):
    %m = arith.maximumf %a, %z : f32
    nest.yield %m : f32
  }
  %2 = nest.conv %1, %w1 {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
       : (tensor<4x9x9x20xf32>, tensor<3x3x20x20xf32>) -> tensor<4x5x5x20xf32>
  %3 = nest.conv %1, %w4 {kernel = array<i64: 1, 1>, strides = array<i64: 2, 2>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1 : i64}
       : (tensor<4x9x9x20xf32>, tensor<1x1x20x20xf32>) -> tensor<4x5x5x20xf32>
  %4 = nest.map %2, %3 : tensor<4x5x5x20xf32>, tensor<4x5x5x20xf32> -> tensor<4x5x5x20xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    %c = arith.constant 0.0 : f32
    %m = arith.maximumf %s, %c : f32
    nest.yield %m : f32
  }
  %5 = nest.conv %4, %w2 {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 20 : i64}
       : (tensor<4x5x5x20xf32>, tensor<3x3x1x20xf32>) -> tensor<4x3x3x20xf32>
  %6 = nest.pool %5 {kind = #nest.pool_kind<max>, kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>}
       : (tensor<4x3x3x20xf32>) -> tensor<4x2x2x20xf32>
  %7 = nest.reduce %6 {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>} : (tensor<4x2x2x20xf32>) -> tensor<4x1x1x20xf32>
  %8 = nest.conv %7, %w3 {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>,
         dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1 : i64}
       : (tensor<4x1x1x20xf32>, tensor<1x1x20x7xf32>) -> tensor<4x1x1x7xf32>
  %9 = nest.reshape %8 : (tensor<4x1x1x7xf32>) -> tensor<4x7xf32>
  %10 = nest.softmax %9 {axis = 1 : i64, log} : tensor<4x7xf32>
  %11 = nest.map %10, %t : tensor<4x7xf32>, tensor<4x7xf32> -> tensor<4x7xf32> {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    nest.yield %p : f32
  }
  %12 = nest.reduce %11 {kind = #nest.reduce_kind<sum>, axes = array<i64: 0, 1>} : (tensor<4x7xf32>) -> tensor<1x1xf32>
  %13 = nest.reshape %12 : (tensor<1x1xf32>) -> tensor<1xf32>
  return %13 : tensor<1xf32>
}
)";

TEST(Gradient, KernelsComputeWhatTheReferenceDoes) {
  Differentiated f(network);
  ASSERT_TRUE(f.ok);
  std::mt19937_64 random(7);
  std::normal_distribution<float> draw;
  SmallVector<TensorValue> arguments, values;
  for (Type argument : f.mainOf(f.module).getArgumentTypes()) {
    arguments.push_back(TensorValue::zeros(cast<RankedTensorType>(argument)));
    for (float &element : arguments.back().as<float>())
      element = draw(random);
  }
  ASSERT_TRUE(succeeded(reference::evaluate(f.mainOf(f.module), arguments, values)));
  for (unsigned threads : {1, 2}) {
    auto executor = learn::Executor::compile(f.mainOf(f.module), threads);
    ASSERT_TRUE(bool(executor)) << toString(executor.takeError());
    for (auto [i, argument] : llvm::enumerate(arguments))
      llvm::copy(argument.as<float>(), executor->input(i).begin());
    executor->run();
    for (auto [i, value] : llvm::enumerate(values)) {
      double largest = 0, worst = 0;
      for (int64_t e = 0; e < value.size(); ++e) {
        largest = std::max(largest, std::abs(value.getDouble(e)));
        worst = std::max(worst, std::abs(value.getDouble(e) - executor->output(i)[e]));
      }
      EXPECT_LE(worst, 1e-4 * largest) << "result " << i;
      EXPECT_GT(largest, 0) << "result " << i;
    }
  }
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

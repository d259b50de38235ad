//===- GradientCheck.h - Gradients against finite differences ---*- C++ -*-===//
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
#ifndef NESTOR_TEST_LEARN_GRADIENTCHECK_H
#define NESTOR_TEST_LEARN_GRADIENTCHECK_H

#include "compiler/driver/Compile.h"
#include "compiler/learn/Gradient.h"
#include "compiler/reference/Evaluator.h"
#include "test/numerics/OpText.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <cmath>

namespace nestor::test {

using mlir::func::FuncOp;
using reference::TensorValue;

inline std::string type(const Dims &dims) { return test::tensorType(dims, "f64"); }

/// A function of arguments %a0, %a1, .. and %weights that computes %r by `body`
/// and returns the sum of %r * %weights.
inline std::string lossOf(const std::vector<Dims> &arguments, const Dims &result,
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
    original = mlir::parseSourceString<mlir::ModuleOp>(source, &context);
    if (!original)
      return;
    module = original->clone();
    llvm::SmallVector<unsigned> all =
        llvm::to_vector(llvm::seq(0u, mainOf(original).getNumArguments()));
    ok = mlir::succeeded(learn::appendGradients(mainOf(module), all)) &&
         mlir::succeeded(mlir::verify(*module));
  }
  static FuncOp mainOf(mlir::OwningOpRef<mlir::ModuleOp> &of) {
    return of->lookupSymbol<FuncOp>("main");
  }

  std::unique_ptr<mlir::MLIRContext> owner = driver::createContext();
  mlir::MLIRContext &context = *owner;
  mlir::OwningOpRef<mlir::ModuleOp> original, module;
  bool ok = false;
};

inline void checkGradients(const std::string &source, uint64_t seed, double low = -1,
                           double high = 1) {
  SCOPED_TRACE("seed " + std::to_string(seed) + ": " + source);
  Differentiated f(source);
  ASSERT_TRUE(f.ok);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> draw(low, high);
  llvm::SmallVector<TensorValue> arguments, values;
  for (mlir::Type argument : f.mainOf(f.original).getArgumentTypes()) {
    arguments.push_back(TensorValue::zeros(mlir::cast<mlir::RankedTensorType>(argument)));
    for (double &element : arguments.back().as<double>())
      element = draw(random);
  }
  ASSERT_TRUE(mlir::succeeded(reference::evaluate(f.mainOf(f.module), arguments, values)));
  auto lossWith = [&](double &element, double value) {
    double before = std::exchange(element, value);
    llvm::SmallVector<TensorValue> results;
    EXPECT_TRUE(mlir::succeeded(reference::evaluate(f.mainOf(f.original), arguments, results)));
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
inline std::string operation(const std::string &name, const std::vector<Dims> &arguments,
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

} // namespace nestor::test

#endif // NESTOR_TEST_LEARN_GRADIENTCHECK_H

//===- LearnTest.h - What tests of learning share ---------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_LEARN_LEARNTEST_H
#define NESTOR_TEST_LEARN_LEARNTEST_H

#include "compiler/driver/Compile.h"
#include "compiler/reference/Evaluator.h"

#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <random>

namespace nestor::test {

/// A context and a module from text.
class LearnTest : public ::testing::Test {
protected:
  mlir::OwningOpRef<mlir::ModuleOp> parse(llvm::StringRef text) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
    EXPECT_TRUE(module);
    return module;
  }

  /// What the reference evaluator makes of f32 inputs; the first result.
  std::vector<float> evaluate(mlir::func::FuncOp func,
                              llvm::ArrayRef<std::vector<float>> inputs) {
    llvm::SmallVector<reference::TensorValue> arguments, results;
    for (auto [type, values] : llvm::zip_equal(func.getArgumentTypes(), inputs)) {
      arguments.push_back(
          reference::TensorValue::zeros(mlir::cast<mlir::RankedTensorType>(type)));
      llvm::copy(values, arguments.back().as<float>().begin());
    }
    EXPECT_TRUE(mlir::succeeded(reference::evaluate(func, arguments, results)));
    llvm::ArrayRef<float> first = std::as_const(results.front()).as<float>();
    return {first.begin(), first.end()};
  }

  std::vector<float> draw(size_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float &value : values)
      value = normal(random);
    return values;
  }

  std::unique_ptr<mlir::MLIRContext> context = driver::createContext();
  std::mt19937_64 random{7};
};

} // namespace nestor::test

#endif // NESTOR_TEST_LEARN_LEARNTEST_H

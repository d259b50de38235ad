//===- EvaluatorTest.cpp - Evaluating a few lines of IR -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/reference/EvaluatorTest.h"

#include "compiler/ir/NestDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <cmath>

using namespace mlir;

namespace nestor::reference {

EvaluatorTest::EvaluatorTest() {
  context.loadDialect<nest::NestDialect, arith::ArithDialect, math::MathDialect,
                      func::FuncDialect>();
}

std::vector<TensorValue> EvaluatorTest::evaluate(const std::string &lines,
                                                 const std::string &types) {
  std::string source = "func.func @main() -> (" + types + ") {\n" + lines + "\n}";
  auto module = parseSourceString<ModuleOp>(source, &context);
  SmallVector<TensorValue> results;
  if (!module || failed(reference::evaluate(*module->getOps<func::FuncOp>().begin(), {}, results))) {
    ADD_FAILURE() << "cannot evaluate\n" << source;
    return {};
  }
  return {results.begin(), results.end()};
}

void EvaluatorTest::expect(const std::string &lines, const std::string &type,
                           const std::vector<double> &values, double tolerance) {
  std::vector<TensorValue> results = evaluate(lines, type);
  ASSERT_EQ(results.size(), 1u);
  expectElements(results.front(), values, tolerance);
}

void expectElements(const TensorValue &tensor, const std::vector<double> &values,
                    double tolerance) {
  ASSERT_EQ(size_t(tensor.size()), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    double actual = tensor.getDouble(i);
    if (std::isnan(values[i]))
      EXPECT_TRUE(std::isnan(actual)) << "element " << i << " is " << actual;
    else if (std::isinf(values[i]))
      EXPECT_EQ(actual, values[i]) << "element " << i;
    else
      EXPECT_NEAR(actual, values[i], tolerance) << "element " << i;
  }
}

} // namespace nestor::reference

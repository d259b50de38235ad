//===- EvaluatorTest.h - Evaluating a few lines of IR -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_REFERENCE_EVALUATORTEST_H
#define NESTOR_TEST_REFERENCE_EVALUATORTEST_H

#include "compiler/reference/Evaluator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nestor::reference {

class EvaluatorTest : public testing::Test {
protected:
  EvaluatorTest();

  /// The operands of the `return` that ends `lines`, which have `types`.
  std::vector<TensorValue> evaluate(const std::string &lines, const std::string &types);

  /// Expects `lines`, which return one tensor of `type`, to give `values`.
  void expect(const std::string &lines, const std::string &type, const std::vector<double> &values,
              double tolerance = 1e-6);

  mlir::MLIRContext context;
};

void expectElements(const TensorValue &tensor, const std::vector<double> &values,
                    double tolerance = 1e-6);

} // namespace nestor::reference

#endif // NESTOR_TEST_REFERENCE_EVALUATORTEST_H

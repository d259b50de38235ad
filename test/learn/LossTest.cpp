//===- LossTest.cpp - What training makes small ---------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "LearnTest.h"

#include "compiler/learn/Loss.h"

#include "mlir/IR/Verifier.h"

#include <cmath>

using namespace mlir;
using namespace nestor::learn;

namespace nestor::test {
namespace {

class LossTest : public LearnTest {
protected:
  func::FuncOp mainOf(ModuleOp module) { return module.lookupSymbol<func::FuncOp>("main"); }
};

/// A classifier that ends in a softmax, over [N, C, 1, 1] and transposed.
const char *const kSoftmax = R"(
func.func @main(%x: tensor<2x1x1x3xf32>) -> tensor<2x3x1x1xf32> {
  %0 = nest.softmax %x {axis = 3 : i64} : tensor<2x1x1x3xf32>
  %1 = nest.transpose %0 {perm = array<i64: 0, 3, 1, 2>} : (tensor<2x1x1x3xf32>) -> tensor<2x3x1x1xf32>
  return %1 : tensor<2x3x1x1xf32>
})";

double logSoftmax(ArrayRef<float> row, size_t index, double temperature) {
  double sum = 0;
  for (float value : row)
    sum += std::exp(value / temperature);
  return row[index] / temperature - std::log(sum);
}

TEST_F(LossTest, RecognizesClassifiers) {
  auto softmax = parse(kSoftmax);
  EXPECT_EQ(classesOf(mainOf(*softmax)), 3);
  auto image = parse("func.func @main(%x: tensor<2x3x4x1xf32>) -> tensor<2x3x4x1xf32> {\n"
                     "  return %x : tensor<2x3x4x1xf32>\n}");
  EXPECT_EQ(classesOf(mainOf(*image)), std::nullopt);
  auto number = parse("func.func @main(%x: tensor<2x1xf32>) -> tensor<2x1xf32> {\n"
                      "  return %x : tensor<2x1xf32>\n}");
  EXPECT_EQ(classesOf(mainOf(*number)), std::nullopt);
}

TEST_F(LossTest, LogitsAreWhatEntersTheSoftmax) {
  auto module = parse(kSoftmax);
  returnLogits(mainOf(*module));
  std::vector<float> x = draw(6);
  EXPECT_EQ(evaluate(mainOf(*module), {x}), x);
  EXPECT_TRUE(succeeded(verify(*module)));
}

/// A softmax over something else than classes stays.
TEST_F(LossTest, OtherSoftmaxesStay) {
  auto module = parse(R"(
func.func @main(%x: tensor<2x2x3xf32>) -> tensor<2x6xf32> {
  %0 = nest.softmax %x {axis = 2 : i64} : tensor<2x2x3xf32>
  %1 = nest.reshape %0 : (tensor<2x2x3xf32>) -> tensor<2x6xf32>
  return %1 : tensor<2x6xf32>
})");
  std::vector<float> x = draw(12), before = evaluate(mainOf(*module), {x});
  returnLogits(mainOf(*module));
  EXPECT_EQ(evaluate(mainOf(*module), {x}), before);
}

TEST_F(LossTest, CrossEntropyWithTeacherAndLabels) {
  for (double temperature : {1.0, 2.0})
    for (bool labels : {false, true}) {
      auto module = parse(kSoftmax);
      returnLogits(mainOf(*module));
      appendLoss(mainOf(*module), /*classifier=*/true, {temperature, labels, {}, {}});
      ASSERT_TRUE(succeeded(verify(*module)));
      std::vector<float> x = draw(6), soft{0.5, 0.25, 0.25, 0, 0.125, 0.5},
                         hard{0, 0.5, 0, 0, 0, 1};
      double expected = 0;
      for (size_t i = 0; i < 6; ++i) {
        ArrayRef<float> row = ArrayRef(x).slice(i / 3 * 3, 3);
        expected -= temperature * temperature * soft[i] * logSoftmax(row, i % 3, temperature) / 2;
        if (labels)
          expected -= hard[i] * logSoftmax(row, i % 3, 1) / 2;
      }
      std::vector<std::vector<float>> inputs{x, soft};
      if (labels)
        inputs.push_back(hard);
      std::vector<float> loss = evaluate(mainOf(*module), inputs);
      ASSERT_EQ(loss.size(), 1u);
      EXPECT_NEAR(loss[0], expected, 1e-5);
    }
}

TEST_F(LossTest, WeightedSquaredErrorOfEveryResult) {
  auto module = parse(R"(
func.func @main(%x: tensor<2x2xf32>, %y: tensor<3xf32>) -> (tensor<2x2xf32>, tensor<3xf32>) {
  return %x, %y : tensor<2x2xf32>, tensor<3xf32>
})");
  appendLoss(mainOf(*module), /*classifier=*/false, {1, false, {2, 0.5}, {}});
  ASSERT_TRUE(succeeded(verify(*module)));
  std::vector<float> loss =
      evaluate(mainOf(*module), {{1, 2, 3, 4}, {0, 0, 3}, {1, 0, 3, 4}, {0, 0, 0}});
  ASSERT_EQ(loss.size(), 1u);
  EXPECT_NEAR(loss[0], 2 * 4.0 / 4 + 0.5 * 9.0 / 3, 1e-6);
}

/// The function has two of the teacher's three channels.
TEST_F(LossTest, HintsCompareTheChannelsThatThereAre) {
  auto module = parse(R"(
func.func @main(%x: tensor<1xf32>, %y: tensor<2x2xf32>) -> (tensor<1xf32>, tensor<2x2xf32>) {
  return %x, %y : tensor<1xf32>, tensor<2x2xf32>
})");
  auto teacherType = RankedTensorType::get({2, 3}, Float32Type::get(module->getContext()));
  LossOptions options{1, false, {1, 0.5}, {{0, 2}}, 3};
  appendLoss(mainOf(*module), /*classifier=*/false, options, Type(teacherType));
  ASSERT_TRUE(succeeded(verify(*module)));
  std::vector<float> loss =
      evaluate(mainOf(*module), {{1}, {1, 2, 3, 4}, {3}, {1, 9, 4, 3, 9, 5}});
  ASSERT_EQ(loss.size(), 1u);
  EXPECT_NEAR(loss[0], 4 + 3 * 0.5 * (4 + 1) / 4, 1e-6);
}

} // namespace
} // namespace nestor::test

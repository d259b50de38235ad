//===- VerifyTest.cpp - Comparing outputs, taking samples from arrays -----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Verify.h"

#include "compiler/driver/Compile.h"

#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

using namespace nestor;
using driver::OutputComparison;
using reference::TensorValue;

namespace {

class VerifyTest : public testing::Test {
protected:
  TensorValue floats(std::vector<int64_t> shape, const std::vector<float> &values) {
    TensorValue tensor =
        TensorValue::zeros(mlir::RankedTensorType::get(shape, mlir::Float32Type::get(context.get())));
    llvm::copy(values, tensor.as<float>().begin());
    return tensor;
  }
  OutputComparison compare(const std::vector<float> &expected, const std::vector<float> &actual,
                           double tolerance = 1e-3) {
    OutputComparison comparison;
    auto extent = int64_t(expected.size());
    driver::compareOutput(floats({extent}, expected), floats({extent}, actual), 0, tolerance,
                          comparison);
    return comparison;
  }
  /// A module with the inputs `arguments`, such as "%a: tensor<2xf32> {nest.name = \"a\"}".
  mlir::OwningOpRef<mlir::ModuleOp> module(const std::string &arguments) {
    return mlir::parseSourceString<mlir::ModuleOp>(
        "func.func @main(" + arguments + ") { return }", context.get());
  }

  std::unique_ptr<mlir::MLIRContext> context = driver::createContext();
};

support::NpyArray bytesArray(std::vector<int64_t> shape, std::vector<uint8_t> data) {
  return {"u1", std::move(shape), std::move(data)};
}

TEST_F(VerifyTest, ErrorIsRelativeToTheRange) {
  OutputComparison close = compare({-10, 0, 10}, {-10, 0.01f, 10});
  EXPECT_NEAR(close.error, 0.01 / 20, 1e-9);
  EXPECT_EQ(close.minimum, -10);
  EXPECT_EQ(close.maximum, 10);
  EXPECT_TRUE(close.passed());
}

TEST_F(VerifyTest, NamesTheFirstBadElement) {
  OutputComparison bad = compare({0, 1, 2, 10}, {0, 1.001f, 2.5f, 9});
  ASSERT_TRUE(bad.firstBad);
  EXPECT_EQ(bad.firstBad->index, 2);
  EXPECT_EQ(bad.firstBad->expected, 2);
  EXPECT_EQ(bad.firstBad->actual, 2.5);
  EXPECT_FALSE(bad.passed());
}

TEST_F(VerifyTest, ConstantOutputsAreComparedAbsolutely) {
  EXPECT_TRUE(compare({3, 3}, {3, 3}).passed());
  EXPECT_FALSE(compare({3, 3}, {3, 3.00001f}).passed());
}

TEST_F(VerifyTest, NaNAndInfinityMustBeWhereTheyAreExpected) {
  EXPECT_TRUE(compare({NAN, INFINITY, 1, 2}, {NAN, INFINITY, 1, 2}).passed());
  EXPECT_FALSE(compare({0, 1, 2, 3}, {0, NAN, 2, 3}).passed());
  EXPECT_FALSE(compare({INFINITY, 1, 2}, {-INFINITY, 1, 2}).passed());
  EXPECT_FALSE(compare({NAN, 1, 2}, {5, 1, 2}).passed());
}

TEST_F(VerifyTest, ArgmaxCountsWhereItIsDecided) {
  OutputComparison comparison;
  // The first row is decided and moves, the second is too close to call.
  driver::compareOutput(floats({2, 2}, {1, 0.5f, 0.7f, 0.7001f}),
                        floats({2, 2}, {0.5f, 1, 0.7001f, 0.7f}), 0, 1e-3, comparison);
  EXPECT_EQ(comparison.decidedRows, 1);
  EXPECT_EQ(comparison.agreeingRows, 0);
  EXPECT_FALSE(comparison.passed());
}

TEST_F(VerifyTest, TheWorstRunIsKept) {
  OutputComparison comparison;
  for (auto [run, value] : llvm::enumerate(std::vector<float>{1, 1.5f, 1}))
    driver::compareOutput(floats({2}, {0, 1}), floats({2}, {0, value}), run, 1e-3, comparison);
  EXPECT_EQ(comparison.error, 0.5);
  ASSERT_TRUE(comparison.firstBad);
  EXPECT_EQ(comparison.firstBad->run, 1);
}

TEST_F(VerifyTest, SamplesLieAlongTheFirstDimension) {
  auto model = module("%a: tensor<1x2xf32> {nest.name = \"pixels\"}");
  support::NpzArchive archive{{"x", bytesArray({3, 2}, {1, 2, 3, 4, 5, 250})}};
  auto samples = driver::samplesFrom(archive, *model, 8);
  ASSERT_TRUE(bool(samples)) << llvm::toString(samples.takeError());
  ASSERT_EQ(samples->size(), 3u);
  EXPECT_EQ((*samples)[2][0].getDouble(1), 250);
  EXPECT_EQ(llvm::cantFail(driver::samplesFrom(archive, *model, 2)).size(), 2u);
}

TEST_F(VerifyTest, ArraysThatDoNotFitAreNamed) {
  auto model = module("%a: tensor<1x2xf32> {nest.name = \"a\"}, %b: tensor<1xf32> {nest.name = \"b\"}");
  auto messageFor = [&](const support::NpzArchive &archive) {
    auto samples = driver::samplesFrom(archive, *model, 8);
    return samples ? "" : llvm::toString(samples.takeError());
  };
  auto two = bytesArray({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(messageFor({{"a", two}}), "there is no array for the input 'b'");
  EXPECT_EQ(messageFor({{"a", bytesArray({3}, {1, 2, 3})}}),
            "array 'a' does not hold inputs of the model's shape");
  EXPECT_EQ(messageFor({{"a", two}, {"b", bytesArray({3, 1}, {1, 2, 3})}}),
            "array 'b' does not hold inputs of the model's shape");
  EXPECT_EQ(messageFor({{"a", two}, {"b", bytesArray({3}, {1, 2, 3})}}),
            "array 'b' holds another number of samples than the first one");
}

TEST_F(VerifyTest, RandomInputsRepeat) {
  auto model = module("%a: tensor<64xf32>, %b: tensor<64xi64>, %c: tensor<64xi1>");
  driver::Sample first = driver::randomSample(*model, 1), again = driver::randomSample(*model, 1);
  for (size_t i = 0; i < first.size(); ++i)
    EXPECT_EQ(first[i].bytes, again[i].bytes);
  EXPECT_NE(first[0].bytes, driver::randomSample(*model, 2)[0].bytes);
  for (int64_t i = 0; i < 64; ++i) {
    EXPECT_LT(std::abs(first[0].getDouble(i)), 1.0001);
    EXPECT_LT(first[1].getInt(i), 8);
    EXPECT_LE(uint8_t(first[2].bytes[i]), 1);
  }
}

} // namespace

//===- SamplesTest.cpp - Samples that fit an imported model ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Samples.h"

#include "compiler/driver/Compile.h"

#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace nestor;
using support::NpyArray;

namespace {

template <typename T>
NpyArray array(const char *dtype, std::vector<int64_t> shape, const std::vector<T> &values) {
  NpyArray array{dtype, std::move(shape), {}};
  array.data.resize(values.size() * sizeof(T));
  std::memcpy(array.data.data(), values.data(), array.data.size());
  return array;
}

class SamplesTest : public testing::Test {
protected:
  /// Samples of an input "x" of type `type`.
  llvm::Expected<learn::Dataset> read(const std::string &type, NpyArray samples) {
    module = mlir::parseSourceString<mlir::ModuleOp>(
        "func.func @main(%x: tensor<" + type + "> {nest.name = \"x\"}) -> tensor<" + type +
            "> { return %x : tensor<" + type + "> }",
        context.get());
    auto main = module->lookupSymbol<mlir::func::FuncOp>("main");
    return driver::samplesFor(main, {{"x", std::move(samples)}}, std::nullopt);
  }
  void expectValues(const std::string &type, NpyArray samples, std::vector<float> want) {
    auto data = read(type, std::move(samples));
    ASSERT_TRUE(bool(data)) << llvm::toString(data.takeError());
    std::vector<float> have(2);
    data->copy(1, 0, have);
    EXPECT_EQ(have, want) << type;
  }
  std::string errorOf(const std::string &type, NpyArray samples) {
    auto data = read(type, std::move(samples));
    return data ? "" : llvm::toString(data.takeError());
  }

  std::unique_ptr<mlir::MLIRContext> context = driver::createContext();
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

TEST_F(SamplesTest, IntegersBecomeFloats) {
  expectValues("1x2xsi32", array<int32_t>("i4", {2, 2}, {1, 2, -3, 1 << 24}), {-3, 1 << 24});
  expectValues("1x2xsi64", array<int64_t>("i8", {2, 2}, {1, 2, -3, 16000}), {-3, 16000});
  // No --scale: nothing is an image here.
  expectValues("1x2xui8", array<uint8_t>("u1", {2, 2}, {1, 2, 3, 255}), {3, 255});
}

TEST_F(SamplesTest, SaysWhatDoesNotFitIntegers) {
  EXPECT_EQ(errorOf("1x2xsi32", array<float>("f4", {1, 2}, {1, 2})),
            "'x' takes integers, and the samples are f4");
  EXPECT_EQ(errorOf("1x2xsi64", array<int64_t>("i8", {1, 2}, {1, (1 << 24) + 1})),
            "'x' holds 16777217; samples of integers go up to 16777216");
}

TEST_F(SamplesTest, SamplesComeOneByOne) {
  EXPECT_EQ(errorOf("3x2xf32", array<float>("f4", {1, 2}, {1, 2})),
            "the model takes 3 samples at once, and recovery gives it one: fix the first dimension "
            "to 1 (--shape), or leave the samples out");
}

TEST_F(SamplesTest, StatesAndScalarsAreWholeInEachSample) {
  module = mlir::parseSourceString<mlir::ModuleOp>(
      "func.func @main(%x: tensor<1x4xf32>, %state: tensor<2x1x3xf32>, %rate: tensor<si64>)"
      " -> tensor<1x4xf32> { return %x : tensor<1x4xf32> }",
      context.get());
  auto shapes = driver::sampleShapes(module->lookupSymbol<mlir::func::FuncOp>("main"));
  EXPECT_EQ(shapes[0].shape, (llvm::SmallVector<int64_t>{4}));
  EXPECT_EQ(shapes[1].shape, (llvm::SmallVector<int64_t>{2, 1, 3}));
  EXPECT_EQ(shapes[2].shape, (llvm::SmallVector<int64_t>{}));
}

} // namespace

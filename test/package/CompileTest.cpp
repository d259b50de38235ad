//===- CompileTest.cpp - Modules become artifacts that run ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/support/CompiledModel.h"

#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace nestor;
using namespace mlir;

namespace {

class CompileTest : public testing::Test {
protected:
  driver::CompileResult compile(StringRef text) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context.get());
    EXPECT_TRUE(module);
    return driver::compileModule(std::move(module), {}, *context);
  }
  std::unique_ptr<MLIRContext> context = driver::createContext();
};

std::string bytesOf(ArrayRef<float> values) {
  return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
}

std::vector<float> floatsOf(const std::string &bytes) {
  auto *begin = reinterpret_cast<const float *>(bytes.data());
  return {begin, begin + bytes.size() / sizeof(float)};
}

TEST_F(CompileTest, ReturnsInputsAndConstantsAndOneValueTwice) {
  test::CompiledModel model(compile(R"(
    func.func @main(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<2xf32>, tensor<3xf32>, tensor<3x1xf32>) {
      %c = nest.const dense<[1.0, 2.0]> : tensor<2xf32>
      %d = nest.map %x : tensor<3xf32> -> tensor<3xf32> {
      ^bb0(%a: f32):
        %s = arith.addf %a, %a : f32
        nest.yield %s : f32
      }
      %r = nest.reshape %d : (tensor<3xf32>) -> tensor<3x1xf32>
      return %x, %c, %d, %r : tensor<3xf32>, tensor<2xf32>, tensor<3xf32>, tensor<3x1xf32>
    })"));
  ASSERT_TRUE(model.ok()) << model.error();
  std::vector<std::string> outputs = model.run({bytesOf({1, -2, 3})});
  ASSERT_TRUE(model.ok()) << model.error();
  EXPECT_EQ(floatsOf(outputs[0]), (std::vector<float>{1, -2, 3}));
  EXPECT_EQ(floatsOf(outputs[1]), (std::vector<float>{1, 2}));
  EXPECT_EQ(floatsOf(outputs[2]), (std::vector<float>{2, -4, 6}));
  EXPECT_EQ(floatsOf(outputs[3]), (std::vector<float>{2, -4, 6}));
}

/// Running sums lie between the maps, so that they are not fused into one.
TEST_F(CompileTest, ChainRunsInPlace) {
  std::string text = "func.func @main(%v0: tensor<1024xf32>) -> tensor<1024xf32> {\n";
  for (int i = 0; i < 8; ++i) {
    std::string from = std::to_string(i), to = std::to_string(i + 1);
    text += "%s" + from + " = nest.cumsum %v" + from + " {axis = 0 : i64} : tensor<1024xf32>\n" +
            "%v" + to + " = nest.map %s" + from + R"( : tensor<1024xf32> -> tensor<1024xf32> {
      ^bb0(%a: f32):
        %h = arith.constant 0.5 : f32
        %s = arith.mulf %a, %h : f32
        nest.yield %s : f32
      })" + "\n";
  }
  text += "return %v8 : tensor<1024xf32>\n}";
  driver::CompileResult result = compile(text);
  ASSERT_TRUE(result.ok()) << result.message;
  EXPECT_LE(result.plan.manifest.capacities(0).arena_bytes(), 2 * 4096u);
  test::CompiledModel model(std::move(result));
  ASSERT_TRUE(model.ok()) << model.error();
  std::vector<float> input(1024, 0);
  input[0] = 1;
  std::vector<float> outputs = floatsOf(model.run({bytesOf(input)})[0]);
  EXPECT_FLOAT_EQ(outputs[0], 1 / 256.0f);
  EXPECT_FLOAT_EQ(outputs[1], 8 / 256.0f); // Binomials: 8 running sums of an impulse.
}

TEST_F(CompileTest, KeepsAValueThatIsReadLater) {
  test::CompiledModel model(compile(R"(
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %a = nest.cumsum %x {axis = 0 : i64} : tensor<4xf32>
      %b = nest.cumsum %a {axis = 0 : i64} : tensor<4xf32>
      %c = nest.cumsum %b {axis = 0 : i64} : tensor<4xf32>
      %d = nest.map %a, %b, %c : tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<4xf32> {
      ^bb0(%p: f32, %q: f32, %r: f32):
        %s = arith.addf %p, %q : f32
        %t = arith.addf %s, %r : f32
        nest.yield %t : f32
      }
      return %d : tensor<4xf32>
    })"));
  ASSERT_TRUE(model.ok()) << model.error();
  EXPECT_EQ(floatsOf(model.run({bytesOf({1, 0, 0, 0})})[0]), (std::vector<float>{3, 6, 10, 15}));
}

TEST_F(CompileTest, GivesTheSameBytesTwice) {
  StringRef text = R"(
    func.func @main(%x: tensor<5xf32>) -> tensor<5xf32> {
      %d = nest.map %x : tensor<5xf32> -> tensor<5xf32> {
      ^bb0(%a: f32):
        %s = math.exp %a : f32
        nest.yield %s : f32
      }
      return %d : tensor<5xf32>
    })";
  driver::CompileResult first = compile(text), second = compile(text);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(driver::toMemory(first)->getBuffer(), driver::toMemory(second)->getBuffer());
}

TEST_F(CompileTest, StoresEqualConstantsOnce) {
  driver::CompileResult result = compile(R"(
    func.func @main() -> (tensor<64xf32>, tensor<64xf32>, tensor<4x16xf32>) {
      %a = nest.const dense<1.5> : tensor<64xf32>
      %b = nest.const dense<2.5> : tensor<64xf32>
      %c = nest.const dense<1.5> : tensor<4x16xf32>
      return %a, %b, %c : tensor<64xf32>, tensor<64xf32>, tensor<4x16xf32>
    })");
  ASSERT_TRUE(result.ok()) << result.message;
  EXPECT_EQ(result.plan.weights.shellBytes(), ArrayRef<uint64_t>(2 * 256u));
}

} // namespace

//===- GraphTest.cpp - The network back from an artifact ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/package/NestedModel.h"

#include "compiler/driver/Compile.h"
#include "compiler/ir/Nested.h"
#include "compiler/package/Graph.h"
#include "compiler/package/GraphSection.h"
#include "compiler/package/Writer.h"
#include "compiler/reference/Evaluator.h"

#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

using namespace nestor;
using namespace mlir;
using nestor::package::ArtifactFile;

namespace {

/// What the functions of `module` compute on one random input each.
std::vector<std::vector<char>> evaluate(ModuleOp module) {
  std::vector<std::vector<char>> outputs;
  for (func::FuncOp function : nest::capacityFunctions(module)) {
    std::mt19937 random(3);
    SmallVector<reference::TensorValue> inputs, results;
    for (Type type : function.getArgumentTypes()) {
      inputs.push_back(reference::TensorValue::zeros(cast<RankedTensorType>(type)));
      for (float &value : inputs.back().as<float>())
        value = std::uniform_real_distribution<float>(-1, 1)(random);
    }
    EXPECT_TRUE(succeeded(reference::evaluate(function, inputs, results)));
    outputs.push_back(results.front().bytes);
  }
  return outputs;
}

/// Puts random floats where `text`, a module, has `key` for a resource.
void fill(std::string &text, StringRef key, size_t floats) {
  std::mt19937 random(floats);
  std::string hex = "0x40000000"; // The alignment.
  for (size_t i = 0; i < floats; ++i) {
    float value = std::uniform_real_distribution<float>(-1, 1)(random);
    hex += llvm::toHex(StringRef(reinterpret_cast<const char *>(&value), sizeof(value)));
  }
  text.replace(text.find(key), key.size(), hex);
}

class GraphTest : public testing::Test {
protected:
  void compile(StringRef text, std::unique_ptr<llvm::MemoryBuffer> &bytes,
               const driver::CompileOptions &options = {}) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context.get());
    ASSERT_TRUE(module);
    expected = evaluate(*module);
    result = driver::compileModule(std::move(module), options, *context);
    ASSERT_TRUE(result.ok()) << result.message;
    bytes = driver::toMemory(result);
  }
  void SetUp() override { compile(test::nestedModel(), bytes); }

  llvm::Expected<OwningOpRef<ModuleOp>> read(StringRef file, unsigned capacity) {
    auto opened = ArtifactFile::fromMemory(llvm::MemoryBufferRef(file, "file"));
    if (!opened)
      return opened.takeError();
    return opened->readGraph(capacity, *context);
  }
  const format::Section &section(format::SectionKind kind, unsigned index = 0) const {
    return *llvm::find_if(result.plan.manifest.sections(), [&](const format::Section &section) {
      return section.kind() == kind && section.index() == index;
    });
  }

  /// The same file with another graph section.
  std::unique_ptr<llvm::MemoryBuffer> withGraph(std::string section) {
    format::Manifest &manifest = result.plan.manifest;
    manifest.clear_sections(); // The writer adds these.
    manifest.clear_targets();
    for (format::Kernel &kernel : *manifest.mutable_kernels())
      kernel.clear_entry();
    result.plan.graph = std::move(section);
    return driver::toMemory(result);
  }

  std::unique_ptr<MLIRContext> context = driver::createContext();
  std::vector<std::vector<char>> expected;
  driver::CompileResult result;
  std::unique_ptr<llvm::MemoryBuffer> bytes;
};

TEST_F(GraphTest, EveryCapacityComesBackBitForBit) {
  for (unsigned capacity = 0; capacity < 3; ++capacity) {
    auto module = read(bytes->getBuffer(), capacity);
    ASSERT_TRUE(bool(module)) << toString(module.takeError());
    std::vector<std::vector<char>> outputs = evaluate(**module);
    ASSERT_EQ(outputs.size(), capacity + 1);
    for (unsigned i = 0; i <= capacity; ++i)
      EXPECT_EQ(outputs[i], expected[i]) << "capacity " << i << " of " << capacity;
  }
}

TEST_F(GraphTest, ACutFileHasTheCapacitiesThatItsShellsHave) {
  const format::Section &second = section(format::WEIGHTS, 1);
  StringRef cut = bytes->getBuffer().take_front(second.offset() + second.size());
  auto module = read(cut, 1);
  ASSERT_TRUE(bool(module)) << toString(module.takeError());
  EXPECT_EQ(evaluate(**module)[1], expected[1]);
  auto missing = read(cut, 2);
  ASSERT_FALSE(bool(missing));
  EXPECT_NE(toString(missing.takeError()).find("ends before the weights"), std::string::npos);
}

TEST_F(GraphTest, TheSectionHasNoWeights) {
  uint64_t weights = 0;
  for (uint64_t size : result.plan.weights.shellBytes())
    weights += size;
  EXPECT_LT(section(format::GRAPH).size(), weights / 4);
}

TEST_F(GraphTest, OneCapacityHasItsFiltersInTheShellToo) {
  std::string text = R"mlir(
    func.func @main(%x: tensor<1x6x6x32xf32>) -> tensor<1x6x6x32xf32> {
      %w = nest.const dense_resource<w> : tensor<3x3x32x32xf32>
      %d = nest.const dense_resource<d> : tensor<3x3x1x32xf32>
      %g = nest.const dense_resource<g> : tensor<1x1x8x32xf32>
      %0 = nest.conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
        dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>,
        groups = 1 : i64} : (tensor<1x6x6x32xf32>, tensor<3x3x32x32xf32>) -> tensor<1x6x6x32xf32>
      %1 = nest.conv %0, %d {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
        dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>,
        groups = 32 : i64} : (tensor<1x6x6x32xf32>, tensor<3x3x1x32xf32>) -> tensor<1x6x6x32xf32>
      %2 = nest.conv %1, %g {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>,
        dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
        groups = 4 : i64} : (tensor<1x6x6x32xf32>, tensor<1x1x8x32xf32>) -> tensor<1x6x6x32xf32>
      return %2 : tensor<1x6x6x32xf32>
    }
    {-# dialect_resources: {builtin: {w: "@W", d: "@D", g: "@G"}} #-}
  )mlir";
  fill(text, "@W", 9 * 32 * 32);
  fill(text, "@D", 9 * 32);
  fill(text, "@G", 8 * 32);
  std::unique_ptr<llvm::MemoryBuffer> file;
  compile(text, file);
  EXPECT_LT(section(format::GRAPH).size(), 4096u);
  auto module = read(file->getBuffer(), 0);
  ASSERT_TRUE(bool(module)) << toString(module.takeError());
  EXPECT_EQ(evaluate(**module), expected);
}

/// A filter that is transformed for a convolution of stride 2.
TEST_F(GraphTest, TransformedFiltersComeBack) {
  std::string text = R"mlir(
    func.func @main(%x: tensor<1x32x32x64xf32>) -> tensor<1x16x16x64xf32> {
      %w = nest.const dense_resource<w> : tensor<3x3x64x64xf32>
      %0 = nest.conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
        dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 1>, padEnd = array<i64: 1, 0>,
        groups = 1 : i64} : (tensor<1x32x32x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x16x16x64xf32>
      return %0 : tensor<1x16x16x64xf32>
    }
    {-# dialect_resources: {builtin: {w: "@W"}} #-}
  )mlir";
  fill(text, "@W", 9 * 64 * 64);
  driver::CompileOptions options;
  options.optimize = driver::Optimize::Latency;
  std::unique_ptr<llvm::MemoryBuffer> file;
  compile(text, file, options);
  auto contents = package::decodeGraph(result.plan.graph);
  ASSERT_TRUE(bool(contents)) << toString(contents.takeError());
  size_t stride = contents->text.find("nest.winograd_stride = 2");
  ASSERT_NE(stride, std::string::npos);
  auto module = read(file->getBuffer(), 0);
  ASSERT_TRUE(bool(module)) << toString(module.takeError());
  std::vector<std::vector<char>> outputs = evaluate(**module);
  ASSERT_EQ(outputs.size(), expected.size());
  for (size_t i = 0; i < expected.front().size(); i += sizeof(float)) {
    float original, restored;
    std::memcpy(&original, &expected.front()[i], sizeof(float));
    std::memcpy(&restored, &outputs.front()[i], sizeof(float));
    ASSERT_NEAR(original, restored, 1e-4);
  }

  contents->text[stride + std::strlen("nest.winograd_stride = ")] = '3';
  auto damaged = read(withGraph(package::encodeGraph(*contents))->getBuffer(), 0);
  ASSERT_FALSE(bool(damaged));
  EXPECT_EQ(toString(damaged.takeError()), "the graph section has a filter of an impossible structure");
}

TEST_F(GraphTest, TheSameModuleGivesTheSameBytes) {
  std::string first = result.plan.graph;
  result = driver::CompileResult(); // Before the context that it lives in.
  context = driver::createContext();
  // The names of resources depend on what a context has seen before.
  OwningOpRef<ModuleOp> another = parseSourceString<ModuleOp>(test::nestedModel(), context.get());
  std::unique_ptr<llvm::MemoryBuffer> again;
  compile(test::nestedModel(), again);
  EXPECT_EQ(result.plan.graph, first);
}

TEST_F(GraphTest, HashesFindDamage) {
  std::string file = bytes->getBuffer().str();
  const format::Section &graph = section(format::GRAPH), &shell = section(format::WEIGHTS, 1);
  for (uint64_t at : {uint64_t(20), uint64_t(70), graph.offset() + 40, shell.offset() + 4}) {
    std::string damaged = file;
    damaged[at] ^= 16;
    auto module = read(damaged, 2);
    ASSERT_FALSE(bool(module)) << "byte " << at;
    EXPECT_NE(toString(module.takeError()).find("damaged"), std::string::npos);
  }
}

/// Whoever makes the hashes fit meets errors, not crashes.
TEST_F(GraphTest, DamagedTextsAreErrors) {
  auto contents = package::decodeGraph(result.plan.graph);
  ASSERT_TRUE(bool(contents)) << toString(contents.takeError());
  std::mt19937 random(5);
  unsigned errors = 0;
  for (unsigned round = 0; round < 300; ++round) {
    package::GraphContents damaged = *contents;
    for (unsigned flips = 1 + random() % 3; flips; --flips)
      damaged.text[random() % damaged.text.size()] ^= 1 << random() % 8;
    auto module = read(withGraph(package::encodeGraph(damaged))->getBuffer(), 2);
    errors += !module;
    if (!module)
      consumeError(module.takeError());
  }
  EXPECT_GT(errors, 100u);
}

TEST_F(GraphTest, SizesAreBoundedBeforeMemoryIsTaken) {
  std::string section = result.plan.graph;
  for (size_t field : {16, 24}) {
    std::string damaged = section;
    uint64_t size = uint64_t(1) << 60;
    std::memcpy(&damaged[field], &size, sizeof(size));
    auto contents = package::decodeGraph(damaged);
    ASSERT_FALSE(bool(contents));
    EXPECT_EQ(toString(contents.takeError()), "the graph section gives sizes that it cannot have");
  }
}

} // namespace

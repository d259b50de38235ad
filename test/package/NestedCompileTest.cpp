//===- NestedCompileTest.cpp - One file, several capacities ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/package/NestedModel.h"
#include "test/support/CompiledModel.h"

#include "compiler/ir/Nested.h"
#include "compiler/package/Writer.h"
#include "compiler/reference/Evaluator.h"

#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

using namespace nestor;
using namespace mlir;

namespace {

class NestedCompileTest : public testing::Test {
protected:
  void SetUp() override {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(test::nestedModel(), context.get());
    ASSERT_TRUE(module);
    input.resize(test::nestedModelInputs);
    std::mt19937 random(7);
    for (float &value : input)
      value = std::uniform_real_distribution<float>(-1, 1)(random);
    for (func::FuncOp func : nest::capacityFunctions(*module))
      expected.push_back(evaluate(func));
    result = driver::compileModule(std::move(module), {}, *context);
    ASSERT_TRUE(result.ok()) << result.message;
    bytes = driver::toMemory(result);
  }

  std::vector<float> evaluate(func::FuncOp func) {
    reference::TensorValue value = reference::TensorValue::zeros(cast<RankedTensorType>(func.getArgumentTypes()[0]));
    llvm::copy(input, value.as<float>().begin());
    SmallVector<reference::TensorValue> results;
    EXPECT_TRUE(succeeded(reference::evaluate(func, value, results)));
    return results.front().as<float>().vec();
  }

  /// Runs what the first `size` bytes of the file hold at capacity `index`.
  std::vector<float> run(size_t size, size_t index, unsigned threads = 1) {
    auto artifact = Artifact::open(bytes->getBufferStart(), size);
    EXPECT_TRUE(artifact.ok()) << artifact.status().message();
    auto session = artifact.value().session(
        SessionOptions()
            .capacity(artifact.value().capacities()[index].capacity)
            .threads(threads)
            .share_above_ns(0));
    EXPECT_TRUE(session.ok()) << session.status().message();
    EXPECT_TRUE(session.value().input(0).copy_from(input).ok());
    EXPECT_TRUE(session.value().run().ok());
    std::vector<float> output(test::nestedModelOutputs);
    EXPECT_TRUE(session.value().output(0).copy_to(output).ok());
    return output;
  }
  size_t size() const { return bytes->getBufferSize(); }
  const format::Manifest &manifest() const { return result.plan.manifest; }
  /// The section of a shell.
  const format::Section &shell(unsigned index) const {
    return *llvm::find_if(manifest().sections(), [&](const format::Section &section) {
      return section.kind() == format::WEIGHTS && section.index() == index;
    });
  }

  std::unique_ptr<MLIRContext> context = driver::createContext();
  std::vector<float> input;
  std::vector<std::vector<float>> expected;
  driver::CompileResult result;
  std::unique_ptr<llvm::MemoryBuffer> bytes;
};

TEST_F(NestedCompileTest, EveryCapacityComputesWhatItsFunctionSays) {
  ASSERT_EQ(manifest().capacities_size(), 3);
  for (size_t index = 0; index < 3; ++index) {
    std::vector<float> output = run(size(), index);
    EXPECT_LE(test::relativeError(output, expected[index]), 1e-5) << "capacity " << index;
    for (unsigned threads : {2, 3, 7})
      EXPECT_EQ(run(size(), index, threads), output) << "capacity " << index;
  }
  EXPECT_GT(test::relativeError(expected[0], expected[2]), 0.01) << "the capacities must differ";
}

TEST_F(NestedCompileTest, WeightsAreStoredOnce) {
  // Floats of the full filters in whole panels, and of all biases.
  auto panels = [](uint64_t outputs) { return (outputs + 15) / 16 * 16; };
  uint64_t filters = 4 * (9 * 3 * panels(40) + 9 * panels(40) + 40 * panels(21) +
                          9 * 61 * (panels(40) + panels(21)) + 61 * panels(10));
  EXPECT_EQ(manifest().capacities(2).weight_bytes(), filters);
  uint64_t sum = 0;
  for (uint64_t size : result.plan.weights.shellBytes())
    sum += size;
  const std::pair<int, int> widths[] = {{8, 5}, {24, 16}, {40, 21}};
  uint64_t biases = 0;
  for (auto [index, width] : llvm::enumerate(widths)) {
    auto [a, c] = width;
    uint64_t floats = 2 * a + c + (a + c) + 10;
    EXPECT_EQ(manifest().capacities(index).private_bytes(), 4 * floats);
    biases += 4 * floats;
  }
  EXPECT_GE(sum, filters + biases);
  EXPECT_LE(sum, filters + biases + 15 * 64); // Each bias starts at a multiple of 64.
}

TEST_F(NestedCompileTest, ACapacityReadsItsShellsOnly) {
  for (auto [index, capacity] : llvm::enumerate(manifest().capacities())) {
    EXPECT_EQ(capacity.shells(), index + 1);
    uint64_t last = 0;
    for (const format::Step &step : capacity.steps())
      for (const format::StepArg &arg : step.args())
        if (arg.space() == format::WEIGHT_SHELL)
          last = std::max<uint64_t>(last, arg.index());
    EXPECT_EQ(last, index);
  }
}

TEST_F(NestedCompileTest, CapacitiesShareKernels) {
  std::set<uint32_t> kernels;
  for (const format::Step &step : manifest().capacities(2).steps())
    kernels.insert(step.kernel());
  // Those that move data are static in all extents.
  for (auto [index, kernel] : llvm::enumerate(manifest().kernels()))
    EXPECT_TRUE(kernels.count(index) || StringRef(kernel.signature()).starts_with("concat")) << kernel.signature();
}

TEST_F(NestedCompileTest, ACutFileHasTheCapacitiesThatAreWholeInIt) {
  for (unsigned last = 0; last < 2; ++last) {
    const format::Section &next = shell(last + 1);
    for (size_t cut : {shell(last).offset() + shell(last).size(), next.offset() + next.size() - 1}) {
      auto artifact = Artifact::open(bytes->getBufferStart(), cut);
      ASSERT_TRUE(artifact.ok()) << artifact.status().message();
      EXPECT_EQ(artifact.value().capacities().size(), last + 1);
      EXPECT_FALSE(artifact.value().complete());
      for (unsigned index = 0; index <= last; ++index)
        EXPECT_EQ(run(cut, index), run(size(), index));
    }
  }
  EXPECT_FALSE(Artifact::open(bytes->getBufferStart(), shell(0).offset() + shell(0).size() - 1).ok());
}

/// What `nestorc export` does: filters come back out of the file.
TEST_F(NestedCompileTest, FiltersCanBeReadBack) {
  ASSERT_EQ(result.plan.weights.filters().size(), 5u);
  for (const package::StoredFilter &stored : result.plan.weights.filters()) {
    nest::GlobalOp global = stored.global;
    reference::TensorValue value = reference::TensorValue::fromAttr(global.getValue());
    std::vector<char> filter(value.bytes.size());
    for (auto [block, number] : llvm::enumerate(stored.weights)) {
      ASSERT_TRUE(number);
      const package::Weight &weight = result.plan.weights.weights()[*number];
      const char *place = bytes->getBufferStart() + shell(weight.shell).offset() + weight.offset;
      stored.blocks.unpack(block, {place, size_t(weight.size)}, filter);
    }
    EXPECT_EQ(filter, value.bytes) << global.getName().str();
  }
}

TEST_F(NestedCompileTest, TheGraphSectionIsStored) {
  auto module = parseSourceString<ModuleOp>(test::nestedModel(), context.get());
  driver::CompileResult with = driver::compileModule(std::move(module), {}, *context);
  ASSERT_TRUE(with.ok());
  with.plan.graph = "what export reads";
  auto memory = driver::toMemory(with);
  const format::Section *graph = nullptr;
  for (const format::Section &section : with.plan.manifest.sections())
    if (section.kind() == format::GRAPH)
      graph = &section;
  ASSERT_TRUE(graph);
  EXPECT_EQ(memory->getBuffer().substr(graph->offset(), graph->size()), "what export reads");
  EXPECT_TRUE(Artifact::open(memory->getBufferStart(), memory->getBufferSize(),
                             ArtifactOptions().verify(Verify::all)).ok());
}

/// The runtime takes the extents of as many parts as kernels do.
TEST(ManyPartsTest, AFilterOfManyPartsOpens) {
  std::string parts = "array<i64: 2, 4>";
  for (int i = 1; i < 9; ++i)
    parts += ", array<i64: 2, 4>";
  std::string text = "nest.global @w = dense<0.5> : tensor<1x36x8xf32> edges [[], [" + parts + "], []]\n";
  for (auto [name, capacity, channels] : {std::tuple("capacity_0", 0, 18), std::tuple("main", 1, 36)}) {
    std::string n = std::to_string(channels);
    text += "func.func @" + std::string(name) + "(%x: tensor<1x5x1xf32>) -> tensor<1x5x8xf32> {\n"
            "  %s = nest.const dense<1.0> : tensor<1x1x" + n + "xf32>\n"
            "  %z = nest.conv %x, %s {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>, "
            "padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64} : (tensor<1x5x1xf32>, "
            "tensor<1x1x" + n + "xf32>) -> tensor<1x5x" + n + "xf32>\n"
            "  %w = nest.weight @w at " + std::to_string(capacity) + " : tensor<1x" + n + "x8xf32>\n"
            "  %y = nest.conv %z, %w {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>, "
            "padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64} : (tensor<1x5x" + n + "xf32>, "
            "tensor<1x" + n + "x8xf32>) -> tensor<1x5x8xf32>\n  return %y : tensor<1x5x8xf32>\n}\n";
  }
  auto context = driver::createContext();
  test::CompiledModel model(driver::compileModule(parseSourceString<ModuleOp>(text, context.get()), {}, *context));
  ASSERT_TRUE(model.ok()) << model.error();
  std::vector<float> ones(5, 1.0f);
  for (float expected : {9.0f, 18.0f}) {
    ASSERT_TRUE(model.session().set_capacity(expected / 18).ok());
    std::vector<std::string> outputs = model.run({std::string(reinterpret_cast<char *>(ones.data()), 20)});
    ASSERT_TRUE(model.ok()) << model.error();
    EXPECT_EQ(*reinterpret_cast<const float *>(outputs[0].data()), expected);
  }
}

TEST(EqualCapacitiesTest, AreAnError) {
  std::string text;
  for (std::string name : {"capacity_0", "main"})
    text += "func.func @" + name + "(%x: tensor<3xf32>) -> tensor<3xf32> {\n  %y = nest.cumsum %x {axis = 0 : i64} : "
            "tensor<3xf32>\n  return %y : tensor<3xf32>\n}\n";
  auto context = driver::createContext();
  driver::CompileResult result =
      driver::compileModule(parseSourceString<ModuleOp>(text, context.get()), {}, *context);
  EXPECT_FALSE(result.ok());
  EXPECT_NE(result.message.find("capacity 1 has no more multiply-accumulates"), std::string::npos) << result.message;
}

} // namespace

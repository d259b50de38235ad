//===- NestedRecurrentTest.cpp - Recurrent weights that capacities share --===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/NestedText.h"
#include "test/support/CompiledModel.h"

#include "compiler/ir/Nested.h"
#include "compiler/package/Graph.h"
#include "compiler/package/GraphSection.h"
#include "compiler/package/Writer.h"
#include "compiler/reference/Evaluator.h"

#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace nestor;
using namespace mlir;
using nestor::test::arrayAttr;
using nestor::test::Dims;
using nestor::test::randomDense;
using nestor::test::tensorType;

namespace {

/// Hidden units of the first layer by capacity; those of the second stay.
const Dims kHidden = {8, 24, 40};
constexpr int64_t kInputs = 6, kSteps = 4, kOutputs = 10;

std::string layer(const std::string &kind, size_t results, const std::string &operands,
                  const std::string &types, const std::string &resultTypes,
                  const std::string &attributes) {
  return "  %" + kind + ":" + std::to_string(results) + " = \"nest." + kind + "\"(" + operands +
         ") {" + attributes + "} : (" + types + ") -> (" + resultTypes + ")\n";
}

std::string weight(const std::string &name, size_t capacity, const Dims &shape) {
  return "  %" + name + " = nest.weight @" + name + " at " + std::to_string(capacity) + " : " +
         tensorType(shape) + "\n";
}

/// A bidirectional GRU that shrinks, and an LSTM that reads both directions.
std::string function(size_t capacity) {
  int64_t h = kHidden[capacity];
  Dims x = {kSteps, 1, kInputs}, w = {2, 3 * h, kInputs}, r = {2, 3 * h, h}, b = {2, 6 * h};
  Dims v = {1, 4 * kOutputs, 2 * h}, s = {1, 4 * kOutputs, kOutputs}, last = {1, 1, kOutputs};
  Dims both = {kSteps, 2, 1, h}, turned = {kSteps, 1, 2, h}, joined = {kSteps, 1, 2 * h};
  auto activations = [](const std::string &names, size_t count) {
    std::string numbers = arrayAttr(Dims(count, 0), "f64");
    return "activations = [" + names + "], activationAlpha = " + numbers +
           ", activationBeta = " + numbers;
  };
  std::string name = capacity == 2 ? "main" : "capacity_" + std::to_string(capacity);
  return "func.func @" + name + "(%x: " + tensorType(x) + " {nest.name = \"x\"}) -> (" +
         tensorType(last) + " {nest.name = \"y\"}) {\n" + weight("w", capacity, w) +
         weight("r", capacity, r) + "  %b = nest.const " + randomDense(b, capacity) + "\n" +
         layer("gru", 2, "%x, %w, %r, %b",
               tensorType(x) + ", " + tensorType(w) + ", " + tensorType(r) + ", " + tensorType(b),
               tensorType(both) + ", " + tensorType({2, 1, h}),
               activations("\"Sigmoid\", \"Tanh\", \"Sigmoid\", \"Tanh\"", 4) +
                   ", direction = #nest.direction<bidirectional>, "
                   "operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0>") +
         "  %t = nest.transpose %gru#0 {perm = array<i64: 0, 2, 1, 3>} : (" + tensorType(both) +
         ") -> " + tensorType(turned) + "\n  %j = nest.reshape %t : (" + tensorType(turned) +
         ") -> " + tensorType(joined) + "\n" + weight("v", capacity, v) + weight("s", capacity, s) +
         layer("lstm", 3, "%j, %v, %s",
               tensorType(joined) + ", " + tensorType(v) + ", " + tensorType(s),
               tensorType({kSteps, 1, 1, kOutputs}) + ", " + tensorType(last) + ", " +
                   tensorType(last),
               activations("\"Sigmoid\", \"Tanh\", \"Tanh\"", 3) +
                   ", direction = #nest.direction<forward>, "
                   "operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>") +
         "  return %lstm#1 : " + tensorType(last) + "\n}\n";
}

std::string nestedLayers() {
  int64_t h = kHidden.back();
  std::string units = arrayAttr(kHidden), gates = "[" + units + ", " + units + ", " + units + "]";
  auto global = [](const std::string &name, const Dims &shape, const std::string &edges) {
    return "nest.global @" + name + " = " + randomDense(shape, shape[2], 0.5f) + " edges " + edges +
           "\n";
  };
  return global("w", {2, 3 * h, kInputs}, "[[], " + gates + ", []]") +
         global("r", {2, 3 * h, h}, "[[], " + gates + ", [" + units + "]]") +
         global("v", {1, 4 * kOutputs, 2 * h}, "[[], [], [" + units + ", " + units + "]]") +
         global("s", {1, 4 * kOutputs, kOutputs}, "[[], [], []]") + function(0) + function(1) +
         function(2);
}

class NestedRecurrentTest : public testing::Test {
protected:
  void SetUp() override {
    for (int64_t i = 0; i < kSteps * kInputs; ++i)
      input.push_back(float(i % 7) / 7 - 0.5f);
    compile(nestedLayers());
  }

  void compile(const std::string &text) {
    auto module = parseSourceString<ModuleOp>(text, context.get());
    ASSERT_TRUE(module);
    expected = evaluate(*module);
    result = driver::compileModule(std::move(module), {}, *context);
    ASSERT_TRUE(result.ok()) << result.message;
    bytes = driver::toMemory(result);
  }

  std::vector<std::vector<float>> evaluate(ModuleOp module) {
    std::vector<std::vector<float>> outputs;
    for (func::FuncOp func : nest::capacityFunctions(module)) {
      auto type = cast<RankedTensorType>(func.getArgumentTypes()[0]);
      reference::TensorValue value = reference::TensorValue::zeros(type);
      llvm::copy(input, value.as<float>().begin());
      SmallVector<reference::TensorValue> results;
      EXPECT_TRUE(succeeded(reference::evaluate(func, value, results)));
      outputs.push_back(results.front().as<float>().vec());
    }
    return outputs;
  }

  /// Runs what the first `size` bytes of the file hold at capacity `index`.
  std::vector<float> run(size_t size, size_t index) {
    auto artifact = Artifact::open(bytes->getBufferStart(), size);
    EXPECT_TRUE(artifact.ok()) << artifact.status().message();
    float capacity = artifact.value().capacities()[index].capacity;
    auto session = artifact.value().session(SessionOptions().capacity(capacity));
    EXPECT_TRUE(session.ok()) << session.status().message();
    EXPECT_TRUE(session.value().input(0).copy_from(input).ok());
    EXPECT_TRUE(session.value().run().ok());
    std::vector<float> output(kOutputs);
    EXPECT_TRUE(session.value().output(0).copy_to(output).ok());
    return output;
  }

  const format::Manifest &manifest() const { return result.plan.manifest; }
  const format::Section &section(format::SectionKind kind, unsigned index = 0) const {
    return *llvm::find_if(manifest().sections(), [&](const format::Section &section) {
      return section.kind() == kind && section.index() == index;
    });
  }
  /// The end of a shell in the file.
  size_t endOf(unsigned shell) const {
    return section(format::WEIGHTS, shell).offset() + section(format::WEIGHTS, shell).size();
  }

  std::unique_ptr<MLIRContext> context = driver::createContext();
  std::vector<float> input;
  std::vector<std::vector<float>> expected;
  driver::CompileResult result;
  std::unique_ptr<llvm::MemoryBuffer> bytes;
};

TEST_F(NestedRecurrentTest, EveryCapacityComputesWhatItsFunctionSays) {
  for (size_t index = 0; index < 3; ++index)
    EXPECT_LE(test::relativeError(run(bytes->getBufferSize(), index), expected[index]), 1e-5);
  EXPECT_GT(test::relativeError(expected[0], expected[2]), 0.01) << "the capacities must differ";
}

TEST_F(NestedRecurrentTest, WeightsAreStoredOnce) {
  // The full layers in whole panels: 48 units for 40 and 16 for 10.
  uint64_t matrices = 4 * (2 * 3 * 48 * (kInputs + 40) + 4 * 16 * (2 * 40 + kOutputs));
  EXPECT_EQ(manifest().capacities(2).weight_bytes(), matrices);
  uint64_t stored = 0, biases = 0;
  for (uint64_t size : result.plan.weights.shellBytes())
    stored += size;
  for (auto [index, units] : llvm::enumerate(kHidden)) {
    // A packed bias: four rows of whole panels for each direction.
    uint64_t bias = 4 * 2 * 4 * llvm::alignTo(units, 16);
    EXPECT_EQ(manifest().capacities(index).private_bytes(), bias);
    biases += bias;
  }
  EXPECT_EQ(stored, matrices + biases);
}

TEST_F(NestedRecurrentTest, ACutFileHasTheCapacitiesThatAreWholeInIt) {
  for (unsigned last = 0; last < 2; ++last)
    for (unsigned index = 0; index <= last; ++index)
      EXPECT_EQ(run(endOf(last), index), run(bytes->getBufferSize(), index));
}

TEST_F(NestedRecurrentTest, TheGraphReadsTheWeightsOfTheShells) {
  auto contents = package::decodeGraph(result.plan.graph);
  ASSERT_TRUE(bool(contents)) << toString(contents.takeError());
  EXPECT_EQ(contents->constants.size(), 4u * 2 * 6 * (8 + 24 + 40)); // Biases, unpacked.
  for (unsigned capacity = 0; capacity < 3; ++capacity) {
    StringRef file = bytes->getBuffer().take_front(endOf(capacity));
    auto opened = package::ArtifactFile::fromMemory(llvm::MemoryBufferRef(file, "file"));
    ASSERT_TRUE(bool(opened)) << toString(opened.takeError());
    auto module = opened->readGraph(capacity, *context);
    ASSERT_TRUE(bool(module)) << toString(module.takeError());
    std::vector<std::vector<float>> outputs = evaluate(**module);
    ASSERT_EQ(outputs.size(), capacity + 1);
    for (unsigned index = 0; index <= capacity; ++index)
      EXPECT_EQ(outputs[index], expected[index]) << index << " of " << capacity;
  }
}

/// Structures that no recurrent layer has are errors, not crashes.
TEST_F(NestedRecurrentTest, DamagedPlacesAreErrors) {
  auto contents = package::decodeGraph(result.plan.graph);
  ASSERT_TRUE(bool(contents)) << toString(contents.takeError());
  auto read = [&](StringRef from, StringRef to) {
    package::GraphContents damaged = *contents;
    size_t at = damaged.text.find(from);
    EXPECT_NE(at, std::string::npos) << from.str();
    damaged.text.replace(at, from.size(), to);
    format::Manifest &manifest = result.plan.manifest;
    manifest.clear_sections(); // The writer adds these.
    manifest.clear_targets();
    for (format::Kernel &kernel : *manifest.mutable_kernels())
      kernel.clear_entry();
    result.plan.graph = package::encodeGraph(damaged);
    bytes = driver::toMemory(result);
    auto opened = package::ArtifactFile::fromMemory(*bytes);
    EXPECT_TRUE(bool(opened));
    return opened->readGraph(2, *context);
  };
  auto intact = read("array<i64: -3, ", "array<i64: -3, ");
  EXPECT_TRUE(bool(intact)) << toString(intact.takeError());
  for (StringRef form : {"-9223372036854775808", "-5", "-4", "-2", "3"}) {
    auto module = read("array<i64: -3, ", ("array<i64: " + form + ", ").str());
    ASSERT_FALSE(bool(module)) << form.str();
    EXPECT_NE(toString(module.takeError()).find("graph section"), std::string::npos);
  }
}

/// Without smaller capacities, weights are constants that were packed.
TEST_F(NestedRecurrentTest, OneCapacityHasItsWeightsInTheShellToo) {
  result = driver::CompileResult();
  compile("func.func @main(%x: tensor<4x1x6xf32> {nest.name = \"x\"}) -> (tensor<1x1x10xf32> "
          "{nest.name = \"y\"}) {\n  %w = nest.const " +
          randomDense({1, 10, 6}, 1) + "\n  %r = nest.const " + randomDense({1, 10, 10}, 2) + "\n" +
          layer("rnn", 2, "%x, %w, %r",
                "tensor<4x1x6xf32>, tensor<1x10x6xf32>, tensor<1x10x10xf32>",
                "tensor<4x1x1x10xf32>, tensor<1x1x10xf32>",
                "activations = [\"Tanh\"], activationAlpha = array<f64: 0.0>, activationBeta = "
                "array<f64: 0.0>, direction = #nest.direction<forward>, "
                "operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>") +
          "  return %rnn#1 : tensor<1x1x10xf32>\n}\n");
  auto contents = package::decodeGraph(result.plan.graph);
  ASSERT_TRUE(bool(contents)) << toString(contents.takeError());
  EXPECT_EQ(contents->constants, "");
  auto opened = package::ArtifactFile::fromMemory(*bytes);
  ASSERT_TRUE(bool(opened)) << toString(opened.takeError());
  auto module = opened->readGraph(0, *context);
  ASSERT_TRUE(bool(module)) << toString(module.takeError());
  EXPECT_EQ(evaluate(**module), expected);
}

} // namespace

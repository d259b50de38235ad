//===- BatchNormTest.cpp - Layers that normalise while they train ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "GradientCheck.h"
#include "LearnTest.h"

#include "compiler/learn/BatchNorm.h"
#include "compiler/learn/TrainingNetworks.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace nestor::learn;

namespace nestor::test {
namespace {

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

/// `text`, whose convolution reads arguments 1 to 3 as filter, scale and bias,
/// with that layer normalised.
std::string normalized(const std::string &text) {
  auto context = driver::createContext();
  auto module = parseSourceString<ModuleOp>(text, context.get());
  EXPECT_TRUE(module);
  ParameterizedFunction function;
  function.func = module->lookupSymbol<func::FuncOp>("main");
  function.inputs = 1;
  function.parameters = {0, 1, 2};
  normalizeLayers(function, NormalizedLayer{1, 2});
  EXPECT_TRUE(succeeded(verify(*module)));
  std::string result;
  llvm::raw_string_ostream stream(result);
  module->print(stream);
  return result;
}

std::string convAttributes(int rank, int kernel, int stride, int groups) {
  auto all = [&](int value) { return arrayAttr(Dims(rank, value)); };
  return "kernel = " + all(kernel) + ", strides = " + all(stride) + ", dilations = " + all(1) +
         ", padBegin = " + all(kernel / 2) + ", padEnd = " + all(kernel / 2) +
         ", groups = " + std::to_string(groups) + " : i64, operandSegmentSizes = "
         "array<i32: 1, 1, 1, 1, 0>";
}

TEST(BatchNormGradientTest, OfConvolutions) {
  struct Case {
    std::vector<Dims> arguments;
    Dims result;
    std::string attributes;
  };
  const Case cases[] = {
      {{{3, 4, 5, 2}, {3, 3, 2, 4}, {4}, {4}}, {3, 4, 5, 4}, convAttributes(2, 3, 1, 1)},
      {{{2, 5, 5, 3}, {3, 3, 1, 3}, {3}, {3}}, {2, 3, 3, 3}, convAttributes(2, 3, 2, 3)},
      {{{4, 7, 2}, {1, 2, 3}, {3}, {3}}, {4, 7, 3}, convAttributes(1, 1, 1, 1)},
  };
  for (const Case &one : cases)
    checkGradients(normalized(operation("nest.conv", one.arguments, one.result, one.attributes)),
                   5);
}

//===----------------------------------------------------------------------===//
// Networks
//===----------------------------------------------------------------------===//

constexpr int kSamples = 16, kWidth = 8, kNarrow = 3, kClasses = 4;

class BatchNormTest : public LearnTest {
protected:
  /// Two convolutions over an image, the second with the first one's input added,
  /// and one over a single pixel.
  static std::string function(const std::string &name, int capacity, int width) {
    std::string text = "func.func @" + name + "(%x: tensor<1x6x6x1xf32>) -> tensor<1x4xf32> {\n";
    std::string maps = llvm::formatv("tensor<1x6x6x{0}xf32>", width);
    text += conv(capacity, "h", "x", "a", 3, 1, width, 6);
    text += "  %r = nest.map %h : " + maps + " -> " + maps +
            " {\n  ^bb0(%v: f32):\n    %t = math.tanh %v : f32\n    nest.yield %t : f32\n  }\n";
    text += conv(capacity, "g", "r", "b", 1, width, width, 6);
    text += "  %s = nest.map %g, %r : " + maps + ", " + maps + " -> " + maps +
            " {\n  ^bb0(%v: f32, %w: f32):\n    %t = arith.addf %v, %w : f32\n"
            "    nest.yield %t : f32\n  }\n";
    text += llvm::formatv("  %p = nest.reduce %s {{kind = #nest.reduce_kind<mean>, axes = "
                          "array<i64: 1, 2>} : ({0}) -> tensor<1x1x1x{1}xf32>\n",
                          maps, width);
    text += conv(capacity, "y", "p", "c", 1, width, kClasses, 1);
    return text + "  %z = nest.reshape %y : (tensor<1x1x1x4xf32>) -> tensor<1x4xf32>\n"
                  "  return %z : tensor<1x4xf32>\n}\n";
  }

  static std::string conv(int capacity, const char *result, const char *input, const char *filter,
                          int kernel, int inputs, int outputs, int extent) {
    std::string vectors, types, text;
    std::string shape = llvm::formatv("{0}x{0}x{1}x{2}", kernel, inputs, outputs);
    if (capacity < 0) {
      text = llvm::formatv("  %w{0} = nest.const dense_resource<{1}> : tensor<{2}xf32>\n", result,
                           filter, shape);
    } else {
      text = llvm::formatv("  %w{0} = nest.weight @{1} at {2} : tensor<{3}xf32>\n"
                           "  %s{0} = nest.const dense<1.5> : tensor<{4}xf32>\n"
                           "  %b{0} = nest.const dense<0.25> : tensor<{4}xf32>\n",
                           result, filter, capacity, shape, outputs);
      vectors = llvm::formatv(" scale %s{0} bias %b{0}", result);
      types = llvm::formatv(", tensor<{0}xf32>, tensor<{0}xf32>", outputs);
    }
    return text +
           llvm::formatv("  %{0} = nest.conv %{1}, %w{0}{2} {{kernel = array<i64: {3}, {3}>, "
                         "strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = "
                         "array<i64: {4}, {4}>, padEnd = array<i64: {4}, {4}>, groups = 1 : i64} : "
                         "(tensor<1x{5}x{5}x{6}xf32>, tensor<{7}xf32>{8}) -> "
                         "tensor<1x{5}x{5}x{9}xf32>\n",
                         result, input, vectors, kernel, kernel / 2, extent, inputs, shape, types,
                         outputs)
               .str();
  }

  std::string resources() {
    std::string text = "{-# dialect_resources: { builtin: { ";
    for (auto [name, count] : {std::pair("a", 9 * kWidth), std::pair("b", kWidth * kWidth),
                               std::pair("c", kWidth * kClasses)}) {
      std::vector<float> values = draw(count);
      llvm::StringRef bytes(reinterpret_cast<const char *>(values.data()), values.size() * 4);
      text += (name[0] == 'a' ? "" : ", ") + std::string(name) + ": \"0x04000000" +
              llvm::toHex(bytes) + "\"";
    }
    return text + " } } #-}\n";
  }

  BatchNormTest() {
    std::string blobs = resources();
    teacher = parse(function("main", -1, kWidth) + blobs);
    nested = parse("nest.global @a = dense_resource<a> : tensor<3x3x1x8xf32> "
                   "edges [[], [], [], [array<i64: 3, 8>]]\n"
                   "nest.global @b = dense_resource<b> : tensor<1x1x8x8xf32> "
                   "edges [[], [], [array<i64: 3, 8>], [array<i64: 3, 8>]]\n"
                   "nest.global @c = dense_resource<c> : tensor<1x1x8x4xf32> "
                   "edges [[], [], [array<i64: 3, 8>], []]\n" +
                   function("capacity_0", 0, kNarrow) + function("main", 1, kWidth) + blobs);
    images = draw(kSamples * 36);
    support::NpyArray x{"f4", {kSamples, 6, 6, 1}, {}};
    x.data.assign(reinterpret_cast<uint8_t *>(images.data()),
                  reinterpret_cast<uint8_t *>(images.data() + images.size()));
    SampleShape shape{"x", {6, 6, 1}};
    data.emplace(llvm::cantFail(Dataset::fromNpz({{"x", x}}, shape, kClasses, std::nullopt)));
    networks = llvm::cantFail(TrainingNetworks::compile(*nested, *teacher, kSamples, 1));
    llvm::copy(images, networks->inputs().front().data());
  }

  std::vector<float> run(unsigned capacity) {
    networks->run(capacity);
    llvm::ArrayRef<float> result = networks->result(capacity, 0);
    return {result.begin(), result.end()};
  }

  /// What a capacity gives, by the reference evaluator, whose image layers
  /// normalise by the statistics of all samples.
  std::vector<float> normalizing(unsigned capacity) {
    std::string reason;
    OwningOpRef<ModuleOp> batched = nested->clone();
    func::FuncOp narrow = nest::capacityFunctions(*batched)[capacity];
    auto wide = withBatch(narrow, kSamples, reason);
    EXPECT_TRUE(wide) << reason;
    batched->insert(narrow, wide->clone());
    narrow.erase();
    ParameterSet set(*batched);
    ParameterizedFunction function = parameterize(nest::capacityFunctions(*batched)[capacity], set);
    std::vector<NormalizedLayer> layers = normalizableLayers(function);
    EXPECT_EQ(layers.size(), 2u); // Not the one over a single pixel.
    normalizeLayers(function, layers);
    std::vector<std::vector<float>> inputs{images};
    for (unsigned parameter : function.parameters)
      inputs.emplace_back(networks->values().data() + networks->layout().begin(parameter),
                          networks->values().data() + networks->layout().end(parameter));
    return evaluate(function.func, inputs);
  }

  static void expectNear(const std::vector<float> &have, const std::vector<float> &want) {
    ASSERT_EQ(have.size(), want.size());
    for (size_t i = 0; i < have.size(); ++i)
      EXPECT_NEAR(have[i], want[i], 1e-4 * (1 + std::fabs(want[i]))) << i;
  }

  OwningOpRef<ModuleOp> nested, teacher;
  std::vector<float> images;
  std::optional<Dataset> data;
  std::unique_ptr<TrainingNetworks> networks;
};

TEST_F(BatchNormTest, StartsAsTheSameFunction) {
  std::vector<float> before[] = {run(0), run(1)};
  ASSERT_FALSE(networks->normalize(*data));
  EXPECT_EQ(networks->normalizedLayers(), 4u);
  networks->fold();
  for (unsigned capacity : {0, 1}) {
    SCOPED_TRACE(capacity);
    expectNear(run(capacity), before[capacity]);
    expectNear(normalizing(capacity), before[capacity]);
  }
}

TEST_F(BatchNormTest, FoldingReproducesTheNormalizedNetwork) {
  ASSERT_FALSE(networks->normalize(*data));
  std::vector<float> noise = draw(networks->values().size());
  for (size_t i = 0; i < noise.size(); ++i)
    networks->values().data()[i] += 0.3f * noise[i];
  networks->fold();
  for (unsigned capacity : {0, 1}) {
    SCOPED_TRACE(capacity);
    expectNear(run(capacity), normalizing(capacity));
  }
}

/// The length of a filter is of no consequence, and so training cannot lose its
/// way along it.
TEST_F(BatchNormTest, FiltersMayHaveAnyLength) {
  ASSERT_FALSE(networks->normalize(*data));
  networks->fold();
  std::vector<float> before[] = {run(0), run(1)};
  for (unsigned i = 0; i < networks->parameters().size(); ++i)
    if (networks->parameters()[i].name == "a")
      for (size_t at = networks->layout().begin(i); at < networks->layout().end(i); ++at)
        networks->values().data()[at] *= 7;
  networks->fold();
  for (unsigned capacity : {0, 1})
    expectNear(run(capacity), before[capacity]);
}

} // namespace
} // namespace nestor::test

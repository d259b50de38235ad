//===- ViewsTest.cpp - Concatenations and slices that move nothing --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/NestedText.h"
#include "test/package/NestedModel.h"
#include "test/support/CompiledModel.h"

#include "compiler/ir/Nested.h"
#include "compiler/reference/Evaluator.h"

#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace nestor;
using namespace mlir;

namespace {

constexpr size_t kCapacities = 3;

/// A tensor<1x7x7xCxf32> of a network; its channels by capacity.
struct Tensor {
  std::string name;
  test::Dims channels;
};

/// Writes networks that are the same at every capacity but for their channels.
class GraphWriter {
public:
  explicit GraphWriter(uint64_t seed) : draw(seed), seed(seed), live{{"x", {3, 3, 3}}} {}

  /// ShuffleNet's units, then SqueezeNet's, by chance and in each other.
  std::string network() {
    conv(live.front());
    for (int64_t steps = draw(4, 7); steps > 0; --steps)
      step();
    Tensor joined = concat(live);
    return finish(conv(joined, 1));
  }
  std::string squeeze() {
    Tensor narrow = conv(live.front());
    Tensor pooled = pool(narrow);
    return finish(conv(concat({conv(narrow), conv(narrow, 3), depthwise(narrow), pooled}), 1));
  }
  /// Two units: halves of a joined tensor go by, or through layers.
  std::string shuffle() {
    Tensor a = conv(live.front()), b = conv(live.front());
    for (int unit = 0; unit < 2; ++unit) {
      Tensor joined = concat({a, b});
      auto [left, right] = halves(joined);
      b = conv(right, 3);
      a = left;
    }
    return finish(conv(concat({a, b}), 1));
  }

private:
  std::string type(const Tensor &tensor, size_t capacity) {
    return test::tensorType({1, 7, 7, tensor.channels[capacity]});
  }
  test::Dims drawChannels() {
    int64_t first = draw.of<int64_t>({1, 3, 5, 8, 14, 16, 29});
    return {first, first + draw.of<int64_t>({1, 3, 8}), first + draw.of<int64_t>({9, 16, 21})};
  }
  Tensor next(const test::Dims &channels) {
    live.push_back({"v" + std::to_string(++count), channels});
    return live.back();
  }
  const Tensor &choose() { return live[size_t(draw(0, int64_t(live.size()) - 1))]; }

  void step() {
    switch (draw(0, 5)) {
    case 0:
      depthwise(choose());
      return;
    case 1:
      pool(choose());
      return;
    case 2:
      halves(choose());
      return;
    case 3:
      concat({choose(), choose(), choose()});
      return;
    default:
      conv(choose(), draw.of<int64_t>({1, 3}));
    }
  }

  static std::string window(int64_t kernel) {
    test::Dims pads(2, kernel / 2);
    return "kernel = " + test::arrayAttr({kernel, kernel}) +
           ", strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = " + test::arrayAttr(pads) +
           ", padEnd = " + test::arrayAttr(pads);
  }
  void add(size_t capacity, const std::string &operation) { body[capacity] += "  " + operation + "\n"; }

  Tensor conv(const Tensor &input, int64_t kernel = 1) { return conv(input, drawChannels(), kernel, false); }
  Tensor depthwise(const Tensor &input) { return conv(input, input.channels, 3, true); }
  // By value: what they are given may lie in `live`, which grows.
  Tensor conv(const Tensor from, const test::Dims channels, int64_t kernel, bool isDepthwise) {
    Tensor to = next(channels);
    for (size_t i = 0; i < kCapacities; ++i) {
      test::Dims filter = {kernel, kernel, isDepthwise ? 1 : from.channels[i], channels[i]};
      add(i, "%w_" + to.name + " = nest.const " + test::randomDense(filter, seed * 100 + count * 3 + i, 0.2f));
      add(i, "%" + to.name + " = nest.conv %" + from.name + ", %w_" + to.name + " {" + window(kernel) +
                 ", groups = " + std::to_string(isDepthwise ? channels[i] : 1) + " : i64} : (" + type(from, i) + ", " +
                 test::tensorType(filter) + ") -> " + type(to, i) + " loc(\"" + to.name + "\")");
    }
    return to;
  }
  Tensor pool(const Tensor from) {
    Tensor to = next(from.channels);
    for (size_t i = 0; i < kCapacities; ++i)
      add(i, "%" + to.name + " = nest.pool %" + from.name + " {kind = #nest.pool_kind<max>, " + window(3) + "} : (" +
                 type(from, i) + ") -> " + type(to, i) + " loc(\"" + to.name + "\")");
    return to;
  }
  Tensor concat(const std::vector<Tensor> parts) {
    test::Dims channels(kCapacities, 0);
    for (const Tensor &part : parts)
      for (size_t i = 0; i < kCapacities; ++i)
        channels[i] += part.channels[i];
    Tensor to = next(channels);
    for (size_t i = 0; i < kCapacities; ++i) {
      std::string operands, types;
      for (const Tensor &part : parts) {
        operands += (operands.empty() ? "%" : ", %") + part.name;
        types += (types.empty() ? "" : ", ") + type(part, i);
      }
      add(i, "%" + to.name + " = nest.concat " + operands + " {axis = 3 : i64} : (" + types + ") -> " + type(to, i) +
                 " loc(\"" + to.name + "\")");
    }
    return to;
  }
  std::pair<Tensor, Tensor> halves(const Tensor from) {
    test::Dims first, second;
    for (int64_t channels : from.channels) {
      first.push_back((channels + 1) / 2);
      second.push_back(std::max<int64_t>(channels / 2, 1));
    }
    Tensor left = slice(from, first, /*isLast=*/false);
    return {left, slice(from, second, /*isLast=*/true)};
  }
  Tensor slice(const Tensor from, const test::Dims channels, bool isLast) {
    Tensor to = next(channels);
    for (size_t i = 0; i < kCapacities; ++i)
      add(i, "%" + to.name + " = nest.slice %" + from.name + " {starts = " +
                 test::arrayAttr({0, 0, 0, isLast ? from.channels[i] - channels[i] : 0}) +
                 ", steps = array<i64: 1, 1, 1, 1>} : (" + type(from, i) + ") -> " + type(to, i) + " loc(\"" + to.name +
                 "\")");
    return to;
  }
  std::string finish(const Tensor &result) {
    std::string text;
    for (size_t i = 0; i < kCapacities; ++i)
      text += "func.func @" + (i + 1 == kCapacities ? "main" : "capacity_" + std::to_string(i)) + "(%x: " +
              type(live.front(), i) + " {nest.name = \"x\"}) -> (" + test::tensorType({1, 7, 7, 8}) +
              " {nest.name = \"y\"}) {\n" + body[i] + last(result, i) + "}\n";
    return text;
  }
  /// The outputs of all capacities are of one shape.
  std::string last(const Tensor &from, size_t i) {
    test::Dims filter = {1, 1, from.channels[i], 8};
    std::string result = test::tensorType({1, 7, 7, 8});
    return "  %w = nest.const " + test::randomDense(filter, seed, 0.2f) + "\n  %y = nest.conv %" + from.name + ", %w {" +
           window(1) + ", groups = 1 : i64} : (" + type(from, i) + ", " + test::tensorType(filter) + ") -> " + result +
           " loc(\"y\")\n  return %y : " + result + "\n";
  }

  test::Draw draw;
  uint64_t seed;
  std::vector<Tensor> live;
  std::string body[kCapacities];
  int count = 0;
};

std::vector<float> outputOf(const Session &session) {
  std::vector<float> y(session.output(0).bytes() / sizeof(float));
  EXPECT_TRUE(session.output(0).copy_to(y).ok());
  return y;
}

class ViewsTest : public testing::Test {
protected:
  void compile(const std::string &text) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context.get());
    ASSERT_TRUE(module) << text;
    reference::TensorValue input =
        reference::TensorValue::zeros(RankedTensorType::get({1, 7, 7, 3}, Float32Type::get(context.get())));
    for (auto [i, value] : llvm::enumerate(input.as<float>()))
      value = float(int64_t(i * 37 % 101) - 50) / 50;
    x.assign(input.as<float>().begin(), input.as<float>().end());
    expected.clear();
    for (func::FuncOp func : nest::capacityFunctions(*module)) {
      SmallVector<reference::TensorValue> results;
      ASSERT_TRUE(succeeded(reference::evaluate(func, input, results)));
      expected.push_back(results.front().as<float>().vec());
    }
    result = driver::compileModule(std::move(module), {}, *context);
    ASSERT_TRUE(result.ok()) << result.message << '\n' << text;
    open();
  }
  void open() {
    bytes = driver::toMemory(result);
    auto opened = Artifact::open(bytes->getBufferStart(), bytes->getBufferSize());
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    artifact = opened.value();
  }
  Session session(size_t capacity, SessionOptions options = {}) {
    auto made = artifact->session(options.capacity(artifact->capacities()[capacity].capacity));
    EXPECT_TRUE(made.ok()) << made.status().message();
    EXPECT_TRUE(made.value().input(0).copy_from(x).ok());
    return std::move(made.value());
  }
  std::vector<float> run(size_t capacity, const SessionOptions &options = {}) {
    Session running = session(capacity, options);
    EXPECT_TRUE(running.run().ok());
    return outputOf(running);
  }
  void expectSplitsAreTheWhole(size_t capacity, const std::vector<float> &whole);
  void expectRight();
  /// Steps of the full capacity whose kernel's signature begins so.
  size_t stepsOf(StringRef signature) {
    return llvm::count_if(artifact->plan(kCapacities - 1).steps, [&](const StepInfo &step) {
      return StringRef(step.signature).starts_with(signature);
    });
  }

  std::unique_ptr<MLIRContext> context = driver::createContext();
  std::vector<float> x;
  std::vector<std::vector<float>> expected;
  driver::CompileResult result;
  std::unique_ptr<llvm::MemoryBuffer> bytes;
  std::optional<Artifact> artifact;
};

void ViewsTest::expectSplitsAreTheWhole(size_t capacity, const std::vector<float> &whole) {
  Session head = session(capacity), tail = session(capacity);
  for (uint32_t cut = 0; cut < artifact->cuts(capacity).size(); ++cut) {
    std::vector<uint8_t> wire(artifact->stream_bytes(cut, TensorEncoding::exact).value());
    TensorSink sink(wire.data(), wire.size());
    ASSERT_TRUE(head.run_head(cut, sink).ok());
    ASSERT_TRUE(tail.run_tail(cut, TensorSource(wire.data(), sink.size())).ok());
    EXPECT_EQ(outputOf(tail), whole) << "cut " << cut;
    LiveTensors live;
    ASSERT_TRUE(head.run_head(cut, live).ok());
    ASSERT_TRUE(tail.run_tail(cut, live).ok());
    EXPECT_EQ(outputOf(tail), whole) << "cut " << cut;
  }
}

void ViewsTest::expectRight() {
  for (size_t capacity = 0; capacity < kCapacities; ++capacity) {
    SCOPED_TRACE("capacity " + std::to_string(capacity));
    std::vector<float> whole = run(capacity);
    EXPECT_LE(test::relativeError(whole, expected[capacity]), 1e-4);
    EXPECT_EQ(run(capacity, SessionOptions().threads(2).share_above_ns(0)), whole);
    auto least = artifact->minimum_budget(artifact->capacities()[capacity].capacity);
    ASSERT_TRUE(least.ok()) << least.status().message();
    EXPECT_EQ(run(capacity, SessionOptions().memory_budget(least.value())), whole);
    expectSplitsAreTheWhole(capacity, whole);
  }
}

TEST_F(ViewsTest, LayersWriteWhatTheyAreJoinedTo) {
  compile(GraphWriter(1).squeeze());
  EXPECT_EQ(stepsOf("concat"), 0u);
  EXPECT_EQ(stepsOf("slice"), 0u);
  expectRight();
}

TEST_F(ViewsTest, HalvesThatGoByStayWhereTheyAre) {
  compile(GraphWriter(2).shuffle());
  // What the convolutions read of two tensors, and the left halves at the end.
  EXPECT_EQ(stepsOf("slice") + stepsOf("concat"), 3u);
  expectRight();
}

/// What joins tensors in whatever way: in the result of another one, twice in
/// one, some of it in place.
TEST_F(ViewsTest, RandomNetworks) {
  for (uint64_t seed = 10; seed < 13; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compile(GraphWriter(seed).network());
    expectRight();
  }
}

/// Panels of a filter that capacities share, too: what is copied is the one tensor
/// that a convolution reads besides.
TEST_F(ViewsTest, SharedFiltersWriteInPlace) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(test::nestedModel(), context.get());
  result = driver::compileModule(std::move(module), {}, *context);
  ASSERT_TRUE(result.ok()) << result.message;
  open();
  for (size_t capacity = 0; capacity < kCapacities; ++capacity)
    for (const StepInfo &step : artifact->plan(capacity).steps)
      if (StringRef(step.signature).starts_with("concat")) {
        EXPECT_EQ(StringRef(step.signature).count(" to "), 1u) << step.signature;
      }
}

/// The pitch is a parameter of the plan, which nobody has to trust.
TEST_F(ViewsTest, APitchThatLeavesTheBufferIsRefused) {
  compile(GraphWriter(1).squeeze());
  auto *steps = result.plan.manifest.mutable_capacities(2)->mutable_steps();
  format::Step &step = *llvm::find_if(*steps, [&](const format::Step &s) {
    return StringRef(result.plan.manifest.kernels(s.kernel()).signature()).contains("rows apart");
  });
  for (int64_t pitch : {int64_t(4096), int64_t(1) << 30, int64_t(0), int64_t(-1), INT64_MAX}) {
    step.set_params(step.params_size() - 1, pitch);
    open();
    auto made = artifact->session();
    ASSERT_FALSE(made.ok()) << "pitch " << pitch;
    EXPECT_EQ(made.status().code(), StatusCode::corrupt);
  }
}

} // namespace

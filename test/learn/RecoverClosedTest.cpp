//===- RecoverClosedTest.cpp - Accuracy won back without training ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "LearnTest.h"

#include "compiler/learn/Divergence.h"
#include "compiler/learn/Nest.h"
#include "compiler/learn/Walk.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Verifier.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace nestor::learn;

namespace nestor::test {
namespace {

/// A stem, a residual block and a depthwise one, and a dense layer, with random
/// filters of about unit gain.
class RecoverClosedTest : public LearnTest {
protected:
  static constexpr int64_t side = 6, classes = 5, samples = 96;

  void SetUp() override {
    OpBuilder builder(context.get());
    module = ModuleOp::create(builder.getUnknownLoc());
    builder.setInsertionPointToEnd(module->getBody());
    auto input = RankedTensorType::get({1, side, side, 3}, builder.getF32Type());
    auto output = RankedTensorType::get({1, 1, 1, classes}, builder.getF32Type());
    auto func = func::FuncOp::create(builder, builder.getUnknownLoc(), "main",
                                     builder.getFunctionType({input}, {output}));
    builder.setInsertionPointToEnd(func.addEntryBlock());
    Value stem = relu(builder, conv(builder, func.getArgument(0), 3, 16));
    Value inside = relu(builder, conv(builder, stem, 3, 32));
    Value sum = map(builder, {conv(builder, inside, 3, 16), stem}, true);
    Value deep = relu(builder, conv(builder, relu(builder, sum), 3, 16, 16));
    Value wide = relu(builder, conv(builder, deep, 1, 32));
    auto reduced = RankedTensorType::get({1, 1, 1, 32}, builder.getF32Type());
    Value mean = nest::ReduceOp::create(builder, builder.getUnknownLoc(), reduced, wide,
                                        nest::ReduceKind::mean, ArrayRef<int64_t>{1, 2});
    func::ReturnOp::create(builder, builder.getUnknownLoc(), conv(builder, mean, 1, classes));
    makeData();
  }

  Location named() {
    return NameLoc::get(StringAttr::get(context.get(), "node" + std::to_string(nodes++)));
  }

  Value constant(OpBuilder &builder, ArrayRef<int64_t> shape, float spread) {
    auto tensor = reference::TensorValue::zeros(RankedTensorType::get(shape, builder.getF32Type()));
    for (float &value : tensor.as<float>())
      value = spread * draw(1).front();
    return nest::ConstOp::create(builder, builder.getUnknownLoc(), tensor.toAttr());
  }

  Value conv(OpBuilder &builder, Value input, int64_t kernel, int64_t outputs, int64_t groups = 1) {
    ArrayRef<int64_t> shape = cast<RankedTensorType>(input.getType()).getShape();
    int64_t inputs = shape[3] / groups, pad = kernel / 2;
    Value filter = constant(builder, {kernel, kernel, inputs, outputs},
                            std::sqrt(2.f / (kernel * kernel * inputs)));
    Value bias = constant(builder, {outputs}, 0.1f);
    auto type = RankedTensorType::get({1, shape[1], shape[2], outputs}, builder.getF32Type());
    SmallVector<int64_t> kernels{kernel, kernel}, ones{1, 1}, pads{pad, pad};
    return nest::ConvOp::create(builder, named(), type, input, filter, Value(), bias, ValueRange(),
                                kernels, ones, ones, pads, pads, groups, /*packed=*/false);
  }

  Value map(OpBuilder &builder, ValueRange inputs, bool isSum) {
    auto op = nest::MapOp::create(builder, named(), inputs[0].getType(), inputs);
    OpBuilder inner(context.get());
    Block &body = op.getBody().emplaceBlock();
    for (size_t i = 0; i < inputs.size(); ++i)
      body.addArgument(builder.getF32Type(), builder.getUnknownLoc());
    inner.setInsertionPointToEnd(&body);
    Location loc = builder.getUnknownLoc();
    Value result;
    if (isSum) {
      result = arith::AddFOp::create(inner, loc, body.getArgument(0), body.getArgument(1));
    } else {
      Value zero = arith::ConstantOp::create(inner, loc, builder.getF32FloatAttr(0));
      result = arith::MaximumFOp::create(inner, loc, body.getArgument(0), zero);
    }
    nest::YieldOp::create(inner, loc, result);
    return op.getResult();
  }
  Value relu(OpBuilder &builder, Value value) { return map(builder, value, false); }

  /// Images of which half the pixels tell almost all.
  std::vector<float> slopes() {
    std::vector<float> values, corners;
    for (int64_t sample = 0; sample < samples; ++sample) {
      corners = draw(3 * 3);
      for (int64_t y = 0; y < side; ++y)
        for (int64_t x = 0; x < side; ++x)
          for (int64_t c = 0; c < 3; ++c)
            values.push_back(corners[c] + 0.1f * (corners[3 + c] * float(x) + corners[6 + c] * float(y)));
    }
    return values;
  }

  void makeData() {
    support::NpyArray array;
    array.dtype = "f4";
    array.shape = {samples, side, side, 3};
    std::vector<float> values = isSmooth ? slopes() : draw(samples * side * side * 3);
    array.data.resize(values.size() * sizeof(float));
    std::memcpy(array.data.data(), values.data(), array.data.size());
    SampleShape shape{"x", {side, side, 3}};
    auto made = Dataset::fromNpz({{"x", array}}, shape, classes, std::nullopt);
    ASSERT_TRUE(bool(made)) << llvm::toString(made.takeError());
    data = *made;
  }

  std::vector<float> outputs(func::FuncOp func) {
    Walk walk(func, *data, 1);
    std::vector<float> all;
    Value result = func.front().getTerminator()->getOperand(0);
    llvm::Error error = walk.run(result, [&](size_t, size_t count, ArrayRef<const float *> values) {
      all.insert(all.end(), values[0], values[0] + count * classes);
    });
    EXPECT_FALSE(bool(error));
    return all;
  }

  struct Outcome {
    NestReport report;
    std::vector<double> errors; ///< By capacity.
    std::vector<float> top, smallest;
  };

  Outcome nest(RecoverLevel level, TopRule top, OrderMethod order = OrderMethod::Obs) {
    OwningOpRef<ModuleOp> copy = cast<ModuleOp>(module->clone());
    NestOptions options;
    options.capacities = {0.4, 0.7, 1};
    options.recover = level;
    options.top = top;
    options.order = order;
    options.data = &*data;
    options.allowSkips = false;
    options.shrinkInput = isSmooth;
    options.threads = 1;
    auto report = nestModel(*copy, options);
    Outcome outcome;
    if (!report) {
      ADD_FAILURE() << llvm::toString(report.takeError());
      return outcome;
    }
    outcome.report = std::move(*report);
    std::vector<float> original = outputs(module->lookupSymbol<func::FuncOp>("main"));
    Divergence divergence({original}, samples);
    EXPECT_TRUE(succeeded(verify(*copy)));
    for (func::FuncOp func : nest::capacityFunctions(*copy))
      EXPECT_EQ(func.getFunctionType(), nest::capacityFunctions(*copy).back().getFunctionType());
    for (func::FuncOp func : nest::capacityFunctions(*copy))
      outcome.errors.push_back(divergence(std::vector<std::vector<float>>{outputs(func)}));
    outcome.top = outputs(nest::capacityFunctions(*copy).back());
    outcome.smallest = outputs(nest::capacityFunctions(*copy).front());
    return outcome;
  }

  OwningOpRef<ModuleOp> module;
  std::optional<Dataset> data;
  bool isSmooth = false;
  int nodes = 0;
};

TEST_F(RecoverClosedTest, EachLevelIsBetterThanTheOneBefore) {
  Outcome none = nest(RecoverLevel::None, TopRule::Exact);
  Outcome affine = nest(RecoverLevel::Affine, TopRule::Exact);
  Outcome solve = nest(RecoverLevel::Solve, TopRule::Free);
  ASSERT_EQ(none.errors.size(), 3u);
  for (int capacity : {0, 1}) {
    EXPECT_LT(affine.errors[capacity], 0.9 * none.errors[capacity]);
    EXPECT_LT(solve.errors[capacity], affine.errors[capacity]);
  }
  EXPECT_LT(solve.errors[2], 0.5 * solve.errors[1]);
  EXPECT_TRUE(solve.report.recovery.topChanged);
}

TEST_F(RecoverClosedTest, ExactLeavesTheFullCapacityAlone) {
  Outcome none = nest(RecoverLevel::None, TopRule::Exact);
  for (RecoverLevel level : {RecoverLevel::Affine, RecoverLevel::Solve}) {
    Outcome outcome = nest(level, TopRule::Exact);
    EXPECT_EQ(outcome.top, none.top);
    EXPECT_FALSE(outcome.report.recovery.topChanged);
  }
}

TEST_F(RecoverClosedTest, ToleranceKeepsTheClassesOfTheFullCapacity) {
  Outcome solve = nest(RecoverLevel::Solve, TopRule::Tolerance);
  EXPECT_LT(solve.errors[2], 0.02);
  EXPECT_EQ(solve.report.recovery.samples, size_t(samples));
}

TEST_F(RecoverClosedTest, SameSeedSameBytes) {
  Outcome first = nest(RecoverLevel::Solve, TopRule::Free);
  Outcome second = nest(RecoverLevel::Solve, TopRule::Free);
  EXPECT_EQ(first.smallest, second.smallest);
  EXPECT_EQ(first.top, second.top);
}

TEST_F(RecoverClosedTest, OrdersWithoutLabelsFallBack) {
  // Triplets need labels; there are none, and the result is elimination's.
  Outcome triplets = nest(RecoverLevel::None, TopRule::Exact, OrderMethod::Trr);
  Outcome elimination = nest(RecoverLevel::None, TopRule::Exact);
  EXPECT_EQ(triplets.smallest, elimination.smallest);
  Outcome magnitude = nest(RecoverLevel::None, TopRule::Exact, OrderMethod::L1);
  EXPECT_NE(magnitude.smallest, elimination.smallest);
}

/// Capacities that compute on a smaller copy of the input.
class ScaledInputTest : public RecoverClosedTest {
protected:
  void SetUp() override {
    isSmooth = true;
    RecoverClosedTest::SetUp();
  }
};

TEST_F(ScaledInputTest, SmallerInputsAreTakenAndFitted) {
  Outcome none = nest(RecoverLevel::None, TopRule::Exact);
  Outcome affine = nest(RecoverLevel::Affine, TopRule::Exact);
  Outcome solve = nest(RecoverLevel::Solve, TopRule::Free);
  size_t scaled = 0;
  for (size_t k = 0; k < 2; ++k) {
    const NestReport::Capacity &capacity = none.report.capacities[k];
    EXPECT_LE(capacity.fraction, capacity.requested);
    EXPECT_GT(capacity.fraction, capacity.requested - 0.02);
    if (capacity.extents.empty())
      continue;
    ++scaled;
    EXPECT_LT(capacity.extents.front(), side);
    EXPECT_LT(affine.errors[k], none.errors[k]);
    EXPECT_LT(solve.errors[k], none.errors[k]);
  }
  EXPECT_GT(scaled, 0u);
  EXPECT_TRUE(none.report.capacities.back().extents.empty());
  EXPECT_EQ(affine.top, none.top);
}

} // namespace
} // namespace nestor::test

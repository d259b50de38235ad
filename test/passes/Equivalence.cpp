//===- Equivalence.cpp - Whether the pipeline keeps what a function computes =//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Equivalence.h"

#include "compiler/reference/Evaluator.h"
#include "passes/Passes.h"

#include "mlir/Pass/PassManager.h"

#include <algorithm>
#include <cmath>
#include <random>

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::test {
namespace {

TensorValue randomTensor(RankedTensorType type, std::mt19937 &random) {
  TensorValue value = TensorValue::zeros(type);
  std::normal_distribution<float> normal;
  if (type.getElementType().isF32())
    for (float &element : value.as<float>())
      element = normal(random);
  else if (type.getElementType().isInteger(64))
    for (int64_t &element : value.as<int64_t>())
      element = random() % 4;
  return value;
}

testing::AssertionResult areClose(const TensorValue &want, const TensorValue &have,
                                  double tolerance) {
  if (want.type != have.type)
    return testing::AssertionFailure() << "the type changed";
  double low = INFINITY, high = -INFINITY, error = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    double a = want.getDouble(i), b = have.getDouble(i);
    if (std::isnan(a) != std::isnan(b))
      return testing::AssertionFailure() << "element " << i << " is " << b << ", not " << a;
    if (std::isnan(a) || a == b)
      continue;
    low = std::min(low, a);
    high = std::max(high, a);
    error = std::max(error, std::abs(a - b));
  }
  double range = std::max({high - low, std::abs(high), std::abs(low)});
  if (error > tolerance * range && error > 1e-6)
    return testing::AssertionFailure() << "error " << error << " over a range of " << range;
  return testing::AssertionSuccess();
}

} // namespace

testing::AssertionResult pipelineKeepsResults(ModuleOp module, unsigned seed, double tolerance) {
  auto before = module.lookupSymbol<func::FuncOp>("main");
  std::vector<TensorValue> inputs = randomInputs(before, seed);
  SmallVector<TensorValue> want, have;
  if (failed(reference::evaluate(before, inputs, want)))
    return testing::AssertionFailure() << "the function does not evaluate";

  OwningOpRef<ModuleOp> copy = module.clone();
  PassManager manager(module.getContext());
  PipelineOptions options;
  // The evaluator reads the weights of recurrent layers in ONNX's layout only.
  module.walk([&](Operation *op) {
    if (isa<nest::LstmOp, nest::GruOp, nest::RnnOp>(op))
      options.packFilters = false;
  });
  buildNestPipeline(manager, options);
  if (failed(manager.run(*copy)))
    return testing::AssertionFailure() << "the pipeline failed";
  if (failed(reference::evaluate(copy->lookupSymbol<func::FuncOp>("main"), inputs, have)))
    return testing::AssertionFailure() << "the function does not evaluate after the pipeline";

  return areClose(want, have, tolerance);
}

std::vector<TensorValue> randomInputs(func::FuncOp func, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<TensorValue> inputs;
  for (Type type : func.getArgumentTypes())
    inputs.push_back(randomTensor(cast<RankedTensorType>(type), random));
  return inputs;
}

testing::AssertionResult areClose(ArrayRef<TensorValue> want, ArrayRef<TensorValue> have,
                                  double tolerance) {
  if (want.size() != have.size())
    return testing::AssertionFailure() << have.size() << " outputs, not " << want.size();
  for (auto [index, pair] : llvm::enumerate(llvm::zip_equal(want, have)))
    if (auto result = areClose(std::get<0>(pair), std::get<1>(pair), tolerance); !result)
      return result << " in output " << index;
  return testing::AssertionSuccess();
}

} // namespace nestor::test

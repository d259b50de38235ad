//===- LayerStatistics.cpp - What batch norms are folded with -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/LayerStatistics.h"

#include "passes/Utils.h"

#include <cmath>

using namespace mlir;
using llvm::Expected;

namespace nestor::learn {

/// More samples make statistics no better; US-Nets are fine with fewer.
static constexpr int64_t kMostSamples = 512;

int64_t LayerStatistics::batchFor(func::FuncOp func, size_t samples) {
  constexpr int64_t mostBytes = 128 << 20;
  int64_t largest = 1, present = shapeOf(func.getArgument(0)).front();
  for (Operation &op : func.front().without_terminator())
    if (!isa<nest::ConstOp, nest::WeightOp>(op))
      for (Value result : op.getResults())
        largest = std::max<int64_t>(largest, tensorType(result).getNumElements() *
                                                 sizeof(float) / present);
  return std::clamp<int64_t>(mostBytes / largest, 1,
                             std::min<int64_t>(kMostSamples, int64_t(samples)));
}

Expected<std::unique_ptr<LayerStatistics>>
LayerStatistics::compile(ModuleOp module, const ParameterSet &set,
                         std::vector<std::vector<NormalizedLayer>> layers,
                         const AlignedFloats &values, Dataset samples, unsigned threads) {
  std::unique_ptr<LayerStatistics> statistics(new LayerStatistics(set, std::move(samples)));
  SmallVector<func::FuncOp> functions = nest::capacityFunctions(module);
  statistics->share = AlignedFloats(1);
  for (Type type : functions.back().getArgumentTypes()) {
    statistics->inputs.emplace_back(cast<RankedTensorType>(type).getNumElements());
    statistics->batch = cast<RankedTensorType>(type).getShape().front();
  }
  for (auto [function, own] : llvm::zip_equal(functions, layers)) {
    if (own.empty())
      continue;
    ParameterizedFunction parameterized = parameterize(function, set);
    returnMoments(parameterized, own);
    Expected<Executor> executor = Executor::compile(parameterized.func, threads);
    if (!executor)
      return executor.takeError();
    for (auto [i, input] : llvm::enumerate(statistics->inputs))
      executor->bindInput(i, input.data());
    for (auto [i, parameter] : llvm::enumerate(parameterized.parameters))
      executor->bindInput(parameterized.inputs + i,
                          values.data() + statistics->block.begin(parameter));
    executor->bindInput(executor->inputs() - 1, statistics->share.data());
    statistics->capacities.push_back({std::move(own), std::move(*executor), {}});
  }
  return statistics;
}

double LayerStatistics::Moments::deviation(size_t output) const {
  double variance = std::max(square[output] - mean[output] * mean[output], 0.0);
  return std::sqrt(variance + kNormEpsilon);
}

/// Adds what was found in one of several batches.
void LayerStatistics::add(Capacity &capacity, double share) {
  capacity.executor.run();
  for (auto [i, moments] : llvm::enumerate(capacity.moments)) {
    llvm::ArrayRef<float> mean = capacity.executor.output(2 * i);
    llvm::ArrayRef<float> variance = capacity.executor.output(2 * i + 1);
    moments.mean.resize(mean.size());
    moments.square.resize(mean.size());
    for (size_t output = 0; output < mean.size(); ++output) {
      moments.mean[output] += share * mean[output];
      moments.square[output] += share * (variance[output] + double(mean[output]) * mean[output]);
    }
  }
}

void LayerStatistics::measure(bool normalizes) {
  share.data()[0] = normalizes ? 1 : 0;
  // What does not fill a batch is left out.
  size_t batches = std::min<size_t>(kMostSamples, samples.size()) / batch;
  for (Capacity &capacity : capacities)
    capacity.moments.assign(capacity.layers.size(), {});
  for (size_t number = 0; number < batches; ++number) {
    for (auto [index, buffer] : llvm::enumerate(inputs)) {
      size_t elements = buffer.size() / batch;
      for (size_t i = 0; i < batch; ++i)
        samples.copy(number * batch + i, index,
                     llvm::MutableArrayRef<float>(buffer).slice(i * elements, elements));
    }
    for (Capacity &capacity : capacities)
      add(capacity, 1 / double(batches));
  }
}

void LayerStatistics::unfold(AlignedFloats &values) {
  measure(/*normalizes=*/false);
  for (const Capacity &capacity : capacities)
    for (auto [layer, moments] : llvm::zip_equal(capacity.layers, capacity.moments))
      for (size_t output = 0; output < moments.mean.size(); ++output) {
        float &scale = values.data()[block.begin(layer.scale) + output];
        float &bias = values.data()[block.begin(layer.bias) + output];
        bias = float(bias + scale * moments.mean[output]);
        scale = float(scale * moments.deviation(output));
      }
}

AlignedFloats LayerStatistics::fold(const AlignedFloats &values) {
  measure(/*normalizes=*/true);
  AlignedFloats folded = values;
  for (const Capacity &capacity : capacities)
    for (auto [layer, moments] : llvm::zip_equal(capacity.layers, capacity.moments))
      for (size_t output = 0; output < moments.mean.size(); ++output) {
        float &scale = folded.data()[block.begin(layer.scale) + output];
        float &bias = folded.data()[block.begin(layer.bias) + output];
        scale = float(scale / moments.deviation(output));
        bias = float(bias - scale * moments.mean[output]);
      }
  return folded;
}

} // namespace nestor::learn

//===- FreezeGrow.cpp - One capacity after the other ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// NestDNN (Fang, Zeng, Zhang: MobiCom 2018): what a smaller capacity reads never
// changes again, so the smallest is as good as if it were trained alone, and the
// larger ones get by with what they add. Here for comparison.
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Trainer.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;

/// Zeroes `mask` where `weight` reads its global, which begins at `begin`.
static void freeze(nest::WeightOp weight, size_t begin, AlignedFloats &mask) {
  nest::GlobalOp global = nest::globalOf(weight);
  ArrayRef<int64_t> shape = global.getValue().getShapedType().getShape();
  // Offsets of what is kept, dimension by dimension.
  std::vector<size_t> offsets{begin};
  size_t stride = 1;
  for (unsigned dim = shape.size(); dim-- > 0;) {
    std::vector<size_t> next;
    for (int64_t index : nest::keptIndices(global, dim, weight.getCapacity()))
      for (size_t offset : offsets)
        next.push_back(offset + index * stride);
    offsets = std::move(next);
    stride *= shape[dim];
  }
  for (size_t offset : offsets)
    mask.data()[offset] = 0;
}

static std::vector<TrainingStage> stagesFor(TrainingNetworks &networks, ModuleOp nested) {
  const ParameterBlock &layout = networks.layout();
  ParameterSet set(nested); // The same as the networks', in terms of `nested`.
  AlignedFloats mask(layout.size());
  std::fill_n(mask.data(), mask.size(), 1.f);
  std::vector<TrainingStage> stages;
  for (auto [number, capacity] : llvm::enumerate(nest::capacityFunctions(nested))) {
    TrainingStage stage;
    stage.name = "growing capacity " + std::to_string(number + 1);
    stage.capacities.push_back(number);
    for (const Parameter &parameter : set.parameters())
      stage.trains.push_back(parameter.capacity == -1 || parameter.capacity == int(number));
    stage.mask = mask;
    stages.push_back(std::move(stage));
    capacity.walk(
        [&](nest::WeightOp weight) { freeze(weight, layout.begin(set.indexOf(weight)), mask); });
  }
  return stages;
}

llvm::Expected<Recovery> nestor::learn::recoverFreezeGrow(ModuleOp nested, ModuleOp teacher,
                                                          const NestOptions &options) {
  if (options.top != TopRule::Free)
    return llvm::createStringError("--recover freeze-grow changes the full capacity for the "
                                   "worse: it needs --top free");
  auto trainer = Trainer::create(nested, teacher, options);
  if (!trainer)
    return trainer.takeError();
  return (*trainer)->run(stagesFor((*trainer)->networks(), nested), /*keepLast=*/true);
}

//===- InputSizes.cpp - How small an input still does ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/InputSizes.h"

#include "compiler/learn/Divergence.h"
#include "compiler/learn/Patches.h"
#include "compiler/learn/Walk.h"
#include "passes/ScaleInput.h"
#include "passes/Utils.h"

#include <cmath>

using namespace mlir;

namespace nestor::learn {
namespace {

/// Sizes go down to half of the extents, a quarter of the work, in so many
/// steps: networks are trained on objects of about one size.
constexpr int64_t kSteps = 7;
/// Samples that sizes are judged on.
constexpr size_t kSamples = 128;

/// What remains of `extents` after `step` of the steps to half of them.
SmallVector<int64_t> shrink(ArrayRef<int64_t> extents, int64_t step) {
  int64_t largest = *llvm::max_element(extents);
  // Whole steps of the largest: 16 pixels of 224, 2 of 32.
  int64_t left = largest - step * std::max<int64_t>(1, largest / (2 * kSteps));
  SmallVector<int64_t> result;
  for (int64_t extent : extents)
    result.push_back(std::max<int64_t>(1, std::llround(double(extent) * left / largest)));
  return result;
}

SmallVector<int64_t> ownExtents(func::FuncOp main) {
  SmallVector<int64_t> extents;
  for (unsigned dim : spatialDims(main))
    extents.push_back(shapeOf(main.getArgument(0))[dim]);
  return extents;
}

} // namespace

llvm::Expected<std::vector<InputSize>> judgeInputSizes(func::FuncOp main,
                                                       const NestOptions &options) {
  std::vector<InputSize> sizes;
  sizes.push_back({{}, OwningOpRef<func::FuncOp>(main.clone()), 0});
  SmallVector<int64_t> extents = ownExtents(main);
  if (!options.shrinkInput || !options.data || extents.empty())
    return sizes;
  Dataset data = chooseSamples(*options.data, kSamples, options.seed + 5);
  auto original = outputsOf(main, data, options.threads);
  if (!original)
    return original.takeError();
  Divergence divergence(std::move(*original), data.size());
  for (int64_t step = 1; step <= kSteps; ++step) {
    InputSize size{shrink(extents, step), OwningOpRef<func::FuncOp>(main.clone()), 0};
    if (std::string reason = scaleInput(*size.func, size.extents); !reason.empty()) {
      if (options.log && step == 1)
        options.log("all capacities compute on the input as it is: " + reason);
      break;
    }
    auto outputs = outputsOf(*size.func, data, options.threads);
    if (!outputs)
      return outputs.takeError();
    size.error = divergence(*outputs);
    sizes.push_back(std::move(size));
  }
  return sizes;
}

} // namespace nestor::learn

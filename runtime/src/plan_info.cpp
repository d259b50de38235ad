//===- plan_info.cpp - What a file says about its plans -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// For tools, which also read files that no session here can run: nothing of a
// plan has been checked but its layers.
//
//===----------------------------------------------------------------------===//
#include "model.h"
#include "polynomial.h"

namespace nestor {

using namespace detail;

static std::vector<StepArgInfo> describe_args(const nestor_format_Step &step,
                                              const nestor_format_Kernel &kernel) {
  std::vector<StepArgInfo> args;
  if (step.args_count != kernel.args_count || step.params_count != kernel.params_count)
    return args;
  for (pb_size_t i = 0; i < step.args_count; ++i) {
    uint32_t space = raw(step.args[i].space);
    int64_t extent = 0;
    if (space < nestor_format_Space_ARENA || space > nestor_format_Space_MODEL_OUTPUT ||
        !evaluate(kernel.args[i].bytes, step.params, extent) || extent < 0)
      return {};
    args.push_back({static_cast<Space>(space), step.args[i].index, step.args[i].offset,
                    static_cast<uint64_t>(extent), kernel.args[i].written});
  }
  return args;
}

static StepInfo describe_step(const nestor_format_Step &step, const Manifest &manifest) {
  StepInfo info;
  info.layer = step.layer;
  if (step.kernel < manifest.kernels_count) {
    const nestor_format_Kernel &kernel = manifest.kernels[step.kernel];
    info.kernel = text(kernel.name);
    info.signature = text(kernel.signature);
    info.args = describe_args(step, kernel);
  }
  return info;
}

PlanInfo Artifact::plan(size_t index) const {
  PlanInfo plan;
  if (index >= model_->capacities.size())
    return plan;
  const nestor_format_Capacity &capacity = model_->manifest->capacities[index];
  for (pb_size_t i = 0; i < capacity.layers_count; ++i) {
    const nestor_format_Layer &layer = capacity.layers[i];
    plan.layers.push_back({text(layer.name), text(layer.op), layer.macs});
  }
  for (pb_size_t i = 0; i < capacity.steps_count; ++i)
    plan.steps.push_back(describe_step(capacity.steps[i], *model_->manifest));
  return plan;
}

} // namespace nestor

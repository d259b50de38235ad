//===- plan.cpp - A plan that is safe to run ------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "plan.h"
#include "blocks.h"
#include "checked.h"
#include "error.h"
#include "polynomial.h"

#include <algorithm>

namespace nestor::detail {

/// A usual speed of one core: what streams are planned and calls are cut with.
static constexpr float kMacsPerNs = 40, kBytesPerNs = 10;
/// Pieces for each thread: evens out cores of different speed.
static constexpr uint32_t kPartsPerThread = 4;
/// As many pieces a call is cut into that is only just worth it, if there are
/// threads for them.
static constexpr float kFewestParts = 4;
/// As many such calls have to wait for work before threads that sleep are woken,
/// which takes some 50 us.
static constexpr float kCallsToWake = 10;

static unsigned long long ull(uint64_t value) { return value; }

namespace {

/// The memory that an argument points into.
struct Region {
  const uint8_t *start = nullptr; ///< Null for an input or output.
  uint64_t size = 0;
  bool writable = false;
  uint32_t slot = 0;
};

class PlanBuilder {
public:
  PlanBuilder(const Model &model, const nestor_format_Capacity &capacity,
              const PlanContext &context)
      : model_(model), capacity_(capacity), context_(context),
        stepsOfLayer_(capacity.layers_count, 0) {}

  Status build();
  Plan take() {
    plan_.wakes = sharedNs_ >= kCallsToWake * static_cast<float>(context_.shareAboveNs);
    return std::move(plan_);
  }

private:
  Status add_steps(uint32_t first, uint32_t end);
  Status add_step(const nestor_format_Step &step);
  Status add_params(const nestor_format_Step &step, const nestor_format_Kernel &kernel);
  Status add_arg(const nestor_format_StepArg &arg, const nestor_format_KernelArg &contract,
                 const int64_t *params, uint64_t &bytes);
  Status find_region(const nestor_format_StepArg &arg, Region &region) const;
  Status add_weight(const nestor_format_StepArg &arg, const nestor_format_KernelArg &contract,
                    const int64_t *params, uint64_t bytes);
  uint32_t choose_parts(int64_t grains, float ns) const;

  const Model &model_;
  const nestor_format_Capacity &capacity_;
  const PlanContext &context_;
  std::vector<uint32_t> stepsOfLayer_;
  float sharedNs_ = 0; ///< What calls take that are cut.
  Plan plan_;
};

Status PlanBuilder::build() {
  for (pb_size_t i = 0; i < capacity_.steps_count; ++i)
    ++stepsOfLayer_[capacity_.steps[i].layer];
  uint32_t blocks = block_count(*model_.manifest);
  if (blocks == 0)
    return add_steps(0, capacity_.steps_count);
  uint32_t step = 0;
  for (uint32_t block = 0; block < context_.blocks.end; ++block) {
    uint32_t end = step + capacity_.blocks[block].steps;
    if (block >= context_.blocks.first) {
      plan_.blockCalls.push_back(static_cast<uint32_t>(plan_.calls.size()));
      NESTOR_RETURN_IF_ERROR(add_steps(step, end));
    }
    step = end;
  }
  plan_.blockCalls.push_back(static_cast<uint32_t>(plan_.calls.size()));
  return Status();
}

Status PlanBuilder::add_steps(uint32_t first, uint32_t end) {
  for (uint32_t i = first; i < end; ++i) {
    if (Status status = add_step(capacity_.steps[i]); !status.ok())
      return error(status.code(), "steps[%u].%s", i, status.message().c_str());
    plan_.calls.back().step = i;
  }
  return Status();
}

Status PlanBuilder::add_step(const nestor_format_Step &step) {
  const Manifest &manifest = *model_.manifest;
  if (step.kernel >= manifest.kernels_count)
    return error(StatusCode::corrupt, "kernel: there is no kernel %u", step.kernel);
  const nestor_format_Kernel &kernel = manifest.kernels[step.kernel];
  Call call = {};
  call.firstArg = static_cast<uint32_t>(plan_.args.size());
  call.firstParam = static_cast<uint32_t>(plan_.params.size());
  call.function = reinterpret_cast<KernelFunction>(model_.code.function(kernel.entry[model_.target]));
  if (!call.function)
    return error(StatusCode::corrupt, "kernel: the entry of %.100s lies outside its code",
                 text(kernel.name));
  if (step.args_count != kernel.args_count)
    return error(StatusCode::corrupt, "args has %u entries, %.100s takes %u", step.args_count,
                 text(kernel.name), kernel.args_count);
  NESTOR_RETURN_IF_ERROR(add_params(step, kernel));

  const uint64_t macs = capacity_.layers[step.layer].macs / stepsOfLayer_[step.layer];
  uint64_t touched = 0;
  for (pb_size_t i = 0; i < step.args_count; ++i) {
    uint64_t bytes = 0;
    if (Status status = add_arg(step.args[i], kernel.args[i], step.params, bytes); !status.ok())
      return error(status.code(), "args[%u] of %.100s: %s", i, text(kernel.name),
                   status.message().c_str());
    if (!checked_add(touched, bytes, touched))
      touched = UINT64_MAX;
  }
  if (!evaluate(kernel.grains, step.params, call.grains) || call.grains < 0)
    return error(StatusCode::corrupt, "grains of %.100s is negative or overflows",
                 text(kernel.name));
  const float ns =
      static_cast<float>(macs) / kMacsPerNs + static_cast<float>(touched) / kBytesPerNs;
  call.parts = choose_parts(call.grains, ns);
  if (call.parts > 1)
    sharedNs_ += ns;
  if (context_.weights) {
    context_.weights->tiles.push_back(kernel.tile_count ? kernel.tile[model_.target] : 0);
    context_.weights->ns.push_back(ns);
  }
  plan_.calls.push_back(call);
  return Status();
}

Status PlanBuilder::add_params(const nestor_format_Step &step, const nestor_format_Kernel &kernel) {
  if (step.params_count != kernel.params_count)
    return error(StatusCode::corrupt, "params has %u entries, %.100s takes %u", step.params_count,
                 text(kernel.name), kernel.params_count);
  for (pb_size_t i = 0; i < step.params_count; ++i) {
    const nestor_format_ParamRange &range = kernel.params[i];
    if (step.params[i] < range.min || step.params[i] > range.max)
      return error(StatusCode::corrupt, "params[%u] of %.100s is %lld, outside [%lld, %lld]", i,
                   text(kernel.name), static_cast<long long>(step.params[i]),
                   static_cast<long long>(range.min), static_cast<long long>(range.max));
    plan_.params.push_back(step.params[i]);
  }
  return Status();
}

Status PlanBuilder::find_region(const nestor_format_StepArg &arg, Region &region) const {
  const Manifest &manifest = *model_.manifest;
  switch (raw(arg.space)) {
  case nestor_format_Space_ARENA:
    region = {context_.arena, capacity_.arena_bytes, true,
              static_cast<uint32_t>(model_.inputs.size() + model_.outputs.size())};
    return Status();
  case nestor_format_Space_WEIGHT_SHELL: {
    if (arg.index >= capacity_.shells)
      return error(StatusCode::corrupt, "index: this capacity has no shell %u", arg.index);
    const nestor_format_Section *shell =
        find_section(manifest, nestor_format_SectionKind_WEIGHTS, arg.index);
    region = {model_.file.data() + shell->offset, shell->size, false, 0};
    return Status();
  }
  case nestor_format_Space_MODEL_INPUT:
    if (arg.index >= model_.inputs.size())
      return error(StatusCode::corrupt, "index: there is no input %u", arg.index);
    region = {nullptr, model_.inputs[arg.index].bytes, false, arg.index};
    return Status();
  case nestor_format_Space_MODEL_OUTPUT:
    if (arg.index >= model_.outputs.size())
      return error(StatusCode::corrupt, "index: there is no output %u", arg.index);
    region = {nullptr, model_.outputs[arg.index].bytes, true,
              static_cast<uint32_t>(model_.inputs.size()) + arg.index};
    return Status();
  default:
    return error(StatusCode::corrupt, "space %u is unknown", raw(arg.space));
  }
}

Status PlanBuilder::add_arg(const nestor_format_StepArg &arg,
                            const nestor_format_KernelArg &contract, const int64_t *params,
                            uint64_t &bytes) {
  Region region;
  NESTOR_RETURN_IF_ERROR(find_region(arg, region));
  int64_t extent = 0;
  if (!evaluate(contract.bytes, params, extent) || extent < 0)
    return error(StatusCode::corrupt, "its extent is negative or overflows");
  bytes = static_cast<uint64_t>(extent);
  if (!fits(arg.offset, bytes, region.size))
    return error(StatusCode::corrupt, "%llu bytes at %llu exceed the %llu of its buffer",
                 ull(bytes), ull(arg.offset), ull(region.size));
  if (contract.written && !region.writable)
    return error(StatusCode::corrupt, "it is written, but weights and inputs are read-only");
  // Every region starts at a multiple of the largest alignment that a manifest
  // may ask for, so the offset decides.
  uint32_t align = std::max(contract.align, 1u);
  if (arg.offset % align != 0)
    return error(StatusCode::corrupt, "offset %llu is not a multiple of %u", ull(arg.offset),
                 align);
  if (context_.weights && raw(arg.space) == nestor_format_Space_WEIGHT_SHELL) {
    NESTOR_RETURN_IF_ERROR(add_weight(arg, contract, params, bytes));
    plan_.args.push_back(nullptr); // Until they are read.
    return Status();
  }
  if (region.start) {
    // Kernels take untyped pointers; `written` was checked above.
    plan_.args.push_back(const_cast<uint8_t *>(region.start) + arg.offset);
    return Status();
  }
  uint32_t &slotAlignment = (*context_.slotAlignment)[region.slot];
  slotAlignment = std::max(slotAlignment, align);
  plan_.uses.push_back({static_cast<uint32_t>(plan_.args.size()), region.slot, arg.offset});
  plan_.args.push_back(nullptr); // Until the tensor's memory is known.
  return Status();
}

/// Notes what a streamed plan reads. The runs of an argument have to agree with
/// its extent and with the grains, or parts would read what is not there.
Status PlanBuilder::add_weight(const nestor_format_StepArg &arg,
                               const nestor_format_KernelArg &contract, const int64_t *params,
                               uint64_t bytes) {
  PlanWeights &weights = *context_.weights;
  uint32_t firstRun = static_cast<uint32_t>(weights.runs.size());
  uint64_t total = 0;
  for (pb_size_t i = 0; i < contract.runs_count; ++i) {
    int64_t grains = 0, each = 0;
    uint64_t all = 0;
    if (!evaluate(contract.runs[i].grains, params, grains) || grains < 0 ||
        !evaluate(contract.runs[i].bytes, params, each) || each < 0 ||
        !checked_mul(static_cast<uint64_t>(grains), static_cast<uint64_t>(each), all) ||
        !checked_add(total, all, total) || total > bytes)
      return error(StatusCode::corrupt, "runs[%u] exceed the %llu bytes of the argument", i,
                   ull(bytes));
    weights.runs.push_back({grains, static_cast<uint64_t>(each)});
  }
  weights.uses.push_back({static_cast<uint32_t>(plan_.calls.size()),
                          static_cast<uint32_t>(plan_.args.size()), arg.index, arg.offset, bytes,
                          firstRun, static_cast<uint32_t>(weights.runs.size())});
  return Status();
}

/// Handing a call to other threads and waiting for the last one costs about a
/// microsecond with workers that spin, and much more where they have to wake.
uint32_t PlanBuilder::choose_parts(int64_t grains, float ns) const {
  const auto least = static_cast<float>(context_.shareAboveNs);
  if (context_.threads == 1 || ns < least)
    return 1;
  uint32_t parts = context_.threads * kPartsPerThread;
  if (least > 0 && ns / least * kFewestParts < static_cast<float>(parts))
    parts = static_cast<uint32_t>(ns / least * kFewestParts);
  return std::max<uint32_t>(static_cast<uint32_t>(std::min<int64_t>(parts, grains)), 1);
}

} // namespace

void Plan::shrink() {
  calls.shrink_to_fit();
  args.shrink_to_fit();
  params.shrink_to_fit();
  uses.shrink_to_fit();
  blockCalls.shrink_to_fit();
}

uint64_t Plan::heap_bytes() const {
  return calls.capacity() * sizeof(Call) + args.capacity() * sizeof(void *) +
         params.capacity() * sizeof(int64_t) + uses.capacity() * sizeof(TensorUse) +
         blockCalls.capacity() * sizeof(uint32_t);
}

Result<Plan> make_plan(const Model &model, uint32_t capacity, const PlanContext &context) {
  PlanBuilder builder(model, model.manifest->capacities[capacity], context);
  if (Status status = builder.build(); !status.ok())
    return error(status.code(), "manifest: capacities[%u].%s", capacity, status.message().c_str());
  return builder.take();
}

} // namespace nestor::detail

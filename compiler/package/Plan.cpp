//===- Plan.cpp - A function of nest operations as an execution plan ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Plan.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/package/BlockPlan.h"
#include "compiler/package/Cuts.h"
#include "compiler/package/Placement.h"
#include "compiler/package/PlanTensors.h"
#include "runtime/format/header.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace nestor::kernels;

namespace nestor::package {
namespace {

void setPolynomial(const Polynomial &polynomial, format::Polynomial &out) {
  for (const Term &term : polynomial) {
    format::Term *outTerm = out.add_terms();
    outTerm->set_coefficient(term.coefficient);
    for (uint32_t factor : term.factors)
      outTerm->add_factors(factor);
  }
}

/// The kernels of all capacities, each once.
class KernelTable {
public:
  unsigned add(const KernelSpec &spec, Plan &plan) {
    auto [entry, isNew] = indices.try_emplace(spec.name, plan.kernels.size());
    if (isNew)
      describe(spec, plan);
    return entry->second;
  }

private:
  void describe(const KernelSpec &spec, Plan &plan) {
    plan.kernels.push_back(spec);
    format::Kernel *kernel = plan.manifest.add_kernels();
    kernel->set_name(spec.name);
    kernel->set_signature(spec.signature);
    for (const ArgSpec &arg : spec.args) {
      format::KernelArg *outArg = kernel->add_args();
      setPolynomial(arg.bytes, *outArg->mutable_bytes());
      outArg->set_written(arg.written);
      outArg->set_align(arg.align);
      for (const GrainRun &run : arg.runs) {
        format::GrainRun *outRun = outArg->add_runs();
        setPolynomial(run.grains, *outRun->mutable_grains());
        setPolynomial(run.bytes, *outRun->mutable_bytes());
      }
    }
    for (const ParamSpec &param : spec.params) {
      format::ParamRange *range = kernel->add_params();
      range->set_min(param.min);
      range->set_max(param.max);
    }
    setPolynomial(spec.grains, *kernel->mutable_grains());
  }

  llvm::StringMap<unsigned> indices;
};

/// What is known of the capacities once all of them are planned.
void describeSizes(Plan &plan) {
  for (const Weight &weight : plan.weights.weights())
    for (WeightReader reader : weight.readers) {
      format::Capacity &capacity = *plan.manifest.mutable_capacities(reader.capacity);
      if (capacity.blocks_size() == 0)
        continue; // It is not cut.
      format::Block &block = *capacity.mutable_blocks(reader.block);
      block.set_weight_bytes(block.weight_bytes() + weight.size);
    }
  uint64_t fullMacs = plan.manifest.capacities().rbegin()->macs();
  for (auto [number, capacity] : llvm::enumerate(*plan.manifest.mutable_capacities())) {
    capacity.set_weight_bytes(plan.weights.sharedBytes(number));
    capacity.set_private_bytes(plan.weights.privateBytes(number));
    capacity.set_capacity(fullMacs ? double(capacity.macs()) / double(fullMacs) : 1);
  }
}

/// Gives weights their places, and steps the places of weights instead of their
/// numbers.
void placeWeights(Plan &plan, unsigned blocks) {
  for (const WeightRange &range : plan.weights.layOut(blocks)) {
    if (!blocks)
      continue; // One range for all is no news.
    format::BlockWeights *out = plan.manifest.add_block_weights();
    out->set_block(range.block);
    out->set_shell(range.shell);
    out->set_offset(range.offset);
    out->set_size(range.size);
    out->set_hash(1); // Not the default, so that it takes its room in the layout.
  }
  for (format::Capacity &capacity : *plan.manifest.mutable_capacities())
    for (format::Step &step : *capacity.mutable_steps())
      for (format::StepArg &arg : *step.mutable_args())
        if (arg.space() == format::WEIGHT_SHELL) {
          const Weight &weight = plan.weights.weights()[arg.index()];
          arg.set_offset(arg.offset() + weight.offset);
          arg.set_index(weight.shell);
        }
}

/// Plans one capacity. Kernels and weights are those of the whole artifact.
class CapacityPlanner {
public:
  CapacityPlanner(func::FuncOp func, unsigned number, const BlockPlan &blocks, Plan &plan,
                  KernelTable &kernels)
      : func(func), number(number), blocks(blocks), plan(plan), kernels(kernels), views(func) {}
  LogicalResult run();

private:
  LogicalResult describeLayers();
  LogicalResult addStep(unsigned time, const KernelCall &call);
  LogicalResult addLayer(unsigned time);
  void addWork(const Layer &layer, uint64_t macs);
  void resolveArena();
  LogicalResult addCuts();
  std::optional<HeldTensor> heldTensor(Value value, unsigned first);

  func::FuncOp func;
  unsigned number; ///< Of the capacity.
  const BlockPlan &blocks;
  Plan &plan;
  KernelTable &kernels;
  Views views;
  format::Capacity *capacity = nullptr;
  std::vector<Layer> layers;
  std::optional<Placement> placement; ///< Of what the layers compute and read.
};

LogicalResult CapacityPlanner::describeLayers() {
  for (Operation &op : func.front().without_terminator()) {
    if (isa<nest::ReshapeOp>(op) || isWeight(&op) || isOpTriviallyDead(&op))
      continue;
    FailureOr<SmallVector<KernelCall, 1>> calls = SmallVector<KernelCall, 1>();
    if (!views.isView(&op))
      calls = describeCalls(&op, views.pitchesOf(&op));
    if (failed(calls))
      return failure();
    layers.push_back({&op, blocks.blockOf(&op), std::move(*calls)});
  }
  // No operation is in a block before those of its operands.
  llvm::stable_sort(layers, [](const Layer &a, const Layer &b) { return a.block < b.block; });
  return success();
}

LogicalResult CapacityPlanner::addStep(unsigned time, const KernelCall &call) {
  Operation *op = layers[time].op;
  format::Step *step = capacity->add_steps();
  step->set_kernel(kernels.add(call.spec, plan));
  step->set_layer(capacity->layers_size() - 1);
  for (auto [param, range] : llvm::zip_equal(call.params, call.spec.params)) {
    if (param < range.min || param > range.max)
      return op->emitError("kernel ") << call.spec.name << " is given the parameter " << param
                                      << ", outside [" << range.min << ", " << range.max << "]";
    step->add_params(param);
  }
  for (auto [arg, spec] : llvm::zip_equal(call.args, call.spec.args)) {
    format::StepArg *out = step->add_args();
    int64_t extent = evaluatePolynomial(spec.bytes, call.params);
    FailureOr<Place> place = placement->placeArgument(time, arg);
    if (failed(place))
      return failure();
    if (int64_t available = placement->bytesBehind(op, arg, *place); extent > available)
      return op->emitError("kernel ") << call.spec.name << " declares an extent of " << extent
                                      << " bytes for argument " << step->args_size() - 1
                                      << ", which has " << available;
    out->set_space(place->space);
    out->set_index(place->index);
    out->set_offset(place->offset + arg.offsetBytes);
  }
  return success();
}

void CapacityPlanner::addWork(const Layer &layer, uint64_t macs) {
  if (!blocks.count())
    return;
  format::Block &block = *capacity->mutable_blocks(layer.block);
  block.set_steps(block.steps() + layer.calls.size());
  format::WorkKind kind = workKind(layer.op);
  auto &list = *block.mutable_work();
  auto work = llvm::find_if(list, [&](const format::Work &w) { return w.kind() >= kind; });
  if (work == list.end() || work->kind() != kind) {
    // Kinds ascend: the new one is brought to its place.
    int place = work - list.begin();
    list.Add()->set_kind(kind);
    for (int i = list.size() - 1; i > place; --i)
      list.SwapElements(i, i - 1);
    work = list.begin() + place;
  }
  work->set_macs(work->macs() + macs);
  work->set_steps(work->steps() + layer.calls.size());
}

/// Replaces the numbers of buffers in the steps by offsets.
void CapacityPlanner::resolveArena() {
  plan.peakLiveBytes = peakLiveBytes(placement->arena(), format::kBufferAlignment);
  capacity->set_arena_bytes(placement->packArena());
  for (format::Step &step : *capacity->mutable_steps())
    for (format::StepArg &arg : *step.mutable_args())
      if (arg.space() == format::ARENA) {
        arg.set_offset(arg.offset() + placement->arena()[arg.index()].offset);
        arg.set_index(0); // There is one arena.
      }
}

/// Nothing for values that no layer reads.
std::optional<HeldTensor> CapacityPlanner::heldTensor(Value value, unsigned first) {
  std::optional<unsigned> last = placement->lastUse(value);
  bool isInput = isa<BlockArgument>(value);
  if (!last && !isInput)
    return std::nullopt;
  HeldTensor held;
  held.bytes = byteSize(value);
  held.first = first;
  held.last = last.value_or(0);
  auto type = cast<RankedTensorType>(value.getType());
  held.tensor.set_dtype(dtypeOf(type.getElementType()));
  for (int64_t extent : type.getShape())
    held.tensor.add_dims(extent);
  const Place &place = placement->placeOf(value);
  held.tensor.set_space(place.pitch ? format::ARENA_ROWS : place.space);
  held.tensor.set_pitch(place.pitch);
  held.buffer = place.index;
  if (place.space == format::ARENA)
    held.tensor.set_offset(placement->arena()[place.index].offset + place.offset);
  else
    held.tensor.set_index(place.index);
  if (place.space == format::ARENA)
    held.tensor.set_name(lastNode(value.getLoc()));
  else
    held.tensor.set_name(isInput ? plan.manifest.inputs(place.index).name()
                                 : plan.manifest.outputs(place.index).name());
  return held;
}

LogicalResult CapacityPlanner::addCuts() {
  std::vector<HeldTensor> tensors;
  for (BlockArgument argument : func.getArguments())
    tensors.push_back(*heldTensor(argument, 0));
  std::vector<unsigned> starts;
  for (auto [time, layer] : llvm::enumerate(layers)) {
    starts.resize(std::max<size_t>(starts.size(), layer.block + 1), time);
    for (Value result : layer.op->getResults())
      if (std::optional<HeldTensor> held = heldTensor(result, time + 1))
        tensors.push_back(std::move(*held));
  }
  starts.resize(blocks.count() + 1, layers.size());
  auto liveBytes = describeCuts(*capacity, tensors, placement->arena(), starts);
  if (!liveBytes)
    return func.emitError("tensors that are alive at the same cut overlap in the memory plan");
  plan.manifest.clear_cuts(); // What stays is that of the full capacity.
  for (auto [number, dominated] : llvm::enumerate(dominatedCuts(*liveBytes))) {
    format::CutInfo *info = plan.manifest.add_cuts();
    info->set_dominated(dominated);
    if (unsigned start = starts[number])
      info->set_name(lastNode(layers[start - 1].op->getLoc()));
  }
  return success();
}

LogicalResult CapacityPlanner::addLayer(unsigned time) {
  const Layer &layer = layers[time];
  placement->placeResults(time);
  if (layer.calls.empty())
    return success();
  format::Layer *out = capacity->add_layers();
  out->set_name(layerName(layer.op->getLoc()));
  out->set_op(layerKind(layer.op));
  for (const KernelCall &call : layer.calls) {
    if (failed(addStep(time, call)))
      return failure();
    out->set_macs(out->macs() + call.macs);
  }
  capacity->set_macs(capacity->macs() + out->macs());
  addWork(layer, out->macs());
  return success();
}

LogicalResult CapacityPlanner::run() {
  capacity = plan.manifest.add_capacities();
  for (unsigned block = 0; block < blocks.count(); ++block)
    capacity->add_blocks();
  if (failed(describeLayers()))
    return failure();
  placement.emplace(func, number, layers, views, plan.weights);
  for (unsigned time = 0; time < layers.size(); ++time)
    if (failed(addLayer(time)))
      return failure();
  resolveArena();
  capacity->set_shells(number + 1);
  return blocks.count() ? addCuts() : success();
}

} // namespace

void copySharedResults(func::FuncOp func) {
  Operation *terminator = func.front().getTerminator();
  OpBuilder builder(terminator);
  llvm::SmallPtrSet<Value, 4> written;
  for (OpOperand &result : terminator->getOpOperands()) {
    Value value = result.get(), root = rootOf(value);
    if (!isa<BlockArgument>(root) && !isWeight(root.getDefiningOp()) &&
        written.insert(root).second)
      continue;
    auto copy = nest::MapOp::create(builder, value.getLoc(), value.getType(), value);
    Type element = cast<RankedTensorType>(value.getType()).getElementType();
    if (auto integer = dyn_cast<IntegerType>(element))
      element = builder.getIntegerType(integer.getWidth());
    Block &body = copy.getBody().emplaceBlock();
    OpBuilder inner = OpBuilder::atBlockEnd(&body);
    nest::YieldOp::create(inner, value.getLoc(), body.addArgument(element, value.getLoc()));
    result.set(copy.getResult());
  }
}

FailureOr<Plan> planExecution(ArrayRef<func::FuncOp> capacities) {
  Plan plan;
  plan.weights = WeightPlan(capacities.size());
  KernelTable kernels;
  FailureOr<BlockPlan> blocks = BlockPlan::take(capacities);
  if (failed(blocks) || failed(describeBoundary(capacities.back(), plan.manifest)))
    return failure();
  for (auto [number, func] : llvm::enumerate(capacities))
    if (failed(CapacityPlanner(func, number, *blocks, plan, kernels).run()))
      return failure();
  placeWeights(plan, blocks->count());
  describeSizes(plan);
  plan.lostCuts = blocks->lostCuts();
  plan.fusedAcrossCuts = blocks->fusedAcrossCuts();
  return plan;
}

} // namespace nestor::package

//===- Plan.cpp - A function of nest operations as an execution plan ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Plan.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/ir/RowSums.h"
#include "compiler/package/BlockPlan.h"
#include "compiler/package/Cuts.h"
#include "compiler/package/MemoryPlan.h"
#include "compiler/package/Views.h"
#include "compiler/reference/Evaluator.h"
#include "runtime/format/header.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace nestor::kernels;

namespace nestor::package {
namespace {

int64_t byteSize(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getNumElements() * reference::elementBytes(type.getElementType());
}

/// What its memory holds: the tensor, and behind it the sums of its rows, if any.
int64_t bytesInMemory(Value value) {
  SmallVector<int64_t, 3> sums = nest::rowSumsShape(value);
  return byteSize(value) + (sums.empty() ? 0 : int64_t(sizeof(float)) * llvm::product_of(sums));
}

format::DType dtypeOf(Type type) {
  if (type.isF32())
    return format::FLOAT32;
  if (type.isF64())
    return format::FLOAT64;
  if (type.isF16())
    return format::FLOAT16;
  if (type.isBF16())
    return format::BFLOAT16;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return format::DTYPE_INVALID;
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return format::BOOL;
  case 8:
    return isUnsigned ? format::UINT8 : format::INT8;
  case 16:
    return isUnsigned ? format::UINT16 : format::INT16;
  case 32:
    return isUnsigned ? format::UINT32 : format::INT32;
  case 64:
    return isUnsigned ? format::UINT64 : format::INT64;
  default:
    return format::DTYPE_INVALID;
  }
}

/// What lies in a shell instead of being computed.
bool isWeight(Operation *op) {
  if (isa<nest::PackOp, nest::PackRecurrentOp>(op))
    op = op->getOperand(0).getDefiningOp();
  return isa_and_nonnull<nest::ConstOp, nest::WeightOp>(op);
}

LogicalResult describeTensor(Operation *model, Value value, Attribute name,
                             Attribute normalization, format::Tensor &out) {
  auto type = cast<RankedTensorType>(value.getType());
  if (auto text = dyn_cast_or_null<StringAttr>(name))
    out.set_name(text.str());
  out.set_dtype(dtypeOf(type.getElementType()));
  if (out.dtype() == format::DTYPE_INVALID)
    return model->emitError("tensor '") << out.name() << "' has the element type "
                                        << type.getElementType()
                                        << ", which artifacts cannot hold";
  for (int64_t extent : type.getShape())
    out.add_dims(extent);
  auto dictionary = dyn_cast_or_null<DictionaryAttr>(normalization);
  if (!dictionary)
    return success();
  format::Normalization &stored = *out.mutable_normalization();
  stored.set_scale(dictionary.getAs<FloatAttr>("scale").getValueAsDouble());
  for (float mean : dictionary.getAs<DenseF32ArrayAttr>("mean").asArrayRef())
    stored.add_mean(mean);
  for (float std : dictionary.getAs<DenseF32ArrayAttr>("std").asArrayRef())
    stored.add_std(std);
  return success();
}

/// The model's inputs and outputs, which all capacities have.
LogicalResult describeBoundary(func::FuncOp func, format::Manifest &manifest) {
  for (BlockArgument argument : func.getArguments()) {
    unsigned index = argument.getArgNumber();
    if (failed(describeTensor(func, argument, func.getArgAttr(index, "nest.name"),
                              func.getArgAttr(index, "nest.normalization"),
                              *manifest.add_inputs())))
      return failure();
  }
  for (OpOperand &result : func.front().getTerminator()->getOpOperands())
    if (failed(describeTensor(func, result.get(),
                              func.getResultAttr(result.getOperandNumber(), "nest.name"), {},
                              *manifest.add_outputs())))
      return failure();
  return success();
}

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

/// An operation that runs, and its kernel calls: none where all that it would
/// move lies in place. Its position in the list of all of them is the time at
/// which it runs.
struct Layer {
  Operation *op;
  unsigned block;
  SmallVector<KernelCall, 1> calls;
};

/// Where a value lies; several values share one place when one is computed
/// over the other.
struct Place {
  format::Space space;
  unsigned index = 0;  ///< Of the input, output or weight; for the arena, of the buffer.
  /// Of a view: bytes from the start of the buffer, and from one row to the next.
  int64_t offset = 0, pitch = 0;
};

/// Plans one capacity. Kernels and weights are those of the whole artifact.
class CapacityPlanner {
public:
  CapacityPlanner(func::FuncOp func, unsigned number, const BlockPlan &blocks, Plan &plan,
                  KernelTable &kernels)
      : func(func), number(number), blocks(blocks), plan(plan), kernels(kernels), views(func) {}
  LogicalResult run();

private:
  LogicalResult describeLayers();
  void placeBoundary();
  void findLastUses();
  void placeResults(unsigned time);
  std::optional<unsigned> placeInPlace(unsigned time, Value result);
  Place placeInside(const View &view, unsigned time);
  FailureOr<Place> placeOf(unsigned time, Value value);
  FailureOr<Place> placeArgument(unsigned time, const CallArg &arg);
  int64_t bytesBehind(Operation *op, const CallArg &arg, Place place);
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
  std::vector<Buffer> buffers;                 ///< Of the arena.
  DenseMap<std::pair<unsigned, unsigned>, unsigned> scratchBuffers; ///< By layer and index.
  llvm::DenseMap<Value, unsigned> lastUses;    ///< By root.
  llvm::DenseMap<Value, unsigned> outputs;     ///< Roots that the function returns.
  llvm::DenseMap<Value, Place> places;         ///< By root.
  llvm::DenseMap<std::pair<Value, unsigned>, unsigned> weightNumbers; ///< By root and block.
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

void CapacityPlanner::placeBoundary() {
  for (BlockArgument argument : func.getArguments())
    places[argument] = {format::MODEL_INPUT, argument.getArgNumber()};
  for (OpOperand &result : func.front().getTerminator()->getOpOperands()) {
    [[maybe_unused]] bool isNew =
        outputs.try_emplace(rootOf(result.get()), result.getOperandNumber()).second;
    assert(isNew && "copySharedResults must run before planning");
  }
}

void CapacityPlanner::findLastUses() {
  for (auto [time, layer] : llvm::enumerate(layers))
    for (Value operand : layer.op->getOperands())
      lastUses[rootOf(operand)] = time;
  for (auto [root, index] : outputs)
    lastUses[root] = layers.size();
}

/// The buffer of an operand that `result` may be written over: one that holds
/// nothing else any more, and that the operand fills.
std::optional<unsigned> CapacityPlanner::placeInPlace(unsigned time, Value result) {
  Operation *op = layers[time].op;
  for (OpOperand &operand : op->getOpOperands()) {
    Value root = rootOf(operand.get());
    auto found = places.find(root);
    if (found == places.end() || found->second.space != format::ARENA ||
        lastUses.lookup(root) != time || byteSize(root) != byteSize(result) ||
        bytesInMemory(result) > bytesInMemory(root))
      continue;
    unsigned buffer = found->second.index;
    if (found->second.pitch || buffers[buffer].last > time)
      continue; // What lies inside is needed, or this is inside another one.
    auto sharesBuffer = [&](OpOperand &other) {
      auto place = places.find(rootOf(other.get()));
      return &other != &operand && place != places.end() &&
             place->second.space == format::ARENA && place->second.index == buffer;
    };
    if (llvm::any_of(op->getOpOperands(), sharesBuffer) ||
        !canRunInPlace(op, operand.getOperandNumber()))
      continue;
    return buffer;
  }
  return std::nullopt;
}

/// The place of a view. The tensor that it lies in gets its buffer with the
/// first of its parts.
Place CapacityPlanner::placeInside(const View &view, unsigned time) {
  auto type = cast<RankedTensorType>(view.whole.getType());
  auto [whole, isNew] = places.try_emplace(view.whole, Place{format::ARENA, unsigned(buffers.size())});
  if (isNew)
    buffers.push_back({uint64_t(byteSize(view.whole)), time, time});
  int64_t element = reference::elementBytes(type.getElementType());
  return {format::ARENA, whole->second.index, view.channel * element, type.getShape().back() * element};
}

void CapacityPlanner::placeResults(unsigned time) {
  for (OpResult result : layers[time].op->getResults()) {
    if (std::optional<View> view = views.lookup(result))
      places.insert({result, placeInside(*view, time)});
    if (auto known = places.find(result); known != places.end()) {
      unsigned &last = buffers[known->second.index].last;
      last = std::max({last, time, lastUses.lookup(result)});
      continue;
    }
    if (auto output = outputs.find(result); output != outputs.end()) {
      places[result] = {format::MODEL_OUTPUT, output->second};
      continue;
    }
    unsigned last = std::max(time, lastUses.lookup(result));
    std::optional<unsigned> buffer;
    if (result.getResultNumber() == 0)
      buffer = placeInPlace(time, result);
    if (buffer) {
      buffers[*buffer].last = std::max(buffers[*buffer].last, last);
    } else {
      buffer = buffers.size();
      buffers.push_back({uint64_t(bytesInMemory(result)), time, last});
    }
    places[result] = {format::ARENA, *buffer};
  }
}

FailureOr<Place> CapacityPlanner::placeOf(unsigned time, Value value) {
  Value root = rootOf(value);
  if (auto found = places.find(root); found != places.end())
    return found->second;
  // Constants get a number when a kernel first reads them: weights lie in the
  // order of the plan, and those that kernels swallowed are left out.
  unsigned block = layers[time].block;
  auto [known, isNew] = weightNumbers.try_emplace({root, block});
  if (isNew) {
    FailureOr<unsigned> weight = plan.weights.read(root, {number, block});
    if (failed(weight))
      return failure();
    known->second = *weight;
  }
  return Place{format::WEIGHT_SHELL, known->second};
}

FailureOr<Place> CapacityPlanner::placeArgument(unsigned time, const CallArg &arg) {
  Operation *op = layers[time].op;
  switch (arg.kind) {
  case CallArg::Operand:
    return placeOf(time, op->getOperand(arg.index));
  case CallArg::Result:
    return placeOf(time, op->getResult(arg.index));
  case CallArg::Block: {
    std::optional<SharedFilter> filter = SharedFilter::get(op->getOperand(arg.index));
    WeightReader reader = {number, layers[time].block};
    return Place{format::WEIGHT_SHELL, plan.weights.readBlock(*filter, arg.block, reader)};
  }
  case CallArg::Scratch:
    break;
  }
  // The calls of one layer share a scratch buffer by its index.
  auto [entry, isNew] = scratchBuffers.try_emplace({time, arg.index}, buffers.size());
  if (isNew)
    buffers.push_back({uint64_t(arg.scratchBytes), time, time});
  return Place{format::ARENA, entry->second};
}

/// Bytes from the argument's pointer to the end of what it points into.
int64_t CapacityPlanner::bytesBehind(Operation *op, const CallArg &arg, Place place) {
  if (arg.kind == CallArg::Scratch)
    return arg.scratchBytes;
  if (arg.kind == CallArg::Block)
    return plan.weights.weights()[place.index].size;
  Value value = arg.kind == CallArg::Operand ? op->getOperand(arg.index)
                                             : Value(op->getResult(arg.index));
  if (place.pitch)
    return buffers[place.index].bytes - place.offset - arg.offsetBytes;
  return bytesInMemory(value) - arg.offsetBytes;
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
    FailureOr<Place> place = placeArgument(time, arg);
    if (failed(place))
      return failure();
    if (int64_t available = bytesBehind(op, arg, *place); extent > available)
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
  plan.peakLiveBytes = peakLiveBytes(buffers, format::kBufferAlignment);
  capacity->set_arena_bytes(packBuffers(buffers, format::kBufferAlignment));
  for (format::Step &step : *capacity->mutable_steps())
    for (format::StepArg &arg : *step.mutable_args())
      if (arg.space() == format::ARENA) {
        arg.set_offset(arg.offset() + buffers[arg.index()].offset);
        arg.set_index(0); // There is one arena.
      }
}

/// Nothing for values that no layer reads.
std::optional<HeldTensor> CapacityPlanner::heldTensor(Value value, unsigned first) {
  auto last = lastUses.find(value);
  bool isInput = isa<BlockArgument>(value);
  if (last == lastUses.end() && !isInput)
    return std::nullopt;
  HeldTensor held;
  held.bytes = byteSize(value);
  held.first = first;
  held.last = last == lastUses.end() ? 0 : last->second;
  auto type = cast<RankedTensorType>(value.getType());
  held.tensor.set_dtype(dtypeOf(type.getElementType()));
  for (int64_t extent : type.getShape())
    held.tensor.add_dims(extent);
  const Place &place = places.find(value)->second;
  held.tensor.set_space(place.pitch ? format::ARENA_ROWS : place.space);
  held.tensor.set_pitch(place.pitch);
  held.buffer = place.index;
  if (place.space == format::ARENA)
    held.tensor.set_offset(buffers[place.index].offset + place.offset);
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
  auto liveBytes = describeCuts(*capacity, tensors, buffers, starts);
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
  placeResults(time);
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
  placeBoundary();
  findLastUses();
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

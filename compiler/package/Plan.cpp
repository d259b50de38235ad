//===- Plan.cpp - A function of nest operations as an execution plan ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Plan.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/package/MemoryPlan.h"
#include "compiler/reference/Evaluator.h"
#include "runtime/format/header.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

#include <map>

using namespace mlir;
using namespace nestor::kernels;

namespace nestor::package {
namespace {

int64_t byteSize(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getNumElements() * reference::elementBytes(type.getElementType());
}

/// The value whose memory `value` is: reshapes are free.
Value rootOf(Value value) {
  while (auto reshape = value.getDefiningOp<nest::ReshapeOp>())
    value = reshape.getInput();
  return value;
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

/// The bytes of a constant as kernels read them, without a copy where the
/// attribute stores them so.
Weight weightOf(ElementsAttr value) {
  Weight weight;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob()) {
      weight.bytes = StringRef(blob->getData().data(), blob->getData().size());
      return weight;
    }
  }
  reference::TensorValue tensor = reference::TensorValue::fromAttr(value);
  weight.expanded.emplace(tensor.bytes.begin(), tensor.bytes.end());
  return weight;
}

void setPolynomial(const Polynomial &polynomial, format::Polynomial &out) {
  for (const Term &term : polynomial) {
    format::Term *outTerm = out.add_terms();
    outTerm->set_coefficient(term.coefficient);
    for (uint32_t factor : term.factors)
      outTerm->add_factors(factor);
  }
}

/// An operation that runs, and its kernel calls. Its position in the list of
/// all of them is the time at which it runs.
struct Layer {
  Operation *op;
  SmallVector<KernelCall, 1> calls;
};

/// Where a value lies; several values share one place when one is computed
/// over the other.
struct Place {
  format::Space space;
  unsigned index = 0;  ///< Of the input, output or weight; for the arena, of the buffer.
};

class Planner {
public:
  explicit Planner(func::FuncOp func) : func(func) {}
  FailureOr<Plan> run();

private:
  LogicalResult describeLayers();
  LogicalResult describeBoundary();
  LogicalResult describeTensor(Value value, Attribute name, Attribute normalization,
                               format::Tensor &out);
  void findLastUses();
  void placeResults(unsigned time);
  std::optional<unsigned> placeInPlace(unsigned time, Value result);
  Place placeOf(Value value);
  unsigned addWeight(nest::ConstOp constant);
  unsigned addKernel(const KernelSpec &spec);
  LogicalResult addStep(unsigned time, const KernelCall &call);
  void resolveOffsets();

  func::FuncOp func;
  Plan plan;
  format::Capacity *capacity = nullptr;
  std::vector<Layer> layers;
  std::vector<Buffer> buffers;                 ///< Of the arena.
  DenseMap<std::pair<unsigned, unsigned>, unsigned> scratchBuffers; ///< By layer and index.
  llvm::DenseMap<Value, unsigned> lastUses;    ///< By root.
  llvm::DenseMap<Value, unsigned> outputs;     ///< Roots that the function returns.
  llvm::DenseMap<Value, Place> places;         ///< By root.
  llvm::StringMap<unsigned> kernelIndices;
  /// Weights by hash, so that equal constants are stored once.
  std::map<uint64_t, SmallVector<unsigned, 1>> weightsByHash;
};

LogicalResult Planner::describeLayers() {
  for (Operation &op : func.front().without_terminator()) {
    if (isa<nest::ConstOp, nest::ReshapeOp>(op) || isOpTriviallyDead(&op))
      continue;
    FailureOr<SmallVector<KernelCall, 1>> calls = describeCalls(&op);
    if (failed(calls))
      return failure();
    layers.push_back({&op, std::move(*calls)});
  }
  return success();
}

LogicalResult Planner::describeTensor(Value value, Attribute name, Attribute normalization,
                                      format::Tensor &out) {
  auto type = cast<RankedTensorType>(value.getType());
  if (auto text = dyn_cast_or_null<StringAttr>(name))
    out.set_name(text.str());
  out.set_dtype(dtypeOf(type.getElementType()));
  if (out.dtype() == format::DTYPE_INVALID)
    return func.emitError("tensor '") << out.name() << "' has the element type "
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

LogicalResult Planner::describeBoundary() {
  for (BlockArgument argument : func.getArguments()) {
    unsigned index = argument.getArgNumber();
    if (failed(describeTensor(argument, func.getArgAttr(index, "nest.name"),
                              func.getArgAttr(index, "nest.normalization"),
                              *plan.manifest.add_inputs())))
      return failure();
    places[argument] = {format::MODEL_INPUT, index};
  }
  for (OpOperand &result : func.front().getTerminator()->getOpOperands()) {
    unsigned index = result.getOperandNumber();
    if (failed(describeTensor(result.get(), func.getResultAttr(index, "nest.name"), {},
                              *plan.manifest.add_outputs())))
      return failure();
    [[maybe_unused]] bool isNew = outputs.try_emplace(rootOf(result.get()), index).second;
    assert(isNew && "copySharedResults must run before planning");
  }
  return success();
}

void Planner::findLastUses() {
  for (auto [time, layer] : llvm::enumerate(layers))
    for (Value operand : layer.op->getOperands())
      lastUses[rootOf(operand)] = time;
  for (auto [root, index] : outputs)
    lastUses[root] = layers.size();
}

/// The buffer of an operand that `result` may be written over: one that holds
/// nothing else any more.
std::optional<unsigned> Planner::placeInPlace(unsigned time, Value result) {
  Operation *op = layers[time].op;
  for (OpOperand &operand : op->getOpOperands()) {
    Value root = rootOf(operand.get());
    auto found = places.find(root);
    if (found == places.end() || found->second.space != format::ARENA ||
        lastUses.lookup(root) != time || byteSize(root) != byteSize(result))
      continue;
    unsigned buffer = found->second.index;
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

void Planner::placeResults(unsigned time) {
  for (OpResult result : layers[time].op->getResults()) {
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
      buffers.push_back({uint64_t(byteSize(result)), time, last});
    }
    places[result] = {format::ARENA, *buffer};
  }
}

unsigned Planner::addWeight(nest::ConstOp constant) {
  Weight weight = weightOf(constant.getValue());
  StringRef bytes = weight.contents();
  SmallVector<unsigned, 1> &candidates = weightsByHash[llvm::xxh3_64bits(bytes)];
  for (unsigned candidate : candidates)
    if (plan.weights[candidate].contents() == bytes)
      return candidate;
  weight.offset = llvm::alignTo(plan.weightBytes, format::kBufferAlignment);
  plan.weightBytes = weight.offset + bytes.size();
  candidates.push_back(plan.weights.size());
  plan.weights.push_back(std::move(weight));
  return plan.weights.size() - 1;
}

Place Planner::placeOf(Value value) {
  Value root = rootOf(value);
  if (auto found = places.find(root); found != places.end())
    return found->second;
  // Constants are placed when a kernel first reads them: weights lie in the
  // order of the plan, and those that kernels swallowed are left out.
  Place place{format::WEIGHT_SHELL, addWeight(cast<nest::ConstOp>(root.getDefiningOp()))};
  places[root] = place;
  return place;
}

unsigned Planner::addKernel(const KernelSpec &spec) {
  auto [entry, isNew] = kernelIndices.try_emplace(spec.name, plan.kernels.size());
  if (!isNew)
    return entry->second;
  plan.kernels.push_back(spec);
  format::Kernel *kernel = plan.manifest.add_kernels();
  kernel->set_name(spec.name);
  kernel->set_signature(spec.signature);
  for (const ArgSpec &arg : spec.args) {
    format::KernelArg *outArg = kernel->add_args();
    setPolynomial(arg.bytes, *outArg->mutable_bytes());
    outArg->set_written(arg.written);
    outArg->set_align(arg.align);
  }
  for (const ParamSpec &param : spec.params) {
    format::ParamRange *range = kernel->add_params();
    range->set_min(param.min);
    range->set_max(param.max);
  }
  setPolynomial(spec.grains, *kernel->mutable_grains());
  return entry->second;
}

LogicalResult Planner::addStep(unsigned time, const KernelCall &call) {
  Operation *op = layers[time].op;
  format::Step *step = capacity->add_steps();
  step->set_kernel(addKernel(call.spec));
  step->set_layer(time);
  for (auto [param, range] : llvm::zip_equal(call.params, call.spec.params)) {
    if (param < range.min || param > range.max)
      return op->emitError("kernel ") << call.spec.name << " is given the parameter " << param
                                      << ", outside [" << range.min << ", " << range.max << "]";
    step->add_params(param);
  }
  for (auto [arg, spec] : llvm::zip_equal(call.args, call.spec.args)) {
    format::StepArg *out = step->add_args();
    int64_t available = arg.scratchBytes;
    Place place{format::ARENA, 0};
    if (arg.kind == CallArg::Scratch) {
      // The calls of one layer share a scratch buffer by its index.
      auto [entry, isNew] = scratchBuffers.try_emplace({time, arg.index}, buffers.size());
      if (isNew)
        buffers.push_back({uint64_t(arg.scratchBytes), time, time});
      place.index = entry->second;
    } else {
      Value value = arg.kind == CallArg::Operand ? op->getOperand(arg.index)
                                                 : Value(op->getResult(arg.index));
      place = placeOf(value);
      available = byteSize(value) - arg.offsetBytes;
    }
    if (evaluatePolynomial(spec.bytes, call.params) > available)
      return op->emitError("kernel ")
             << call.spec.name << " declares an extent of "
             << evaluatePolynomial(spec.bytes, call.params) << " bytes for argument "
             << step->args_size() - 1 << ", which has " << available;
    out->set_space(place.space);
    out->set_index(place.index);
    out->set_offset(arg.offsetBytes);
  }
  return success();
}

/// Replaces the numbers of buffers and weights in the steps by offsets.
void Planner::resolveOffsets() {
  plan.peakLiveBytes = peakLiveBytes(buffers, format::kBufferAlignment);
  capacity->set_arena_bytes(packBuffers(buffers, format::kBufferAlignment));
  for (format::Step &step : *capacity->mutable_steps()) {
    for (format::StepArg &arg : *step.mutable_args()) {
      if (arg.space() == format::ARENA)
        arg.set_offset(arg.offset() + buffers[arg.index()].offset);
      else if (arg.space() == format::WEIGHT_SHELL)
        arg.set_offset(arg.offset() + plan.weights[arg.index()].offset);
      else
        continue;
      arg.set_index(0); // One arena; one shell until there are capacities.
    }
  }
}

FailureOr<Plan> Planner::run() {
  capacity = plan.manifest.add_capacities();
  capacity->set_capacity(1);
  if (failed(describeLayers()) || failed(describeBoundary()))
    return failure();
  findLastUses();
  for (auto [time, layer] : llvm::enumerate(layers)) {
    placeResults(time);
    format::Layer *out = capacity->add_layers();
    out->set_name(layerName(layer.op->getLoc()));
    out->set_op(layerKind(layer.op));
    for (const KernelCall &call : layer.calls) {
      if (failed(addStep(time, call)))
        return failure();
      out->set_macs(out->macs() + call.macs);
    }
    capacity->set_macs(capacity->macs() + out->macs());
  }
  resolveOffsets();
  capacity->set_weight_bytes(plan.weightBytes);
  capacity->set_shells(1);
  return std::move(plan);
}

} // namespace

void copySharedResults(func::FuncOp func) {
  Operation *terminator = func.front().getTerminator();
  OpBuilder builder(terminator);
  llvm::SmallPtrSet<Value, 4> written;
  for (OpOperand &result : terminator->getOpOperands()) {
    Value value = result.get(), root = rootOf(value);
    if (!isa<BlockArgument>(root) && !isa<nest::ConstOp>(root.getDefiningOp()) &&
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

FailureOr<Plan> planExecution(func::FuncOp func) { return Planner(func).run(); }

} // namespace nestor::package

//===- Walk.cpp - Several networks, layer by layer, on the same data ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Walk.h"

#include "compiler/learn/Executor.h"
#include "compiler/reference/Evaluator.h"
#include "compiler/reference/Indices.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace nestor::learn {

/// Samples that run at once; fewer where their values are large.
static constexpr int64_t kBatch = 16;
static constexpr int64_t kBatchBytes = int64_t(256) << 20;

int64_t elementsOf(Value value) { return cast<RankedTensorType>(value.getType()).getNumElements(); }

std::vector<float> keptPart(nest::WeightOp weight, ArrayRef<float> whole) {
  nest::GlobalOp global = nest::globalOf(weight);
  ArrayRef<int64_t> shape = global.getValue().getShapedType().getShape();
  SmallVector<int64_t> strides = reference::stridesOf(shape);
  SmallVector<SmallVector<int64_t>> indices;
  for (unsigned dim = 0; dim < shape.size(); ++dim)
    indices.push_back(nest::keptIndices(global, dim, weight.getCapacity()));
  std::vector<float> part;
  part.reserve(weight.getType().getNumElements());
  reference::forEachIndex(weight.getType().getShape(), [&](ArrayRef<int64_t> index) {
    int64_t from = 0;
    for (auto [dim, i] : llvm::enumerate(index))
      from += indices[dim][i] * strides[dim];
    part.push_back(whole[from]);
  });
  return part;
}

/// Some operations of the functions as a function of their own.
struct Walk::Segment {
  SmallVector<Value> inputs, outputs; ///< Of the original functions.
  std::optional<Executor> executor;   ///< None if there is nothing to compute.
  int64_t batch = 1;
};

Walk::Walk(ArrayRef<func::FuncOp> functions, const Dataset &data, unsigned threads,
           const ParameterSet *parameters)
    : functions(functions), threads(threads), parameters(parameters), count(data.size()) {
  copyInputs(data);
}

void Walk::copyInputs(const Dataset &data) {
  for (BlockArgument argument : functions.front().getArguments()) {
    size_t size = elementsOf(argument);
    AlignedFloats &floats = kept[argument] = AlignedFloats(size * count);
    for (size_t i = 0; i < count; ++i)
      data.copy(i, argument.getArgNumber(), {floats.data() + i * size, size});
  }
}

Value Walk::keyOf(Value value) const {
  func::FuncOp first = functions.front();
  auto argument = dyn_cast<BlockArgument>(value);
  return argument ? first.getArgument(argument.getArgNumber()) : value;
}

//===----------------------------------------------------------------------===//
// Segments
//===----------------------------------------------------------------------===//

/// Whether every argument has a dimension along which samples can lie; of some
/// arguments (a state, a scalar) one sample is all there is.
static bool takesSamples(func::FuncOp func) {
  return llvm::all_of(func.getArgumentTypes(), [](Type type) {
    auto tensor = cast<RankedTensorType>(type);
    return tensor.getRank() && tensor.getDimSize(0) == 1;
  });
}

static Operation *createConstant(OpBuilder &builder, Location loc, RankedTensorType type,
                                 ArrayRef<float> values) {
  reference::TensorValue tensor = reference::TensorValue::zeros(type);
  llvm::copy(values, tensor.as<float>().begin());
  return nest::ConstOp::create(builder, loc, tensor.toAttr());
}

/// Copies `op`; weights become constants, parameters have present values.
Operation *Walk::cloneInto(OpBuilder &builder, Operation *op, IRMapping &map) {
  int index = parameters && isa<nest::ConstOp, nest::WeightOp>(op)
                  ? parameters->indexOf(op->getResult(0))
                  : -1;
  Operation *copy;
  if (auto weight = dyn_cast<nest::WeightOp>(op)) {
    std::vector<float> part;
    if (index >= 0) {
      part = keptPart(weight, (*parameters)[index].value);
    } else {
      auto whole = reference::TensorValue::fromAttr(nest::globalOf(weight).getValue());
      part = keptPart(weight, std::as_const(whole).as<float>());
    }
    copy = createConstant(builder, op->getLoc(), weight.getType(), part);
  } else if (index >= 0) {
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    copy = createConstant(builder, op->getLoc(), type, (*parameters)[index].value);
  } else {
    return builder.clone(*op, map);
  }
  map.map(op->getResult(0), copy->getResult(0));
  return copy;
}

/// A function of kept values that returns `results`.
llvm::Expected<Walk::Segment> Walk::compile(ArrayRef<Value> results) {
  Segment segment;
  llvm::SetVector<Operation *> needed;
  llvm::SetVector<Value> inputs;
  SmallVector<Value> pending;
  for (Value result : results)
    if (!kept.contains(keyOf(result)) && !llvm::is_contained(segment.outputs, result))
      segment.outputs.push_back(result);
  pending = segment.outputs;
  while (!pending.empty()) {
    Value value = pending.pop_back_val();
    if (kept.contains(keyOf(value)))
      inputs.insert(keyOf(value));
    else if (Operation *op = value.getDefiningOp(); needed.insert(op)) {
      llvm::SetVector<Value> captured;
      getUsedValuesDefinedAbove(op->getRegions(), captured);
      llvm::append_range(pending, op->getOperands());
      llvm::append_range(pending, captured);
    }
  }
  segment.inputs = inputs.takeVector();
  if (segment.outputs.empty())
    return segment;

  MLIRContext *context = functions.front().getContext();
  OpBuilder builder(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(functions.front().getLoc());
  builder.setInsertionPointToEnd(module->getBody());
  SmallVector<Type> types = llvm::to_vector(ValueRange(segment.inputs).getTypes());
  auto func =
      func::FuncOp::create(builder, functions.front().getLoc(), "main",
                           builder.getFunctionType(types, ValueRange(segment.outputs).getTypes()));
  Block *block = func.addEntryBlock();
  builder.setInsertionPointToEnd(block);
  IRMapping map;
  for (auto [input, argument] : llvm::zip(segment.inputs, block->getArguments())) {
    map.map(input, argument);
    if (auto original = dyn_cast<BlockArgument>(input))
      for (func::FuncOp other : functions)
        map.map(other.getArgument(original.getArgNumber()), argument);
  }
  for (func::FuncOp function : functions)
    for (Operation &op : function.front())
      if (needed.contains(&op))
        cloneInto(builder, &op, map);
  SmallVector<Value> returned;
  for (Value output : segment.outputs)
    returned.push_back(map.lookup(output));
  func::ReturnOp::create(builder, func.getLoc(), returned);

  int64_t bytes = 0;
  for (Value value : llvm::concat<Value>(segment.inputs, segment.outputs))
    bytes += elementsOf(value) * sizeof(float);
  int64_t batch = std::min<int64_t>(kBatch, std::max<int64_t>(1, kBatchBytes / bytes));
  std::string reason;
  OwningOpRef<func::FuncOp> batched;
  if (takesSamples(functions.front()))
    batched = withBatch(func, batch, reason);
  segment.batch = batched ? batch : 1;
  llvm::Expected<Executor> executor = Executor::compile(batched ? *batched : func, threads);
  if (!executor)
    return executor.takeError();
  segment.executor = std::move(*executor);
  return segment;
}

bool Walk::isWorthKeeping(ArrayRef<Value> frontier) const {
  size_t bytes = 0;
  for (Value value : frontier) {
    auto type = cast<RankedTensorType>(value.getType());
    if (!type.getElementType().isF32())
      return false;
    bytes += elementsOf(value) * sizeof(float) * count;
  }
  return !frontier.empty() && bytes <= memoryLimit;
}

llvm::Error Walk::run(ArrayRef<Value> wanted, ArrayRef<Value> frontier, Visit visit) {
  llvm::SetVector<Value> keep;
  if (isWorthKeeping(frontier))
    for (Value value : frontier)
      keep.insert(keyOf(value));
  SmallVector<Value> results(wanted);
  llvm::append_range(results, keep);
  llvm::Expected<Segment> segment = compile(results);
  if (!segment)
    return segment.takeError();

  Kept next;
  for (Value value : keep)
    if (!kept.contains(value))
      next[value] = AlignedFloats(elementsOf(value) * count);
  SmallVector<const float *> values(wanted.size());
  for (size_t first = 0; first < count; first += segment->batch) {
    // What lies beyond the last sample computes something that nobody reads.
    size_t here = std::min<size_t>(segment->batch, count - first);
    for (auto [i, input] : llvm::enumerate(segment->inputs)) {
      size_t size = elementsOf(input);
      std::copy_n(kept[input].data() + first * size, here * size,
                  segment->executor->input(i).data());
    }
    if (segment->executor)
      segment->executor->run();
    for (auto [i, output] : llvm::enumerate(segment->outputs)) {
      auto found = next.find(output);
      size_t size = elementsOf(output);
      if (found != next.end())
        std::copy_n(segment->executor->output(i).data(), here * size,
                    found->second.data() + first * size);
    }
    for (auto [i, value] : llvm::enumerate(wanted)) {
      auto found = kept.find(keyOf(value));
      values[i] = found != kept.end()
                      ? found->second.data() + first * elementsOf(value)
                      : segment->executor
                            ->output(llvm::find(segment->outputs, value) - segment->outputs.begin())
                            .data();
    }
    visit(first, here, values);
  }
  if (keep.empty())
    return llvm::Error::success();
  for (Value value : keep)
    if (auto found = kept.find(value); found != kept.end())
      next[value] = std::move(found->second);
  kept = std::move(next);
  return llvm::Error::success();
}

llvm::Expected<std::vector<std::vector<float>>> outputsOf(func::FuncOp function,
                                                          const Dataset &data, unsigned threads,
                                                          const ParameterSet *parameters) {
  Walk walk(function, data, threads, parameters);
  SmallVector<Value> results(function.front().getTerminator()->getOperands());
  std::vector<std::vector<float>> outputs(results.size());
  llvm::Error error = walk.run(results, [&](size_t, size_t count, ArrayRef<const float *> values) {
    for (auto [i, value] : llvm::enumerate(values))
      outputs[i].insert(outputs[i].end(), value, value + count * elementsOf(results[i]));
  });
  if (error)
    return error;
  return outputs;
}

} // namespace nestor::learn

//===- Parameters.cpp - What recovery may change --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Parameters.h"

#include "compiler/reference/Evaluator.h"
#include "passes/SharedWeights.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace nestor::learn {

static std::vector<float> floatsOf(ElementsAttr value) {
  reference::TensorValue tensor = reference::TensorValue::fromAttr(value);
  ArrayRef<float> floats = std::as_const(tensor).as<float>();
  return {floats.begin(), floats.end()};
}

ParameterSet::ParameterSet(ModuleOp nested) {
  for (auto global : nested.getOps<nest::GlobalOp>()) {
    ShapedType type = global.getValue().getShapedType();
    if (!type.getElementType().isF32())
      continue;
    indices[global] = list.size();
    list.push_back({Parameter::Filter, global.getSymName().str(),
                    SmallVector<int64_t>(type.getShape()), floatsOf(global.getValue()), -1, global,
                    {}});
  }
  for (auto [capacity, func] : llvm::enumerate(nest::capacityFunctions(nested)))
    func.walk([&, capacity = int(capacity)](Operation *op) {
      if (auto conv = dyn_cast<nest::ConvOp>(op)) {
        addPrivate(conv.getScale(), Parameter::Scale, capacity);
        addPrivate(conv.getBias(), Parameter::Bias, capacity);
      } else if (auto layer = RecurrentOperands::of(op); layer && layer->bias) {
        addPrivate(layer->bias->get(), Parameter::Bias, capacity);
      }
    });
}

void ParameterSet::addPrivate(Value vector, Parameter::Role role, int capacity) {
  auto constant = vector ? vector.getDefiningOp<nest::ConstOp>() : nest::ConstOp();
  if (!constant || !constant.getType().getElementType().isF32() ||
      !indices.try_emplace(constant, list.size()).second)
    return;
  std::string name = std::to_string(capacity) + (role == Parameter::Scale ? "/scale" : "/bias") +
                     std::to_string(list.size());
  list.push_back({role, std::move(name), SmallVector<int64_t>(constant.getType().getShape()),
                  floatsOf(constant.getValue()), capacity, {}, constant});
}

int ParameterSet::indexOf(Value value) const {
  Operation *key = value ? value.getDefiningOp() : nullptr;
  if (auto weight = dyn_cast_or_null<nest::WeightOp>(key))
    key = nest::globalOf(weight);
  auto found = indices.find(key);
  return found == indices.end() ? -1 : int(found->second);
}

void ParameterSet::writeBack() const {
  for (Parameter parameter : list) {
    Operation *op = parameter.global ? parameter.global.getOperation()
                                     : parameter.constant.getOperation();
    auto element = Float32Type::get(op->getContext());
    auto tensor = reference::TensorValue::zeros(RankedTensorType::get(parameter.shape, element));
    llvm::copy(parameter.value, tensor.as<float>().begin());
    if (parameter.global)
      parameter.global.setValueAttr(tensor.toAttr());
    else
      parameter.constant.setValueAttr(tensor.toAttr());
  }
}

//===----------------------------------------------------------------------===//
// Parameters as arguments
//===----------------------------------------------------------------------===//

static Value slice(OpBuilder &builder, Location loc, Value value, unsigned dim, int64_t start,
                   int64_t length) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> starts(type.getRank(), 0), steps(type.getRank(), 1);
  SmallVector<int64_t> shape(type.getShape());
  starts[dim] = start;
  shape[dim] = length;
  return nest::SliceOp::create(builder, loc, type.clone(shape), value, starts, steps);
}

/// What `weight` reads of `whole`, its global at full extents.
static Value sliceKept(OpBuilder &builder, nest::WeightOp weight, Value whole) {
  nest::GlobalOp global = nest::globalOf(weight);
  Value value = whole;
  for (unsigned dim = 0; dim < global.getEdges().size(); ++dim) {
    int64_t start = 0;
    SmallVector<Value> pieces;
    for (ArrayRef<int64_t> part : nest::partsOf(global, dim)) {
      if (int64_t kept = part[weight.getCapacity()])
        pieces.push_back(slice(builder, weight.getLoc(), value, dim, start, kept));
      start += part.back();
    }
    if (pieces.empty())
      continue;
    SmallVector<int64_t> shape(cast<RankedTensorType>(value.getType()).getShape());
    shape[dim] = weight.getType().getShape()[dim];
    auto type = weight.getType().clone(shape);
    value = pieces.size() == 1
                ? pieces.front()
                : nest::ConcatOp::create(builder, weight.getLoc(), type, pieces, dim).getResult();
  }
  return value;
}

ParameterizedFunction parameterize(func::FuncOp function, const ParameterSet &set) {
  // Uses in the original, which the set knows, and their counterparts.
  IRMapping mapping;
  ParameterizedFunction result;
  result.module = ModuleOp::create(function.getLoc());
  result.func = cast<func::FuncOp>(function->clone(mapping));
  result.func.setName("main");
  result.module->push_back(result.func);
  result.inputs = function.getNumArguments();

  llvm::MapVector<unsigned, SmallVector<Operation *>> users;
  function.walk([&](Operation *op) {
    if (isa<nest::WeightOp, nest::ConstOp>(op))
      if (int index = set.indexOf(op->getResult(0)); index >= 0)
        users[index].push_back(op);
  });
  OpBuilder builder(function.getContext());
  for (auto &[index, originals] : users) {
    auto type = RankedTensorType::get(set[index].shape, builder.getF32Type());
    unsigned number = result.func.getNumArguments();
    (void)result.func.insertArgument(number, type, {}, function.getLoc());
    Value argument = result.func.getArgument(number);
    result.parameters.push_back(index);
    for (Operation *original : originals) {
      Operation *copy = mapping.lookup(original);
      builder.setInsertionPoint(copy);
      Value value = argument;
      if (auto weight = dyn_cast<nest::WeightOp>(original)) {
        // The copy's module has no globals: the original tells what is kept.
        value = sliceKept(builder, weight, argument);
      }
      copy->getResult(0).replaceAllUsesWith(value);
      copy->erase();
    }
  }
  return result;
}

} // namespace nestor::learn

//===- GraphExporter.cpp - The walk over a nest function ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

#include "compiler/ir/Nested.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::onnx_export {

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

bool GraphExporter::isConstant(Value value) const {
  return value && isa_and_nonnull<nest::ConstOp, nest::WeightOp>(value.getDefiningOp());
}

std::optional<TensorValue> GraphExporter::constant(Value value) const {
  if (!isConstant(value))
    return std::nullopt;
  if (auto op = value.getDefiningOp<nest::ConstOp>())
    return TensorValue::fromAttr(op.getValue());
  SmallVector<TensorValue> results;
  if (failed(reference::evaluate(value.getDefiningOp(), {}, results)))
    return std::nullopt;
  return results.front();
}

Dims GraphExporter::orderOf(Value value) const {
  auto view = views.find(value);
  return view == views.end() ? identityOrder(shapeOf(value).size()) : view->second.order();
}

std::string GraphExporter::use(Value value, ArrayRef<int64_t> order) {
  return useAs(value, order, ordered(shapeOf(value), order));
}

TensorValue permuted(const TensorValue &value, ArrayRef<int64_t> order, ArrayRef<int64_t> shape) {
  TensorValue result = TensorValue::zeros(value.type.clone(shape));
  Dims from = ordered(value.type.getShape(), order), strides(order.size(), 1);
  for (int64_t dim = order.size(), stride = 1; dim-- > 0; stride *= value.type.getDimSize(dim))
    strides[placeOf(dim, order)] = stride;
  int64_t unit = reference::elementBytes(value.type.getElementType()), count = value.size();
  Dims index(order.size());
  for (int64_t to = 0, at = 0; to < count; ++to) {
    std::copy_n(&value.bytes[at * unit], unit, &result.bytes[to * unit]);
    for (size_t dim = order.size(); dim-- > 0; index[dim] = 0) {
      at += strides[dim];
      if (++index[dim] < from[dim])
        break;
      at -= strides[dim] * from[dim];
    }
  }
  return result;
}

/// A key for tables: a name and two lists of integers.
static std::string keyOf(StringRef name, ArrayRef<int64_t> a, ArrayRef<int64_t> b = {}) {
  std::string key = name.str();
  for (ArrayRef<int64_t> list : {a, b}) {
    key += '\n';
    for (int64_t value : list)
      key += std::to_string(value) + ',';
  }
  return key;
}

std::string GraphExporter::useAs(Value value, ArrayRef<int64_t> order, ArrayRef<int64_t> shape) {
  if (std::optional<TensorValue> known = constant(value)) {
    std::string &name = constants[value][keyOf("", order, shape)];
    if (name.empty())
      name = initializer("constant", permuted(*known, order, shape));
    return name;
  }
  const View &view = viewOf(value);
  if (llvm::is_sorted(view.sequence(order)))
    return reshape(view.tensor, view.shape, shape);
  Dims perm = view.permutation(order);
  std::string tensor = transpose(view.tensor, perm);
  return reshape(tensor, ordered<int64_t>(view.shape, perm), shape);
}

static ArrayRef<int64_t> withoutLeadingOnes(ArrayRef<int64_t> shape) {
  return shape.drop_while([](int64_t extent) { return extent == 1; });
}

std::string GraphExporter::useBroadcast(Value value, ArrayRef<int64_t> order) {
  int64_t missing = order.size() - shapeOf(value).size();
  Dims own, shape;
  for (int64_t dim : order) {
    if (dim >= missing)
      own.push_back(dim - missing);
    shape.push_back(dim >= missing ? shapeOf(value)[dim - missing] : 1);
  }
  if (isConstant(value))
    return useAs(value, own, withoutLeadingOnes(shape));
  const View &view = viewOf(value);
  bool fits = view.shape.size() <= shape.size() && llvm::is_sorted(view.sequence(own)) &&
              withoutLeadingOnes(view.shape) == withoutLeadingOnes(shape);
  return fits ? view.tensor : useAs(value, own, shape);
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

LogicalResult GraphExporter::exportOperation(Operation *op) {
  current = op;
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<nest::ConstOp, nest::WeightOp>([](auto) { return success(); })
      .Case<nest::MapOp, nest::ConvOp, nest::ConvTransposeOp, nest::MatmulOp, nest::PoolOp,
            nest::MaxPoolIndicesOp, nest::ReduceOp, nest::ArgReduceOp, nest::CumsumOp, nest::TopKOp,
            nest::SoftmaxOp, nest::NormOp, nest::LrnOp, nest::TransposeOp, nest::ReshapeOp,
            nest::SliceOp, nest::PadOp, nest::ConcatOp, nest::GatherOp, nest::GatherElementsOp,
            nest::GatherNDOp, nest::ScatterElementsOp, nest::ScatterNDOp, nest::OneHotOp,
            nest::ReverseSequenceOp, nest::ResizeOp, nest::LstmOp, nest::GruOp, nest::RnnOp>(
          [&](auto known) { return exportOp(*this, known); })
      .Case([&](func::ReturnOp result) { return addOutputs(result); })
      .Default([&](Operation *other) { return unsupported(other, "ONNX has no such operator"); });
}

LogicalResult GraphExporter::run(onnx::GraphProto &into) {
  graph = &into;
  addInputs();
  for (Operation &op : function.front())
    if (failed(exportOperation(&op)))
      return failure();
  return success();
}

LogicalResult GraphExporter::unsupported(Operation *op, const Twine &reason) {
  return op->emitError("'") << op->getName().getStringRef()
                            << "' cannot be exported to ONNX: " << reason;
}

/// Describes a tensor at the model's boundary.
static void describe(onnx::ValueInfoProto &info, const std::string &name, Type type) {
  info.set_name(name);
  onnx::TypeProto::Tensor &tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(dataTypeOf(cast<RankedTensorType>(type).getElementType()));
  tensor.mutable_shape(); // A scalar's is empty, not absent.
  for (int64_t extent : cast<RankedTensorType>(type).getShape())
    tensor.mutable_shape()->add_dim()->set_dim_value(extent);
}

void GraphExporter::addInputs() {
  // No tensor in between may take the name of an output.
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    tensorNames.insert(outputName(i));
  for (BlockArgument argument : function.getArguments()) {
    unsigned index = argument.getArgNumber();
    auto given = function.getArgAttrOfType<StringAttr>(index, "nest.name");
    std::string name = given ? given.str() : "input" + std::to_string(index);
    tensorNames.insert(name);
    describe(*graph->add_input(), name, argument.getType());
    define(argument, name, identityOrder(shapeOf(argument).size()));
  }
}

std::string GraphExporter::outputName(unsigned index) {
  auto given = function.getResultAttrOfType<StringAttr>(index, "nest.name");
  return given ? given.str() : "output" + std::to_string(index);
}

LogicalResult GraphExporter::addOutputs(func::ReturnOp result) {
  llvm::StringSet<> taken; // Names that have to stay.
  for (const onnx::ValueInfoProto &input : graph->input())
    taken.insert(input.name());
  llvm::StringMap<std::string> names;
  for (OpOperand &operand : result->getOpOperands()) {
    std::string tensor = use(operand.get()), name = outputName(operand.getOperandNumber());
    describe(*graph->add_output(), name, operand.get().getType());
    if (tensor == name)
      continue;
    if (!isConstant(operand.get()) && taken.insert(tensor).second)
      names[tensor] = name;
    else
      names[node("Identity", tensor).output()] = name;
  }
  rename(names);
  return success();
}

void GraphExporter::rename(const llvm::StringMap<std::string> &names) {
  auto change = [&](std::string &name) {
    if (auto found = names.find(name); found != names.end())
      name = found->second;
  };
  for (onnx::NodeProto &node : *graph->mutable_node()) {
    llvm::for_each(*node.mutable_input(), change);
    llvm::for_each(*node.mutable_output(), change);
  }
}

} // namespace nestor::onnx_export

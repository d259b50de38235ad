//===- GraphBuilding.cpp - Nodes, initializers and their names ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::onnx_export {

//===----------------------------------------------------------------------===//
// Orders
//===----------------------------------------------------------------------===//

Dims identityOrder(size_t rank) {
  Dims order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Dims channelsFirst(size_t rank) {
  Dims order = identityOrder(rank);
  std::rotate(order.begin() + 1, order.end() - 1, order.end());
  return order;
}

int64_t placeOf(int64_t dim, ArrayRef<int64_t> order) {
  return llvm::find(order, dim) - order.begin();
}

onnx::TensorProto::DataType dataTypeOf(Type element) {
  using onnx::TensorProto;
  if (element.isF32())
    return TensorProto::FLOAT;
  if (element.isF64())
    return TensorProto::DOUBLE;
  if (element.isF16())
    return TensorProto::FLOAT16;
  if (element.isBF16())
    return TensorProto::BFLOAT16;
  bool isUnsigned = element.isUnsignedInteger();
  switch (element.getIntOrFloatBitWidth()) {
  case 1:
    return TensorProto::BOOL;
  case 8:
    return isUnsigned ? TensorProto::UINT8 : TensorProto::INT8;
  case 16:
    return isUnsigned ? TensorProto::UINT16 : TensorProto::INT16;
  case 32:
    return isUnsigned ? TensorProto::UINT32 : TensorProto::INT32;
  default:
    return isUnsigned ? TensorProto::UINT64 : TensorProto::INT64;
  }
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

onnx::AttributeProto &Node::add(StringRef name) {
  onnx::AttributeProto &attribute = *proto.add_attribute();
  attribute.set_name(name.str());
  return attribute;
}

Node &Node::set(StringRef name, int64_t value) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
  return *this;
}

Node &Node::set(StringRef name, double value) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
  return *this;
}

Node &Node::set(StringRef name, StringRef value) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::STRING);
  attribute.set_s(value.str());
  return *this;
}

Node &Node::set(StringRef name, ArrayRef<int64_t> values) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (int64_t value : values)
    attribute.add_ints(value);
  return *this;
}

Node &Node::set(StringRef name, ArrayRef<double> values) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::FLOATS);
  for (double value : values)
    attribute.add_floats(value);
  return *this;
}

Node &Node::set(StringRef name, const std::vector<std::string> &values) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::STRINGS);
  for (const std::string &value : values)
    attribute.add_strings(value);
  return *this;
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// Collects the named locations in `loc`: the ONNX nodes that it stands for.
static void collectNodes(Location loc, SmallVectorImpl<NameLoc> &nodes) {
  llvm::TypeSwitch<LocationAttr>(loc)
      .Case([&](NameLoc name) { nodes.push_back(name); })
      .Case([&](FusedLoc fused) {
        for (Location part : fused.getLocations())
          collectNodes(part, nodes);
      })
      .Case([&](CallSiteLoc call) { collectNodes(call.getCallee(), nodes); });
}

/// Several operators that stand for one node of the original have its name and
/// their own kind behind it.
std::string GraphExporter::nodeName(StringRef kind) const {
  SmallVector<NameLoc> nodes;
  collectNodes(current->getLoc(), nodes);
  for (NameLoc node : nodes) // The importer puts the operator inside.
    if (auto imported = dyn_cast<NameLoc>(node.getChildLoc());
        imported && imported.getName() == kind)
      return node.getName().str();
  if (nodes.empty())
    return kind.str();
  bool isPart = !kind.empty() && isa<NameLoc>(nodes.front().getChildLoc());
  return nodes.front().getName().str() + (isPart ? "/" + kind : "").str();
}

StringRef GraphExporter::importedFrom() const {
  SmallVector<NameLoc> nodes;
  collectNodes(current->getLoc(), nodes);
  auto kind = nodes.empty() ? NameLoc() : dyn_cast<NameLoc>(nodes.front().getChildLoc());
  return kind ? kind.getName().getValue() : StringRef();
}

/// `name`, or, where that is taken, the first of name_1, name_2, .. that is not.
static std::string freshName(const std::string &name, llvm::StringSet<> &taken) {
  std::string candidate = name;
  for (unsigned i = 1; !taken.insert(candidate).second; ++i)
    candidate = name + "_" + std::to_string(i);
  return candidate;
}

//===----------------------------------------------------------------------===//
// Nodes and initializers
//===----------------------------------------------------------------------===//

Node GraphExporter::node(StringRef op, ArrayRef<std::string> inputs, unsigned outputs) {
  onnx::NodeProto &proto = *graph->add_node();
  proto.set_op_type(op.str());
  proto.set_name(freshName(nodeName(op), nodeNames));
  for (const std::string &input : inputs)
    proto.add_input(input);
  while (proto.input_size() && proto.input(proto.input_size() - 1).empty())
    proto.mutable_input()->RemoveLast(); // Optional ones that are left out.
  for (unsigned i = 0; i < outputs; ++i)
    proto.add_output(freshName(proto.name() + "_output_" + std::to_string(i), tensorNames));
  return Node(proto);
}

void GraphExporter::define(Value result, const std::string &tensor, ArrayRef<int64_t> order) {
  views[result] = View::direct(tensor, shapeOf(result), order);
}

std::string GraphExporter::initializer(StringRef hint, const TensorValue &value) {
  // Shapes, axes and scalars often repeat; weights are not worth comparing.
  std::string key;
  if (value.bytes.size() <= 64) {
    llvm::raw_string_ostream(key) << value.type;
    key.append(value.bytes.begin(), value.bytes.end());
    if (auto known = initializers.find(key); known != initializers.end())
      return known->second;
  }
  onnx::TensorProto &tensor = *graph->add_initializer();
  tensor.set_name(freshName(nodeName("") + "." + hint.str(), tensorNames));
  tensor.set_data_type(dataTypeOf(value.type.getElementType()));
  for (int64_t extent : value.type.getShape())
    tensor.add_dims(extent);
  tensor.set_raw_data(value.bytes.data(), value.bytes.size());
  if (!key.empty())
    initializers[key] = tensor.name();
  return tensor.name();
}

std::string GraphExporter::integers(StringRef hint, ArrayRef<int64_t> values) {
  auto i64 = IntegerType::get(function.getContext(), 64);
  TensorValue value = TensorValue::zeros(RankedTensorType::get(int64_t(values.size()), i64));
  llvm::copy(values, value.as<int64_t>().begin());
  return initializer(hint, value);
}

std::string GraphExporter::scalar(StringRef hint, Type element, double number) {
  TensorValue value =
      TensorValue::zeros(RankedTensorType::get({}, Float64Type::get(function.getContext())));
  value.as<double>()[0] = number;
  return initializer(hint, reference::convert(value, element));
}

//===----------------------------------------------------------------------===//
// Moving tensors
//===----------------------------------------------------------------------===//

/// What a transpose or reshape makes, as a key.
static std::string keyOf(StringRef kind, const std::string &tensor, ArrayRef<int64_t> list) {
  std::string key = (kind + "\n" + tensor + "\n").str();
  for (int64_t value : list)
    key += std::to_string(value) + ',';
  return key;
}

std::string GraphExporter::transpose(const std::string &tensor, ArrayRef<int64_t> perm) {
  std::string &result = moved[keyOf("Transpose", tensor, perm)];
  if (result.empty())
    result = node("Transpose", tensor).set("perm", perm).output();
  return result;
}

std::string GraphExporter::reshape(const std::string &tensor, ArrayRef<int64_t> from,
                                   ArrayRef<int64_t> to) {
  if (from == to)
    return tensor;
  std::string &result = moved[keyOf("Reshape", tensor, to)];
  if (!result.empty())
    return result;
  if (to.size() == 2 && from.size() >= 2 && from.front() == to.front())
    return result = node("Flatten", tensor).set("axis", int64_t(1)).output();
  Node reshape = node("Reshape", {tensor, integers("shape", to)});
  if (llvm::is_contained(to, 0))
    reshape.set("allowzero", int64_t(1)); // Else a zero stands for the input's extent.
  return result = reshape.output();
}

} // namespace nestor::onnx_export

//===- NodeImporter.cpp - Operands, attributes and results of a node ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/NodeImporter.h"

#include "compiler/import/GraphImporter.h"

#include "llvm/ADT/Twine.h"

using namespace mlir;

namespace nestor::import {

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

RankedTensorType NodeImporter::type(unsigned index) const {
  assert(hasInput(index) && "a rule checks the operand count before it asks for a type");
  return mlir::cast<RankedTensorType>(inputs[index].getType());
}

ArrayRef<int64_t> NodeImporter::shape(unsigned index) const { return type(index).getShape(); }

std::optional<reference::TensorValue> NodeImporter::constant(unsigned index) const {
  if (!hasInput(index))
    return std::nullopt;
  auto op = inputs[index].getDefiningOp<nest::ConstOp>();
  if (!op)
    return std::nullopt;
  return reference::TensorValue::fromAttr(op.getValue());
}

std::optional<SmallVector<int64_t>> NodeImporter::constantInts(unsigned index) const {
  std::optional<reference::TensorValue> value = constant(index);
  if (!value || !value->type.getElementType().isIntOrIndex())
    return std::nullopt;
  SmallVector<int64_t> ints(value->size());
  for (auto [i, element] : llvm::enumerate(ints))
    element = value->getInt(i);
  return ints;
}

FailureOr<SmallVector<int64_t>> NodeImporter::requireInts(unsigned index, StringRef what) {
  if (std::optional<SmallVector<int64_t>> ints = constantInts(index))
    return *ints;
  std::string name = int(index) < node.input_size() ? node.input(index) : std::string();
  return unsupported(Twine(what) + " (input " + Twine(index) + ", '" + name +
                         "') must be integers known at compile time",
                     "fix the model's input shapes with --shape, or give the value with --bind "
                     "NAME=@file");
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

const onnx::AttributeProto *NodeImporter::attr(StringRef name) const {
  for (const onnx::AttributeProto &attribute : node.attribute())
    if (attribute.name() == name)
      return &attribute;
  return nullptr;
}

bool NodeImporter::hasAttr(StringRef name) const { return attr(name) != nullptr; }

int64_t NodeImporter::intAttr(StringRef name, int64_t fallback) const {
  const onnx::AttributeProto *found = attr(name);
  return found ? found->i() : fallback;
}

double NodeImporter::floatAttr(StringRef name, double fallback) const {
  const onnx::AttributeProto *found = attr(name);
  return found ? found->f() : fallback;
}

std::string NodeImporter::stringAttr(StringRef name, StringRef fallback) const {
  const onnx::AttributeProto *found = attr(name);
  return found ? found->s() : fallback.str();
}

SmallVector<int64_t> NodeImporter::intsAttr(StringRef name) const {
  const onnx::AttributeProto *found = attr(name);
  return found ? SmallVector<int64_t>(found->ints().begin(), found->ints().end())
               : SmallVector<int64_t>();
}

SmallVector<double> NodeImporter::floatsAttr(StringRef name) const {
  const onnx::AttributeProto *found = attr(name);
  return found ? SmallVector<double>(found->floats().begin(), found->floats().end())
               : SmallVector<double>();
}

std::vector<std::string> NodeImporter::stringsAttr(StringRef name) const {
  const onnx::AttributeProto *found = attr(name);
  return found ? std::vector<std::string>(found->strings().begin(), found->strings().end())
               : std::vector<std::string>();
}

FailureOr<reference::TensorValue> NodeImporter::decode(const onnx::TensorProto &tensor) {
  return graph->decodeTensor(*this, tensor);
}

FailureOr<SmallVector<Value>> NodeImporter::inlineGraph(const onnx::GraphProto &body,
                                                        ValueRange arguments) {
  return graph->inlineGraph(*this, body, arguments);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void NodeImporter::setOutput(unsigned index, Value value) {
  if (index >= outputs.size())
    outputs.resize(index + 1);
  outputs[index] = value;
}

LogicalResult NodeImporter::unsupported(const Twine &reason, const Twine &hint) {
  // The first reason is the cause; what follows from it would only confuse.
  if (!problem)
    problem = Unsupported{node.op_type(), opset, nodeName(loc), reason.str(), hint.str()};
  return failure();
}

} // namespace nestor::import

//===- Subgraphs.cpp - Graph attributes, tensors and local functions ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The part of `GraphImporter` that serves what a node holds besides operands:
// the graphs of `If` and `Loop`, tensor attributes, and the bodies of the
// model's own functions, which are expanded where they are called.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/GraphImporter.h"
#include "compiler/import/TensorDecoder.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;

namespace nestor::import {

/// ONNX forbids recursion; deeper nesting than this is taken for it.
static constexpr unsigned kFunctionDepthLimit = 64;

FailureOr<reference::TensorValue> GraphImporter::decodeTensor(NodeImporter &node,
                                                              const onnx::TensorProto &tensor) {
  DecodedTensor decoded = import::decodeTensor(tensor, directory, context);
  switch (decoded.outcome) {
  case DecodedTensor::Corrupt:
    return fail(ImportStatus::Corrupt,
                "node '" + nodeName(node.loc) + "': tensor attribute: " + decoded.message);
  case DecodedTensor::Unsupported:
    return node.unsupported(decoded.message, "store it as float or integers");
  case DecodedTensor::Ok:
    break;
  }
  auto stored = nest::ConstOp::create(builder, node.loc, decoded.value.toAttr());
  auto wide = widen(stored).getDefiningOp<nest::ConstOp>();
  return reference::TensorValue::fromAttr(wide ? wide.getValue() : stored.getValue());
}

FailureOr<SmallVector<Value>> GraphImporter::inlineGraph(NodeImporter &node,
                                                         const onnx::GraphProto &graph,
                                                         ValueRange arguments) {
  Scope scope(current);
  addGraph(scope, graph);
  if (graph.input_size() > int(arguments.size()))
    return node.unsupported("its subgraph '" + graph.name() + "' has " + Twine(graph.input_size()) +
                            " inputs");
  for (auto [input, value] : llvm::zip(graph.input(), arguments))
    scope.values[input.name()] = value;
  Names outputs;
  for (const onnx::ValueInfoProto &output : graph.output())
    outputs.push_back(output.name());
  importNeeded(scope, outputs);
  SmallVector<Value> values;
  for (const std::string &output : outputs) {
    if (failedHard())
      return failure();
    FailureOr<Value> value = lookup(scope, output);
    if (failed(value))
      return fail(ImportStatus::Corrupt, "node '" + nodeName(node.loc) + "': output '" + output +
                                             "' of its subgraph is defined nowhere");
    if (!*value)
      return failure(); // Its cause is recorded.
    values.push_back(*value);
  }
  return values;
}

/// Replaces attributes that refer to the calling node's by their values, here
/// and in subgraphs. References to attributes that the call leaves out vanish.
static void bindAttributes(onnx::NodeProto &node, const onnx::NodeProto &call) {
  auto *attributes = node.mutable_attribute();
  for (int i = attributes->size() - 1; i >= 0; --i) {
    onnx::AttributeProto &attribute = *attributes->Mutable(i);
    for (onnx::NodeProto &inner : *attribute.mutable_g()->mutable_node())
      bindAttributes(inner, call);
    if (attribute.ref_attr_name().empty())
      continue;
    const onnx::AttributeProto *given = nullptr;
    for (const onnx::AttributeProto &candidate : call.attribute())
      if (candidate.name() == attribute.ref_attr_name())
        given = &candidate;
    if (!given) {
      attributes->DeleteSubrange(i, 1);
      continue;
    }
    std::string own = attribute.name();
    attribute = *given;
    attribute.set_name(own);
  }
}

LogicalResult GraphImporter::inlineFunction(NodeImporter &importer,
                                            const onnx::FunctionProto &function) {
  if (functionDepth >= kFunctionDepthLimit)
    return fail(ImportStatus::Corrupt, "function '" + function.name() + "' calls itself");
  llvm::SaveAndRestore<unsigned> deeper(functionDepth, functionDepth + 1);
  Scope body(nullptr); // A function sees nothing but its inputs.
  for (const onnx::OperatorSetIdProto &set : function.opset_import())
    body.opsets[canonicalDomain(set.domain())] = set.version();
  for (const auto &[domain, version] : root.opsets)
    body.opsets.try_emplace(domain, version);
  llvm::StringSet<> missing; // Optional inputs that the call leaves out.
  for (auto [i, input] : llvm::enumerate(function.input())) {
    if (Value value = importer.input(i))
      body.values[input] = value;
    else
      missing.insert(input);
  }
  std::vector<const onnx::NodeProto *> nodes;
  for (const onnx::NodeProto &original : function.node()) {
    onnx::NodeProto &node = expandedNodes.emplace_back(original);
    bindAttributes(node, importer.node);
    for (std::string &input : *node.mutable_input())
      if (missing.contains(input))
        input.clear();
    nodes.push_back(&node);
  }
  addNodes(body, nodes);
  importNeeded(body, Names(function.output().begin(), function.output().end()));
  for (auto [i, output] : llvm::enumerate(function.output())) {
    if (!importer.wantsOutput(i) || failedHard())
      continue;
    FailureOr<Value> value = lookup(body, output);
    if (failed(value))
      return fail(ImportStatus::Corrupt,
                  "function '" + function.name() + "': output '" + output + "' is defined nowhere");
    importer.setOutput(i, *value);
  }
  return success(!failedHard());
}

} // namespace nestor::import

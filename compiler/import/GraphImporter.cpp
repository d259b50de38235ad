//===- GraphImporter.cpp - The walk over an ONNX graph --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/GraphImporter.h"

#include "compiler/import/TensorDecoder.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;

namespace nestor::import {

namespace {

/// Unrolled loops and nested functions can multiply a small file; no real
/// model comes near this many nodes.
constexpr int64_t kNodeLimit = 1 << 20;

/// The node's name, and inside it its operator: what reports call a layer.
Location locationOf(MLIRContext &context, const onnx::NodeProto &node, unsigned index) {
  std::string name =
      node.name().empty() ? node.op_type() + "#" + std::to_string(index) : node.name();
  return NameLoc::get(StringAttr::get(&context, name),
                      NameLoc::get(StringAttr::get(&context, node.op_type())));
}

std::string functionKey(StringRef domain, StringRef name) {
  return (canonicalDomain(domain) + ":" + name).str();
}

} // namespace

StringRef canonicalDomain(StringRef domain) { return domain == "ai.onnx" ? "" : domain; }

std::string nodeName(Location loc) {
  if (auto named = dyn_cast<NameLoc>(loc))
    return named.getName().str();
  return "";
}

GraphImporter::GraphImporter(const onnx::ModelProto &model, StringRef name, StringRef directory,
                             const ImportOptions &options, MLIRContext &context)
    : model(model), name(name), directory(directory), options(options), context(context),
      builder(&context) {}

LogicalResult GraphImporter::fail(ImportStatus status, const Twine &message) {
  if (!failedHard()) {
    result.status = status;
    result.message = name + ": " + message.str();
  }
  return failure();
}

ImportResult GraphImporter::run() {
  for (const onnx::OperatorSetIdProto &set : model.opset_import())
    root.opsets[canonicalDomain(set.domain())] = set.version();
  // Files older than IR version 3 have no opset_import and mean opset 1.
  root.opsets.try_emplace("", 1);
  result.irVersion = model.ir_version();
  result.opset = root.opsets.lookup("");
  for (const onnx::FunctionProto &function : model.functions())
    functions[functionKey(function.domain(), function.name())] = &function;

  Location loc = NameLoc::get(StringAttr::get(&context, model.graph().name()));
  result.module = ModuleOp::create(loc);
  result.module->getOperation()->setAttr("nest.model", builder.getStringAttr(model.graph().name()));
  builder.setInsertionPointToEnd(result.module->getBody());
  func = func::FuncOp::create(builder, loc, "main", builder.getFunctionType({}, {}));
  builder.setInsertionPointToEnd(func.addEntryBlock());

  importModel();
  if (failedHard())
    result.module = nullptr;
  return std::move(result);
}

void GraphImporter::importModel() {
  addGraph(root, model.graph());
  if (failed(checkShapeOptions()) || failed(importInputs()))
    return;
  Names outputs;
  for (const onnx::ValueInfoProto &output : model.graph().output())
    outputs.push_back(output.name());
  importNeeded(root, outputs);
  for (const std::string &output : outputs)
    if (root.values.count(output) && !root.values.lookup(output))
      reportAbsent(root, output);
  if (failedHard())
    return;
  if (result.unsupported.empty()) {
    (void)importOutputs();
    return;
  }
  size_t count = result.unsupported.size();
  const Unsupported &first = result.unsupported.front();
  (void)fail(ImportStatus::Unsupported,
             "node '" + first.node + "' (" + first.op + ", opset " + Twine(first.opset) + "): " +
                 first.reason + (count > 1 ? "; and " + std::to_string(count - 1) + " more" : ""));
}

//===----------------------------------------------------------------------===//
// Scopes and names
//===----------------------------------------------------------------------===//

void GraphImporter::addGraph(Scope &scope, const onnx::GraphProto &graph) {
  for (const onnx::TensorProto &tensor : graph.initializer())
    scope.initializers[tensor.name()] = &tensor;
  std::vector<const onnx::NodeProto *> nodes;
  for (const onnx::NodeProto &node : graph.node())
    nodes.push_back(&node);
  addNodes(scope, nodes);
}

void GraphImporter::addNodes(Scope &scope, ArrayRef<const onnx::NodeProto *> nodes) {
  scope.nodes = nodes;
  scope.states.assign(nodes.size(), Scope::State::Pending);
  for (auto [index, node] : llvm::enumerate(nodes))
    for (const std::string &output : node->output())
      if (!output.empty())
        scope.producers.try_emplace(output, index);
}

FailureOr<Value> GraphImporter::lookup(Scope &scope, StringRef name) {
  for (Scope *at = &scope; at; at = at->parent) {
    auto known = at->values.find(name);
    if (known != at->values.end()) {
      if (!known->second)
        reportAbsent(*at, name);
      return known->second;
    }
    if (const onnx::TensorProto *tensor = at->initializers.lookup(name))
      return at->values[name] = importInitializer(*tensor);
    auto producer = at->producers.find(name);
    if (producer == at->producers.end())
      continue;
    importWithProducers(*at, producer->second);
    if (!at->values.lookup(name))
      reportAbsent(*at, name);
    return at->values.lookup(name);
  }
  return failure();
}

Value GraphImporter::importInitializer(const onnx::TensorProto &tensor) {
  DecodedTensor decoded = import::decodeTensor(tensor, directory, context);
  if (decoded.outcome != DecodedTensor::Ok) {
    bool corrupt = decoded.outcome == DecodedTensor::Corrupt;
    (void)fail(corrupt ? ImportStatus::Corrupt : ImportStatus::Unsupported,
               "initializer '" + tensor.name() + "': " + decoded.message);
    if (!corrupt)
      result.unsupported.push_back({"initializer", result.opset, tensor.name(), decoded.message,
                                    "store it as float or integers"});
    return {};
  }
  Location loc = NameLoc::get(StringAttr::get(&context, tensor.name()));
  return widen(nest::ConstOp::create(builder, loc, decoded.value.toAttr()));
}

Value GraphImporter::widen(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !(type.getElementType().isF16() || type.getElementType().isBF16()))
    return value;
  onnx::NodeProto none;
  return NodeImporter(none, 0, builder, value.getLoc()).cast(value, builder.getF32Type());
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

void GraphImporter::importNeeded(Scope &scope, const Names &outputs) {
  std::vector<bool> needed(scope.nodes.size());
  SmallVector<unsigned> worklist;
  auto need = [&](StringRef name) {
    auto producer = scope.producers.find(name);
    if (producer == scope.producers.end() || needed[producer->second])
      return;
    needed[producer->second] = true;
    worklist.push_back(producer->second);
  };
  for (const std::string &output : outputs)
    need(output);
  while (!worklist.empty())
    for (const std::string &input : scope.nodes[worklist.pop_back_val()]->input())
      need(input);
  for (unsigned index = 0; index < scope.nodes.size() && !failedHard(); ++index)
    if (needed[index])
      importWithProducers(scope, index);
}

void GraphImporter::importWithProducers(Scope &scope, unsigned rootIndex) {
  // ONNX asks for topological order, so the stack is one deep for valid files;
  // it is explicit because other files must not overflow the real one.
  SmallVector<unsigned> stack{rootIndex};
  while (!stack.empty() && !failedHard()) {
    unsigned index = stack.back();
    Scope::State &state = scope.states[index];
    if (state == Scope::State::Done) {
      stack.pop_back();
      continue;
    }
    state = Scope::State::Active;
    size_t depth = stack.size();
    for (const std::string &input : scope.nodes[index]->input()) {
      auto producer = scope.producers.find(input);
      if (producer == scope.producers.end() || scope.values.contains(input))
        continue;
      Scope::State other = scope.states[producer->second];
      if (other == Scope::State::Active) {
        (void)fail(ImportStatus::Corrupt,
                   "node '" + nodeName(locationOf(context, *scope.nodes[index], index)) +
                       "' depends on its own output through '" + input + "'");
        return;
      }
      if (other == Scope::State::Pending)
        stack.push_back(producer->second);
    }
    if (stack.size() > depth)
      continue;
    importNode(scope, index);
    scope.states[index] = Scope::State::Done;
    stack.pop_back();
  }
}

void GraphImporter::importNode(Scope &scope, unsigned index) {
  const onnx::NodeProto &node = *scope.nodes[index];
  if (++importedNodes > kNodeLimit) {
    (void)fail(ImportStatus::Unsupported, "the model has more than " + Twine(kNodeLimit) +
                                              " nodes once loops and functions are expanded");
    return;
  }
  NodeImporter importer(node, opsetOf(scope, node.domain()), builder,
                        locationOf(context, node, index));
  importer.graph = this;
  llvm::SaveAndRestore<Scope *> inScope(current, &scope);
  if (failed(collectInputs(scope, importer))) {
    reportUnknown(scope, node, index);
  } else if (failed(applyRule(importer)) || importer.problem) {
    importer.outputs.clear();
    if (importer.problem)
      result.unsupported.push_back(*importer.problem);
  }
  for (auto [i, output] : llvm::enumerate(node.output())) {
    if (output.empty())
      continue;
    Value value = i < importer.outputs.size() ? importer.outputs[i] : Value();
    scope.values.try_emplace(output, value ? widen(value) : value);
    if (!value && !importer.outputs.empty())
      scope.absent[output] = Unsupported{node.op_type(), importer.opset, nodeName(importer.loc),
                                         "output " + std::to_string(i) + " is not supported", ""};
  }
}

void GraphImporter::reportAbsent(Scope &scope, StringRef name) {
  auto absent = scope.absent.find(name);
  if (absent == scope.absent.end())
    return;
  result.unsupported.push_back(absent->second);
  scope.absent.erase(absent);
}

LogicalResult GraphImporter::collectInputs(Scope &scope, NodeImporter &importer) {
  bool complete = true;
  for (const std::string &input : importer.node.input()) {
    if (input.empty()) {
      importer.inputs.push_back({});
      continue;
    }
    FailureOr<Value> value = lookup(scope, input);
    if (failed(value))
      return fail(ImportStatus::Corrupt, "node '" + nodeName(importer.loc) + "' (" +
                                             importer.node.op_type() + "): input '" + input +
                                             "' is defined nowhere");
    complete &= bool(*value);
    importer.inputs.push_back(*value);
  }
  return success(complete);
}

LogicalResult GraphImporter::applyRule(NodeImporter &importer) {
  const onnx::NodeProto &node = importer.node;
  StringRef domain = canonicalDomain(node.domain());
  if (const onnx::FunctionProto *function = functions.lookup(functionKey(domain, node.op_type())))
    return inlineFunction(importer, *function);
  const ImportRule *rule = ImportRegistry::instance().find(domain, node.op_type(), importer.opset);
  if (!rule) {
    importer.problem = unknownOperator(node, importer.opset, nodeName(importer.loc));
    return failure();
  }
  for (unsigned i = 0; i < rule->minInputs; ++i)
    if (!importer.hasInput(i))
      return importer.unsupported("input " + Twine(i) + " is missing",
                                  "the model is not valid ONNX");
  if (failed(rule->import(importer)) || importer.problem) {
    // A rule that fails without a reason stopped on a failure that is already
    // recorded: inside a subgraph, or a corrupt tensor.
    return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Reports
//===----------------------------------------------------------------------===//

int64_t GraphImporter::opsetOf(const Scope &scope, StringRef domain) const {
  for (const Scope *at = &scope; at; at = at->parent)
    if (!at->opsets.empty())
      return at->opsets.lookup(canonicalDomain(domain));
  return 1;
}

Unsupported GraphImporter::unknownOperator(const onnx::NodeProto &node, int64_t opset,
                                           StringRef name) const {
  const ImportRegistry &registry = ImportRegistry::instance();
  StringRef domain = canonicalDomain(node.domain());
  std::string op = domain.empty() ? node.op_type() : (domain + "." + node.op_type()).str();
  if (!registry.knows(domain, node.op_type()))
    return {op, opset, name.str(), "the operator is not supported",
            "`nestorc ops` lists what is; compute it outside the model or export it differently"};
  int64_t low = kNewestOpset, high = 0;
  for (const ImportRule &rule : registry.rules())
    if (rule.domain == domain && rule.op == node.op_type()) {
      low = std::min(low, rule.minOpset);
      high = std::max(high, rule.maxOpset);
    }
  std::string reason =
      "supported in opset " + std::to_string(low) + " to " + std::to_string(high) + " only";
  return {op, opset, name.str(), reason, "export the model with an opset in that range"};
}

void GraphImporter::reportUnknown(const Scope &scope, const onnx::NodeProto &node, unsigned index) {
  if (failedHard())
    return;
  StringRef domain = canonicalDomain(node.domain());
  int64_t opset = opsetOf(scope, domain);
  if (!functions.count(functionKey(domain, node.op_type())) &&
      !ImportRegistry::instance().find(domain, node.op_type(), opset))
    result.unsupported.push_back(
        unknownOperator(node, opset, nodeName(locationOf(context, node, index))));
  for (const onnx::AttributeProto &attribute : node.attribute())
    if (attribute.has_g())
      for (auto [i, inner] : llvm::enumerate(attribute.g().node()))
        reportUnknown(scope, inner, i);
}

} // namespace nestor::import

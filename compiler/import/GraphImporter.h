//===- GraphImporter.h - The walk over an ONNX graph ------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Private to compiler/import; the interface for others is Import.h.
//
// Nodes are imported in graph order, but only those that an output needs.
// Names are resolved on demand: an initializer becomes a constant when it is
// first read, and a node that a subgraph reads from around it is imported at
// that moment. What only an untaken branch of an `If` reads is never looked at.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IMPORT_GRAPHIMPORTER_H
#define NESTOR_IMPORT_GRAPHIMPORTER_H

#include "compiler/import/Import.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSet.h"

#include <deque>

namespace nestor::import {

/// The ONNX name in a location: what messages call the node.
std::string nodeName(mlir::Location loc);

/// The domain's name with ai.onnx, which is written both ways, as "".
llvm::StringRef canonicalDomain(llvm::StringRef domain);

/// The names visible in one graph or function body.
struct Scope {
  enum class State : uint8_t { Pending, Active, Done };

  explicit Scope(Scope *parent) : parent(parent) {}

  Scope *const parent;
  std::vector<const onnx::NodeProto *> nodes;
  std::vector<State> states;           ///< Of `nodes`.
  llvm::StringMap<unsigned> producers; ///< Output name -> node.
  llvm::StringMap<const onnx::TensorProto *> initializers;
  llvm::StringMap<mlir::Value> values; ///< Null: its node is not supported.
  llvm::StringMap<Unsupported> absent; ///< Outputs that their rule leaves unset, until one is read.
  llvm::StringMap<int64_t> opsets;     ///< By domain; empty: the parent's.
};

class GraphImporter {
public:
  /// `name` is the file's, for messages. All references must outlive the importer.
  GraphImporter(const onnx::ModelProto &model, llvm::StringRef name, llvm::StringRef directory,
                const ImportOptions &options, mlir::MLIRContext &context);

  ImportResult run();

  // What `NodeImporter` forwards to.
  mlir::FailureOr<reference::TensorValue> decodeTensor(NodeImporter &node,
                                                       const onnx::TensorProto &tensor);
  mlir::FailureOr<llvm::SmallVector<mlir::Value>>
  inlineGraph(NodeImporter &node, const onnx::GraphProto &graph, mlir::ValueRange arguments);

private:
  using Names = llvm::SmallVector<std::string>;

  void importModel();

  // The function's signature.
  mlir::LogicalResult checkShapeOptions();
  mlir::LogicalResult importInputs();
  mlir::LogicalResult importInput(const onnx::ValueInfoProto &input);
  mlir::LogicalResult bindInput(const onnx::ValueInfoProto &input,
                                const reference::TensorValue &value);
  mlir::FailureOr<llvm::SmallVector<int64_t>> inputShape(const onnx::ValueInfoProto &input);
  mlir::LogicalResult importOutputs();
  mlir::DictionaryAttr nameAttribute(llvm::StringRef name);
  mlir::Value convertOutput(const onnx::ValueInfoProto &output, mlir::Value value);

  // The walk.
  void addGraph(Scope &scope, const onnx::GraphProto &graph);
  void addNodes(Scope &scope, llvm::ArrayRef<const onnx::NodeProto *> nodes);
  void importNeeded(Scope &scope, const Names &outputs);
  void importWithProducers(Scope &scope, unsigned root);
  void importNode(Scope &scope, unsigned index);
  mlir::LogicalResult applyRule(NodeImporter &importer);
  mlir::LogicalResult collectInputs(Scope &scope, NodeImporter &importer);
  /// The value of a name, imported if need be; null where its node failed.
  mlir::FailureOr<mlir::Value> lookup(Scope &scope, llvm::StringRef name);
  mlir::Value importInitializer(const onnx::TensorProto &tensor);
  mlir::Value widen(mlir::Value value);

  // Local functions.
  mlir::LogicalResult inlineFunction(NodeImporter &importer, const onnx::FunctionProto &function);

  // Reports.
  void reportAbsent(Scope &scope, llvm::StringRef name);
  int64_t opsetOf(const Scope &scope, llvm::StringRef domain) const;
  void reportUnknown(const Scope &scope, const onnx::NodeProto &node, unsigned index);
  Unsupported unknownOperator(const onnx::NodeProto &node, int64_t opset,
                              llvm::StringRef name) const;
  mlir::LogicalResult fail(ImportStatus status, const llvm::Twine &message);
  bool failedHard() const { return result.status != ImportStatus::Ok; }

  const onnx::ModelProto &model;
  const std::string name, directory;
  const ImportOptions &options;
  mlir::MLIRContext &context;
  mlir::OpBuilder builder;
  mlir::func::FuncOp func;
  llvm::SmallVector<mlir::DictionaryAttr> argumentNames;
  Scope root{nullptr};
  Scope *current = &root;                                 ///< Of the node being imported.
  llvm::StringMap<const onnx::FunctionProto *> functions; ///< "domain:name".
  llvm::StringMap<int64_t> symbols; ///< dim_param -> extent that --shape gave.
  /// Nodes of expanded function bodies, their attribute references replaced.
  std::deque<onnx::NodeProto> expandedNodes;
  unsigned functionDepth = 0;
  int64_t importedNodes = 0;
  ImportResult result;
};

} // namespace nestor::import

#endif // NESTOR_IMPORT_GRAPHIMPORTER_H

//===- GraphExporter.h - The walk over a nest function ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Private to compiler/export; the interface for others is Export.h.
//
// Operations are exported in order. A rule asks for its operands with their
// dimensions in the order that the ONNX operator wants, adds its node, and
// defines its results as views of what the node makes. What only moves
// dimensions adds no node of its own (View.h). Constants become initializers
// when they are asked for, in the order that is asked for.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_EXPORT_GRAPHEXPORTER_H
#define NESTOR_EXPORT_GRAPHEXPORTER_H

#include "compiler/export/View.h"
#include "compiler/ir/NestDialect.h"
#include "compiler/reference/Evaluator.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <onnx/onnx_pb.h>

namespace nestor::onnx_export {

inline mlir::RankedTensorType typeOf(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}
inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) { return typeOf(value).getShape(); }

/// 0, 1, .., rank - 1: the order of a tensor that lies as the value does.
Dims identityOrder(size_t rank);
/// [N, C, spatial..] of a value [N, spatial.., C].
Dims channelsFirst(size_t rank);
/// Where dimension `dim` of a value lies in a tensor of the given order.
int64_t placeOf(int64_t dim, llvm::ArrayRef<int64_t> order);
/// One entry for each dimension, brought into the order.
template <typename T>
llvm::SmallVector<T> ordered(llvm::ArrayRef<T> values, llvm::ArrayRef<int64_t> order) {
  llvm::SmallVector<T> result;
  for (int64_t dim : order)
    result.push_back(values[dim]);
  return result;
}

/// `value` with its dimensions in another order, under another shape.
reference::TensorValue permuted(const reference::TensorValue &value, llvm::ArrayRef<int64_t> order,
                                llvm::ArrayRef<int64_t> shape);
inline reference::TensorValue permuted(const reference::TensorValue &value,
                                       llvm::ArrayRef<int64_t> order) {
  return permuted(value, order, ordered(value.type.getShape(), order));
}

/// The ONNX name of an element type.
onnx::TensorProto::DataType dataTypeOf(mlir::Type element);

/// A node being built.
class Node {
public:
  explicit Node(onnx::NodeProto &proto) : proto(proto) {}

  Node &set(llvm::StringRef name, int64_t value);
  Node &set(llvm::StringRef name, double value);
  Node &set(llvm::StringRef name, llvm::StringRef value);
  Node &set(llvm::StringRef name, llvm::ArrayRef<int64_t> values);
  Node &set(llvm::StringRef name, llvm::ArrayRef<double> values);
  Node &set(llvm::StringRef name, const std::vector<std::string> &values);

  const std::string &output(unsigned index = 0) const { return proto.output(index); }
  /// Leaves an output out.
  void drop(unsigned index) { proto.set_output(index, ""); }

private:
  onnx::AttributeProto &add(llvm::StringRef name);

  onnx::NodeProto &proto;
};

class GraphExporter {
public:
  /// `opset` is what rules may use.
  GraphExporter(mlir::func::FuncOp function, int64_t opset)
      : opset(opset), requiredOpset(opset), function(function) {}

  mlir::LogicalResult run(onnx::GraphProto &graph);

  const int64_t opset;
  /// The first opset that has everything; the export is to be repeated where
  /// it is above `opset`.
  int64_t requiredOpset;
  void require(int64_t wanted) { requiredOpset = std::max(requiredOpset, wanted); }

  //===--- operands -------------------------------------------------------===//
  /// A tensor of `value` with its dimensions in the given order.
  std::string use(mlir::Value value, llvm::ArrayRef<int64_t> order);
  std::string use(mlir::Value value) { return use(value, identityOrder(shapeOf(value).size())); }
  /// The same under another shape of as many elements.
  std::string useAs(mlir::Value value, llvm::ArrayRef<int64_t> order,
                    llvm::ArrayRef<int64_t> shape);
  /// A tensor that broadcasts to one whose dimensions are those of `value`,
  /// leading ones added, in `order`.
  std::string useBroadcast(mlir::Value value, llvm::ArrayRef<int64_t> order);

  /// The order in which `value` costs nothing.
  Dims orderOf(mlir::Value value) const;
  /// The view of a value that is not constant.
  const View &viewOf(mlir::Value value) const { return views.find(value)->second; }

  /// The value of a constant or of what a capacity reads of a shared weight.
  std::optional<reference::TensorValue> constant(mlir::Value value) const;
  bool isConstant(mlir::Value value) const;

  //===--- initializers ---------------------------------------------------===//
  /// Adds a tensor named after the operation being exported.
  std::string initializer(llvm::StringRef hint, const reference::TensorValue &value);
  std::string integers(llvm::StringRef hint, llvm::ArrayRef<int64_t> values);
  std::string scalar(llvm::StringRef hint, mlir::Type element, double value);

  //===--- nodes and results ----------------------------------------------===//
  /// Adds a node, named after the operation being exported.
  Node node(llvm::StringRef op, llvm::ArrayRef<std::string> inputs, unsigned outputs = 1);
  /// `result` is a tensor with its dimensions in `order`.
  void define(mlir::Value result, const std::string &tensor, llvm::ArrayRef<int64_t> order);
  void define(mlir::Value result, View view) { views[result] = std::move(view); }
  bool isDefined(mlir::Value value) const { return views.count(value); }
  /// A tensor brought into another order, or under another shape; each once.
  std::string transpose(const std::string &tensor, llvm::ArrayRef<int64_t> perm);
  std::string reshape(const std::string &tensor, llvm::ArrayRef<int64_t> from,
                      llvm::ArrayRef<int64_t> to);

  /// The ONNX operator that the operation being exported was imported from (the
  /// first of several); empty where that is not known.
  llvm::StringRef importedFrom() const;

  /// Fails with an error at `op`: ONNX has nothing for it, and why.
  mlir::LogicalResult unsupported(mlir::Operation *op, const llvm::Twine &reason);

private:
  mlir::LogicalResult exportOperation(mlir::Operation *op);
  void addInputs();
  mlir::LogicalResult addOutputs(mlir::func::ReturnOp result);
  std::string outputName(unsigned index);
  /// Gives tensors other names throughout.
  void rename(const llvm::StringMap<std::string> &names);
  /// The ONNX node that the operation stands for; one of the operator `kind`
  /// where several were fused.
  std::string nodeName(llvm::StringRef kind) const;

  mlir::func::FuncOp function;
  onnx::GraphProto *graph = nullptr;
  mlir::Operation *current = nullptr; ///< Being exported.
  llvm::DenseMap<mlir::Value, View> views;
  llvm::StringMap<std::string> moved;        ///< Transposes and reshapes by what they do.
  llvm::StringMap<std::string> initializers; ///< Small ones by their contents.
  llvm::DenseMap<mlir::Value, llvm::StringMap<std::string>> constants; ///< By order and shape.
  llvm::StringSet<> tensorNames, nodeNames;
};

//===----------------------------------------------------------------------===//
// Rules, one function per operation, in the file of its family
//===----------------------------------------------------------------------===//

using mlir::LogicalResult;

LogicalResult exportOp(GraphExporter &g, nest::MapOp op);  // Map.cpp
LogicalResult exportOp(GraphExporter &g, nest::ConvOp op); // Convolution.cpp
LogicalResult exportOp(GraphExporter &g, nest::ConvTransposeOp op);
LogicalResult exportOp(GraphExporter &g, nest::MatmulOp op); // Matrix.cpp
/// Exports a 1x1 convolution over pixels that lie as the rows of a matrix;
/// false where it is none.
bool exportAsGemm(GraphExporter &g, nest::ConvOp op);
/// The constant filter of `op` with its private scale, if it has one.
std::optional<reference::TensorValue> scaledFilter(GraphExporter &g, nest::ConvOp op);
/// The bias of `op`; empty where it has none.
std::string biasOf(GraphExporter &g, nest::ConvOp op);
LogicalResult exportOp(GraphExporter &g, nest::PoolOp op); // Pooling.cpp
LogicalResult exportOp(GraphExporter &g, nest::MaxPoolIndicesOp op);
LogicalResult exportOp(GraphExporter &g, nest::ReduceOp op); // Reduction.cpp
LogicalResult exportOp(GraphExporter &g, nest::ArgReduceOp op);
LogicalResult exportOp(GraphExporter &g, nest::CumsumOp op);
LogicalResult exportOp(GraphExporter &g, nest::TopKOp op);
LogicalResult exportOp(GraphExporter &g, nest::SoftmaxOp op); // Normalization.cpp
LogicalResult exportOp(GraphExporter &g, nest::NormOp op);
LogicalResult exportOp(GraphExporter &g, nest::LrnOp op);
LogicalResult exportOp(GraphExporter &g, nest::TransposeOp op); // Movement.cpp
LogicalResult exportOp(GraphExporter &g, nest::ReshapeOp op);
LogicalResult exportOp(GraphExporter &g, nest::SliceOp op);
LogicalResult exportOp(GraphExporter &g, nest::PadOp op);
LogicalResult exportOp(GraphExporter &g, nest::ConcatOp op);
LogicalResult exportOp(GraphExporter &g, nest::GatherOp op); // Indexing.cpp
LogicalResult exportOp(GraphExporter &g, nest::GatherElementsOp op);
LogicalResult exportOp(GraphExporter &g, nest::GatherNDOp op);
LogicalResult exportOp(GraphExporter &g, nest::ScatterElementsOp op);
LogicalResult exportOp(GraphExporter &g, nest::ScatterNDOp op);
LogicalResult exportOp(GraphExporter &g, nest::OneHotOp op);
LogicalResult exportOp(GraphExporter &g, nest::ReverseSequenceOp op);
LogicalResult exportOp(GraphExporter &g, nest::ResizeOp op); // Resize.cpp
LogicalResult exportOp(GraphExporter &g, nest::LstmOp op);   // Recurrent.cpp
LogicalResult exportOp(GraphExporter &g, nest::GruOp op);
LogicalResult exportOp(GraphExporter &g, nest::RnnOp op);

} // namespace nestor::onnx_export

#endif // NESTOR_EXPORT_GRAPHEXPORTER_H

//===- Matrix.cpp - MatMul, Gemm ------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

#include "compiler/reference/Indices.h"

using namespace mlir;
using nestor::reference::product;
using nestor::reference::TensorValue;

namespace nestor::onnx_export {
namespace {

/// Whether the importer may have made `op` of a product with a constant.
bool isProductOverPixels(GraphExporter &g, nest::ConvOp op) {
  auto all = [](ArrayRef<int64_t> values, int64_t want) {
    return llvm::all_of(values, [&](int64_t value) { return value == want; });
  };
  return op.getKernel().size() == 1 && all(op.getKernel(), 1) && all(op.getStrides(), 1) &&
         all(op.getPadBegin(), 0) && all(op.getPadEnd(), 0) && op.getGroups() == 1 &&
         !g.isConstant(op.getInput()) && g.importedFrom() != "Conv";
}

/// `filter` [1, I, O] as a matrix whose rows are in the order in which the
/// channels lie in the tensor instead of that of the value: a flattened tensor
/// need not move.
TensorValue rowsAsStored(const TensorValue &filter, const View &view) {
  Dims channels = view.sequence({2}), order = identityOrder(channels.size()), shape;
  for (int64_t factor : channels)
    shape.push_back(view.shape[factor]);
  shape.push_back(filter.type.getShape().back());
  llvm::sort(order, [&](int64_t a, int64_t b) { return channels[a] < channels[b]; });
  order.push_back(channels.size());
  TensorValue unfolded{filter.type.clone(shape), filter.bytes};
  return permuted(unfolded, order, filter.type.getShape().drop_front());
}

/// The channels are the tensor's last dimension, and it has more than two: the
/// product of a batch of matrices with one.
void exportAsMatMul(GraphExporter &g, nest::ConvOp op, const View &view, TensorValue matrix) {
  std::string bias = biasOf(g, op);
  std::string result = g.node("MatMul", {view.tensor, g.initializer("weight", matrix)}).output();
  if (!bias.empty())
    result = g.node("Add", {result, bias}).output();
  View product = view;
  product.tensor = result;
  product.shape.back() = matrix.type.getDimSize(1);
  product.factors[2] = {int64_t(product.shape.size()) - 1};
  g.define(op.getResult(), product);
}

} // namespace

bool exportAsGemm(GraphExporter &g, nest::ConvOp op) {
  std::optional<TensorValue> filter =
      isProductOverPixels(g, op) ? scaledFilter(g, op) : std::nullopt;
  if (!filter)
    return false;
  View view = g.viewOf(op.getInput());
  Dims rows = view.sequence({0, 1}), channels = view.sequence({2});
  llvm::sort(channels);
  Dims all = rows;
  llvm::append_range(all, channels);
  if (!llvm::is_sorted(all))
    return false;
  TensorValue matrix = rowsAsStored(*filter, view);
  int64_t last = view.shape.size() - 1, inputs = matrix.type.getDimSize(0),
          outputs = matrix.type.getDimSize(1);
  if (channels == ArrayRef(last) && last > 1 && g.importedFrom() != "Gemm") {
    exportAsMatMul(g, op, view, matrix);
    return true;
  }
  ArrayRef<int64_t> shape = shapeOf(op.getResult());
  int64_t pixels = shape[0] * shape[1];
  std::string input = g.reshape(view.tensor, view.shape, {pixels, inputs});
  std::string bias = biasOf(g, op);
  std::string result =
      g.node("Gemm", {input, g.initializer("weight", permuted(matrix, {1, 0})), bias})
          .set("transB", int64_t(1))
          .output();
  if (shape[0] == 1 || shape[1] == 1) {
    View product{result, {pixels, outputs}, {{}, {}, {1}}};
    product.factors[shape[0] == 1 ? 1 : 0] = {0};
    g.define(op.getResult(), product);
  } else {
    g.define(op.getResult(), g.reshape(result, {pixels, outputs}, shape), {0, 1, 2});
  }
  return true;
}

LogicalResult exportOp(GraphExporter &g, nest::MatmulOp op) {
  if (!op.getEpilogue().empty())
    return g.unsupported(op, "it is fused for kernels");
  Type element = typeOf(op.getResult()).getElementType();
  auto operand = [&](Value value, bool transposed) {
    Dims order = identityOrder(shapeOf(value).size());
    if (transposed)
      std::swap(order[order.size() - 2], order.back());
    std::string tensor = g.use(value, order);
    if (typeOf(value).getElementType() == element)
      return tensor;
    return g.node("Cast", tensor).set("to", int64_t(dataTypeOf(element))).output();
  };
  std::string lhs = operand(op.getLhs(), op.getTransposeLhs());
  std::string rhs = operand(op.getRhs(), op.getTransposeRhs());
  g.define(op.getResult(), g.node("MatMul", {lhs, rhs}).output(),
           identityOrder(shapeOf(op.getResult()).size()));
  return success();
}

} // namespace nestor::onnx_export

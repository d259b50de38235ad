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

/// A convolution as a product: dimensions of its input that are rows of a
/// matrix, and those that a row has.
struct Product {
  Dims rows, columns;
};

/// The importer makes a convolution over pixels of a product with a constant,
/// and nesting one over the whole input of a product with a flattened tensor.
std::optional<Product> asProduct(GraphExporter &g, nest::ConvOp op) {
  auto all = [](ArrayRef<int64_t> values, int64_t want) {
    return llvm::all_of(values, [&](int64_t value) { return value == want; });
  };
  if (!all(op.getPadBegin(), 0) || !all(op.getPadEnd(), 0) || op.getGroups() != 1 ||
      g.isConstant(op.getInput()) || g.importedFrom() == "Conv")
    return std::nullopt;
  int64_t rank = shapeOf(op.getInput()).size();
  if (op.getKernel() == shapeOf(op.getInput()).slice(1, rank - 2))
    return Product{{0}, llvm::to_vector(llvm::seq<int64_t>(1, rank))};
  if (rank == 3 && op.getKernel()[0] == 1 && op.getStrides()[0] == 1)
    return Product{{0, 1}, {2}};
  return std::nullopt;
}

/// `filter` as a matrix whose rows are in the order in which the dimensions
/// `columns` lie in the tensor instead of that of the value: a flattened tensor
/// need not move.
TensorValue rowsAsStored(const TensorValue &filter, const View &view, ArrayRef<int64_t> columns) {
  Dims factors = view.sequence(columns), order = identityOrder(factors.size()), shape;
  for (int64_t factor : factors)
    shape.push_back(view.shape[factor]);
  int64_t outputs = filter.type.getShape().back();
  shape.push_back(outputs);
  llvm::sort(order, [&](int64_t a, int64_t b) { return factors[a] < factors[b]; });
  order.push_back(factors.size());
  TensorValue unfolded{filter.type.clone(shape), filter.bytes};
  return permuted(unfolded, order, {filter.size() / outputs, outputs});
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
  std::optional<Product> dims = asProduct(g, op);
  std::optional<TensorValue> filter = dims ? scaledFilter(g, op) : std::nullopt;
  if (!filter || !filter->size())
    return false;
  View view = g.viewOf(op.getInput());
  Dims all = view.sequence(dims->rows), columns = view.sequence(dims->columns);
  llvm::sort(columns);
  llvm::append_range(all, columns);
  if (!llvm::is_sorted(all))
    return false;
  TensorValue matrix = rowsAsStored(*filter, view, dims->columns);
  int64_t last = view.shape.size() - 1;
  if (dims->columns.size() == 1 && columns == ArrayRef(last) && last > 1 &&
      g.importedFrom() != "Gemm") {
    exportAsMatMul(g, op, view, matrix);
    return true;
  }
  int64_t rows = 1, inputs = matrix.type.getDimSize(0), outputs = matrix.type.getDimSize(1);
  for (int64_t dim : dims->rows)
    rows *= shapeOf(op.getInput())[dim];
  std::string input = g.reshape(view.tensor, view.shape, {rows, inputs});
  std::string bias = biasOf(g, op);
  std::string result =
      g.node("Gemm", {input, g.initializer("weight", permuted(matrix, {1, 0})), bias})
          .set("transB", int64_t(1))
          .output();
  View product = View::direct(result, {rows, outputs}, {0, 1});
  ArrayRef<int64_t> shape = shapeOf(op.getResult());
  std::optional<ReshapedView> found = reshaped(product, product.shape, shape);
  if (found && !found->splitShape)
    g.define(op.getResult(), found->view);
  else
    g.define(op.getResult(), g.reshape(result, product.shape, shape), identityOrder(shape.size()));
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

//===- Matmul.cpp - Batched matrix products -------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Families.h"
#include "compiler/reference/Indices.h"

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

/// A batch of matrices, broadcast to `batch` and read as [rows, columns]
/// whether or not it is stored transposed.
template <typename T>
static std::vector<T> loadMatrices(const TensorValue &tensor, ArrayRef<int64_t> batch,
                                   bool transposed) {
  ArrayRef<int64_t> stored = tensor.type.getShape();
  SmallVector<int64_t> shape(batch), strides = stridesOf(stored);
  shape.append(stored.end() - 2, stored.end());
  for (size_t i = 0; i < batch.size(); ++i)
    if (stored[i] == 1)
      strides[i] = 0;
  if (transposed) {
    std::swap(shape[batch.size()], shape[batch.size() + 1]);
    std::swap(strides[batch.size()], strides[batch.size() + 1]);
  }
  std::vector<T> values = toVector<T>(tensor), result;
  result.reserve(product(shape));
  forEachOffset(shape, strides, 0, [&](int64_t offset) { result.push_back(values[offset]); });
  return result;
}

template <typename T> static TensorValue multiply(MatmulOp op, const Operands &operands) {
  ArrayRef<int64_t> out = op.getType().getShape();
  ArrayRef<int64_t> lhsShape = op.getLhs().getType().getShape();
  ArrayRef<int64_t> batch = out.drop_back(2);
  int64_t rows = out[batch.size()], columns = out.back();
  int64_t depth = lhsShape[batch.size() + (op.getTransposeLhs() ? 0 : 1)];
  std::vector<T> lhs = loadMatrices<T>(operands[op.getLhs()], batch, op.getTransposeLhs());
  std::vector<T> rhs = loadMatrices<T>(operands[op.getRhs()], batch, op.getTransposeRhs());
  std::vector<T> sums(product(out));
  for (int64_t row = 0; row < product(batch) * rows; ++row)
    for (int64_t k = 0; k < depth; ++k) {
      T factor = lhs[row * depth + k];
      const T *from = rhs.data() + (row / rows * depth + k) * columns;
      T *to = sums.data() + row * columns;
      for (int64_t column = 0; column < columns; ++column)
        to[column] += factor * from[column];
    }
  return fromVector(op.getType(), sums);
}

FailureOr<TensorValue> nestor::reference::evaluateMatmul(MatmulOp op, const Operands &operands) {
  // Integers are multiplied unsigned, where they wrap; the low bits are the
  // same as those of the signed product.
  TensorValue result = op.getType().getElementType().isInteger()
                           ? multiply<uint64_t>(op, operands)
                           : multiply<double>(op, operands);
  return evaluateEpilogue(op.getEpilogue(), std::move(result), op.getExtras(), operands);
}

//===- Shape.cpp - Shape, Size, Constant, Range, EyeLike, NonZero ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
// Shapes are static, so most of these become constants.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::import {
namespace {

LogicalResult importShape(NodeImporter &n) {
  ArrayRef<int64_t> shape = n.shape(0);
  int64_t rank = shape.size();
  auto clip = [&](int64_t position) {
    return std::clamp<int64_t>(position < 0 ? position + rank : position, 0, rank);
  };
  int64_t start = clip(n.intAttr("start", 0)), end = clip(n.intAttr("end", rank));
  n.setOutput(0, n.constantInts(shape.slice(start, std::max<int64_t>(end - start, 0))));
  return success();
}

LogicalResult importSize(NodeImporter &n) {
  n.setOutput(0, constantIndices(n, {}, {n.type(0).getNumElements()}));
  return success();
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// A tensor of the given shape, all elements equal to the one in `bytes`.
TensorValue filled(Type element, ArrayRef<int64_t> shape, ArrayRef<char> bytes) {
  TensorValue result = TensorValue::zeros(RankedTensorType::get(shape, element));
  for (size_t offset = 0; offset < result.bytes.size(); offset += bytes.size())
    std::memcpy(result.bytes.data() + offset, bytes.data(), bytes.size());
  return result;
}

/// A tensor of f32 or i64 from an attribute's numbers.
template <typename T>
Value fromNumbers(NodeImporter &n, Type element, ArrayRef<int64_t> shape, ArrayRef<T> numbers) {
  TensorValue value = TensorValue::zeros(RankedTensorType::get(shape, element));
  llvm::copy(numbers, value.as<T>().begin());
  return n.constantOf(value);
}

/// The dense form of a sparse tensor: values at linear or coordinate indices.
FailureOr<TensorValue> decodeSparse(NodeImporter &n, const onnx::SparseTensorProto &sparse) {
  FailureOr<TensorValue> values = n.decode(sparse.values()), indices = n.decode(sparse.indices());
  if (failed(values) || failed(indices))
    return failure();
  SmallVector<int64_t> shape(sparse.dims().begin(), sparse.dims().end());
  if (failed(checkShape(n, shape)))
    return failure();
  int64_t count = values->size(), width = indices->type.getRank() == 2 ? shape.size() : 1;
  if (indices->size() != count * width)
    return n.unsupported("a sparse constant's indices do not match its values");
  TensorValue dense =
      TensorValue::zeros(RankedTensorType::get(shape, values->type.getElementType()));
  int64_t size = reference::elementBytes(values->type.getElementType());
  for (int64_t i = 0; i < count; ++i) {
    int64_t position = width == 1 ? indices->getInt(i) : 0;
    for (size_t d = 0; indices->type.getRank() == 2 && d < shape.size(); ++d) {
      int64_t index = indices->getInt(i * width + d);
      if (index < 0 || index >= shape[d])
        return n.unsupported("a sparse constant's index is out of range");
      position = position * shape[d] + index;
    }
    if (position < 0 || position >= dense.size())
      return n.unsupported("a sparse constant's index is out of range");
    std::memcpy(dense.bytes.data() + position * size, values->bytes.data() + i * size, size);
  }
  return dense;
}

LogicalResult importConstant(NodeImporter &n) {
  Type f32 = n.builder.getF32Type(), i64 = n.builder.getI64Type();
  FailureOr<TensorValue> value = failure();
  if (const onnx::AttributeProto *attr = n.attr("value"))
    value = n.decode(attr->t());
  else if (const onnx::AttributeProto *attr = n.attr("sparse_value"))
    value = decodeSparse(n, attr->sparse_tensor());
  if (succeeded(value)) {
    n.setOutput(0, n.constantOf(*value));
  } else if (const onnx::AttributeProto *attr = n.attr("value_int")) {
    n.setOutput(0, fromNumbers<int64_t>(n, i64, {}, {attr->i()}));
  } else if (const onnx::AttributeProto *attr = n.attr("value_ints")) {
    ArrayRef<int64_t> ints(attr->ints().data(), attr->ints_size());
    n.setOutput(0, fromNumbers<int64_t>(n, i64, {int64_t(ints.size())}, ints));
  } else if (const onnx::AttributeProto *attr = n.attr("value_float")) {
    n.setOutput(0, fromNumbers<float>(n, f32, {}, {attr->f()}));
  } else if (const onnx::AttributeProto *attr = n.attr("value_floats")) {
    ArrayRef<float> floats(attr->floats().data(), attr->floats_size());
    n.setOutput(0, fromNumbers<float>(n, f32, {int64_t(floats.size())}, floats));
  } else {
    return n.unsupported("the constant has no numeric value");
  }
  return success();
}

LogicalResult importConstantOfShape(NodeImporter &n) {
  FailureOr<SmallVector<int64_t>> shape = n.requireInts(0, "the shape");
  if (failed(shape) || failed(checkShape(n, *shape)))
    return failure();
  TensorValue value = TensorValue::zeros(RankedTensorType::get({1}, n.builder.getF32Type()));
  if (const onnx::AttributeProto *attr = n.attr("value")) {
    FailureOr<TensorValue> given = n.decode(attr->t());
    if (failed(given))
      return failure();
    value = *given;
  }
  if (value.size() != 1)
    return n.unsupported("value must have one element");
  n.setOutput(0, n.constantOf(filled(value.type.getElementType(), *shape, value.bytes)));
  return success();
}

//===----------------------------------------------------------------------===//
// Range, EyeLike, NonZero
//===----------------------------------------------------------------------===//

/// `start + i * delta` for every i of a range known at compile time.
LogicalResult importRange(NodeImporter &n) {
  std::optional<TensorValue> start = n.constant(0), limit = n.constant(1), delta = n.constant(2);
  if (!start || !limit || !delta)
    return n.unsupported("start, limit and delta must be known at compile time",
                         "give them with --bind NAME=@file");
  if (start->size() != 1 || limit->size() != 1 || delta->size() != 1)
    return n.unsupported("start, limit and delta must be scalars");
  double step = delta->getDouble(0);
  double span = (limit->getDouble(0) - start->getDouble(0)) / step;
  int64_t count = span > 0 ? int64_t(std::min(std::ceil(span), double(kMaxElements) + 1)) : 0;
  if (step == 0 || std::isnan(span) || failed(checkShape(n, {count})))
    return n.unsupported("the range is not finite");
  Type element = n.type(0).getElementType();
  Value index = n.cast(n.constantInts(countTo(count)), element);
  n.setOutput(
      0, elementwise(n, {index, n.reshape(n.input(0), {}), n.reshape(n.input(2), {})},
                     [](Scalars &s, ValueRange in) { return s.add(in[1], s.mul(in[0], in[2])); }));
  return success();
}

LogicalResult importEyeLike(NodeImporter &n) {
  if (n.shape(0).size() != 2)
    return n.unsupported("the input must be a matrix");
  Type element = n.type(0).getElementType();
  if (n.hasAttr("dtype"))
    element = computeTypeOf(n.builder.getContext(), n.intAttr("dtype", 0));
  if (!element)
    return n.unsupported("dtype is not numeric");
  int64_t rows = n.shape(0)[0], columns = n.shape(0)[1], k = n.intAttr("k", 0);
  TensorValue eye =
      TensorValue::zeros(RankedTensorType::get({rows, columns}, n.builder.getI1Type()));
  if (k > -rows && k < columns)
    for (int64_t row = std::max<int64_t>(0, -k); row < std::min(rows, columns - k); ++row)
      eye.bytes[row * columns + row + k] = 1;
  n.setOutput(0, n.cast(n.constantOf(eye), element));
  return success();
}

LogicalResult importNonZero(NodeImporter &n) {
  std::optional<TensorValue> input = n.constant(0);
  if (!input)
    return n.unsupported("the size of the result depends on the data",
                         "give the input with --bind NAME=@file");
  ArrayRef<int64_t> shape = n.shape(0);
  SmallVector<int64_t> found;
  for (int64_t i = 0; i < input->size(); ++i)
    if (input->getDouble(i) != 0)
      found.push_back(i);
  int64_t rank = shape.size(), count = found.size();
  SmallVector<int64_t> coordinates(rank * count);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t d = rank - 1; d >= 0; --d) {
      coordinates[d * count + i] = found[i] % shape[d];
      found[i] /= shape[d];
    }
  n.setOutput(0, constantIndices(n, {rank, count}, coordinates));
  return success();
}

} // namespace

void registerShapeRules(ImportRegistry &registry) {
  registry.add({"", "Shape", 1, kNewestOpset, importShape, ""});
  registry.add({"", "Size", 1, kNewestOpset, importSize, ""});
  registry.add({"", "Constant", 1, kNewestOpset, importConstant, "no strings", 0});
  registry.add({"", "ConstantOfShape", 9, kNewestOpset, importConstantOfShape,
                "shape known at compile time"});
  registry.add({"", "Range", 11, kNewestOpset, importRange, "inputs known at compile time", 3});
  registry.add({"", "EyeLike", 9, kNewestOpset, importEyeLike, ""});
  registry.add({"", "NonZero", 9, kNewestOpset, importNonZero, "input known at compile time"});
}

} // namespace nestor::import

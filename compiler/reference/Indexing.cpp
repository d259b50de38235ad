//===- Indexing.cpp - Gathers, scatters and one-hot -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Families.h"
#include "compiler/reference/Indices.h"

#include <algorithm>

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

/// `index` counted from the end where it is negative, then clamped.
static int64_t resolveIndex(int64_t index, int64_t extent) {
  return std::clamp<int64_t>(index < 0 ? index + extent : index, 0, extent - 1);
}

/// Copies `count` elements of `unit` bytes.
static void copyElements(const TensorValue &from, int64_t fromOffset, TensorValue &to,
                         int64_t toOffset, int64_t count) {
  int64_t unit = elementBytes(from.type.getElementType());
  std::copy_n(from.bytes.data() + fromOffset * unit, count * unit,
              to.bytes.data() + toOffset * unit);
}

TensorValue nestor::reference::evaluateGather(GatherOp op, const Operands &operands) {
  const TensorValue &input = operands[op.getInput()], &indices = operands[op.getIndices()];
  AxisView view(input.type.getShape(), op.getAxis());
  TensorValue result = TensorValue::zeros(op.getType());
  if (result.bytes.empty())
    return result;
  int64_t to = 0;
  for (int64_t outer = 0; outer < view.outer; ++outer)
    for (int64_t i = 0; i < indices.size(); ++i, to += view.inner) {
      int64_t index = resolveIndex(indices.getInt(i), view.extent);
      copyElements(input, view.offset(outer, index, 0), result, to, view.inner);
    }
  return result;
}

/// The offset in a tensor with `strides` of the element that entry `entry` of
/// `indices`, at position `at`, stands for: `at` with the axis replaced.
static int64_t elementOffset(ArrayRef<int64_t> at, ArrayRef<int64_t> shape,
                             ArrayRef<int64_t> strides, int64_t axis, int64_t index) {
  int64_t offset = resolveIndex(index, shape[axis]) * strides[axis];
  for (int64_t i = 0; i < int64_t(at.size()); ++i)
    offset += i == axis ? 0 : at[i] * strides[i];
  return offset;
}

TensorValue nestor::reference::evaluateGatherElements(GatherElementsOp op,
                                                      const Operands &operands) {
  const TensorValue &input = operands[op.getInput()], &indices = operands[op.getIndices()];
  ArrayRef<int64_t> shape = input.type.getShape();
  SmallVector<int64_t> strides = stridesOf(shape);
  TensorValue result = TensorValue::zeros(op.getType());
  int64_t to = 0;
  forEachIndex(indices.type.getShape(), [&](ArrayRef<int64_t> at) {
    int64_t from = elementOffset(at, shape, strides, op.getAxis(), indices.getInt(to));
    copyElements(input, from, result, to++, 1);
  });
  return result;
}

/// The offset of the slice of a tensor of `shape` that the index tuple
/// starting at entry `first` of `indices` picks.
static int64_t tupleOffset(const TensorValue &indices, int64_t first, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides = stridesOf(shape);
  int64_t offset = 0, length = indices.type.getShape().back();
  for (int64_t i = 0; i < length; ++i)
    offset += resolveIndex(indices.getInt(first + i), shape[i]) * strides[i];
  return offset;
}

TensorValue nestor::reference::evaluateGatherND(GatherNDOp op, const Operands &operands) {
  const TensorValue &input = operands[op.getInput()], &indices = operands[op.getIndices()];
  ArrayRef<int64_t> shape = input.type.getShape();
  int64_t batches = product(shape.take_front(op.getBatchDims()));
  int64_t length = indices.type.getShape().back();
  ArrayRef<int64_t> batchShape = shape.drop_front(op.getBatchDims());
  int64_t batchSize = product(batchShape), slice = product(batchShape.drop_front(length));
  TensorValue result = TensorValue::zeros(op.getType());
  if (result.bytes.empty())
    return result;
  int64_t tuples = product(indices.type.getShape().drop_back());
  for (int64_t i = 0; i < tuples; ++i) {
    int64_t batch = i / (tuples / batches);
    int64_t from = batch * batchSize + tupleOffset(indices, i * length, batchShape);
    copyElements(input, from, result, i * slice, slice);
  }
  return result;
}

template <typename T> static T combine(ScatterKind kind, T old, T update) {
  switch (kind) {
  case ScatterKind::none:
    return update;
  case ScatterKind::add:
    return wrappingAdd(old, update);
  case ScatterKind::mul:
    return wrappingMul(old, update);
  case ScatterKind::max:
    return std::max(old, update);
  case ScatterKind::min:
    return std::min(old, update);
  }
  llvm_unreachable("unknown scatter");
}

/// `input` with entry `i` of `updates` combined into the element at
/// `offsetOf(i)`, in order.
template <typename F>
static TensorValue scatter(const TensorValue &input, const TensorValue &updates, ScatterKind kind,
                           F &&offsetOf) {
  return visitCompute(input.type.getElementType(), [&](auto zero) {
    auto values = toVector<decltype(zero)>(input), changes = toVector<decltype(zero)>(updates);
    for (size_t i = 0; i < changes.size(); ++i) {
      auto &value = values[offsetOf(i)];
      value = combine(kind, value, changes[i]);
    }
    return fromVector(input.type, values);
  });
}

TensorValue nestor::reference::evaluateScatterElements(ScatterElementsOp op,
                                                       const Operands &operands) {
  const TensorValue &input = operands[op.getInput()], &indices = operands[op.getIndices()];
  ArrayRef<int64_t> shape = input.type.getShape();
  SmallVector<int64_t> strides = stridesOf(shape);
  std::vector<int64_t> offsets;
  forEachIndex(indices.type.getShape(), [&](ArrayRef<int64_t> at) {
    int64_t index = indices.getInt(offsets.size());
    offsets.push_back(elementOffset(at, shape, strides, op.getAxis(), index));
  });
  return scatter(input, operands[op.getUpdates()], op.getKind(),
                 [&](int64_t i) { return offsets[i]; });
}

TensorValue nestor::reference::evaluateScatterND(ScatterNDOp op, const Operands &operands) {
  const TensorValue &input = operands[op.getInput()], &indices = operands[op.getIndices()];
  ArrayRef<int64_t> shape = input.type.getShape();
  int64_t length = indices.type.getShape().back();
  int64_t slice = product(shape.drop_front(length));
  return scatter(input, operands[op.getUpdates()], op.getKind(), [&](int64_t i) {
    return tupleOffset(indices, i / slice * length, shape) + i % slice;
  });
}

TensorValue nestor::reference::evaluateOneHot(OneHotOp op, const Operands &operands) {
  const TensorValue &indices = operands[op.getIndices()], &values = operands[op.getValues()];
  AxisView view(op.getType().getShape(), op.getAxis());
  TensorValue result = TensorValue::zeros(op.getType());
  for (int64_t to = 0; to < result.size(); ++to)
    copyElements(values, 0, result, to, 1);
  int64_t next = 0;
  view.forEachLine([&](int64_t o, int64_t i) {
    int64_t index = indices.getInt(next++);
    if (index < 0)
      index += view.extent;
    if (index >= 0 && index < view.extent)
      copyElements(values, 1, result, view.offset(o, index, i), 1);
  });
  return result;
}

//===- Indexing.cpp - Gather, Scatter, OneHot, Compress, ... --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

using namespace mlir;
using nestor::nest::ScatterKind;

namespace nestor::import {
namespace {

LogicalResult requireIndices(NodeImporter &n, unsigned index) {
  if (isa<IntegerType>(n.type(index).getElementType()))
    return success();
  return n.unsupported("the indices must be integers");
}

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

Value gather(NodeImporter &n, Value input, Value indices, int64_t axis) {
  ArrayRef<int64_t> in = shapeOf(input);
  SmallVector<int64_t> shape(in.take_front(axis));
  llvm::append_range(shape, shapeOf(indices));
  llvm::append_range(shape, in.drop_front(axis + 1));
  return n.create<nest::GatherOp>(withShape(input, shape), input, indices, axis);
}

LogicalResult importGather(NodeImporter &n) {
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", 0), n.shape(0).size());
  if (failed(axis) || failed(requireIndices(n, 1)))
    return failure();
  if (n.shape(0)[*axis] == 0 && n.type(1).getNumElements() != 0)
    return n.unsupported("nothing can be gathered from an empty axis");
  n.setOutput(0, gather(n, n.input(0), n.input(1), *axis));
  return success();
}

/// Checks that indices of an `...Elements` operator lie within the input along
/// every dimension but `axis`.
LogicalResult checkElementIndices(NodeImporter &n, int64_t axis) {
  ArrayRef<int64_t> data = n.shape(0), indices = n.shape(1);
  if (failed(requireIndices(n, 1)))
    return failure();
  if (data.size() != indices.size())
    return n.unsupported("the indices must have the input's rank");
  for (int64_t i = 0, rank = data.size(); i < rank; ++i)
    if (indices[i] > data[i] && (i != axis || data[i] == 0))
      return n.unsupported("the indices reach beyond the input in dimension " + Twine(i));
  return success();
}

LogicalResult importGatherElements(NodeImporter &n) {
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", 0), n.shape(0).size());
  if (failed(axis) || failed(checkElementIndices(n, *axis)))
    return failure();
  n.setOutput(0, n.create<nest::GatherElementsOp>(withShape(n.input(0), n.shape(1)), n.input(0),
                                                  n.input(1), *axis));
  return success();
}

/// The shape of the slices that the last dimension of `indices` selects, after
/// `batch` common leading dimensions.
FailureOr<SmallVector<int64_t>> ndShape(NodeImporter &n, int64_t batch) {
  ArrayRef<int64_t> data = n.shape(0), indices = n.shape(1);
  if (failed(requireIndices(n, 1)))
    return failure();
  if (indices.empty() || batch < 0 || batch >= int64_t(std::min(data.size(), indices.size())) ||
      indices.back() < 1 || indices.back() > int64_t(data.size()) - batch)
    return n.unsupported("the indices do not fit the input's rank");
  if (data.take_front(batch) != indices.take_front(batch))
    return n.unsupported("the batch dimensions differ");
  SmallVector<int64_t> shape(indices.drop_back());
  llvm::append_range(shape, data.drop_front(batch + indices.back()));
  return shape;
}

LogicalResult importGatherND(NodeImporter &n) {
  int64_t batch = n.intAttr("batch_dims", 0);
  FailureOr<SmallVector<int64_t>> shape = ndShape(n, batch);
  if (failed(shape))
    return failure();
  n.setOutput(
      0, n.create<nest::GatherNDOp>(withShape(n.input(0), *shape), n.input(0), n.input(1), batch));
  return success();
}

/// The slices of the input (flattened without an axis) where the condition,
/// known at compile time, holds.
LogicalResult importCompress(NodeImporter &n) {
  std::optional<reference::TensorValue> condition = n.constant(1);
  if (!condition)
    return n.unsupported("the condition must be known at compile time",
                         "give it with --bind NAME=@file");
  Value input = n.input(0);
  if (!n.hasAttr("axis"))
    input = n.reshape(input, {n.type(0).getNumElements()});
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", 0), shapeOf(input).size());
  if (failed(axis))
    return failure();
  SmallVector<int64_t> kept;
  for (int64_t i = 0; i < std::min(condition->size(), shapeOf(input)[*axis]); ++i)
    if (condition->getInt(i))
      kept.push_back(i);
  n.setOutput(0, gather(n, input, n.constantInts(kept), *axis));
  return success();
}

//===----------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------===//

FailureOr<ScatterKind> scatterKind(NodeImporter &n) {
  std::string reduction = n.stringAttr("reduction", "none");
  std::optional<ScatterKind> kind = nest::symbolizeScatterKind(reduction);
  if (!kind)
    return n.unsupported("reduction = " + Twine(reduction));
  if (n.type(2).getElementType() != n.type(0).getElementType())
    return n.unsupported("the updates must have the input's element type");
  return *kind;
}

LogicalResult importScatterElements(NodeImporter &n) {
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", 0), n.shape(0).size());
  if (failed(axis) || failed(checkElementIndices(n, *axis)))
    return failure();
  FailureOr<ScatterKind> kind = scatterKind(n);
  if (failed(kind))
    return failure();
  if (n.shape(2) != n.shape(1))
    return n.unsupported("the updates must have the indices' shape");
  n.setOutput(0, n.create<nest::ScatterElementsOp>(n.type(0), n.input(0), n.input(1), n.input(2),
                                                   *axis, *kind));
  return success();
}

LogicalResult importScatterND(NodeImporter &n) {
  FailureOr<SmallVector<int64_t>> shape = ndShape(n, 0);
  if (failed(shape))
    return failure();
  FailureOr<ScatterKind> kind = scatterKind(n);
  if (failed(kind))
    return failure();
  if (n.shape(2) != ArrayRef<int64_t>(*shape))
    return n.unsupported("the updates do not have the shape that the indices select");
  n.setOutput(0, n.create<nest::ScatterNDOp>(n.type(0), n.input(0), n.input(1), n.input(2), *kind));
  return success();
}

//===----------------------------------------------------------------------===//
// OneHot, ReverseSequence
//===----------------------------------------------------------------------===//

LogicalResult importOneHot(NodeImporter &n) {
  std::optional<reference::TensorValue> depth = n.constant(1);
  if (!depth || depth->size() != 1)
    return n.unsupported("depth must be a scalar known at compile time",
                         "give it with --bind NAME=@file");
  if (n.type(2).getNumElements() != 2)
    return n.unsupported("values must have two elements");
  SmallVector<int64_t> shape(n.shape(0));
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", -1), shape.size() + 1);
  if (failed(axis))
    return failure();
  shape.insert(shape.begin() + *axis, depth->getInt(0));
  if (failed(checkShape(n, shape)))
    return failure();
  Value indices = n.cast(n.input(0), n.builder.getI64Type());
  Value values = n.reshape(n.input(2), {2});
  n.setOutput(0, n.create<nest::OneHotOp>(withShape(values, shape), indices, values, *axis));
  return success();
}

LogicalResult importReverseSequence(NodeImporter &n) {
  int64_t batch = n.intAttr("batch_axis", 1), time = n.intAttr("time_axis", 0);
  ArrayRef<int64_t> shape = n.shape(0);
  if (shape.size() < 2 || std::min(batch, time) != 0 || std::max(batch, time) != 1)
    return n.unsupported("batch_axis and time_axis must be 0 and 1");
  if (n.shape(1) != shape.slice(batch, 1) || failed(requireIndices(n, 1)))
    return n.unsupported("sequence_lens needs one integer per batch entry");
  n.setOutput(0, n.create<nest::ReverseSequenceOp>(n.type(0), n.input(0), n.input(1), batch, time));
  return success();
}

} // namespace

void registerIndexingRules(ImportRegistry &registry) {
  registry.add({"", "Gather", 1, kNewestOpset, importGather, "", 2});
  registry.add({"", "GatherElements", 11, kNewestOpset, importGatherElements, "", 2});
  registry.add({"", "GatherND", 11, kNewestOpset, importGatherND, "", 2});
  registry.add(
      {"", "Compress", 9, kNewestOpset, importCompress, "condition known at compile time", 2});
  registry.add({"", "Scatter", 9, 10, importScatterElements, "", 3});
  registry.add({"", "ScatterElements", 11, kNewestOpset, importScatterElements, "", 3});
  registry.add({"", "ScatterND", 11, kNewestOpset, importScatterND, "", 3});
  registry.add({"", "OneHot", 9, kNewestOpset, importOneHot, "depth known at compile time", 3});
  registry.add({"", "ReverseSequence", 10, kNewestOpset, importReverseSequence, "", 2});
}

} // namespace nestor::import

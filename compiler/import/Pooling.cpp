//===- Pooling.cpp - Pooling over windows and over everything -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"
#include "compiler/import/Window.h"

#include "llvm/ADT/Twine.h"

using namespace mlir;
using nestor::nest::PoolKind;
using nestor::nest::ReduceKind;

namespace nestor::import {

namespace {

LogicalResult checkRank(NodeImporter &n) {
  if (n.type(0).getRank() < 3)
    return n.unsupported("the input must be [N, C, spatial..] but has rank " +
                         Twine(n.type(0).getRank()));
  return success();
}

/// [N, E1.., En, C] of the pooled tensor.
SmallVector<int64_t> pooledShape(NodeImporter &n, const Window &window, bool ceil) {
  ArrayRef<int64_t> shape = n.shape(0);
  SmallVector<int64_t> result{shape[0]};
  for (size_t i = 0; i < window.rank(); ++i)
    result.push_back(window.positions(i, shape[i + 2], ceil));
  result.push_back(shape[1]);
  return result;
}

template <PoolKind kind> LogicalResult importPool(NodeImporter &n) {
  if (failed(checkRank(n)))
    return failure();
  FailureOr<Window> window = readWindow(n, n.shape(0).drop_front(2), n.intsAttr("kernel_shape"));
  if (failed(window))
    return failure();
  Type element = n.type(0).getElementType();
  if (kind != PoolKind::max && !isa<FloatType>(element))
    return n.unsupported("pooling of integers");
  SmallVector<int64_t> shape = pooledShape(n, *window, n.intAttr("ceil_mode", 0));
  Value input = n.toChannelsLast(n.input(0));
  int64_t p = n.intAttr("p", 2);
  if (p < 1)
    return n.unsupported("p must be positive");
  Value pooled = n.create<nest::PoolOp>(
      withShape(input, shape), input, kind, window->kernel, window->strides, window->dilations,
      window->padBegin, window->padEnd, bool(n.intAttr("count_include_pad", 0)), uint64_t(p));
  n.setOutput(0, n.toChannelsFirst(pooled));
  if (kind == PoolKind::max && n.wantsOutput(1)) {
    Value indices = n.create<nest::MaxPoolIndicesOp>(
        RankedTensorType::get(shape, n.builder.getI64Type()), input, window->kernel,
        window->strides, window->dilations, window->padBegin, window->padEnd,
        bool(n.intAttr("storage_order", 0)));
    n.setOutput(1, n.toChannelsFirst(indices));
  }
  return success();
}

/// Reduces the spatial dimensions, channels last, so that it stays next to the
/// convolutions around it.
Value reduceSpatial(NodeImporter &n, Value input, ReduceKind kind) {
  Value last = n.toChannelsLast(input);
  SmallVector<int64_t> axes;
  for (int64_t axis = 1; axis + 1 < tensorType(last).getRank(); ++axis)
    axes.push_back(axis);
  return n.toChannelsFirst(reduce(n, last, kind, axes));
}

template <ReduceKind kind> LogicalResult importGlobalPool(NodeImporter &n) {
  if (failed(checkRank(n)))
    return failure();
  n.setOutput(0, reduceSpatial(n, n.input(0), kind));
  return success();
}

LogicalResult importGlobalLpPool(NodeImporter &n) {
  if (failed(checkRank(n)))
    return failure();
  SmallVector<int64_t> kernel(n.shape(0).drop_front(2)), ones(kernel.size(), 1),
      zeros(kernel.size(), 0);
  int64_t p = n.intAttr("p", 2);
  if (p < 1 || kernel.size() > 3)
    return n.unsupported("p must be positive, and at most 3 dimensions spatial");
  SmallVector<int64_t> shape{n.shape(0)[0]};
  llvm::append_range(shape, ones);
  shape.push_back(n.shape(0)[1]);
  Value input = n.toChannelsLast(n.input(0));
  n.setOutput(0, n.toChannelsFirst(n.create<nest::PoolOp>(
                     withShape(input, shape), input, PoolKind::lp, kernel, ones, ones, zeros, zeros,
                     /*countIncludePad=*/false, uint64_t(p))));
  return success();
}

/// Scatters the pooled values to where their indices, counted in the shape
/// that the pooling's attributes imply, say they came from.
LogicalResult importMaxUnpool(NodeImporter &n) {
  if (failed(checkRank(n)))
    return failure();
  FailureOr<Window> window = readWindow(n, n.shape(0).drop_front(2), n.intsAttr("kernel_shape"));
  if (failed(window))
    return failure();
  SmallVector<int64_t> shape(n.shape(0).take_front(2));
  for (size_t i = 0; i < window->rank(); ++i)
    shape.push_back((n.shape(0)[i + 2] - 1) * window->strides[i] + window->kernel[i] -
                    window->padBegin[i] - window->padEnd[i]);
  if (failed(checkShape(n, shape)))
    return failure();
  int64_t elements = 1, values = n.type(0).getNumElements();
  for (int64_t extent : shape)
    elements *= extent;
  if (n.type(1).getNumElements() != values)
    return n.unsupported("there must be one index per value");
  Type element = n.type(0).getElementType();
  Value zeros =
      n.mapTo({elements}, {}, element, [&](OpBuilder &builder, Location loc, ValueRange) -> Value {
        return Scalars(builder, loc, element).constant(0);
      });
  Value flat = n.create<nest::ScatterElementsOp>(
      zeros.getType(), zeros, n.reshape(n.input(1), {values}), n.reshape(n.input(0), {values}), 0,
      nest::ScatterKind::none);
  Value result = n.reshape(flat, shape);
  if (n.hasInput(2)) {
    FailureOr<SmallVector<int64_t>> wanted = n.requireInts(2, "output_shape");
    if (failed(wanted))
      return failure();
    if (wanted->size() != shape.size())
      return n.unsupported("output_shape needs one entry per dimension");
    SmallVector<int64_t> low(shape.size(), 0), high;
    for (auto [want, have] : llvm::zip(*wanted, shape))
      high.push_back(want - have);
    result = n.create<nest::PadOp>(withShape(result, *wanted), result, Value(), low, high,
                                   nest::PadMode::constant);
  }
  n.setOutput(0, result);
  return success();
}

} // namespace

void registerPoolingRules(ImportRegistry &registry) {
  auto add = [&](StringRef op, int64_t since, ImportFunction import, StringRef limits = "",
                 unsigned inputs = 1) {
    registry.add({"", op, since, kNewestOpset, import, limits, inputs});
  };
  add("MaxPool", 1, importPool<PoolKind::max>, "1 to 3 spatial dimensions");
  add("AveragePool", 1, importPool<PoolKind::avg>, "1 to 3 spatial dimensions");
  add("LpPool", 2, importPool<PoolKind::lp>, "1 to 3 spatial dimensions");
  add("GlobalMaxPool", 1, importGlobalPool<ReduceKind::max>);
  add("GlobalAveragePool", 1, importGlobalPool<ReduceKind::mean>);
  add("GlobalLpPool", 2, importGlobalLpPool, "1 to 3 spatial dimensions");
  add("MaxUnpool", 9, importMaxUnpool, "", 2);
}

} // namespace nestor::import

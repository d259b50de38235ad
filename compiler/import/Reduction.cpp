//===- Reduction.cpp - ReduceX, ArgMax, CumSum, TopK ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using nestor::nest::ReduceKind;

namespace nestor::import {
namespace {

/// `value` without its axes of extent 1 that `axes` names.
Value dropAxes(NodeImporter &n, Value value, ArrayRef<int64_t> axes) {
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(shapeOf(value)))
    if (!llvm::is_contained(axes, int64_t(i)))
      shape.push_back(extent);
  return n.reshape(value, shape);
}

//===----------------------------------------------------------------------===//
// ReduceX
//===----------------------------------------------------------------------===//

/// Computes one operator of the family over `axes`, which stay as 1.
using Reducer = Value (*)(NodeImporter &n, Value input, ArrayRef<int64_t> axes);

/// The axes are an attribute, or input 1 from `axesInput` on.
template <Reducer reducer, int64_t axesInput> LogicalResult importReduce(NodeImporter &n) {
  int64_t rank = n.shape(0).size();
  FailureOr<SmallVector<int64_t>> given =
      n.opset >= axesInput ? intsFrom(n, "axes", 1) : n.intsAttr("axes");
  if (failed(given))
    return failure();
  if (given->empty() && n.intAttr("noop_with_empty_axes", 0)) {
    n.setOutput(0, n.input(0));
    return success();
  }
  FailureOr<SmallVector<int64_t>> axes = normalizeAxes(n, *given, rank);
  if (failed(axes))
    return failure();
  if (axes->empty())
    axes = countTo(rank);
  Value result = reducer(n, n.input(0), *axes);
  n.setOutput(0, n.intAttr("keepdims", 1) ? result : dropAxes(n, result, *axes));
  return success();
}

template <ReduceKind kind> Value reduceKind(NodeImporter &n, Value input, ArrayRef<int64_t> axes) {
  return reduce(n, input, kind, axes);
}

Value reduceMean(NodeImporter &n, Value input, ArrayRef<int64_t> axes) {
  if (isa<FloatType>(elementOf(input)))
    return reduce(n, input, ReduceKind::mean, axes);
  Value sum = reduce(n, input, ReduceKind::sum, axes);
  int64_t count = 1;
  for (int64_t axis : axes)
    count *= shapeOf(input)[axis];
  return elementwise(n, sum,
                     [&](Scalars &s, ValueRange in) { return s.div(in[0], s.constant(count)); });
}

Value reduceL1(NodeImporter &n, Value input, ArrayRef<int64_t> axes) {
  Value absolute = elementwise(n, input, [](Scalars &s, ValueRange in) { return s.abs(in[0]); });
  return reduce(n, absolute, ReduceKind::sum, axes);
}

Value reduceSumSquare(NodeImporter &n, Value input, ArrayRef<int64_t> axes) {
  Value square =
      elementwise(n, input, [](Scalars &s, ValueRange in) { return s.mul(in[0], in[0]); });
  return reduce(n, square, ReduceKind::sum, axes);
}

/// A function of floats applied to elements of any type.
template <typename OpTy> Value throughFloat(NodeImporter &n, Value value) {
  Type element = elementOf(value);
  Value wide = isa<FloatType>(element) ? value : n.cast(value, n.builder.getF64Type());
  Value result =
      elementwise(n, wide, [](Scalars &s, ValueRange in) { return s.apply<OpTy>(in[0]); });
  return n.cast(result, element);
}

Value reduceL2(NodeImporter &n, Value input, ArrayRef<int64_t> axes) {
  return throughFloat<math::SqrtOp>(n, reduceSumSquare(n, input, axes));
}

Value reduceLogSum(NodeImporter &n, Value input, ArrayRef<int64_t> axes) {
  return throughFloat<math::LogOp>(n, reduce(n, input, ReduceKind::sum, axes));
}

Value reduceLogSumExp(NodeImporter &n, Value input, ArrayRef<int64_t> axes) {
  Type element = elementOf(input);
  if (!isa<FloatType>(element))
    input = n.cast(input, n.builder.getF64Type());
  // Relative to the maximum nothing overflows; an infinite one is no origin.
  Value origin =
      elementwise(n, reduce(n, input, ReduceKind::max, axes), [](Scalars &s, ValueRange in) {
        Value infinity = s.constant(std::numeric_limits<double>::infinity());
        return s.select(s.equal(s.abs(in[0]), infinity), s.constant(0), in[0]);
      });
  Value powers = elementwise(n, {input, origin}, [](Scalars &s, ValueRange in) {
    return s.apply<math::ExpOp>(s.sub(in[0], in[1]));
  });
  Value sum = reduce(n, powers, ReduceKind::sum, axes);
  Value result = elementwise(n, {sum, origin}, [](Scalars &s, ValueRange in) {
    return s.add(s.apply<math::LogOp>(in[0]), in[1]);
  });
  return n.cast(result, element);
}

//===----------------------------------------------------------------------===//
// ArgMax, CumSum, TopK
//===----------------------------------------------------------------------===//

template <bool min> LogicalResult importArgReduce(NodeImporter &n) {
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", 0), n.shape(0).size());
  if (failed(axis))
    return failure();
  SmallVector<int64_t> shape(n.shape(0));
  if (shape[*axis] == 0)
    return n.unsupported("the axis has no elements");
  shape[*axis] = 1;
  auto type = RankedTensorType::get(shape, n.builder.getI64Type());
  Value result = n.create<nest::ArgReduceOp>(type, n.input(0), *axis, min,
                                             bool(n.intAttr("select_last_index", 0)));
  n.setOutput(0, n.intAttr("keepdims", 1) ? result : dropAxes(n, result, {*axis}));
  return success();
}

LogicalResult importCumSum(NodeImporter &n) {
  FailureOr<SmallVector<int64_t>> given = n.requireInts(1, "axis");
  if (failed(given))
    return failure();
  if (given->size() != 1)
    return n.unsupported("axis must be one number");
  FailureOr<int64_t> axis = normalizeAxis(n, given->front(), n.shape(0).size());
  if (failed(axis))
    return failure();
  n.setOutput(0, n.create<nest::CumsumOp>(n.type(0), n.input(0), *axis,
                                          bool(n.intAttr("exclusive", 0)),
                                          bool(n.intAttr("reverse", 0))));
  return success();
}

LogicalResult importTopK(NodeImporter &n) {
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", -1), n.shape(0).size());
  if (failed(axis))
    return failure();
  int64_t k = n.intAttr("k", 0);
  if (n.opset >= 10) {
    FailureOr<SmallVector<int64_t>> given = n.requireInts(1, "k");
    if (failed(given))
      return failure();
    k = given->size() == 1 ? given->front() : -1;
  }
  SmallVector<int64_t> shape(n.shape(0));
  if (k < 0 || k > shape[*axis])
    return n.unsupported("k must lie between 0 and " + Twine(shape[*axis]));
  shape[*axis] = k;
  auto indices = RankedTensorType::get(shape, n.builder.getI64Type());
  auto results = n.createMulti<nest::TopKOp>(withShape(n.input(0), shape), indices, n.input(0), k,
                                             *axis, !n.intAttr("largest", 1));
  n.setOutput(0, results[0]);
  if (n.wantsOutput(1))
    n.setOutput(1, results[1]);
  return success();
}

} // namespace

void registerReductionRules(ImportRegistry &registry) {
  auto add = [&](StringRef op, ImportFunction import, unsigned minInputs = 1) {
    registry.add({"", op, 1, kNewestOpset, import, "", minInputs});
  };
  add("ReduceSum", importReduce<reduceKind<ReduceKind::sum>, 13>);
  add("ReduceMax", importReduce<reduceKind<ReduceKind::max>, 18>);
  add("ReduceMin", importReduce<reduceKind<ReduceKind::min>, 18>);
  add("ReduceProd", importReduce<reduceKind<ReduceKind::prod>, 18>);
  add("ReduceMean", importReduce<reduceMean, 18>);
  add("ReduceL1", importReduce<reduceL1, 18>);
  add("ReduceL2", importReduce<reduceL2, 18>);
  add("ReduceLogSum", importReduce<reduceLogSum, 18>);
  add("ReduceLogSumExp", importReduce<reduceLogSumExp, 18>);
  add("ReduceSumSquare", importReduce<reduceSumSquare, 18>);
  add("ArgMax", importArgReduce<false>);
  add("ArgMin", importArgReduce<true>);
  add("CumSum", importCumSum, 2);
  add("TopK", importTopK);
}

} // namespace nestor::import

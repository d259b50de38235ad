//===- Gather.cpp - Kernels that read by index ----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

FailureOr<Calls> nestor::kernels::describeGather(nest::GatherOp op) {
  RankedTensorType input = typeOf(op.getInput()), indices = typeOf(op.getIndices());
  size_t axis = op.getAxis();
  int64_t outer = product(input.getShape(), 0, axis), extent = input.getDimSize(axis);
  int64_t inner = product(input.getShape(), axis + 1, input.getRank());
  int64_t picks = indices.getNumElements();
  auto body = [=](KernelBuilder &b) {
    Value source = b.arg(0), index = b.arg(1), target = b.arg(2);
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      Value pick = loadIndex(b, indices, index, b.rem(row, picks), extent);
      Value from = b.mul(b.add(b.mul(b.div(row, picks), extent), pick), inner);
      copyRun(b, input.getElementType(), source, from, target, b.mul(row, inner), inner);
    });
  };
  std::string detail = "axis " + std::to_string(axis);
  return Calls{staticCall(op, "gather", detail, outer * picks, body)};
}

FailureOr<Calls> nestor::kernels::describeGatherElements(nest::GatherElementsOp op) {
  RankedTensorType input = typeOf(op.getInput()), indices = typeOf(op.getIndices());
  size_t axis = op.getAxis();
  SmallVector<int64_t> strides = stridesOf(input.getShape());
  auto body = [=](KernelBuilder &b) {
    Value source = b.arg(0), index = b.arg(1), target = b.arg(2);
    b.loop(b.begin(), b.end(), 1, [&](Value element) {
      SmallVector<Value> at = unravel(b, element, indices.getShape());
      at[axis] = loadIndex(b, indices, index, element, input.getDimSize(axis));
      b.store(b.load(input.getElementType(), source, ravel(b, at, strides)), target, element);
    });
  };
  std::string detail = "axis " + std::to_string(axis);
  return Calls{staticCall(op, "gather_elements", detail, indices.getNumElements(), body)};
}

FailureOr<Calls> nestor::kernels::describeGatherND(nest::GatherNDOp op) {
  RankedTensorType input = typeOf(op.getInput()), indices = typeOf(op.getIndices());
  size_t batchDims = op.getBatchDims();
  int64_t depth = indices.getShape().back();
  int64_t tuples = product(indices.getShape().drop_back());
  int64_t batches = product(input.getShape(), 0, batchDims);
  int64_t inner = product(input.getShape(), batchDims + depth, input.getRank());
  int64_t batchStride = product(input.getShape(), batchDims, input.getRank());
  SmallVector<int64_t> strides = stridesOf(input.getShape());
  auto body = [=](KernelBuilder &b) {
    Value source = b.arg(0), index = b.arg(1), target = b.arg(2);
    b.loop(b.begin(), b.end(), 1, [&](Value tuple) {
      Value from = b.mul(b.div(tuple, tuples / batches), batchStride);
      for (int64_t i = 0; i < depth; ++i) {
        Value position = b.add(b.mul(tuple, depth), i);
        Value pick = loadIndex(b, indices, index, position, input.getDimSize(batchDims + i));
        from = b.add(from, b.mul(pick, strides[batchDims + i]));
      }
      copyRun(b, input.getElementType(), source, from, target, b.mul(tuple, inner), inner);
    });
  };
  std::string detail = "batch " + std::to_string(batchDims);
  return Calls{staticCall(op, "gather_nd", detail, tuples, body)};
}

FailureOr<Calls> nestor::kernels::describeOneHot(nest::OneHotOp op) {
  RankedTensorType indices = typeOf(op.getIndices()), result = op.getType();
  size_t axis = op.getAxis();
  int64_t depth = result.getDimSize(axis);
  int64_t inner = product(result.getShape(), axis + 1, result.getRank());
  auto body = [=](KernelBuilder &b) {
    Value index = b.arg(0), values = b.arg(1), target = b.arg(2);
    Type element = result.getElementType();
    Value off = b.load(element, values, b.i64(0)), on = b.load(element, values, b.i64(1));
    b.loop(b.begin(), b.end(), 1, [&](Value position) {
      Value block = b.div(position, inner), slot = b.rem(block, depth);
      Value which = b.add(b.mul(b.div(block, depth), inner), b.rem(position, inner));
      // Out of range means off everywhere, so the index is not clamped.
      Value picked = loadIndexUnclamped(b, indices, index, which, depth);
      b.store(arith::SelectOp::create(b, b.equal(picked, slot), on, off), target, position);
    });
  };
  std::string detail = "axis " + std::to_string(axis);
  return Calls{staticCall(op, "one_hot", detail, result.getNumElements(), body)};
}

FailureOr<Calls> nestor::kernels::describeReverseSequence(nest::ReverseSequenceOp op) {
  RankedTensorType input = typeOf(op.getInput()), lengths = typeOf(op.getLengths());
  size_t timeAxis = op.getTimeAxis(), batchAxis = op.getBatchAxis();
  int64_t inner = product(input.getShape(), 2, input.getRank());
  SmallVector<int64_t> outerShape{input.getDimSize(0), input.getDimSize(1)};
  auto body = [=](KernelBuilder &b) {
    Value source = b.arg(0), length = b.arg(1), target = b.arg(2);
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      SmallVector<Value> at = unravel(b, row, outerShape);
      // Clamped, so that the mirror stays inside.
      Value count = loadLength(b, lengths, length, at[batchAxis], outerShape[timeAxis]);
      Value mirrored = b.sub(b.sub(count, b.i64(1)), at[timeAxis]);
      Value inside = b.less(at[timeAxis], count);
      at[timeAxis] = arith::SelectOp::create(b, inside, mirrored, at[timeAxis]);
      Value from = b.mul(ravel(b, at, stridesOf(outerShape)), inner);
      copyRun(b, input.getElementType(), source, from, target, b.mul(row, inner), inner);
    });
  };
  std::string detail = "time axis " + std::to_string(timeAxis);
  return Calls{staticCall(op, "reverse_sequence", detail, product(outerShape), body)};
}

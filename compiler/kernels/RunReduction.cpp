//===- RunReduction.cpp - Combining many elements into one ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/RunReduction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <limits>

using namespace mlir;
using namespace nestor::kernels;
using nestor::nest::ReduceKind;

/// i1 and ui* order as unsigned numbers.
static bool isUnsigned(Type element) { return element.isUnsignedInteger() || element.isInteger(1); }

Value Combiner::identity(KernelBuilder &b, int64_t lanes) const {
  Type scalar = registerType(element);
  bool largest = kind == ReduceKind::min;
  if (kind != ReduceKind::max && kind != ReduceKind::min)
    return b.constant(withLanes(scalar, lanes), kind == ReduceKind::prod ? 1 : 0);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (isa<FloatType>(scalar))
    return b.constant(withLanes(scalar, lanes), largest ? infinity : -infinity);
  unsigned bits = scalar.getIntOrFloatBitWidth();
  APInt value = isUnsigned(element) ? (largest ? APInt::getMaxValue(bits) : APInt::getMinValue(bits))
                                    : (largest ? APInt::getSignedMaxValue(bits) : APInt::getSignedMinValue(bits));
  return b.broadcast(arith::ConstantOp::create(b, b.getIntegerAttr(scalar, value)), lanes);
}

Value Combiner::combine(KernelBuilder &b, Value left, Value right) const {
  bool isFloat = isa<FloatType>(element), noSign = isUnsigned(element);
  switch (kind) {
  case ReduceKind::sum:
  case ReduceKind::mean:
    if (isFloat)
      return arith::AddFOp::create(b, left, right);
    return arith::AddIOp::create(b, left, right);
  case ReduceKind::prod:
    if (isFloat)
      return arith::MulFOp::create(b, left, right);
    return arith::MulIOp::create(b, left, right);
  case ReduceKind::max:
    if (isFloat)
      return arith::MaximumFOp::create(b, left, right);
    return noSign ? arith::MaxUIOp::create(b, left, right).getResult()
                  : arith::MaxSIOp::create(b, left, right).getResult();
  case ReduceKind::min:
    if (isFloat)
      return arith::MinimumFOp::create(b, left, right);
    return noSign ? arith::MinUIOp::create(b, left, right).getResult()
                  : arith::MinSIOp::create(b, left, right).getResult();
  }
  llvm_unreachable("unknown reduction");
}

Value Combiner::acrossLanes(KernelBuilder &b, Value value) const {
  auto vector = dyn_cast<VectorType>(value.getType());
  if (!vector)
    return value;
  int64_t lanes = vector.getNumElements();
  // A tree: the upper half onto the lower half until one lane is left.
  while (lanes > 1) {
    lanes /= 2;
    SmallVector<int64_t> low(lanes), high(lanes);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      low[lane] = lane;
      high[lane] = lanes + lane;
    }
    Value lower = vector::ShuffleOp::create(b, value, value, low);
    Value upper = vector::ShuffleOp::create(b, value, value, high);
    value = combine(b, lower, upper);
  }
  return vector::ExtractOp::create(b, value, int64_t(0));
}

Value nestor::kernels::reduceRun(KernelBuilder &b, Value count, const Combiner &combiner,
                                 ElementsAt element) {
  int64_t lanes = b.lanesFor(combiner.element);
  // Four vectors in flight hide the latency of the combination.
  constexpr int64_t unroll = 4;
  Value blocks = b.sub(count, b.rem(count, unroll * lanes)), full = b.sub(count, b.rem(count, lanes));
  SmallVector<Value> parts(unroll, combiner.identity(b, lanes));
  parts = b.loop(b.i64(0), blocks, unroll * lanes, parts, [&](Value index, ValueRange sums) {
    SmallVector<Value> next;
    for (int64_t i = 0; i < unroll; ++i)
      next.push_back(combiner.combine(b, sums[i], element(b.add(index, i * lanes), {lanes, nullptr})));
    return next;
  });
  Value half = combiner.combine(b, parts[0], parts[1]), other = combiner.combine(b, parts[2], parts[3]);
  Value sum = combiner.combine(b, half, other);
  sum = b.loop(blocks, full, lanes, sum, [&](Value index, ValueRange sums) {
    return SmallVector<Value>{combiner.combine(b, sums[0], element(index, {lanes, nullptr}))};
  })[0];
  if (b.target.maskedMemory) {
    // The whole rest in one step, which may be empty.
    Value mask = b.maskOf(b.sub(count, full), lanes);
    Value rest = element(full, {lanes, mask});
    rest = arith::SelectOp::create(b, mask, rest, combiner.identity(b, lanes));
    return combiner.acrossLanes(b, combiner.combine(b, sum, rest));
  }
  Value total = combiner.acrossLanes(b, sum);
  return b.loop(full, count, 1, total, [&](Value index, ValueRange sums) {
    return SmallVector<Value>{combiner.combine(b, sums[0], element(index, {}))};
  })[0];
}

SmallVector<Value> nestor::kernels::reduceRuns(KernelBuilder &b, int64_t runs, Value count, const Combiner &combiner,
                                               ElementsOfRun element) {
  int64_t lanes = b.lanesFor(combiner.element);
  Value full = b.sub(count, b.rem(count, lanes));
  auto over = [&](Value lower, Value upper, int64_t step, ValueRange parts,
                  llvm::function_ref<Value(int64_t, Value)> next) {
    return b.loop(lower, upper, step, parts, [&](Value index, ValueRange current) {
      SmallVector<Value> combined;
      for (int64_t run = 0; run < runs; ++run)
        combined.push_back(combiner.combine(b, current[run], next(run, index)));
      return combined;
    });
  };
  auto acrossLanes = [&](ValueRange parts) {
    return llvm::map_to_vector(parts, [&](Value part) { return combiner.acrossLanes(b, part); });
  };
  Value identity = combiner.identity(b, lanes);
  SmallVector<Value> parts = over(b.i64(0), full, lanes, SmallVector<Value>(runs, identity),
                                  [&](int64_t run, Value index) { return element(run, index, {lanes, nullptr}); });
  if (!b.target.maskedMemory)
    return over(full, count, 1, acrossLanes(parts), [&](int64_t run, Value index) { return element(run, index, {}); });
  // The rest in one step, if there is one.
  return acrossLanes(over(full, count, lanes, parts, [&](int64_t run, Value index) -> Value {
    Value mask = b.maskOf(b.sub(count, index), lanes);
    return arith::SelectOp::create(b, mask, element(run, index, {lanes, mask}), identity);
  }));
}

//===- Reduction.cpp - Reductions, running sums, order statistics ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Families.h"
#include "compiler/reference/Indices.h"

#include <algorithm>
#include <numeric>

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

//===----------------------------------------------------------------------===//
// Reduce
//===----------------------------------------------------------------------===//

template <typename T> static bool isNaN(T value) { return value != value; }

/// The result of reducing no elements.
template <typename T> static T initialValue(ReduceKind kind) {
  using Limits = std::numeric_limits<T>;
  switch (kind) {
  case ReduceKind::sum:
  case ReduceKind::mean:
    return 0;
  case ReduceKind::prod:
    return 1;
  case ReduceKind::max:
    return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  case ReduceKind::min:
    return Limits::has_infinity ? Limits::infinity() : Limits::max();
  }
  llvm_unreachable("unknown reduction");
}

template <typename T> static T combine(ReduceKind kind, T a, T b) {
  switch (kind) {
  case ReduceKind::sum:
  case ReduceKind::mean:
    return wrappingAdd(a, b);
  case ReduceKind::prod:
    return wrappingMul(a, b);
  case ReduceKind::max:
    return isNaN(a) || a > b ? a : b;
  case ReduceKind::min:
    return isNaN(a) || a < b ? a : b;
  }
  llvm_unreachable("unknown reduction");
}

template <typename T> static TensorValue reduce(ReduceOp op, const TensorValue &tensor) {
  ArrayRef<int64_t> in = tensor.type.getShape();
  // Reduced axes do not move through the result.
  SmallVector<int64_t> strides = stridesOf(op.getType().getShape());
  for (int64_t axis : op.getAxes())
    strides[axis] = 0;
  std::vector<T> input = toVector<T>(tensor);
  std::vector<T> result(op.getType().getNumElements(), initialValue<T>(op.getKind()));
  size_t next = 0;
  forEachOffset(in, strides, 0, [&](int64_t to) {
    result[to] = combine(op.getKind(), result[to], input[next++]);
  });
  if (op.getKind() == ReduceKind::mean) {
    T count = 1;
    for (int64_t axis : op.getAxes())
      count *= in[axis];
    for (T &value : result)
      value = std::is_integral_v<T> && count == 0 ? T(0) : value / count;
  }
  return fromVector(op.getType(), result);
}

TensorValue nestor::reference::evaluateReduce(ReduceOp op, const Operands &operands) {
  return visitCompute(op.getType().getElementType(), [&](auto zero) {
    return reduce<decltype(zero)>(op, operands[op.getInput()]);
  });
}

TensorValue nestor::reference::evaluateArgReduce(ArgReduceOp op, const Operands &operands) {
  AxisView view(op.getInput().getType().getShape(), op.getAxis());
  std::vector<int64_t> result;
  visitCompute(op.getInput().getType().getElementType(), [&](auto zero) {
    auto input = toVector<decltype(zero)>(operands[op.getInput()]);
    view.forEachLine([&](int64_t o, int64_t i) {
      int64_t best = 0;
      for (int64_t e = 1; e < view.extent; ++e) {
        auto value = input[view.offset(o, e, i)], champion = input[view.offset(o, best, i)];
        bool better = op.getMin() ? value < champion : value > champion;
        if (better || (op.getSelectLast() && value == champion))
          best = e;
      }
      result.push_back(best);
    });
  });
  return fromVector(op.getType(), result);
}

//===----------------------------------------------------------------------===//
// Running sums and order statistics
//===----------------------------------------------------------------------===//

TensorValue nestor::reference::evaluateCumsum(CumsumOp op, const Operands &operands) {
  AxisView view(op.getType().getShape(), op.getAxis());
  return visitCompute(op.getType().getElementType(), [&](auto zero) {
    auto values = toVector<decltype(zero)>(operands[op.getInput()]);
    view.forEachLine([&](int64_t o, int64_t i) {
      auto sum = zero;
      for (int64_t step = 0; step < view.extent; ++step) {
        auto &value = values[view.offset(o, op.getReverse() ? view.extent - 1 - step : step, i)];
        auto before = sum;
        sum = wrappingAdd(sum, value);
        value = op.getExclusive() ? before : sum;
      }
    });
    return fromVector(op.getType(), values);
  });
}

/// Whether `a` comes before `b` in a result; NaN counts as the largest number.
template <typename T> static bool precedes(T a, T b, bool smallest) {
  if (smallest)
    std::swap(a, b);
  return isNaN(a) ? !isNaN(b) : a > b;
}

void nestor::reference::evaluateTopK(TopKOp op, const Operands &operands, Results &results) {
  const TensorValue &tensor = operands[op.getInput()];
  AxisView from(tensor.type.getShape(), op.getAxis());
  AxisView to(op.getValues().getType().getShape(), op.getAxis());
  visitCompute(tensor.type.getElementType(), [&](auto zero) {
    auto input = toVector<decltype(zero)>(tensor);
    std::vector<decltype(zero)> values(op.getValues().getType().getNumElements());
    std::vector<int64_t> indices(values.size()), order(from.extent);
    from.forEachLine([&](int64_t o, int64_t i) {
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return precedes(input[from.offset(o, a, i)], input[from.offset(o, b, i)],
                        op.getSmallest());
      });
      for (int64_t k = 0; k < to.extent; ++k) {
        values[to.offset(o, k, i)] = input[from.offset(o, order[k], i)];
        indices[to.offset(o, k, i)] = order[k];
      }
    });
    results.push_back(fromVector(op.getValues().getType(), values));
    results.push_back(fromVector(op.getIndices().getType(), indices));
  });
}

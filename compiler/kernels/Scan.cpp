//===- Scan.cpp - Running sums and order statistics along an axis ---------===//
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

FailureOr<Calls> nestor::kernels::describeCumsum(nest::CumsumOp op) {
  RankedTensorType type = op.getType();
  size_t axis = op.getAxis();
  bool exclusive = op.getExclusive(), reverse = op.getReverse();
  int64_t outer = product(type.getShape(), 0, axis), extent = type.getDimSize(axis);
  int64_t inner = product(type.getShape(), axis + 1, type.getRank());
  auto body = [=](KernelBuilder &b) {
    Value source = b.arg(0), target = b.arg(1);
    Type element = type.getElementType(), scalar = registerType(element);
    b.loop(b.begin(), b.end(), 1, [&](Value block) {
      Value base = b.mul(block, extent * inner);
      b.vectorLoop(b.i64(0), b.i64(inner), inner == 1 ? 1 : b.lanesFor(element),
                   [&](Value i, Lanes lanes) {
                     Value zero = b.constant(withLanes(scalar, lanes.count), 0);
                     b.loop(b.i64(0), b.i64(extent), 1, zero, [&](Value step, ValueRange carried) {
                       Value row = reverse ? b.sub(b.i64(extent - 1), step) : step;
                       Value at = b.add(b.add(base, b.mul(row, inner)), i);
                       Value value = b.load(element, source, at, lanes);
                       Value sum = isa<FloatType>(scalar)
                                       ? arith::AddFOp::create(b, carried[0], value).getResult()
                                       : arith::AddIOp::create(b, carried[0], value).getResult();
                       b.store(exclusive ? carried[0] : sum, target, at, lanes);
                       return SmallVector<Value>{sum};
                     });
                   });
    });
  };
  std::string detail =
      ("axis " + Twine(axis) + (exclusive ? " exclusive" : "") + (reverse ? " reverse" : "")).str();
  return Calls{staticCall(op, "cumsum", detail, outer, body)};
}

/// Maps a value to a signed integer that sorts the same way; NaN sorts above
/// infinity. The smallest comes first if `flip`.
static Value sortKey(KernelBuilder &b, Type element, Value value, bool flip) {
  unsigned bits = element.getIntOrFloatBitWidth();
  Type integer = b.getIntegerType(bits);
  Value key = value;
  if (isa<FloatType>(element)) {
    // Negative floats sort backwards by their bits; adding zero removes -0.
    Value raw = arith::AddFOp::create(b, value, b.constant(element, 0));
    raw = arith::BitcastOp::create(b, integer, raw);
    Value sign = arith::ShRSIOp::create(b, raw, b.constant(integer, bits - 1));
    Value magnitude = arith::ShRUIOp::create(b, sign, b.constant(integer, 1));
    key = arith::XOrIOp::create(b, raw, magnitude);
  }
  Type wide = b.getI64Type();
  if (bits < 64)
    key = element.isUnsignedInteger() ? arith::ExtUIOp::create(b, wide, key).getResult()
                                      : arith::ExtSIOp::create(b, wide, key).getResult();
  // ~x reverses the order without overflow.
  return flip ? arith::XOrIOp::create(b, key, b.i64(-1)).getResult() : key;
}

FailureOr<Calls> nestor::kernels::describeTopK(nest::TopKOp op) {
  RankedTensorType input = typeOf(op.getInput());
  size_t axis = op.getAxis();
  int64_t k = op.getK();
  bool smallest = op.getSmallest();
  int64_t outer = product(input.getShape(), 0, axis), extent = input.getDimSize(axis);
  int64_t inner = product(input.getShape(), axis + 1, input.getRank());
  // Selection, one place after the other: place j is the first of the largest
  // among what comes after place j-1 in the order (key descending, index).
  auto body = [=](KernelBuilder &b) {
    Value source = b.arg(0), values = b.arg(1), indices = b.arg(2);
    Type element = input.getElementType();
    b.loop(b.begin(), b.end(), 1, [&](Value line) {
      Value column = b.rem(line, inner), row = b.div(line, inner);
      Value base = b.add(b.mul(row, extent * inner), column);
      Value out = b.add(b.mul(row, k * inner), column);
      Value lowest = b.i64(std::numeric_limits<int64_t>::min());
      SmallVector<Value> none{b.i64(std::numeric_limits<int64_t>::max()), b.i64(-1)};
      b.loop(b.i64(0), b.i64(k), 1, none, [&](Value place, ValueRange last) {
        SmallVector<Value> start{lowest, b.i64(-1)};
        SmallVector<Value> best =
            b.loop(b.i64(0), b.i64(extent), 1, start, [&](Value i, ValueRange so) {
              Value key = sortKey(b, element, b.load(element, source, b.add(base, b.mul(i, inner))),
                                  smallest);
              Value tie = arith::AndIOp::create(b, b.equal(key, last[0]), b.less(last[1], i));
              Value after = arith::OrIOp::create(b, b.less(key, last[0]), tie);
              Value first = b.less(so[1], b.i64(0));
              Value better = arith::OrIOp::create(b, first, b.less(so[0], key));
              Value take = arith::AndIOp::create(b, after, better);
              return SmallVector<Value>{arith::SelectOp::create(b, take, key, so[0]),
                                        arith::SelectOp::create(b, take, i, so[1])};
            });
        Value from = b.add(base, b.mul(best[1], inner)), to = b.add(out, b.mul(place, inner));
        b.store(b.load(element, source, from), values, to);
        b.store(best[1], indices, to);
        return best;
      });
    });
  };
  std::string detail =
      ("k " + Twine(k) + " axis " + Twine(axis) + (smallest ? " smallest" : "")).str();
  return Calls{staticCall(op, "topk", detail, outer * inner, body)};
}

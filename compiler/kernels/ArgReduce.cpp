//===- ArgReduce.cpp - Where an extremum is -------------------------------===//
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

/// Whether `value` takes the place of `best`.
static Value beats(KernelBuilder &b, Type element, Value value, Value best, bool min, bool orEqual) {
  if (isa<FloatType>(element)) {
    using Predicate = arith::CmpFPredicate;
    Predicate above = orEqual ? Predicate::OGE : Predicate::OGT, below = orEqual ? Predicate::OLE : Predicate::OLT;
    return arith::CmpFOp::create(b, min ? below : above, value, best);
  }
  using Predicate = arith::CmpIPredicate;
  Predicate predicate = orEqual ? (min ? Predicate::sle : Predicate::sge) : (min ? Predicate::slt : Predicate::sgt);
  if (element.isUnsignedInteger() || element.isInteger(1))
    predicate = orEqual ? (min ? Predicate::ule : Predicate::uge) : (min ? Predicate::ult : Predicate::ugt);
  return arith::CmpIOp::create(b, predicate, value, best);
}

FailureOr<Calls> nestor::kernels::describeArgReduce(nest::ArgReduceOp op) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  Type element = input.getElementType();
  size_t axis = op.getAxis();
  bool min = op.getMin(), selectLast = op.getSelectLast();
  int64_t outer = product(input.getShape(), 0, axis), extent = input.getDimSize(axis);
  int64_t inner = product(input.getShape(), axis + 1, input.getRank());
  auto body = [=](KernelBuilder &b) {
    Value source = b.arg(0), target = b.arg(1);
    b.loop(b.begin(), b.end(), 1, [&](Value line) {
      Value base = b.add(b.mul(b.div(line, inner), extent * inner), b.rem(line, inner));
      SmallVector<Value> first{b.load(element, source, base), b.i64(0)};
      SmallVector<Value> best = b.loop(b.i64(1), b.i64(extent), 1, first, [&](Value i, ValueRange so) {
        Value value = b.load(element, source, b.add(base, b.mul(i, inner)));
        Value better = beats(b, element, value, so[0], min, selectLast);
        return SmallVector<Value>{arith::SelectOp::create(b, better, value, so[0]),
                                  arith::SelectOp::create(b, better, i, so[1])};
      });
      b.store(best[1], target, line);
    });
  };
  std::string detail = (Twine(min ? "min" : "max") + (selectLast ? " last" : "") + " axis " + Twine(axis)).str();
  return Calls{staticCall(op, "arg_reduce", detail, outer * inner, body)};
}

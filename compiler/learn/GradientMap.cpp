//===- GradientMap.cpp - Gradients of element-wise computation ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The body of a map is differentiated in reverse, symbolically: for each input
// a new map of the incoming gradient and of whatever its derivative reads. The
// derivatives of activations read the map's result rather than its inputs
// (relu: where the result is positive). Nothing else then reads the inputs, and
// the map can still join the convolution before it.
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/GradientRules.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;
using namespace nestor::nest;

namespace {

/// A gradient that counts only where `guard`, if there is one, holds. Guards
/// are applied last: what a branch not taken computes may be infinite.
struct Adjoint {
  Value value, guard;
};

/// Differentiates the body of one map, at the position of a builder in the body
/// of another, whose arguments stand for the inputs and the result of the first.
class BodyGradient {
public:
  BodyGradient(ImplicitLocOpBuilder &b, Block &original, ValueRange inputs, Value result)
      : b(b), original(original) {
    known.map(original.getArguments(), inputs);
    known.map(original.getTerminator()->getOperand(0), result);
  }

  /// The derivative with respect to input `index` times `grad`; null if it is
  /// zero everywhere.
  Value run(unsigned index, Value grad) {
    add(original.getTerminator()->getOperand(0), {grad, {}});
    for (Operation &op : llvm::reverse(original.without_terminator()))
      if (auto found = adjoints.find(op.getResult(0)); found != adjoints.end())
        visit(&op, found->second);
    auto found = adjoints.find(original.getArgument(index));
    return found == adjoints.end() ? Value() : guarded(found->second);
  }

private:
  template <typename Op, typename... Args> Value make(Args... args) {
    return b.createOrFold<Op>(args...);
  }
  Value add(Value x, Value y) { return make<arith::AddFOp>(x, y); }
  Value sub(Value x, Value y) { return make<arith::SubFOp>(x, y); }
  Value mul(Value x, Value y) { return make<arith::MulFOp>(x, y); }
  Value div(Value x, Value y) { return make<arith::DivFOp>(x, y); }
  Value neg(Value x) { return make<arith::NegFOp>(x); }
  Value square(Value x) { return mul(x, x); }
  Value sqrt(Value x) { return make<math::SqrtOp>(x); }
  Value number(Value like, double value) { return scalar(b, like.getType(), value); }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return make<arith::CmpFOp>(predicate, x, y);
  }

  Value guarded(Adjoint adjoint) {
    if (!adjoint.guard)
      return adjoint.value;
    return make<arith::SelectOp>(adjoint.guard, adjoint.value, number(adjoint.value, 0));
  }
  Adjoint under(Adjoint adjoint, Value guard) {
    if (adjoint.guard)
      guard = make<arith::AndIOp>(adjoint.guard, guard);
    return {adjoint.value, guard};
  }
  Value negated(Value condition) {
    return make<arith::XOrIOp>(condition,
                               arith::ConstantOp::create(b, b.getBoolAttr(true)).getResult());
  }

  /// Adds to the gradient of `value`, a value of the original body.
  void add(Value value, Adjoint adjoint) {
    auto [found, isNew] = adjoints.try_emplace(value, adjoint);
    if (!isNew)
      found->second = {add(guarded(found->second), guarded(adjoint)), {}};
  }

  /// What `value` of the original body is, computed again where it is not at hand.
  Value valueOf(Value value) {
    if (Value at = known.lookupOrNull(value))
      return at;
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands())
      valueOf(operand);
    return b.clone(*op, known)->getResult(0);
  }

  void visit(Operation *op, Adjoint adjoint);
  void visitExtremum(Operation *op, Adjoint adjoint, bool max);
  void visitSelect(arith::SelectOp op, Adjoint adjoint);
  Value derivative(Operation *op);

  ImplicitLocOpBuilder &b;
  Block &original;
  IRMapping known;
  llvm::DenseMap<Value, Adjoint> adjoints;
};

bool isConstantNumber(Value value) { return matchPattern(value, m_Constant()); }

std::optional<double> numberOf(Value value) {
  FloatAttr attr;
  if (matchPattern(value, m_Constant(&attr)))
    return attr.getValueAsDouble();
  return std::nullopt;
}

/// The x of 1 / (1 + exp(-x)).
Value sigmoidArgument(arith::DivFOp op) {
  auto sum = op.getRhs().getDefiningOp<arith::AddFOp>();
  if (numberOf(op.getLhs()) != 1 || !sum)
    return {};
  Value power = numberOf(sum.getLhs()) == 1 ? sum.getRhs() : sum.getLhs();
  Value one = power == sum.getRhs() ? sum.getLhs() : sum.getRhs();
  auto exp = power.getDefiningOp<math::ExpOp>();
  auto minus = exp ? exp.getOperand().getDefiningOp<arith::NegFOp>() : nullptr;
  return minus && numberOf(one) == 1 ? minus.getOperand() : Value();
}

/// The x of `x < 0 ? x * slope : x` with a positive slope: the result then has
/// the sign of x.
Value leakyArgument(arith::SelectOp op) {
  auto compare = op.getCondition().getDefiningOp<arith::CmpFOp>();
  auto scaled = op.getTrueValue().getDefiningOp<arith::MulFOp>();
  Value x = op.getFalseValue();
  if (!compare || !scaled || compare.getPredicate() != arith::CmpFPredicate::OLT ||
      compare.getLhs() != x || numberOf(compare.getRhs()) != 0)
    return {};
  Value slope = scaled.getLhs() == x ? scaled.getRhs() : scaled.getLhs();
  bool ofX = scaled.getLhs() == x || scaled.getRhs() == x;
  return ofX && numberOf(slope).value_or(0) > 0 ? x : Value();
}

/// Float operations whose result does not change with small changes of the
/// operands, or that only change the representation.
bool isFlat(Operation *op) {
  return isa<math::CeilOp, math::FloorOp, math::RoundOp, math::RoundEvenOp, math::TruncOp>(op);
}

/// Operations of one float operand for which `derivative` has a formula.
bool isSmoothUnary(Operation *op) {
  return isa<math::AbsFOp, math::AcosOp, math::AcoshOp, math::AsinOp, math::AsinhOp, math::AtanOp,
             math::AtanhOp, math::CosOp, math::CoshOp, math::ErfOp, math::ExpOp, math::ExpM1Op,
             math::LogOp, math::Log1pOp, math::RsqrtOp, math::SinOp, math::SinhOp, math::SqrtOp,
             math::TanOp, math::TanhOp>(op);
}

/// The derivative of an operation that `isSmoothUnary`, by its operand x or its
/// result y.
Value BodyGradient::derivative(Operation *op) {
  auto x = [&] { return valueOf(op->getOperand(0)); };
  auto y = [&] { return valueOf(op->getResult(0)); };
  auto constant = [&](double value) { return number(op->getResult(0), value); };
  auto oneOver = [&](Value value) { return div(constant(1), value); };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](math::AbsFOp) { return make<math::CopySignOp>(constant(1), x()); })
      .Case([&](math::AcosOp) { return neg(oneOver(sqrt(sub(constant(1), square(x()))))); })
      .Case([&](math::AcoshOp) { return oneOver(sqrt(sub(square(x()), constant(1)))); })
      .Case([&](math::AsinOp) { return oneOver(sqrt(sub(constant(1), square(x())))); })
      .Case([&](math::AsinhOp) { return oneOver(sqrt(add(square(x()), constant(1)))); })
      .Case([&](math::AtanOp) { return oneOver(add(square(x()), constant(1))); })
      .Case([&](math::AtanhOp) { return oneOver(sub(constant(1), square(x()))); })
      .Case([&](math::CosOp) { return neg(make<math::SinOp>(x())); })
      .Case([&](math::CoshOp) { return make<math::SinhOp>(x()); })
      .Case([&](math::ErfOp) {
        return mul(constant(M_2_SQRTPI), make<math::ExpOp>(neg(square(x()))));
      })
      .Case([&](math::ExpOp) { return y(); })
      .Case([&](math::ExpM1Op) { return add(y(), constant(1)); })
      .Case([&](math::LogOp) { return oneOver(x()); })
      .Case([&](math::Log1pOp) { return oneOver(add(x(), constant(1))); })
      .Case([&](math::RsqrtOp) { return mul(constant(-0.5), mul(y(), square(y()))); })
      .Case([&](math::SinOp) { return make<math::CosOp>(x()); })
      .Case([&](math::SinhOp) { return make<math::CoshOp>(x()); })
      .Case([&](math::SqrtOp) { return div(constant(0.5), y()); })
      .Case([&](math::TanOp) { return add(square(y()), constant(1)); })
      .Case([&](math::TanhOp) { return sub(constant(1), square(y())); })
      .Default([](Operation *) -> Value { llvm_unreachable("was checked to have a formula"); });
}

/// Of a bound that is constant the other operand is known where it counts: it
/// is the result.
void BodyGradient::visitExtremum(Operation *op, Adjoint adjoint, bool max) {
  Value x = op->getOperand(0), y = op->getOperand(1);
  if (isConstantNumber(x))
    std::swap(x, y);
  auto predicate = max ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT;
  if (isConstantNumber(y)) {
    Value result = valueOf(op->getResult(0));
    add(x, under(adjoint, compare(predicate, result, valueOf(y))));
    if (!known.contains(x) && llvm::hasSingleElement(x.getUses()))
      known.map(x, result);
    return;
  }
  Value first = compare(predicate, valueOf(x), valueOf(y));
  add(x, under(adjoint, first));
  add(y, under(adjoint, negated(first)));
}

void BodyGradient::visitSelect(arith::SelectOp op, Adjoint adjoint) {
  Value condition;
  if (Value x = leakyArgument(op); x && known.contains(op.getResult()))
    condition = compare(arith::CmpFPredicate::OLT, valueOf(op.getResult()), number(x, 0));
  else
    condition = valueOf(op.getCondition());
  add(op.getTrueValue(), under(adjoint, condition));
  add(op.getFalseValue(), under(adjoint, negated(condition)));
}

void BodyGradient::visit(Operation *op, Adjoint adjoint) {
  auto pass = [&](unsigned operand, Value value) {
    add(op->getOperand(operand), {value, adjoint.guard});
  };
  auto operand = [&](unsigned index) { return valueOf(op->getOperand(index)); };
  auto wants = [&](unsigned index) { return !isConstantNumber(op->getOperand(index)); };
  Value grad = adjoint.value;
  if (isSmoothUnary(op))
    return pass(0, mul(grad, derivative(op)));
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](arith::NegFOp) { pass(0, neg(grad)); })
      .Case([&](arith::AddFOp) { pass(0, grad), pass(1, grad); })
      .Case([&](arith::SubFOp) { pass(0, grad), pass(1, neg(grad)); })
      .Case([&](arith::MulFOp) {
        if (wants(0))
          pass(0, mul(grad, operand(1)));
        if (wants(1))
          pass(1, mul(grad, operand(0)));
      })
      .Case([&](arith::DivFOp div) {
        Value y = valueOf(div.getResult());
        if (Value x = sigmoidArgument(div))
          return add(x, {mul(grad, mul(y, sub(number(y, 1), y))), adjoint.guard});
        if (wants(0))
          pass(0, this->div(grad, operand(1)));
        if (wants(1))
          pass(1, neg(this->div(mul(grad, y), operand(1))));
      })
      .Case([&](math::FmaOp) {
        pass(0, mul(grad, operand(1))), pass(1, mul(grad, operand(0))), pass(2, grad);
      })
      .Case([&](math::PowFOp power) {
        Value base = operand(0), exponent = operand(1), one = number(base, 1);
        if (wants(0))
          pass(0, mul(grad, mul(exponent, make<math::PowFOp>(base, sub(exponent, one)))));
        if (wants(1))
          pass(1, mul(grad, mul(valueOf(power.getResult()), make<math::LogOp>(base))));
      })
      .Case([&](math::CopySignOp) {
        Value one = number(grad, 1), sign = make<math::CopySignOp>(one, operand(1));
        pass(0, mul(grad, mul(sign, make<math::CopySignOp>(one, operand(0)))));
      })
      .Case<arith::MaximumFOp, arith::MaxNumFOp>([&](auto) { visitExtremum(op, adjoint, true); })
      .Case<arith::MinimumFOp, arith::MinNumFOp>([&](auto) { visitExtremum(op, adjoint, false); })
      .Case([&](arith::SelectOp select) { visitSelect(select, adjoint); });
}

/// Drops what the body of `op` does not use.
void dropUnused(MapOp op) {
  Block &body = op.getBody().front();
  for (Operation *inner = body.getTerminator()->getPrevNode(), *before; inner; inner = before) {
    before = inner->getPrevNode();
    if (inner->use_empty())
      inner->erase();
  }
  llvm::BitVector unused(body.getNumArguments());
  for (BlockArgument argument : body.getArguments())
    if (argument.use_empty())
      unused.set(argument.getArgNumber());
  body.eraseArguments(unused);
  op->eraseOperands(unused);
}

} // namespace

bool nestor::learn::isDifferentiableBody(Region &body) {
  return llvm::all_of(body.front().without_terminator(), [](Operation &op) {
    bool readsFloats = llvm::any_of(op.getOperandTypes(), llvm::IsaPred<FloatType>);
    if (!isa<FloatType>(op.getResult(0).getType()) || !readsFloats)
      return true; // Its gradient is zero, or goes no further.
    return isFlat(&op) || isSmoothUnary(&op) ||
           isa<arith::NegFOp, arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp,
               arith::MaximumFOp, arith::MaxNumFOp, arith::MinimumFOp, arith::MinNumFOp,
               arith::SelectOp, math::FmaOp, math::PowFOp, math::CopySignOp>(op);
  });
}

void nestor::learn::differentiate(MapOp op, Value grad, Gradients &g) {
  SmallVector<Value> operands{grad};
  llvm::append_range(operands, op.getInputs());
  operands.push_back(op.getResult());
  for (auto [index, input] : llvm::enumerate(op.getInputs())) {
    if (!g.wants(input))
      continue;
    bool isZero = false;
    Value result = g.map(operands, shapeOf(grad), [&](ImplicitLocOpBuilder &b, ValueRange in) {
      BodyGradient body(b, op.getBody().front(), in.drop_front().drop_back(), in.back());
      Value value = body.run(index, in.front());
      isZero = !value;
      return isZero ? in.front() : value;
    });
    auto map = result.getDefiningOp<MapOp>();
    dropUnused(map);
    auto yielded = dyn_cast<BlockArgument>(map.getBody().front().getTerminator()->getOperand(0));
    bool isIdentity = yielded && map.getInputs()[yielded.getArgNumber()] == grad;
    if (isZero || isIdentity)
      map.erase();
    if (!isZero)
      g.add(input, isIdentity ? grad : result);
  }
}

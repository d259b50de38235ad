//===- Activations.cpp - ONNX activations in scalar arithmetic ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The patterns are what compiler/import/Activation.cpp builds, up to the order
// of operands that commute, which canonicalization may exchange.
//
//===----------------------------------------------------------------------===//

#include "compiler/export/Activations.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace nestor::onnx_export {
namespace {

/// The operand of a unary operation, or null.
template <typename OpTy> Value under(Value value) {
  auto op = value ? value.getDefiningOp<OpTy>() : OpTy();
  return op ? op->getOperand(0) : Value();
}

struct Pair {
  Value lhs, rhs;
  explicit operator bool() const { return lhs != nullptr; }
};
template <typename OpTy> Pair operandsOf(Value value) {
  auto op = value ? value.getDefiningOp<OpTy>() : OpTy();
  return op ? Pair{op->getOperand(0), op->getOperand(1)} : Pair();
}

std::optional<double> numberOf(Value value) {
  FloatAttr attribute;
  if (!value || !matchPattern(value, m_Constant(&attribute)))
    return std::nullopt;
  return attribute.getValueAsDouble();
}

/// As `number`, rounded to the type of `like`.
double roundedLike(Value like, double number) {
  return like.getType().isF32() ? double(float(number)) : number;
}
bool isNumber(Value value, double number) {
  std::optional<double> have = numberOf(value);
  return have && *have == roundedLike(value, number);
}

/// A commutative operation on a constant: the other operand, and the constant.
struct WithNumber {
  Value value;
  double number = 0;
  explicit operator bool() const { return value != nullptr; }
};
template <typename OpTy> WithNumber withNumber(Value value) {
  Pair pair = operandsOf<OpTy>(value);
  for (auto [a, b] : {std::pair(pair.lhs, pair.rhs), std::pair(pair.rhs, pair.lhs)})
    if (std::optional<double> number = numberOf(b))
      return {a, *number};
  return {};
}
/// The other operand of a commutative operation on `number`.
template <typename OpTy> Value withThis(Value value, double number) {
  WithNumber found = withNumber<OpTy>(value);
  return found && found.number == roundedLike(value, number) ? found.value : Value();
}

/// A choice by a comparison with less: `less < than ? yes : no`.
struct Choice {
  Value less, than, yes, no;
  explicit operator bool() const { return less != nullptr; }
};
Choice choiceOf(Value value) {
  auto select = value.getDefiningOp<arith::SelectOp>();
  auto compare = select ? select.getCondition().getDefiningOp<arith::CmpFOp>() : arith::CmpFOp();
  if (!compare)
    return {};
  Value lhs = compare.getLhs(), rhs = compare.getRhs();
  if (compare.getPredicate() == arith::CmpFPredicate::OGT)
    std::swap(lhs, rhs);
  else if (compare.getPredicate() != arith::CmpFPredicate::OLT)
    return {};
  return {lhs, rhs, select.getTrueValue(), select.getFalseValue()};
}

using Result = std::optional<Activation>;

Result sigmoid(Value value) {
  Pair quotient = operandsOf<arith::DivFOp>(value);
  if (!quotient || !isNumber(quotient.lhs, 1))
    return std::nullopt;
  Value x = under<arith::NegFOp>(under<math::ExpOp>(withThis<arith::AddFOp>(quotient.rhs, 1)));
  return x ? Result({"Sigmoid", {x}, {}}) : std::nullopt;
}

/// The x of max(x, 0) + log(1 + exp(-|x|)).
Result softplus(Value value) {
  Pair sum = operandsOf<arith::AddFOp>(value);
  for (auto [a, b] : {std::pair(sum.lhs, sum.rhs), std::pair(sum.rhs, sum.lhs)}) {
    Value x = withThis<arith::MaximumFOp>(a, 0);
    Value inner =
        under<math::AbsFOp>(under<arith::NegFOp>(under<math::ExpOp>(under<math::Log1pOp>(b))));
    if (x && x == inner)
      return Activation{"Softplus", {x}, {}};
  }
  return std::nullopt;
}

Result softsign(Value value) {
  Pair quotient = operandsOf<arith::DivFOp>(value);
  Value x = under<math::AbsFOp>(withThis<arith::AddFOp>(quotient.rhs, 1));
  return x && x == quotient.lhs ? Result({"Softsign", {x}, {}}) : std::nullopt;
}

/// min(max(alpha * x + beta, 0), 1).
Result hardSigmoid(Value value) {
  Value sum = withThis<arith::MaximumFOp>(withThis<arith::MinimumFOp>(value, 1), 0);
  WithNumber shifted = withNumber<arith::AddFOp>(sum);
  WithNumber scaled = withNumber<arith::MulFOp>(shifted.value);
  if (!scaled)
    return std::nullopt;
  return Activation{
      "HardSigmoid", {scaled.value}, {{"alpha", scaled.number}, {"beta", shifted.number}}};
}

Result hardSwish(Value value) {
  Pair product = operandsOf<arith::MulFOp>(value);
  for (auto [x, gate] :
       {std::pair(product.lhs, product.rhs), std::pair(product.rhs, product.lhs)}) {
    Result found = gate ? hardSigmoid(gate) : std::nullopt;
    if (found && found->operands.front() == x && found->attributes[1].second == 0.5 &&
        found->attributes[0].second == roundedLike(x, 1.0 / 6))
      return Activation{"HardSwish", {x}, {}};
  }
  return std::nullopt;
}

/// x < 0 ? something : x, and alpha < x ? x : 0.
Result chosen(Value value) {
  Choice choice = choiceOf(value);
  if (!choice)
    return std::nullopt;
  Value x = choice.no;
  if (std::optional<double> alpha = numberOf(choice.less);
      alpha && choice.than == choice.yes && isNumber(choice.no, 0))
    return Activation{"ThresholdedRelu", {choice.yes}, {{"alpha", *alpha}}};
  if (choice.less != x || !isNumber(choice.than, 0))
    return std::nullopt;
  WithNumber scaled = withNumber<arith::MulFOp>(choice.yes);
  if (scaled && scaled.value == x)
    return Activation{"LeakyRelu", {x}, {{"alpha", scaled.number}}};
  if (scaled && under<math::ExpM1Op>(scaled.value) == x)
    return Activation{"Elu", {x}, {{"alpha", scaled.number}}};
  if (under<math::ExpM1Op>(choice.yes) == x)
    return Activation{"Elu", {x}, {{"alpha", 1}}};
  Pair product = operandsOf<arith::MulFOp>(choice.yes);
  if (product && (product.lhs == x || product.rhs == x))
    return Activation{"PRelu", {x, product.lhs == x ? product.rhs : product.lhs}, {}};
  return std::nullopt;
}

/// gamma * (0 < x ? x : alpha * (exp(x) - 1)).
Result selu(Value value) {
  WithNumber scaled = withNumber<arith::MulFOp>(value);
  Choice choice = scaled ? choiceOf(scaled.value) : Choice();
  if (!choice || !isNumber(choice.less, 0) || choice.than != choice.yes)
    return std::nullopt;
  WithNumber negative = withNumber<arith::MulFOp>(choice.no);
  if (!negative || under<math::ExpM1Op>(negative.value) != choice.yes)
    return std::nullopt;
  return Activation{"Selu", {choice.yes}, {{"alpha", negative.number}, {"gamma", scaled.number}}};
}

/// Whether a value is the same for all elements: a constant, or an operand of
/// one element, which `clip` has for its bounds.
bool isScalar(Value value) {
  if (numberOf(value))
    return true;
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument)
    return false;
  Value operand = argument.getOwner()->getParentOp()->getOperand(argument.getArgNumber());
  return cast<ShapedType>(operand.getType()).getRank() == 0;
}

Result clip(Value value) {
  auto split = [](Pair pair) -> Pair { // The value, then the bound.
    if (pair && isScalar(pair.rhs))
      return pair;
    return pair && isScalar(pair.lhs) ? Pair{pair.rhs, pair.lhs} : Pair();
  };
  Pair above = split(operandsOf<arith::MinimumFOp>(value));
  Pair below = split(operandsOf<arith::MaximumFOp>(above ? above.lhs : value));
  if (!above && !below)
    return std::nullopt;
  if (!above && isNumber(below.rhs, 0))
    return Activation{"Relu", {below.lhs}, {}};
  return Activation{"Clip", {below ? below.lhs : above.lhs, below.rhs, above.rhs}, {}};
}

} // namespace

Result recognizeActivation(Value value) {
  if (!isa<FloatType>(value.getType()))
    return std::nullopt;
  for (Result (*match)(Value) :
       {sigmoid, softplus, softsign, hardSwish, hardSigmoid, selu, chosen, clip})
    if (Result found = match(value))
      return found;
  return std::nullopt;
}

} // namespace nestor::onnx_export

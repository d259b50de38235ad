//===- MapLogic.cpp - Comparisons, choices, integers, conversions ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/MapExporter.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace nestor::onnx_export {

//===----------------------------------------------------------------------===//
// Comparisons and choices
//===----------------------------------------------------------------------===//

std::optional<Elements> MapExporter::compare(Value lhs, Value rhs, StringRef name, Sign sign,
                                             bool negated) {
  Type element = signedType(lhs.getType(), sign);
  // Booleans compare as the numbers 0 and 1, of which ONNX only knows Equal.
  if (element.isInteger(1) && name != "Equal")
    element = IntegerType::get(element.getContext(), 32);
  std::optional<Elements> a = get(lhs), b = get(rhs, a ? a->element : Type());
  if (!a || !b)
    return std::nullopt;
  if (isa<IntegerType>(element) && sign != Sign::Any) {
    a = castTo(*a, element);
    b = castTo(*b, element);
  }
  Type boolean = IntegerType::get(element.getContext(), 1);
  Elements result = make(name, {a->tensor, b->tensor}, boolean);
  return negated ? make("Not", result.tensor, boolean) : result;
}

std::optional<Elements> MapExporter::compareFloats(arith::CmpFOp scalar) {
  using P = arith::CmpFPredicate;
  auto with = [&](StringRef name, bool negated) {
    return compare(scalar.getLhs(), scalar.getRhs(), name, Sign::Any, negated);
  };
  // ONNX compares as ordered predicates do; the others are their opposites.
  switch (scalar.getPredicate()) {
  case P::OEQ:
    return with("Equal", false);
  case P::OLT:
    return with("Less", false);
  case P::OLE:
    return with("LessOrEqual", false);
  case P::OGT:
    return with("Greater", false);
  case P::OGE:
    return with("GreaterOrEqual", false);
  case P::UGE:
    return with("Less", true);
  case P::UGT:
    return with("LessOrEqual", true);
  case P::ULE:
    return with("Greater", true);
  case P::ULT:
    return with("GreaterOrEqual", true);
  case P::UNE:
  case P::UNO:
    break;
  default:
    return refuse(scalar);
  }
  bool isNaNTest = scalar.getLhs() == scalar.getRhs();
  if (!isNaNTest)
    return scalar.getPredicate() == P::UNE ? with("Equal", true) : refuse(scalar);
  std::optional<Elements> x = get(scalar.getLhs());
  if (!x)
    return std::nullopt;
  return make("IsNaN", x->tensor, scalar.getType());
}

std::optional<Elements> MapExporter::compareInts(arith::CmpIOp scalar) {
  using P = arith::CmpIPredicate;
  auto with = [&](StringRef name, Sign sign, bool negated = false) {
    return compare(scalar.getLhs(), scalar.getRhs(), name, sign, negated);
  };
  switch (scalar.getPredicate()) {
  case P::eq:
    return with("Equal", Sign::Any);
  case P::ne:
    return with("Equal", Sign::Any, /*negated=*/true);
  case P::slt:
    return with("Less", Sign::Signed);
  case P::sle:
    return with("LessOrEqual", Sign::Signed);
  case P::sgt:
    return with("Greater", Sign::Signed);
  case P::sge:
    return with("GreaterOrEqual", Sign::Signed);
  case P::ult:
    return with("Less", Sign::Unsigned);
  case P::ule:
    return with("LessOrEqual", Sign::Unsigned);
  case P::ugt:
    return with("Greater", Sign::Unsigned);
  case P::uge:
    return with("GreaterOrEqual", Sign::Unsigned);
  }
  llvm_unreachable("unknown predicate");
}

std::optional<Elements> MapExporter::select(arith::SelectOp scalar, Type wanted) {
  std::optional<Elements> condition = get(scalar.getCondition());
  std::optional<Elements> yes = get(scalar.getTrueValue(), wanted);
  if (!condition || !yes)
    return std::nullopt;
  Type element = isa<IntegerType>(yes->element) ? yes->element : wanted;
  std::optional<Elements> no = get(scalar.getFalseValue(), element);
  if (!no)
    return std::nullopt;
  return make("Where", {condition->tensor, yes->tensor, no->tensor}, yes->element);
}

//===----------------------------------------------------------------------===//
// Integers and conversions
//===----------------------------------------------------------------------===//

std::optional<Elements> MapExporter::bits(Operation *scalar) {
  bool boolean = scalar->getResult(0).getType().isInteger(1);
  APInt mask;
  if (isa<arith::XOrIOp>(scalar) && matchPattern(scalar->getOperand(1), m_ConstantInt(&mask)) &&
      mask.isAllOnes()) {
    std::optional<Elements> x = get(scalar->getOperand(0));
    if (!boolean)
      g.require(18);
    return x ? make(boolean ? "Not" : "BitwiseNot", x->tensor, x->element) : x;
  }
  StringRef name = isa<arith::AndIOp>(scalar) ? "And" : isa<arith::OrIOp>(scalar) ? "Or" : "Xor";
  if (boolean)
    return elementwise(scalar, name, Sign::Any);
  g.require(18);
  return elementwise(scalar, ("Bitwise" + name).str(), Sign::Any);
}

std::optional<Elements> MapExporter::shift(Operation *scalar, StringRef direction) {
  Type element = signedType(scalar->getResult(0).getType(), Sign::Unsigned);
  std::optional<Elements> value = get(scalar->getOperand(0), element),
                          count = get(scalar->getOperand(1), element);
  if (!value || !count)
    return std::nullopt;
  Node node = g.node("BitShift", {value->tensor, count->tensor});
  node.set("direction", direction);
  return Elements{node.output(), element};
}

std::optional<Elements> MapExporter::convert(Operation *scalar, Sign from, Sign to) {
  Type source = scalar->getOperand(0).getType(), target = scalar->getResult(0).getType();
  // Sign extension makes -1 of true, ONNX 1; and to bool everything but 0 is true.
  if ((isa<arith::ExtSIOp, arith::SIToFPOp>(scalar) && source.isInteger(1)) || target.isInteger(1))
    return refuse(scalar);
  Type wanted = isa<IntegerType>(source) && from != Sign::Any ? signedType(source, from) : Type();
  std::optional<Elements> value = get(scalar->getOperand(0), wanted);
  return value ? castTo(*value, signedType(target, to)) : value;
}

} // namespace nestor::onnx_export

//===- Logic.cpp - And, Equal, Where, BitShift, ... -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

using namespace mlir;

namespace nestor::import {
namespace {

/// Logical operators take booleans, bitwise ones integers of any width; both
/// are the same operation on signless integers.
template <typename OpTy> LogicalResult importBits(NodeImporter &n) {
  auto operands = binaryOperands(n);
  if (failed(operands))
    return failure();
  if (!isa<IntegerType>(elementOf(operands->first)))
    return n.unsupported("the operands must be booleans or integers");
  n.setOutput(0, elementwise(n, {operands->first, operands->second}, [](Scalars &s, ValueRange in) {
                return s.apply<OpTy>(in[0], in[1]);
              }));
  return success();
}

LogicalResult importNot(NodeImporter &n) {
  if (!isa<IntegerType>(n.type(0).getElementType()))
    return n.unsupported("the operand must be a boolean or an integer");
  return setElementwise(
      n, [](Scalars &s, ValueRange in) { return s.apply<arith::XOrIOp>(in[0], s.constant(-1)); });
}

using Comparison = Value (Scalars::*)(Value, Value);

/// `swapped` turns less into greater.
template <Comparison method, bool swapped> LogicalResult importComparison(NodeImporter &n) {
  auto operands = binaryOperands(n);
  if (failed(operands))
    return failure();
  n.setOutput(0, elementwise(
                     n, {operands->first, operands->second},
                     [](Scalars &s, ValueRange in) {
                       return swapped ? (s.*method)(in[1], in[0]) : (s.*method)(in[0], in[1]);
                     },
                     n.builder.getI1Type()));
  return success();
}

LogicalResult importWhere(NodeImporter &n) {
  if (!n.type(0).getElementType().isInteger(1))
    return n.unsupported("the condition must be boolean");
  Type element = n.type(1).getElementType();
  if (element != n.type(2).getElementType())
    return n.unsupported("the two values have different element types");
  return setElementwise(
      n, [](Scalars &s, ValueRange in) { return s.select(in[0], in[1], in[2]); }, element);
}

LogicalResult importBitShift(NodeImporter &n) {
  std::string direction = n.stringAttr("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return n.unsupported("direction must be LEFT or RIGHT");
  if (!isa<IntegerType>(n.type(0).getElementType()))
    return n.unsupported("the operands must be integers");
  return setElementwise(n, [&](Scalars &s, ValueRange in) {
    Value shifted = direction == "LEFT" ? s.apply<arith::ShLIOp>(in[0], in[1])
                                        : s.apply<arith::ShRUIOp>(in[0], in[1]);
    // A shift by the whole width has no defined result in `arith`.
    return s.select(s.less(in[1], s.constant(s.width())), shifted, s.constant(0));
  });
}

} // namespace

void registerLogicRules(ImportRegistry &registry) {
  auto add = [&](StringRef op, int64_t since, ImportFunction import, unsigned minInputs = 2) {
    registry.add({"", op, since, kNewestOpset, import, "", minInputs});
  };
  add("And", 1, importBits<arith::AndIOp>);
  add("Or", 1, importBits<arith::OrIOp>);
  add("Xor", 1, importBits<arith::XOrIOp>);
  add("Not", 1, importNot, 1);
  add("BitwiseAnd", 18, importBits<arith::AndIOp>);
  add("BitwiseOr", 18, importBits<arith::OrIOp>);
  add("BitwiseXor", 18, importBits<arith::XOrIOp>);
  add("BitwiseNot", 18, importNot, 1);
  add("BitShift", 11, importBitShift);
  add("Equal", 1, importComparison<&Scalars::equal, false>);
  add("Less", 1, importComparison<&Scalars::less, false>);
  add("Greater", 1, importComparison<&Scalars::less, true>);
  add("LessOrEqual", 12, importComparison<&Scalars::lessEqual, false>);
  add("GreaterOrEqual", 12, importComparison<&Scalars::lessEqual, true>);
  add("Where", 9, importWhere, 3);
}

} // namespace nestor::import

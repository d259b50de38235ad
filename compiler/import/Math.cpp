//===- Math.cpp - Exp, Log, Erf, Sin, Round, IsNaN, ... -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;

namespace nestor::import {
namespace {

LogicalResult requireFloat(NodeImporter &n) {
  if (isa<FloatType>(n.type(0).getElementType()))
    return success();
  return n.unsupported("the input must be of a float type");
}

template <typename OpTy> LogicalResult importUnary(NodeImporter &n) {
  if (failed(requireFloat(n)))
    return failure();
  return setElementwise(n, [](Scalars &s, ValueRange in) { return s.apply<OpTy>(in[0]); });
}

LogicalResult importReciprocal(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) { return s.div(s.constant(1), in[0]); });
}

LogicalResult importIsNaN(NodeImporter &n) {
  if (failed(requireFloat(n)))
    return failure();
  return setElementwise(
      n, [](Scalars &s, ValueRange in) { return s.notEqual(in[0], in[0]); }, n.builder.getI1Type());
}

LogicalResult importIsInf(NodeImporter &n) {
  if (failed(requireFloat(n)))
    return failure();
  bool positive = n.intAttr("detect_positive", 1), negative = n.intAttr("detect_negative", 1);
  return setElementwise(
      n,
      [&](Scalars &s, ValueRange in) {
        Value infinity = s.constant(std::numeric_limits<double>::infinity());
        if (positive && negative)
          return s.equal(s.abs(in[0]), infinity);
        if (positive)
          return s.equal(in[0], infinity);
        // An ordered comparison with NaN is always false.
        Value never = s.constant(std::numeric_limits<double>::quiet_NaN());
        return s.equal(in[0], negative ? s.neg(infinity) : never);
      },
      n.builder.getI1Type());
}

} // namespace

void registerMathRules(ImportRegistry &registry) {
  auto add = [&](StringRef op, ImportFunction import) {
    registry.add({"", op, 1, kNewestOpset, import, ""});
  };
  add("Exp", importUnary<math::ExpOp>);
  add("Log", importUnary<math::LogOp>);
  add("Sqrt", importUnary<math::SqrtOp>);
  add("Erf", importUnary<math::ErfOp>);
  add("Sin", importUnary<math::SinOp>);
  add("Cos", importUnary<math::CosOp>);
  add("Tan", importUnary<math::TanOp>);
  add("Asin", importUnary<math::AsinOp>);
  add("Acos", importUnary<math::AcosOp>);
  add("Atan", importUnary<math::AtanOp>);
  add("Sinh", importUnary<math::SinhOp>);
  add("Cosh", importUnary<math::CoshOp>);
  add("Tanh", importUnary<math::TanhOp>);
  add("Asinh", importUnary<math::AsinhOp>);
  add("Acosh", importUnary<math::AcoshOp>);
  add("Atanh", importUnary<math::AtanhOp>);
  add("Ceil", importUnary<math::CeilOp>);
  add("Floor", importUnary<math::FloorOp>);
  add("Round", importUnary<math::RoundEvenOp>);
  add("Reciprocal", importReciprocal);
  add("IsNaN", importIsNaN);
  add("IsInf", importIsInf);
}

} // namespace nestor::import

//===- Arithmetic.cpp - Add, Mul, Pow, Mod, Max, ... ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;

namespace nestor::import {
namespace {

using BinaryMethod = Value (Scalars::*)(Value, Value);

template <BinaryMethod method> LogicalResult importBinary(NodeImporter &n) {
  auto operands = binaryOperands(n);
  if (failed(operands))
    return failure();
  n.setOutput(0, elementwise(n, {operands->first, operands->second},
                             [](Scalars &s, ValueRange in) { return (s.*method)(in[0], in[1]); }));
  return success();
}

template <BinaryMethod method> LogicalResult importVariadic(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) {
    Value result = in[0];
    for (Value next : in.drop_front())
      result = (s.*method)(result, next);
    return result;
  });
}

LogicalResult importMean(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) {
    Value sum = in[0];
    for (Value next : in.drop_front())
      sum = s.add(sum, next);
    return s.div(sum, s.constant(in.size()));
  });
}

LogicalResult importAbs(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) { return s.abs(in[0]); });
}

LogicalResult importNeg(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) { return s.neg(in[0]); });
}

LogicalResult importSign(NodeImporter &n) {
  return setElementwise(n, [](Scalars &s, ValueRange in) {
    Value zero = s.constant(0), one = s.constant(1);
    Value result = s.select(s.less(zero, in[0]), one, in[0]); // Zero and NaN stay.
    return s.isUnsigned() ? result : s.select(s.less(in[0], zero), s.neg(one), result);
  });
}

//===----------------------------------------------------------------------===//
// Mod
//===----------------------------------------------------------------------===//

LogicalResult importMod(NodeImporter &n) {
  bool fmod = n.intAttr("fmod", 0);
  if (!fmod && isa<FloatType>(n.type(0).getElementType()))
    return n.unsupported("Mod of floats needs fmod = 1");
  return setElementwise(n, [&](Scalars &s, ValueRange in) {
    Value remainder = s.remainder(in[0], in[1]);
    if (fmod || s.isUnsigned())
      return remainder;
    // Python's rule: the result has the divisor's sign.
    Value zero = s.constant(0);
    Value signsDiffer = s.less(s.apply<arith::XOrIOp>(remainder, in[1]), zero);
    Value wrong = s.apply<arith::AndIOp>(signsDiffer, s.notEqual(remainder, zero));
    return s.select(wrong, s.add(remainder, in[1]), remainder);
  });
}

//===----------------------------------------------------------------------===//
// Pow
//===----------------------------------------------------------------------===//

/// base^exponent for a small integer known at compile time, by squaring.
Value powerOf(Scalars &s, Value base, unsigned exponent) {
  Value result;
  for (Value square = base; exponent; exponent >>= 1) {
    if (exponent & 1)
      result = result ? s.mul(result, square) : square;
    if (exponent > 1)
      square = s.mul(square, square);
  }
  return result ? result : s.constant(1);
}

/// Integer base^exponent; overflow wraps. The exponent's bits above the sixth
/// matter only for bases whose powers stay in range, -1, 0 and 1, for which its
/// parity is enough. Of negative exponents the truncated reciprocal.
Value integerPower(Scalars &s, Value base, Value exponent) {
  Value zero = s.constant(0), one = s.constant(1), result = one, square = base;
  Value parity = s.apply<arith::AndIOp>(exponent, one);
  Value large = s.less(s.constant(63), exponent);
  Value steps = s.select(large, s.add(s.constant(62), parity), exponent);
  for (unsigned bit = 0; bit < 6; ++bit) {
    Value shifted = s.apply<arith::ShRUIOp>(steps, s.constant(bit));
    Value set = s.equal(s.apply<arith::AndIOp>(shifted, one), one);
    result = s.select(set, s.mul(result, square), result);
    if (bit < 5)
      square = s.mul(square, square);
  }
  if (s.isUnsigned())
    return result;
  Value unit = s.equal(s.abs(base), one);
  Value odd = s.select(s.equal(parity, one), base, one);
  Value reciprocal = s.select(unit, odd, zero);
  return s.select(s.less(exponent, zero), reciprocal, result);
}

/// base^exponent of floats for one exponent known at compile time: squares,
/// roots and reciprocals are what models contain. Null if it is none of them.
Value constantPower(Scalars &s, Value base, double exponent) {
  double whole = std::abs(exponent);
  Value result;
  if (whole == std::floor(whole) && whole <= 8)
    result = powerOf(s, base, unsigned(whole));
  else if (whole == 0.5)
    result = s.apply<math::SqrtOp>(base);
  else
    return {};
  return exponent < 0 ? s.div(s.constant(1), result) : result;
}

LogicalResult importPow(NodeImporter &n) {
  Value base = n.input(0), exponent = n.input(1);
  Type element = elementOf(base), exponentElement = elementOf(exponent);
  if (n.opset < 7) {
    auto operands = binaryOperands(n);
    if (failed(operands))
      return failure();
    exponent = operands->second;
  }
  if (isa<IntegerType>(element) && isa<IntegerType>(exponentElement)) {
    exponent = n.cast(exponent, element);
    n.setOutput(0, elementwise(n, {base, exponent}, [](Scalars &s, ValueRange in) {
                  return integerPower(s, in[0], in[1]);
                }));
    return success();
  }
  bool wide = element.isF64() || element.isInteger(64) || exponentElement.isF64();
  Type compute = wide ? Type(n.builder.getF64Type()) : n.builder.getF32Type();
  base = n.cast(base, compute);
  std::optional<reference::TensorValue> known = n.constant(1);
  std::optional<double> power;
  if (known && known->size() == 1 && tensorType(exponent).getRank() <= tensorType(base).getRank())
    power = known->getDouble(0);
  exponent = n.cast(exponent, compute);
  Value result = elementwise(n, {base, exponent}, [&](Scalars &s, ValueRange in) {
    if (power)
      if (Value special = constantPower(s, in[0], *power))
        return special;
    return s.apply<math::PowFOp>(in[0], in[1]);
  });
  if (isa<IntegerType>(element)) {
    // powf is right to a few units in the last place only; the truncation that
    // follows must not take an exact power for the integer below it.
    result = elementwise(n, result, [&](Scalars &s, ValueRange in) {
      return s.mul(in[0], s.constant(1 + 0x1p-20));
    });
  }
  n.setOutput(0, n.cast(result, element));
  return success();
}

} // namespace

void registerArithmeticRules(ImportRegistry &registry) {
  auto add = [&](StringRef op, ImportFunction import, unsigned minInputs, StringRef limits = "") {
    registry.add({"", op, 1, kNewestOpset, import, limits, minInputs});
  };
  add("Add", importBinary<&Scalars::add>, 2);
  add("Sub", importBinary<&Scalars::sub>, 2);
  add("Mul", importBinary<&Scalars::mul>, 2);
  add("Div", importBinary<&Scalars::div>, 2, "an integer divided by zero is itself");
  add("Max", importVariadic<&Scalars::max>, 1);
  add("Min", importVariadic<&Scalars::min>, 1);
  add("Sum", importVariadic<&Scalars::add>, 1);
  add("Mean", importMean, 1);
  add("Abs", importAbs, 1);
  add("Neg", importNeg, 1);
  add("Sign", importSign, 1);
  add("Mod", importMod, 2);
  add("Pow", importPow, 2);
}

} // namespace nestor::import

//===- ScalarOps.cpp - Scalar operations by name --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/ScalarOps.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/bit.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace nestor::reference;

static constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

FloatUnary nestor::reference::floatUnary(StringRef op) {
  return llvm::StringSwitch<FloatUnary>(op)
      .Case("arith.negf", [](double x) { return -x; })
      .Case("math.absf", [](double x) { return std::fabs(x); })
      .Case("math.acos", [](double x) { return std::acos(x); })
      .Case("math.acosh", [](double x) { return std::acosh(x); })
      .Case("math.asin", [](double x) { return std::asin(x); })
      .Case("math.asinh", [](double x) { return std::asinh(x); })
      .Case("math.atan", [](double x) { return std::atan(x); })
      .Case("math.atanh", [](double x) { return std::atanh(x); })
      .Case("math.cbrt", [](double x) { return std::cbrt(x); })
      .Case("math.ceil", [](double x) { return std::ceil(x); })
      .Case("math.cos", [](double x) { return std::cos(x); })
      .Case("math.cosh", [](double x) { return std::cosh(x); })
      .Case("math.erf", [](double x) { return std::erf(x); })
      .Case("math.erfc", [](double x) { return std::erfc(x); })
      .Case("math.exp", [](double x) { return std::exp(x); })
      .Case("math.exp2", [](double x) { return std::exp2(x); })
      .Case("math.expm1", [](double x) { return std::expm1(x); })
      .Case("math.floor", [](double x) { return std::floor(x); })
      .Case("math.log", [](double x) { return std::log(x); })
      .Case("math.log10", [](double x) { return std::log10(x); })
      .Case("math.log1p", [](double x) { return std::log1p(x); })
      .Case("math.log2", [](double x) { return std::log2(x); })
      .Case("math.round", [](double x) { return std::round(x); })
      .Case("math.roundeven", [](double x) { return std::nearbyint(x); })
      .Case("math.rsqrt", [](double x) { return 1 / std::sqrt(x); })
      .Case("math.sin", [](double x) { return std::sin(x); })
      .Case("math.sinh", [](double x) { return std::sinh(x); })
      .Case("math.sqrt", [](double x) { return std::sqrt(x); })
      .Case("math.tan", [](double x) { return std::tan(x); })
      .Case("math.tanh", [](double x) { return std::tanh(x); })
      .Case("math.trunc", [](double x) { return std::trunc(x); })
      .Default(nullptr);
}

// maximumf and minimumf propagate NaN and order -0 before +0.
static double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return kNaN;
  return a == b ? (std::signbit(a) ? b : a) : std::max(a, b);
}
static double minimum(double a, double b) { return -maximum(-a, -b); }

FloatBinary nestor::reference::floatBinary(StringRef op) {
  return llvm::StringSwitch<FloatBinary>(op)
      .Case("arith.addf", [](double a, double b) { return a + b; })
      .Case("arith.subf", [](double a, double b) { return a - b; })
      .Case("arith.mulf", [](double a, double b) { return a * b; })
      .Case("arith.divf", [](double a, double b) { return a / b; })
      .Case("arith.remf", [](double a, double b) { return std::fmod(a, b); })
      .Case("arith.maximumf", maximum)
      .Case("arith.minimumf", minimum)
      .Case("arith.maxnumf", [](double a, double b) { return std::fmax(a, b); })
      .Case("arith.minnumf", [](double a, double b) { return std::fmin(a, b); })
      .Case("math.atan2", [](double a, double b) { return std::atan2(a, b); })
      .Case("math.copysign", [](double a, double b) { return std::copysign(a, b); })
      .Case("math.powf", [](double a, double b) { return std::pow(a, b); })
      .Default(nullptr);
}

FloatTest nestor::reference::floatTest(StringRef op) {
  return llvm::StringSwitch<FloatTest>(op)
      .Case("math.isfinite", [](double x) -> bool { return std::isfinite(x); })
      .Case("math.isinf", [](double x) -> bool { return std::isinf(x); })
      .Case("math.isnan", [](double x) -> bool { return std::isnan(x); })
      .Default(nullptr);
}

bool nestor::reference::compareFloats(arith::CmpFPredicate predicate, double a, double b) {
  using P = arith::CmpFPredicate;
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (predicate) {
  case P::AlwaysFalse: return false;
  case P::AlwaysTrue: return true;
  case P::ORD: return !unordered;
  case P::UNO: return unordered;
  case P::OEQ: return a == b;
  case P::OGT: return a > b;
  case P::OGE: return a >= b;
  case P::OLT: return a < b;
  case P::OLE: return a <= b;
  case P::ONE: return !unordered && a != b;
  case P::UEQ: return unordered || a == b;
  case P::UGT: return !(a <= b);
  case P::UGE: return !(a < b);
  case P::ULT: return !(a >= b);
  case P::ULE: return !(a > b);
  case P::UNE: return unordered || a != b;
  }
  llvm_unreachable("unknown predicate");
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

IntUnary nestor::reference::intUnary(StringRef op) {
  return llvm::StringSwitch<IntUnary>(op)
      .Case("math.absi",
            [](int64_t x, unsigned) { return x < 0 ? int64_t(0 - uint64_t(x)) : x; })
      .Case("math.ctlz",
            [](int64_t x, unsigned width) {
              return int64_t(llvm::countl_zero(unsignedInt(x, width))) - int64_t(64 - width);
            })
      .Case("math.cttz",
            [](int64_t x, unsigned width) {
              return std::min<int64_t>(llvm::countr_zero(unsignedInt(x, width)), width);
            })
      .Case("math.ctpop",
            [](int64_t x, unsigned width) {
              return int64_t(llvm::popcount(unsignedInt(x, width)));
            })
      .Default(nullptr);
}

/// Rounds towards zero; defined as 0 for b = 0, and wraps for the smallest
/// number divided by -1.
static int64_t divideSigned(int64_t a, int64_t b) {
  if (b == 0)
    return 0;
  return b == -1 ? int64_t(0 - uint64_t(a)) : a / b;
}
static int64_t remainderSigned(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }

static int64_t floorDivide(int64_t a, int64_t b) {
  bool rounds = remainderSigned(a, b) != 0 && (a < 0) != (b < 0);
  return divideSigned(a, b) - rounds;
}
static int64_t ceilDivide(int64_t a, int64_t b) {
  bool rounds = remainderSigned(a, b) != 0 && (a < 0) == (b < 0);
  return divideSigned(a, b) + rounds;
}

/// Wrapping power by repeated squaring; a negative exponent truncates 1/power.
static int64_t integerPower(int64_t base, int64_t exponent, unsigned) {
  if (exponent < 0)
    return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1, square = base;
  for (; exponent; exponent >>= 1, square *= square)
    if (exponent & 1)
      result *= square;
  return int64_t(result);
}

static int64_t divideUnsigned(int64_t a, int64_t b, unsigned width) {
  return b == 0 ? 0 : int64_t(unsignedInt(a, width) / unsignedInt(b, width));
}
static int64_t remainderUnsigned(int64_t a, int64_t b, unsigned width) {
  return b == 0 ? 0 : int64_t(unsignedInt(a, width) % unsignedInt(b, width));
}

IntBinary nestor::reference::intBinary(StringRef op) {
  // Sums and products are computed unsigned, where they wrap.
  return llvm::StringSwitch<IntBinary>(op)
      .Case("arith.addi",
            [](int64_t a, int64_t b, unsigned) { return int64_t(uint64_t(a) + uint64_t(b)); })
      .Case("arith.subi",
            [](int64_t a, int64_t b, unsigned) { return int64_t(uint64_t(a) - uint64_t(b)); })
      .Case("arith.muli",
            [](int64_t a, int64_t b, unsigned) { return int64_t(uint64_t(a) * uint64_t(b)); })
      .Case("arith.divsi", [](int64_t a, int64_t b, unsigned) { return divideSigned(a, b); })
      .Case("arith.remsi", [](int64_t a, int64_t b, unsigned) { return remainderSigned(a, b); })
      .Case("arith.floordivsi", [](int64_t a, int64_t b, unsigned) { return floorDivide(a, b); })
      .Case("arith.ceildivsi", [](int64_t a, int64_t b, unsigned) { return ceilDivide(a, b); })
      .Case("arith.divui", divideUnsigned)
      .Case("arith.remui", remainderUnsigned)
      .Case("arith.ceildivui",
            [](int64_t a, int64_t b, unsigned width) {
              return divideUnsigned(a, b, width) + (remainderUnsigned(a, b, width) != 0);
            })
      .Case("arith.andi", [](int64_t a, int64_t b, unsigned) { return a & b; })
      .Case("arith.ori", [](int64_t a, int64_t b, unsigned) { return a | b; })
      .Case("arith.xori", [](int64_t a, int64_t b, unsigned) { return a ^ b; })
      .Case("arith.shli",
            [](int64_t a, int64_t b, unsigned width) {
              uint64_t shift = unsignedInt(b, width);
              return shift >= width ? 0 : int64_t(uint64_t(a) << shift);
            })
      .Case("arith.shrui",
            [](int64_t a, int64_t b, unsigned width) {
              uint64_t shift = unsignedInt(b, width);
              return shift >= width ? 0 : int64_t(unsignedInt(a, width) >> shift);
            })
      .Case("arith.shrsi",
            [](int64_t a, int64_t b, unsigned width) {
              uint64_t shift = std::min<uint64_t>(unsignedInt(b, width), width - 1);
              return signedInt(a, width) >> shift;
            })
      .Case("arith.maxsi",
            [](int64_t a, int64_t b, unsigned width) {
              return std::max(signedInt(a, width), signedInt(b, width));
            })
      .Case("arith.minsi",
            [](int64_t a, int64_t b, unsigned width) {
              return std::min(signedInt(a, width), signedInt(b, width));
            })
      .Case("arith.maxui",
            [](int64_t a, int64_t b, unsigned width) {
              return unsignedInt(a, width) < unsignedInt(b, width) ? b : a;
            })
      .Case("arith.minui",
            [](int64_t a, int64_t b, unsigned width) {
              return unsignedInt(a, width) < unsignedInt(b, width) ? a : b;
            })
      .Case("math.ipowi", integerPower)
      .Default(nullptr);
}

bool nestor::reference::compareInts(arith::CmpIPredicate predicate, int64_t a, int64_t b,
                                    unsigned width) {
  using P = arith::CmpIPredicate;
  int64_t sa = signedInt(a, width), sb = signedInt(b, width);
  uint64_t ua = unsignedInt(a, width), ub = unsignedInt(b, width);
  switch (predicate) {
  case P::eq: return a == b;
  case P::ne: return a != b;
  case P::slt: return sa < sb;
  case P::sle: return sa <= sb;
  case P::sgt: return sa > sb;
  case P::sge: return sa >= sb;
  case P::ult: return ua < ub;
  case P::ule: return ua <= ub;
  case P::ugt: return ua > ub;
  case P::uge: return ua >= ub;
  }
  llvm_unreachable("unknown predicate");
}

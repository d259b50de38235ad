//===- ScalarOps.h - Scalar operations by name ------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What the `arith` and `math` operations inside regions compute. Floats are
// doubles, which the caller rounds to the operation's type. Integers are held
// in canonical form: sign-extended from their width, and 0 or 1 for i1; the
// caller brings results back into that form. All of it is total: where the
// operation is undefined (division by zero, a shift by the width or more),
// some value comes out and nothing traps.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_REFERENCE_SCALAROPS_H
#define NESTOR_REFERENCE_SCALAROPS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace nestor::reference {

using FloatUnary = double (*)(double);
using FloatBinary = double (*)(double, double);
using FloatTest = bool (*)(double);
using IntUnary = int64_t (*)(int64_t, unsigned width);
using IntBinary = int64_t (*)(int64_t, int64_t, unsigned width);

// The function of an operation such as "math.exp", or null for a name that is
// not of that kind.
FloatUnary floatUnary(llvm::StringRef op);
FloatBinary floatBinary(llvm::StringRef op);
FloatTest floatTest(llvm::StringRef op);
IntUnary intUnary(llvm::StringRef op);
IntBinary intBinary(llvm::StringRef op);

bool compareFloats(mlir::arith::CmpFPredicate predicate, double a, double b);
bool compareInts(mlir::arith::CmpIPredicate predicate, int64_t a, int64_t b, unsigned width);

/// The canonical form of the low `width` bits of `value`.
inline int64_t canonicalInt(int64_t value, unsigned width) {
  if (width == 1)
    return value & 1;
  unsigned unused = 64 - width;
  return int64_t(uint64_t(value) << unused) >> unused;
}
/// The low `width` bits of `value` as an unsigned number.
inline uint64_t unsignedInt(int64_t value, unsigned width) {
  return width == 64 ? uint64_t(value) : uint64_t(value) & ((uint64_t(1) << width) - 1);
}
/// `value` as a signed number, which an i1 in canonical form is not.
inline int64_t signedInt(int64_t value, unsigned width) { return width == 1 ? -value : value; }

} // namespace nestor::reference

#endif // NESTOR_REFERENCE_SCALAROPS_H

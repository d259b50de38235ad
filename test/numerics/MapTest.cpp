//===- MapTest.cpp - Element-wise kernels against the reference -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/KernelRunner.h"
#include "test/numerics/OpText.h"

#include "gtest/gtest.h"

using namespace nestor::test;

namespace {

std::string binary(const std::string &op, const Dims &left, const Dims &right, const Dims &out,
                   const std::string &element = "f32") {
  std::string region = "({\n^bb0(%x: " + element + ", %y: " + element + "):\n  %z = " + op + " %x, %y : " + element +
                       "\n  nest.yield %z : " + element + "\n})";
  return genericOp("nest.map", {tensorType(left, element), tensorType(right, element)}, "", {tensorType(out, element)}, region);
}

TEST(Map, Broadcasts) {
  checkOperation(binary("arith.mulf", {2, 5, 3, 20}, {2, 1, 1, 20}, {2, 5, 3, 20}), 1); // Squeeze and excite.
  checkOperation(binary("arith.addf", {7, 33}, {33}, {7, 33}), 2);
  checkOperation(binary("arith.subf", {4, 6, 1}, {4, 6, 19}, {4, 6, 19}), 3);
  checkOperation(binary("arith.addf", {6, 1}, {1, 35}, {6, 35}), 4);
  checkOperation(binary("arith.maximumf", {3, 1, 5, 1}, {2, 1, 17}, {3, 2, 5, 17}), 5);
  checkOperation(binary("arith.addf", {}, {41}, {41}, "f64"), 6);
  checkOperation(binary("arith.muli", {5, 9}, {1}, {5, 9}, "i64"), 7, 0);
  checkOperation(binary("arith.addi", {100}, {100}, {100}, "i8"), 8, 0);
  checkOperation(binary("arith.xori", {3, 21}, {21}, {3, 21}, "i1"), 9, 0);
}

/// Zeros and -1 are among the drawn divisors, and lanes of a tail that do not
/// exist read as zero; none of them may trap.
TEST(Map, IntegerDivisionDoesNotTrap) {
  uint64_t seed = 50;
  for (const std::string op : {"arith.divsi", "arith.remsi", "arith.divui", "arith.remui"})
    for (const std::string element : {"i8", "i32", "i64"}) {
      checkOperation(binary(op, {517}, {517}, {517}, element), seed++, 0);
      checkOperation(binary(op, {3, 1}, {3, 7}, {3, 7}, element), seed++, 0);
    }
}

/// The smallest number divided by -1, which is among the drawn divisors, wraps.
TEST(Map, IntegerDivisionWraps) {
  for (const std::string op : {"arith.divsi", "arith.remsi"})
    checkOperation(genericOp("nest.map", {tensorType({517}, "i32")}, "", {tensorType({517}, "i32")},
                             "({\n^bb0(%x: i32):\n  %least = arith.constant -2147483648 : i32\n  %q = " + op +
                                 " %least, %x : i32\n  nest.yield %q : i32\n})"),
                   80, 0);
}

TEST(Map, RandomShapes) {
  for (uint64_t seed = 20; seed < 30; ++seed) {
    Draw draw(seed);
    Dims out, left, right;
    for (int64_t rank = draw(1, 4); rank > 0; --rank) {
      out.push_back(rank == 1 ? draw.extent() : draw(1, 5));
      left.push_back(draw(0, 3) ? out.back() : 1);
      right.push_back(draw(0, 3) ? out.back() : 1);
    }
    checkOperation(binary("arith.addf", left, right, out, draw.of<std::string>({"f32", "f64"})), seed);
  }
}

TEST(Map, MixedTypes) {
  checkOperation(genericOp("nest.map", {tensorType({3, 19}, "ui8"), tensorType({3, 19}, "i64")}, "",
                           {tensorType({3, 19})}, R"(({
^bb0(%q: i8, %z: i64):
  %w = arith.extui %q : i8 to i64
  %d = arith.subi %w, %z : i64
  %f = arith.sitofp %d : i64 to f32
  nest.yield %f : f32
}))"),
                 1);
}

TEST(Map, ElementaryFunctions) {
  for (const std::string function : {"exp", "tanh", "erf", "log1p", "sqrt", "atan", "sin", "expm1"})
    checkOperation(genericOp("nest.map", {tensorType({53})}, "", {tensorType({53})},
                             "({\n^bb0(%x: f32):\n  %y = math." + function + " %x : f32\n  nest.yield %y : f32\n})"),
                   7, 1e-5, {0, 4});
}

} // namespace

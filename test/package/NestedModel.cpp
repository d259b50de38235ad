//===- NestedModel.cpp - A small network in several capacities ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/package/NestedModel.h"
#include "test/numerics/NestedText.h"

namespace nestor::test {
namespace {

/// Channels of the two convolutions that shrink, by capacity.
const Dims first = {8, 24, 40}, second = {5, 16, 21};

std::string global(const std::string &name, const Dims &shape, const std::string &edges) {
  return "nest.global @" + name + " = " + randomDense(shape, shape[2] * 7 + shape[3], 0.3f) + " edges [[], [], " + edges +
         "]\n";
}

/// `%out = nest.conv %in, @name`, with a bias of the capacity's own.
std::string conv(const std::string &out, const std::string &in, const std::string &name, size_t capacity,
                 const Dims &inShape, const Dims &filter, int64_t groups, const Dims &outShape) {
  std::string pad = std::to_string(filter[0] / 2);
  Dims bias = {outShape.back()};
  return "  %w_" + out + " = nest.weight @" + name + " at " + std::to_string(capacity) + " : " + tensorType(filter) +
         "\n  %b_" + out + " = nest.const " + randomDense(bias, 100 * capacity + std::hash<std::string>()(out), 0.3f) + "\n  %" + out +
         " = nest.conv %" + in + ", %w_" + out + " bias %b_" + out + " {kernel = " +
         arrayAttr({filter[0], filter[1]}) + ", strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = " +
         arrayAttr({filter[0] / 2, filter[0] / 2}) + ", padEnd = " + arrayAttr({filter[0] / 2, filter[0] / 2}) +
         ", groups = " + std::to_string(groups) + " : i64} : (" + tensorType(inShape) + ", " + tensorType(filter) +
         ", " + tensorType(bias) + ") -> " + tensorType(outShape) + "\n";
}

std::string function(size_t capacity) {
  int64_t a = first[capacity], c = second[capacity];
  Dims x = {1, 9, 9, 3}, xa = {1, 9, 9, a}, xc = {1, 9, 9, c}, both = {1, 9, 9, a + c}, pooled = {1, 1, 1, a + c};
  std::string text = "func.func @" + (capacity == 2 ? "main" : "capacity_" + std::to_string(capacity)) + "(%x: " +
                     tensorType(x) + " {nest.name = \"x\"}) -> (tensor<1x1x1x10xf32> {nest.name = \"y\"}) {\n";
  text += conv("stem", "x", "stem", capacity, x, {3, 3, 3, a}, 1, xa);
  text += conv("dw", "stem", "dw", capacity, xa, {3, 3, 1, a}, a, xa);
  text += conv("narrow", "dw", "narrow", capacity, xa, {1, 1, a, c}, 1, xc);
  text += "  %both = nest.concat %dw, %narrow {axis = 3 : i64} : (" + tensorType(xa) + ", " + tensorType(xc) +
          ") -> " + tensorType(both) + "\n";
  text += conv("mix", "both", "mix", capacity, both, {3, 3, a + c, a + c}, 1, both);
  text += "  %pool = nest.pool %mix {kind = #nest.pool_kind<avg>, kernel = array<i64: 9, 9>, strides = array<i64: 1, 1>, "
          "dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>} : (" +
          tensorType(both) + ") -> " + tensorType(pooled) + "\n";
  text += conv("y", "pool", "fc", capacity, pooled, {1, 1, a + c, 10}, 1, {1, 1, 1, 10});
  return text + "  return %y : tensor<1x1x1x10xf32>\n}\n";
}

} // namespace

std::string nestedModel() {
  int64_t a = first.back(), c = second.back();
  std::string one = "[" + arrayAttr(first) + "]", other = "[" + arrayAttr(second) + "]";
  std::string both = "[" + arrayAttr(first) + ", " + arrayAttr(second) + "]";
  std::string text = global("stem", {3, 3, 3, a}, "[], " + one) + global("dw", {3, 3, 1, a}, "[], " + one) +
                     global("narrow", {1, 1, a, c}, one + ", " + other) +
                     global("mix", {3, 3, a + c, a + c}, both + ", " + both) +
                     global("fc", {1, 1, a + c, 10}, both + ", []");
  for (size_t capacity = 0; capacity < 3; ++capacity)
    text += function(capacity);
  return text;
}

} // namespace nestor::test

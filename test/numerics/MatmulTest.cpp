//===- MatmulTest.cpp - Products, packing and transposed convolutions -----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/KernelRunner.h"

#include "gtest/gtest.h"

#include <random>

using namespace nestor::test;

namespace {

std::string tensor(const std::vector<int64_t> &dims, const std::string &element) {
  std::string text = "tensor<";
  for (int64_t dim : dims)
    text += std::to_string(dim) + "x";
  return text + element + ">";
}

struct Matmul {
  std::vector<int64_t> lhsBatch, rhsBatch;
  int64_t rows = 1, depth = 1, columns = 1;
  bool transposeLhs = false, transposeRhs = false, mask = false;
  std::string element = "f32", result = "f32";

  std::string print() const {
    std::vector<int64_t> lhs = lhsBatch, rhs = rhsBatch, out;
    for (size_t i = 0; i < lhs.size(); ++i)
      out.push_back(std::max(lhs[i], rhs[i]));
    lhs.insert(lhs.end(), {transposeLhs ? depth : rows, transposeLhs ? rows : depth});
    rhs.insert(rhs.end(), {transposeRhs ? columns : depth, transposeRhs ? depth : columns});
    out.insert(out.end(), {rows, columns});
    std::string a = tensor(lhs, element), b = tensor(rhs, element), y = tensor(out, result), m = tensor({columns}, result);
    std::string attributes = transposeLhs && transposeRhs ? "{transposeLhs, transposeRhs}"
                             : transposeLhs               ? "{transposeLhs}"
                             : transposeRhs               ? "{transposeRhs}"
                                                          : "";
    return "func.func @f(%a: " + a + ", %b: " + b + (mask ? ", %m: " + m : "") + ") -> " + y + " {\n %y = nest.matmul %a, %b " +
           (mask ? "extras(%m) " : "") + attributes + " : (" + a + ", " + b + (mask ? ", " + m : "") + ") -> " + y +
           (mask ? " {\n^bb0(%s: f32, %e: f32):\n %r = arith.addf %s, %e : f32\n nest.yield %r : f32 }" : "") +
           "\n return %y : " + y + "\n}\n";
  }
};

TEST(MatmulTest, Products) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    auto draw = [&](int64_t low, int64_t high) { return low + int64_t(random() % uint64_t(high - low + 1)); };
    Matmul product;
    for (int64_t i = draw(0, 2); i > 0; --i) {
      int64_t extent = draw(1, 3), repeated = draw(0, 3);
      product.lhsBatch.push_back(repeated == 1 ? 1 : extent);
      product.rhsBatch.push_back(repeated == 2 ? 1 : extent);
    }
    product.rows = draw(1, 40);
    product.depth = draw(1, 50);
    product.columns = draw(1, 70);
    product.transposeLhs = draw(0, 2) == 0;
    product.transposeRhs = draw(0, 1);
    product.mask = draw(0, 1);
    checkOperation(product.print(), seed);
  }
}

TEST(MatmulTest, Attention) {
  for (bool transposed : {false, true}) {
    Matmul product;
    product.lhsBatch = product.rhsBatch = {1, 12};
    product.rows = 128;
    product.depth = transposed ? 32 : 128;
    product.columns = transposed ? 128 : 32;
    product.transposeRhs = transposed;
    checkOperation(product.print(), 50);
  }
}

TEST(MatmulTest, OtherTypes) {
  uint64_t seed = 60;
  for (auto [element, result] : {std::pair("f64", "f64"), std::pair("i8", "i32"), std::pair("ui8", "i32"), std::pair("i64", "i64")}) {
    Matmul product;
    product.rows = 5, product.depth = 9, product.columns = 21;
    product.element = element, product.result = result;
    product.transposeRhs = seed % 2;
    checkOperation(product.print(), seed++);
  }
}

TEST(PackTest, PadsEachGroupToWholePanels) {
  checkOperation("func.func @f(%w: tensor<3x2x5x38xf32>) -> tensor<4x6x5x16xf32> {\n %y = nest.pack %w {groups = 2 : i64} : "
                 "(tensor<3x2x5x38xf32>) -> tensor<4x6x5x16xf32>\n return %y : tensor<4x6x5x16xf32>\n}\n",
                 70, 0);
  checkOperation("func.func @f(%w: tensor<3x3x1x20xf32>) -> tensor<2x9x1x16xf32> {\n %y = nest.pack %w {groups = 20 : i64, depthwise} : "
                 "(tensor<3x3x1x20xf32>) -> tensor<2x9x1x16xf32>\n return %y : tensor<2x9x1x16xf32>\n}\n",
                 71, 0);
}

/// What the compiler does to constants in double, kernels do in float.
TEST(PackTest, TransformsFiltersForWinograd) {
  uint64_t seed = 72;
  for (int64_t tile : {2, 4, 6})
    for (auto [inputs, outputs] : {std::pair<int64_t, int64_t>(5, 1), {19, 47}}) {
      std::string filter = tensor({3, 3, inputs, outputs}, "f32");
      std::string packed = tensor({(outputs + 15) / 16, (tile + 2) * (tile + 2), inputs, 16}, "f32");
      checkOperation("func.func @f(%w: " + filter + ") -> " + packed + " {\n %y = nest.pack %w {groups = 1 : i64, nest.winograd = " +
                         std::to_string(tile) + " : i64} : (" + filter + ") -> " + packed + "\n return %y : " + packed + "\n}\n",
                     seed++, 1e-6);
    }
}

TEST(ConvTransposeTest, StridesDilationsAndGroups) {
  checkOperation("func.func @f(%x: tensor<2x5x4x6xf32>, %w: tensor<3x2x6x9xf32>, %b: tensor<18xf32>) -> tensor<2x10x9x18xf32> {\n"
                 " %y = nest.conv_transpose %x, %w bias %b {strides = array<i64: 2, 2>, dilations = array<i64: 1, 2>, padBegin = "
                 "array<i64: 1, 0>, padEnd = array<i64: 0, 0>, groups = 2 : i64} : (tensor<2x5x4x6xf32>, tensor<3x2x6x9xf32>, "
                 "tensor<18xf32>) -> tensor<2x10x9x18xf32>\n return %y : tensor<2x10x9x18xf32>\n}\n",
                 80);
}

} // namespace

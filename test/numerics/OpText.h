//===- OpText.h - Writing operations as text for tests ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_NUMERICS_OPTEXT_H
#define NESTOR_TEST_NUMERICS_OPTEXT_H

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace nestor::test {

using Dims = std::vector<int64_t>;

/// `tensor<2x3xf32>`
inline std::string tensorType(const Dims &dims, const std::string &element = "f32") {
  std::string text = "tensor<";
  for (int64_t dim : dims)
    text += std::to_string(dim) + "x";
  return text + element + ">";
}

/// `array<i64: 1, 2>`
inline std::string arrayAttr(const Dims &values, const std::string &element = "i64") {
  std::string text = "array<" + element;
  for (size_t i = 0; i < values.size(); ++i)
    text += (i ? ", " : ": ") + std::to_string(values[i]) + (element == "f64" ? ".0" : "");
  return text + ">";
}

/// A function of one operation in its generic form: `%r = "name"(args) {attributes}`.
inline std::string genericOp(const std::string &name, const std::vector<std::string> &operandTypes,
                             const std::string &attributes, const std::vector<std::string> &resultTypes,
                             const std::string &region = "") {
  auto join = [](size_t count, auto &&item) {
    std::string text;
    for (size_t i = 0; i < count; ++i)
      text += (i ? ", " : "") + item(i);
    return text;
  };
  auto operand = [](size_t i) { return "%a" + std::to_string(i); };
  auto result = [](size_t i) { return "%r#" + std::to_string(i); };
  std::string operands = join(operandTypes.size(), [&](size_t i) { return operandTypes[i]; });
  std::string results = join(resultTypes.size(), [&](size_t i) { return resultTypes[i]; });
  std::string arguments = join(operandTypes.size(), [&](size_t i) { return operand(i) + ": " + operandTypes[i]; });
  return "func.func @f(" + arguments + ") -> (" + results + ") {\n  %r:" + std::to_string(resultTypes.size()) +
         " = \"" + name + "\"(" + join(operandTypes.size(), operand) + ") " + region + " {" + attributes + "} : (" +
         operands + ") -> (" + results + ")\n  return " + join(resultTypes.size(), result) + " : " + results + "\n}\n";
}

/// Draws from [low, high].
class Draw {
public:
  explicit Draw(uint64_t seed) : random(seed) {}
  int64_t operator()(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  template <typename T> const T &of(const std::vector<T> &choices) {
    return choices[size_t((*this)(0, int64_t(choices.size()) - 1))];
  }
  bool coin() { return (*this)(0, 1) == 1; }
  /// An extent that is sometimes shorter than a vector and sometimes longer.
  int64_t extent() { return of<int64_t>({1, 2, 3, 7, 8, 15, 16, 17, 33, 48, 70}); }

private:
  std::mt19937_64 random;
};

} // namespace nestor::test

#endif // NESTOR_TEST_NUMERICS_OPTEXT_H

//===- NestedText.h - Writing shared weights as text for tests --*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_NUMERICS_NESTEDTEXT_H
#define NESTOR_TEST_NUMERICS_NESTEDTEXT_H

#include "compiler/reference/Element.h"
#include "test/numerics/OpText.h"

#include <cstring>
#include <functional>
#include <numeric>

namespace nestor::test {

using Edges = std::vector<Dims>; ///< [part][capacity]

inline std::string printEdges(const Edges &edges) {
  std::string text;
  for (const Dims &part : edges)
    text += (text.empty() ? "" : ", ") + arrayAttr(part);
  return "[" + text + "]";
}

inline int64_t keptAt(const Edges &edges, int64_t capacity) {
  return std::accumulate(edges.begin(), edges.end(), int64_t(0),
                         [&](int64_t sum, const Dims &part) { return sum + part[capacity]; });
}

/// Ascending edges; early ones may be 0 and several may be equal.
inline Edges drawEdges(Draw &draw, size_t parts, size_t shells) {
  Edges edges(parts, Dims(shells));
  for (Dims &part : edges) {
    int64_t kept = 0;
    for (int64_t &edge : part)
      edge = kept += draw.of<int64_t>({0, 1, 3, 8, 8, 16, 16, 21});
  }
  for (int64_t &edge : edges.front()) // Something is left everywhere.
    edge += 1;
  return edges;
}

/// `dense<"0x...">` of random numbers; `element`: f32, f16 or bf16.
inline std::string randomDense(const Dims &shape, uint64_t seed, float bound = 1, const std::string &element = "f32") {
  std::mt19937_64 random(seed);
  std::string text = "dense<\"0x";
  for (int64_t i = std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<int64_t>()); i > 0; --i) {
    float value = std::uniform_real_distribution<float>(-bound, bound)(random);
    auto print = [&](auto stored) {
      unsigned char bytes[sizeof stored];
      std::memcpy(bytes, &stored, sizeof stored);
      for (unsigned char byte : bytes) {
        text += "0123456789ABCDEF"[byte / 16];
        text += "0123456789ABCDEF"[byte % 16];
      }
    };
    if (element == "f16")
      print(reference::Half(value));
    else if (element == "bf16")
      print(reference::BFloat16(value));
    else
      print(value);
  }
  return text + "\"> : " + tensorType(shape, element);
}

} // namespace nestor::test

#endif // NESTOR_TEST_NUMERICS_NESTEDTEXT_H

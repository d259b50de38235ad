//===- NestedRecurrentTest.cpp - Recurrent layers with weights in shells --===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/FilterBlocks.h"
#include "passes/Passes.h"
#include "test/numerics/KernelRunner.h"
#include "test/numerics/NestedText.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;
using namespace nestor::test;

namespace {

struct Kind {
  std::string name;
  int64_t gates;
  std::vector<std::string> activations;
};

const Kind lstm{"lstm", 4, {"Sigmoid", "Tanh", "Tanh"}};
const Kind gru{"gru", 3, {"Sigmoid", "Tanh"}};
const Kind rnn{"rnn", 1, {"Tanh"}};

/// A layer that reads shared weights at one capacity, as a module.
struct NestedLayer {
  const Kind &kind;
  Draw draw;
  uint64_t seed;
  int64_t shells, capacity, directions, steps, batch;
  Edges inputs, hidden;
  bool shrinksInputs, shrinksHidden;

  NestedLayer(const Kind &kind, uint64_t seed)
      : kind(kind), draw(seed), seed(seed), shells(draw(2, 4)), capacity(draw(0, shells - 1)),
        directions(draw(1, 2)), steps(draw(1, 4)), batch(draw(1, 3)),
        inputs(drawEdges(draw, draw.of<int64_t>({1, 2, 3}), shells)),
        hidden(drawEdges(draw, 1, shells)), shrinksInputs(draw(1, 4) > 1),
        shrinksHidden(draw(1, 4) > 1) {
    if (!shrinksInputs)
      inputs = {Dims(shells, draw.extent())};
    if (!shrinksHidden)
      hidden = {Dims(shells, draw.extent())};
  }

  std::string global(const std::string &name, const Edges &columns, bool shrinksColumns) const {
    Edges rows(kind.gates, hidden.front());
    Dims shape{directions, keptAt(rows, shells - 1), keptAt(columns, shells - 1)};
    return "nest.global @" + name + " = " + randomDense(shape, seed, 0.5f) + " edges [[], " +
           (shrinksHidden ? printEdges(rows) : "[]") + ", " +
           (shrinksColumns ? printEdges(columns) : "[]") + "]\n";
  }
  std::string globals() const {
    return global("w", inputs, shrinksInputs) + global("r", hidden, shrinksHidden);
  }

  std::string attributes() {
    std::string names;
    Dims zeros(kind.activations.size() * directions);
    for (int64_t direction = 0; direction < directions; ++direction)
      for (const std::string &name : kind.activations)
        names += (names.empty() ? "\"" : ", \"") + name + "\"";
    std::string way = directions == 2 ? "bidirectional" : draw.coin() ? "forward" : "reverse";
    return "{activations = [" + names + "], activationAlpha = " + arrayAttr(zeros, "f64") +
           ", activationBeta = " + arrayAttr(zeros, "f64") + ", direction = #nest.direction<" +
           way + ">" + (kind.name == "gru" && draw.coin() ? ", linearBeforeReset" : "") +
           ", operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0" +
           (kind.name == "lstm" ? ", 0, 0>}" : ">}");
  }

  std::string print() {
    int64_t h = keptAt(hidden, capacity), i = keptAt(inputs, capacity), rows = kind.gates * h;
    std::string x = tensorType({steps, batch, i}), w = tensorType({directions, rows, i});
    std::string r = tensorType({directions, rows, h}), bias = tensorType({directions, 2 * rows});
    std::string state = tensorType({directions, batch, h});
    std::string results = tensorType({steps, directions, batch, h}) + ", " + state;
    std::string names = "%y#0, %y#1";
    if (kind.name == "lstm")
      results += ", " + state, names += ", %y#2";
    std::string number = std::to_string(capacity);
    return globals() + "func.func @f(%x: " + x + ", %b: " + bias + ") -> (" + results +
           ") {\n %w = nest.weight @w at " + number + " : " + w + "\n %r = nest.weight @r at " +
           number + " : " + r + "\n %y:" + (kind.name == "lstm" ? "3" : "2") + " = \"nest." +
           kind.name + "\"(%x, %w, %r, %b) " + attributes() + " : (" + x + ", " + w + ", " + r +
           ", " + bias + ") -> (" + results + ")\n return " + names + " : " + results + "\n}\n";
  }
};

void checkLayers(const Kind &kind, uint64_t firstSeed) {
  for (uint64_t seed = firstSeed; seed < firstSeed + 16; ++seed)
    checkOperation(NestedLayer(kind, seed).print(), seed, 2e-5, {-0.5, 0.5},
                   createPackRecurrentPass());
}

TEST(NestedRecurrentTest, Lstm) { checkLayers(lstm, 100); }
TEST(NestedRecurrentTest, Gru) { checkLayers(gru, 200); }
TEST(NestedRecurrentTest, Rnn) { checkLayers(rnn, 300); }

/// Nothing is stored twice, and what is stored comes back.
TEST(NestedRecurrentTest, UnpackUndoesPack) {
  MLIRContext context;
  context.loadDialect<nest::NestDialect>();
  for (uint64_t seed = 400; seed < 420; ++seed) {
    NestedLayer layer(seed % 2 ? lstm : gru, seed);
    auto module = parseSourceString<ModuleOp>(layer.globals(), &context);
    ASSERT_TRUE(module);
    for (auto global : module->getOps<nest::GlobalOp>()) {
      auto blocks = FilterBlocks::recurrent(global, layer.kind.gates);
      ASSERT_TRUE(blocks);
      auto value = reference::TensorValue::fromAttr(global.getValue());
      std::vector<char> back(value.bytes.size());
      uint64_t floats = 0;
      for (unsigned block = 0; block < blocks->count(); ++block) {
        std::vector<char> packed(blocks->bytes(block), -1);
        blocks->pack(block, value.bytes, packed);
        blocks->unpack(block, packed, back);
        floats += blocks->elements(block);
      }
      EXPECT_EQ(back, value.bytes) << "seed " << seed;
      uint64_t units = (layer.hidden.front().back() + 15) / 16 * 16;
      uint64_t columns = value.type.getShape().back();
      EXPECT_EQ(floats, layer.directions * layer.kind.gates * units * columns) << "seed " << seed;
    }
  }
}

/// Hidden units that shrink in two parts are not one prefix of panels.
TEST(NestedRecurrentTest, UnitsInTwoPartsHaveNoBlocks) {
  MLIRContext context;
  context.loadDialect<nest::NestDialect>();
  auto module = parseSourceString<ModuleOp>(
      "nest.global @w = dense<1.0> : tensor<1x8x3xf32> edges "
      "[[], [array<i64: 1, 2>, array<i64: 1, 2>, array<i64: 1, 2>, array<i64: 1, 2>], []]",
      &context);
  ASSERT_TRUE(module);
  nest::GlobalOp global = *module->getOps<nest::GlobalOp>().begin();
  EXPECT_TRUE(FilterBlocks::recurrent(global, 4));
  EXPECT_FALSE(FilterBlocks::recurrent(global, 2));
}

} // namespace

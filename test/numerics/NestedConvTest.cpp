//===- NestedConvTest.cpp - Convolutions with filters in shells -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/FilterBlocks.h"
#include "compiler/kernels/Lowering.h"
#include "test/numerics/KernelRunner.h"
#include "test/numerics/NestedText.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;
using namespace nestor::test;
using reference::TensorValue;

namespace {

/// A convolution that reads a shared filter at one capacity, as a module.
struct NestedConv {
  Dims in = {6, 5}, kernel = {3, 3}, strides = {1, 1}, dilations = {1, 1}, pads = {1, 1};
  Edges inputs, outputs;
  bool shrinksInputs = true, shrinksOutputs = true, residual = false, planar = false;
  int64_t winograd = 0;
  bool strassen = false;
  std::string element = "f32"; ///< Of the filter.
  uint64_t seed = 1;

  int64_t shells() const { return inputs.front().size(); }

  std::string filter() const {
    Dims shape = kernel;
    shape.insert(shape.end(), {keptAt(inputs, shells() - 1), keptAt(outputs, shells() - 1)});
    std::string edges;
    for (size_t i = 0; i < kernel.size(); ++i)
      edges += "[], ";
    edges += (shrinksInputs ? printEdges(inputs) : "[]") + ", " + (shrinksOutputs ? printEdges(outputs) : "[]");
    return "nest.global @w = " + randomDense(shape, seed, 1, element) + " edges [" + edges + "]\n";
  }

  std::string print(int64_t capacity) const {
    int64_t i = keptAt(inputs, capacity), o = keptAt(outputs, capacity);
    Dims x = {1}, y = {1}, w = kernel;
    int64_t taps = 1;
    for (size_t d = 0; d < in.size(); ++d) {
      x.push_back(in[d]);
      y.push_back((in[d] + 2 * pads[d] - dilations[d] * (kernel[d] - 1) - 1) / strides[d] + 1);
      taps *= kernel[d];
    }
    x.insert(planar ? x.begin() + 1 : x.end(), i), y.push_back(o), w.insert(w.end(), {i, o});
    std::string tile, step;
    if (winograd) {
      taps = (winograd + 2) * (winograd + 2);
      tile = ", nest.winograd = " + std::to_string(winograd) + " : i64";
      if (strides[0] > 1)
        step = ", nest.winograd_stride = " + std::to_string(strides[0]) + " : i64";
    }
    if (strassen)
      tile = ", nest.strassen";
    std::string packedElement = winograd > 2 || (winograd && element == "bf16") ? "f32" : element;
    Dims packedShape = {(o + 15) / 16, taps, i, 16};
    if (strassen)
      packedShape = {nest::Strassen::packedChannels(o) / 16, 7, nest::Strassen::packedChannels(i), 16};
    std::string packed = tensorType(packedShape, packedElement), bias = tensorType({o});
    std::string conv = "%y = nest.conv %x, %p bias %b" + std::string(residual ? " extras(%r)" : "") +
                       " {kernel = " + arrayAttr(kernel) + ", strides = " + arrayAttr(strides) +
                       ", dilations = " + arrayAttr(dilations) + ", padBegin = " + arrayAttr(pads) +
                       ", padEnd = " + arrayAttr(pads) + ", groups = 1 : i64, packed" + (planar ? ", planar" : "") + tile + "} : (" + tensorType(x) + ", " +
                       packed + ", " + bias + (residual ? ", " + tensorType(y) : "") + ") -> " + tensorType(y);
    if (residual)
      conv += " {\n^bb0(%a: f32, %c: f32):\n %s = arith.addf %a, %c : f32\n nest.yield %s : f32 }";
    return filter() + "func.func @f(%x: " + tensorType(x) + ", %b: " + bias +
           (residual ? ", %r: " + tensorType(y) : "") + ") -> " + tensorType(y) + " {\n %w = nest.weight @w at " +
           std::to_string(capacity) + " : " + tensorType(w, element) +
           "\n %p = nest.pack %w {groups = 1 : i64" + tile + step + "} : (" + tensorType(w, element) + ") -> " + packed + "\n " + conv +
           "\n return %y : " + tensorType(y) + "\n}\n";
  }
};

NestedConv drawConv(uint64_t seed) {
  Draw draw(seed);
  NestedConv conv;
  conv.seed = seed;
  for (size_t d = 0; d < 2; ++d) {
    conv.kernel[d] = draw.of<int64_t>({1, 1, 2, 3, 3, 5});
    conv.dilations[d] = draw(1, 6) == 6 ? 2 : 1;
    conv.strides[d] = draw.of<int64_t>({1, 1, 2});
    conv.pads[d] = draw(0, conv.kernel[d] - 1);
    conv.in[d] = draw((conv.kernel[d] - 1) * conv.dilations[d] + 1, 18);
  }
  size_t shells = draw(2, 4);
  conv.inputs = drawEdges(draw, draw.of<int64_t>({1, 1, 2, 3}), shells);
  conv.outputs = drawEdges(draw, draw.of<int64_t>({1, 1, 1, 2}), shells);
  if (draw(1, 5) == 5) {
    conv.shrinksInputs = false;
    conv.inputs = {Dims(shells, draw.extent())};
  }
  conv.residual = draw.coin();
  return conv;
}

TEST(NestedConvTest, EveryCapacity) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    NestedConv conv = drawConv(seed);
    checkOperation(conv.print(int64_t(seed) % conv.shells()), seed);
  }
}

TEST(NestedConvTest, Pointwise) {
  for (uint64_t seed = 100; seed < 110; ++seed) {
    NestedConv conv = drawConv(seed);
    conv.kernel = conv.strides = conv.dilations = {1, 1};
    conv.pads = {0, 0};
    if (seed % 3 == 0)
      conv.in = {1, 1}; // A fully connected layer: panels are the grains.
    checkOperation(conv.print(int64_t(seed) % conv.shells()), seed);
  }
}

/// The first layer of a network for images.
TEST(NestedConvTest, Planar) {
  for (uint64_t seed = 110; seed < 116; ++seed) {
    NestedConv conv = drawConv(seed);
    conv.planar = true;
    conv.shrinksInputs = false;
    conv.inputs = {Dims(conv.shells(), 1 + int64_t(seed) % 4)};
    checkOperation(conv.print(int64_t(seed) % conv.shells()), seed);
  }
}

const char *halfOf(uint64_t seed) { return seed % 2 ? "f16" : "bf16"; }

TEST(NestedConvTest, HalfFilters) {
  for (uint64_t seed = 130; seed < 142; ++seed) {
    NestedConv conv = drawConv(seed);
    conv.element = halfOf(seed);
    checkOperation(conv.print(int64_t(seed / 2) % conv.shells()), seed);
  }
}

/// The same structures, each with 3x3 taps and some tile.
NestedConv drawWinograd(uint64_t seed, int64_t stride = 1) {
  NestedConv conv = drawConv(seed);
  conv.kernel = {3, 3};
  conv.strides = {stride, stride};
  conv.dilations = {1, 1};
  conv.pads = {int64_t(seed) % 3, 1};
  for (int64_t &extent : conv.in)
    extent = std::max<int64_t>(extent, 3);
  conv.winograd = 2 + 2 * (int64_t(seed / 3) % (stride == 1 ? 3 : 2));
  return conv;
}

TEST(NestedConvTest, Winograd) {
  for (uint64_t seed = 120; seed < 129; ++seed) {
    NestedConv conv = drawWinograd(seed);
    if (seed % 4 == 0)
      conv.in = {8 * conv.winograd + 1, 9 * conv.winograd}; // Blocks of tiles.
    checkOperation(conv.print(int64_t(seed) % conv.shells()), seed, /*tolerance=*/1e-4);
  }
}

TEST(NestedConvTest, WinogradOfStride2) {
  for (uint64_t seed = 150; seed < 155; ++seed) {
    NestedConv conv = drawWinograd(seed, 2);
    if (seed % 4 == 0)
      conv.in = {16 * conv.winograd + 1, 18 * conv.winograd}; // Blocks of tiles.
    checkOperation(conv.print(int64_t(seed) % conv.shells()), seed, /*tolerance=*/1e-4);
  }
}

/// Pointwise ones whose channels shrink in one part.
NestedConv drawStrassen(uint64_t seed) {
  NestedConv conv = drawConv(seed);
  conv.kernel = conv.strides = conv.dilations = {1, 1};
  conv.pads = {0, 0};
  conv.inputs.resize(1), conv.outputs.resize(1);
  for (Edges *edges : {&conv.inputs, &conv.outputs})
    for (int64_t &edge : edges->front())
      edge *= 1 + int64_t(seed % 5); // More than a span.
  conv.strassen = true;
  return conv;
}

TEST(NestedConvTest, Strassen) {
  for (uint64_t seed = 160; seed < 165; ++seed) {
    NestedConv conv = drawStrassen(seed);
    if (seed % 4 == 0)
      conv.in = {19, 29}; // Blocks of tiles.
    checkOperation(conv.print(int64_t(seed) % conv.shells()), seed, /*tolerance=*/1e-5);
  }
}

TEST(NestedConvTest, ResultInsideALargerTensor) {
  for (uint64_t seed = 140; seed < 146; ++seed) {
    NestedConv conv = seed > 143 ? drawStrassen(seed) : seed % 3 ? drawConv(seed) : drawWinograd(seed, 1 + int64_t(seed % 2));
    conv.residual = false; // Those are dense.
    checkRows(conv.print(int64_t(seed) % conv.shells()), seed);
  }
}

TEST(NestedConvTest, WinogradOfHalfFilters) {
  for (uint64_t seed = 144; seed < 150; ++seed) {
    NestedConv conv = drawWinograd(seed, 1 + int64_t(seed / 2 % 2));
    conv.element = halfOf(seed);
    bool rounds = conv.winograd == 2 && conv.element == "f16";
    checkOperation(conv.print(int64_t(seed) % conv.shells()), seed, /*tolerance=*/rounds ? 1e-3 : 1e-4);
  }
}

class FilterBlocksTest : public testing::Test {
protected:
  FilterBlocksTest() {
    DialectRegistry registry;
    registry.insert<nest::NestDialect, func::FuncDialect>();
    registerKernelDialects(registry);
    context.appendDialectRegistry(registry);
  }
  OwningOpRef<ModuleOp> parse(const std::string &text) { return parseSourceString<ModuleOp>(text, &context); }
  void expectExactExtents(const NestedConv &conv);
  static Operation *convOf(ModuleOp module) {
    return (*module.getOps<func::FuncOp>().begin()).front().getTerminator()->getPrevNode();
  }
  MLIRContext context;
};

void FilterBlocksTest::expectExactExtents(const NestedConv &conv) {
  for (int64_t capacity = 0; capacity < conv.shells(); ++capacity) {
    auto module = parse(conv.print(capacity));
    ASSERT_TRUE(module);
    auto op = cast<nest::ConvOp>(convOf(*module));
    std::optional<SharedFilter> shared = SharedFilter::get(op.getFilter());
    ASSERT_TRUE(shared);
    auto calls = describeCalls(op);
    ASSERT_TRUE(succeeded(calls));
    for (const KernelCall &call : *calls) {
      if (call.args[1].kind != CallArg::Block)
        continue; // It transforms the input.
      for (int64_t shell = 0; shell < shared->blocks.shells(); ++shell) {
        uint64_t extent = evaluatePolynomial(call.spec.args[1 + shell].bytes, call.params);
        EXPECT_EQ(extent, shell <= capacity ? shared->blocks.bytes(call.args[1 + shell].block) : 0)
            << "seed " << conv.seed << ", capacity " << capacity << ", shell " << shell;
      }
    }
  }
}

TEST_F(FilterBlocksTest, AllCapacitiesShareOneKernel) {
  NestedConv conv;
  conv.inputs = {{8, 24, 40}}, conv.outputs = {{16, 16, 70}};
  std::string name;
  for (int64_t capacity = 0; capacity < 3; ++capacity) {
    auto module = parse(conv.print(capacity));
    ASSERT_TRUE(module);
    auto calls = describeCalls(convOf(*module));
    ASSERT_TRUE(succeeded(calls));
    ASSERT_EQ(calls->size(), 1u);
    if (capacity == 0)
      name = calls->front().spec.name;
    EXPECT_EQ(calls->front().spec.name, name);
  }
}

/// What a kernel declares to read of a block is all of it, or nothing.
TEST_F(FilterBlocksTest, ExtentsAreExact) {
  for (uint64_t seed = 200; seed < 220; ++seed) {
    NestedConv conv = drawConv(seed);
    expectExactExtents(conv);
    conv.element = halfOf(seed);
    expectExactExtents(conv);
  }
}

/// Also of what a transformed filter has of each block.
TEST_F(FilterBlocksTest, WinogradExtentsAreExact) {
  for (uint64_t seed = 220; seed < 230; ++seed) {
    NestedConv conv = drawWinograd(seed, 1 + int64_t(seed % 2));
    expectExactExtents(conv);
    conv.element = halfOf(seed);
    expectExactExtents(conv);
  }
}

TEST_F(FilterBlocksTest, StrassenExtentsAreExact) {
  for (uint64_t seed = 230; seed < 240; ++seed)
    expectExactExtents(drawStrassen(seed));
}

/// Returns the bytes of all blocks.
uint64_t packAndUnpack(const FilterBlocks &blocks, const TensorValue &filter, TensorValue &back) {
  uint64_t bytes = 0;
  for (unsigned block = 0; block < blocks.count(); ++block) {
    std::vector<char> packed(blocks.bytes(block), -1);
    blocks.pack(block, filter.bytes, packed);
    blocks.unpack(block, packed, back.bytes);
    bytes += packed.size();
  }
  return bytes;
}

TEST_F(FilterBlocksTest, WinogradFiltersComeBack) {
  for (uint64_t seed = 320; seed < 340; ++seed) {
    NestedConv conv = drawWinograd(seed, 1 + int64_t(seed % 2));
    conv.element = seed < 330 ? "f32" : halfOf(seed);
    bool rounds = conv.element == "f16" && conv.winograd == 2;
    auto module = parse(conv.filter());
    ASSERT_TRUE(module);
    nest::GlobalOp global = *module->getOps<nest::GlobalOp>().begin();
    auto blocks = FilterBlocks::nested(global, {{conv.winograd, conv.strides[0]}});
    ASSERT_TRUE(blocks);
    TensorValue filter = TensorValue::fromAttr(global.getValue()), back = TensorValue::zeros(filter.type);
    packAndUnpack(*blocks, filter, back);
    for (int64_t i = 0; i < filter.size(); ++i)
      ASSERT_NEAR(filter.getDouble(i), back.getDouble(i), rounds ? 2e-3 : 1e-6) << "seed " << seed << ", element " << i;
  }
}

TEST_F(FilterBlocksTest, StrassenFiltersComeBack) {
  for (uint64_t seed = 340; seed < 350; ++seed) {
    NestedConv conv = drawStrassen(seed);
    auto module = parse(conv.filter());
    ASSERT_TRUE(module);
    nest::GlobalOp global = *module->getOps<nest::GlobalOp>().begin();
    auto blocks = FilterBlocks::nested(global, {{}, /*strassen=*/true});
    ASSERT_TRUE(blocks);
    TensorValue filter = TensorValue::fromAttr(global.getValue()), back = TensorValue::zeros(filter.type);
    packAndUnpack(*blocks, filter, back);
    for (int64_t i = 0; i < filter.size(); ++i)
      ASSERT_NEAR(filter.getDouble(i), back.getDouble(i), 1e-6) << "seed " << seed << ", element " << i;
  }
}

/// Spans would begin anew in each part, and capacities could not share them.
TEST_F(FilterBlocksTest, StrassenHasOnePart) {
  NestedConv conv;
  conv.kernel = {1, 1};
  conv.inputs = {{16, 32}, {16, 32}}, conv.outputs = {{16, 32}};
  auto module = parse(conv.filter());
  ASSERT_TRUE(module);
  EXPECT_FALSE(FilterBlocks::nested(*module->getOps<nest::GlobalOp>().begin(), {{}, /*strassen=*/true}));
}

TEST_F(FilterBlocksTest, UnpackUndoesPack) {
  for (uint64_t seed = 300; seed < 320; ++seed) {
    NestedConv conv = drawConv(seed);
    if (seed % 2)
      conv.element = halfOf(seed / 2);
    auto module = parse(conv.filter());
    ASSERT_TRUE(module);
    nest::GlobalOp global = *module->getOps<nest::GlobalOp>().begin();
    auto blocks = FilterBlocks::nested(global);
    ASSERT_TRUE(blocks);
    TensorValue filter = TensorValue::fromAttr(global.getValue()), back = TensorValue::zeros(filter.type);
    uint64_t bytes = packAndUnpack(*blocks, filter, back);
    EXPECT_EQ(filter.bytes, back.bytes);
    // Nothing is stored twice: all that is not of the filter fills its panels.
    uint64_t panels = 0, unit = reference::elementBytes(filter.type.getElementType());
    for (const Dims &part : conv.outputs)
      panels += (part.back() + 15) / 16;
    EXPECT_EQ(bytes, panels * blocks->taps() * keptAt(conv.inputs, conv.shells() - 1) * 16 * unit);
  }
}

} // namespace

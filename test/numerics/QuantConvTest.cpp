//===- QuantConvTest.cpp - Convolutions of bytes --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/KernelRunner.h"
#include "test/numerics/NestedText.h"

#include "gtest/gtest.h"

using namespace nestor::test;

namespace {

/// `dense<"0x...">` of random bytes; every byte value occurs.
std::string randomBytes(const Dims &shape, const std::string &element, int64_t bytesOfElement, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text = "dense<\"0x";
  int64_t count = std::accumulate(shape.begin(), shape.end(), bytesOfElement, std::multiplies<int64_t>());
  for (int64_t i = 0; i < count; ++i) {
    unsigned byte = random() % 256;
    text += "0123456789ABCDEF"[byte / 16];
    text += "0123456789ABCDEF"[byte % 16];
  }
  return text + "\"> : " + tensorType(shape, element);
}

/// A convolution of bytes, as a module. The weights are random words, among them
/// bytes that no filter of floats becomes (-128).
struct QuantConv {
  Dims in = {6, 5}, kernel = {3, 3}, strides = {1, 1}, pads = {1, 1};
  int64_t words = 4, outputs = 24;
  bool depthwise = false, toBytes = false, residual = false;
  Edges inputEdges, outputEdges; ///< In words; empty: no capacities.
  uint64_t seed = 1;

  std::string print(int64_t capacity = 0) const {
    bool nested = !inputEdges.empty();
    int64_t i = nested ? keptAt(inputEdges, capacity) : words, o = nested ? keptAt(outputEdges, capacity) : outputs;
    int64_t channels = depthwise ? o : 4 * i, taps = 1;
    Dims x = {1}, y = {1}, whole = kernel, part = kernel;
    for (size_t d = 0; d < in.size(); ++d) {
      x.push_back(in[d]);
      y.push_back((in[d] + 2 * pads[d] - kernel[d]) / strides[d] + 1);
      taps *= kernel[d];
    }
    x.push_back(channels), y.push_back(o);
    int64_t shells = nested ? int64_t(inputEdges.front().size()) : 1;
    whole.insert(whole.end(), {depthwise ? 1 : nested ? keptAt(inputEdges, shells - 1) : i,
                               nested ? keptAt(outputEdges, shells - 1) : o});
    part.insert(part.end(), {depthwise ? 1 : i, o});
    std::string element = depthwise ? "f32" : "i32", groups = std::to_string(depthwise ? o : 1);
    std::string packed = tensorType({(o + 15) / 16, taps, depthwise ? 1 : i, 16}, element), vector = tensorType({o});
    std::string weights = depthwise ? "dense<3.0> : " + tensorType(whole) : randomBytes(whole, "i32", 4, seed);
    std::string result = tensorType(y, toBytes ? "ui8" : "f32"), extra = tensorType(y, "ui8");
    std::string text;
    if (nested)
      text = "nest.global @w = " + weights + " edges [[], [], " + printEdges(inputEdges) + ", " +
             printEdges(outputEdges) + "]\n";
    text += "func.func @f(%b: " + vector + (residual ? ", %e: " + extra : "") + ") -> " + result + " {\n";
    text += " %x = nest.const " + randomBytes(x, "ui8", 1, seed + 1) + "\n";
    // Sums are some hundred thousand: a part of the results lies between 0 and 255.
    text += " %s = nest.const dense<0.005> : " + vector + "\n";
    text += nested ? " %w = nest.weight @w at " + std::to_string(capacity) + " : " + tensorType(part, element) + "\n"
                   : " %w = nest.const " + weights + "\n";
    text += " %p = nest.pack %w {groups = " + groups + " : i64" + (depthwise ? ", depthwise" : "") + "} : (" +
            tensorType(part, element) + ") -> " + packed + "\n";
    text += " %y = nest.conv %x, %p scale %s bias %b" + std::string(residual ? " extras(%e)" : "") +
            " {kernel = " + arrayAttr(kernel) + ", strides = " + arrayAttr(strides) +
            ", dilations = " + arrayAttr(Dims(kernel.size(), 1)) + ", padBegin = " + arrayAttr(pads) +
            ", padEnd = " + arrayAttr(pads) + ", groups = " + groups + " : i64, packed} : (" + tensorType(x, "ui8") +
            ", " + packed + ", " + vector + ", " + vector + (residual ? ", " + extra : "") + ") -> " + result + region();
    return text + "\n return %y : " + result + "\n}\n";
  }

  std::string region() const {
    if (!toBytes && !residual)
      return "";
    std::string text = " {\n^bb0(%a: f32" + std::string(residual ? ", %c: i8" : "") + "):\n";
    text += residual ? " %f = arith.uitofp %c : i8 to f32\n %t = arith.addf %a, %f : f32\n"
                     : " %t = arith.negf %a : f32\n";
    if (!toBytes)
      return text + " nest.yield %t : f32 }";
    return text + " %z = arith.constant 0.0 : f32\n %m = arith.constant 255.0 : f32\n %u = arith.maxnumf %t, %z : f32\n"
                  " %v = arith.minnumf %u, %m : f32\n %r = math.roundeven %v : f32\n"
                  " %i = arith.fptoui %r : f32 to i8\n nest.yield %i : i8 }";
  }
};

QuantConv draw(uint64_t seed) {
  Draw draw(seed);
  QuantConv conv;
  conv.seed = seed;
  for (size_t d = 0; d < 2; ++d) {
    conv.kernel[d] = draw.of<int64_t>({1, 1, 2, 3, 3, 5});
    conv.strides[d] = draw.of<int64_t>({1, 1, 2});
    conv.pads[d] = draw(0, conv.kernel[d] - 1);
    conv.in[d] = draw(conv.kernel[d], 18);
  }
  conv.words = draw(1, 12);
  conv.outputs = draw.extent();
  conv.toBytes = draw.coin();
  conv.residual = draw.coin();
  return conv;
}

/// Bytes may be off by one where two ways to round meet; floats may not.
double toleranceOf(const QuantConv &conv) { return conv.toBytes ? 1.01 / 255 : 1e-6; }

TEST(QuantConvTest, Dense) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    QuantConv conv = draw(seed);
    checkOperation(conv.print(), seed, toleranceOf(conv));
  }
}

TEST(QuantConvTest, Pointwise) {
  for (uint64_t seed = 100; seed < 110; ++seed) {
    QuantConv conv = draw(seed);
    conv.kernel = conv.strides = {1, 1};
    conv.pads = {0, 0};
    if (seed % 3 == 0)
      conv.in = {1, 1}; // A fully connected layer: panels are the grains.
    checkOperation(conv.print(), seed, toleranceOf(conv));
  }
}

TEST(QuantConvTest, Depthwise) {
  for (uint64_t seed = 200; seed < 210; ++seed) {
    QuantConv conv = draw(seed);
    conv.depthwise = true;
    conv.outputs = std::max<int64_t>(conv.outputs, 2);
    checkOperation(conv.print(), seed, toleranceOf(conv));
  }
}

TEST(QuantConvTest, ResultInsideALargerTensor) {
  for (uint64_t seed = 250; seed < 254; ++seed) {
    QuantConv conv = draw(seed);
    conv.depthwise = seed % 2;
    conv.outputs = std::max<int64_t>(conv.outputs, 2);
    conv.residual = false; // Those are dense.
    checkRows(conv.print(), seed);
  }
}

TEST(QuantConvTest, EveryCapacity) {
  for (uint64_t seed = 300; seed < 312; ++seed) {
    QuantConv conv = draw(seed);
    Draw draw(seed);
    size_t shells = draw(2, 4);
    conv.inputEdges = drawEdges(draw, draw.of<int64_t>({1, 1, 2}), shells);
    conv.outputEdges = drawEdges(draw, draw.of<int64_t>({1, 1, 2}), shells);
    checkOperation(conv.print(int64_t(seed) % int64_t(shells)), seed, toleranceOf(conv));
  }
}

} // namespace

//===- ConvTest.cpp - Convolutions against the reference ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "test/numerics/KernelRunner.h"

#include "gtest/gtest.h"

#include <random>
#include <sstream>

using namespace nestor::test;

namespace {

std::string list(const std::vector<int64_t> &values) {
  std::ostringstream text;
  for (size_t i = 0; i < values.size(); ++i)
    text << (i ? ", " : "") << values[i];
  return text.str();
}

std::string tensor(const std::vector<int64_t> &dims, const std::string &element = "f32") {
  std::string text = "tensor<";
  for (int64_t dim : dims)
    text += std::to_string(dim) + "x";
  return text + element + ">";
}

enum class Epilogue { None, Relu, HardSwish, Gelu, Silu, Residual, SlopePerChannel, ScalarTimes };

/// A convolution in words, printed as a function.
struct Conv {
  std::vector<int64_t> in, kernel, strides, dilations, padBegin, padEnd;
  int64_t batch = 1, inputs = 1, outputs = 1, groups = 1, winograd = 0;
  bool strassen = false, scale = false, bias = false, packed = true, planar = false;
  Epilogue epilogue = Epilogue::None;
  std::string element = "f32", filterElement = "f32", resultElement = "f32";

  std::vector<int64_t> outShape() const {
    std::vector<int64_t> shape{batch};
    for (size_t i = 0; i < in.size(); ++i)
      shape.push_back((in[i] + padBegin[i] + padEnd[i] - dilations[i] * (kernel[i] - 1) - 1) / strides[i] + 1);
    shape.push_back(outputs);
    return shape;
  }
  bool depthwise() const { return groups > 1 && groups == inputs && groups == outputs; }

  std::string filterType() const {
    int64_t taps = 1;
    for (int64_t k : kernel)
      taps *= k;
    if (!packed) {
      std::vector<int64_t> shape = kernel;
      shape.insert(shape.end(), {inputs / groups, outputs});
      return tensor(shape, filterElement);
    }
    if (depthwise())
      return tensor({(outputs + 15) / 16, taps, 1, 16});
    return tensor({groups * ((outputs / groups + 15) / 16), taps, inputs / groups, 16}, filterElement);
  }

  std::string extraType() const {
    switch (epilogue) {
    case Epilogue::Residual:
      return tensor(outShape());
    case Epilogue::SlopePerChannel:
      return tensor({outputs});
    case Epilogue::ScalarTimes:
      return tensor({1});
    default:
      return "";
    }
  }

  std::string region() const {
    switch (epilogue) {
    case Epilogue::None:
      return "";
    case Epilogue::Relu:
      return "{\n^bb0(%a: f32):\n %z = arith.constant 0.0 : f32\n %r = arith.maximumf %a, %z : f32\n nest.yield %r : f32 }";
    case Epilogue::HardSwish:
      return "{\n^bb0(%a: f32):\n %z = arith.constant 0.0 : f32\n %t = arith.constant 3.0 : f32\n %s = arith.constant 6.0 : f32\n"
             " %b = arith.addf %a, %t : f32\n %c = arith.maximumf %b, %z : f32\n %d = arith.minimumf %c, %s : f32\n"
             " %e = arith.mulf %a, %d : f32\n %r = arith.divf %e, %s : f32\n nest.yield %r : f32 }";
    case Epilogue::Gelu:
      return "{\n^bb0(%a: f32):\n %h = arith.constant 0.5 : f32\n %o = arith.constant 1.0 : f32\n %q = arith.constant 0.70710678 : f32\n"
             " %b = arith.mulf %a, %q : f32\n %c = math.erf %b : f32\n %d = arith.addf %c, %o : f32\n"
             " %e = arith.mulf %a, %d : f32\n %r = arith.mulf %e, %h : f32\n nest.yield %r : f32 }";
    case Epilogue::Silu:
      return "{\n^bb0(%a: f32):\n %o = arith.constant 1.0 : f32\n %n = arith.negf %a : f32\n %e = math.exp %n : f32\n"
             " %d = arith.addf %e, %o : f32\n %s = arith.divf %o, %d : f32\n %r = arith.mulf %a, %s : f32\n nest.yield %r : f32 }";
    case Epilogue::Residual:
      return "{\n^bb0(%a: f32, %p: f32):\n %z = arith.constant 0.0 : f32\n %b = arith.addf %a, %p : f32\n"
             " %r = arith.maximumf %b, %z : f32\n nest.yield %r : f32 }";
    case Epilogue::SlopePerChannel:
      return "{\n^bb0(%a: f32, %p: f32):\n %z = arith.constant 0.0 : f32\n %b = arith.mulf %a, %p : f32\n"
             " %c = arith.cmpf olt, %a, %z : f32\n %r = arith.select %c, %b, %a : f32\n nest.yield %r : f32 }";
    case Epilogue::ScalarTimes:
      return "{\n^bb0(%a: f32, %p: f32):\n %r = arith.mulf %a, %p : f32\n nest.yield %r : f32 }";
    }
    return "";
  }

  std::string print() const {
    std::vector<int64_t> inShape{batch};
    inShape.insert(inShape.end(), in.begin(), in.end());
    inShape.insert(planar ? inShape.begin() + 1 : inShape.end(), inputs);
    std::string types = tensor(inShape, element) + ", " + filterType();
    std::string arguments = "%x: " + tensor(inShape, element) + ", %w: " + filterType();
    std::string operands = "%x, %w", result = tensor(outShape(), resultElement);
    auto add = [&](const std::string &name, const std::string &type, const std::string &before, const std::string &after) {
      arguments += ", " + name + ": " + type;
      types += ", " + type;
      operands += before + name + after;
    };
    if (scale)
      add("%scale", tensor({outputs}, resultElement), " scale ", "");
    if (bias)
      add("%bias", tensor({outputs}, resultElement), " bias ", "");
    if (!extraType().empty())
      add("%extra", extraType(), " extras(", ")");
    return "func.func @f(" + arguments + ") -> " + result + " {\n %y = nest.conv " + operands + " {kernel = array<i64: " +
           list(kernel) + ">, strides = array<i64: " + list(strides) + ">, dilations = array<i64: " + list(dilations) +
           ">, padBegin = array<i64: " + list(padBegin) + ">, padEnd = array<i64: " + list(padEnd) +
           ">, groups = " + std::to_string(groups) + " : i64" + (packed ? ", packed" : "") + (planar ? ", planar" : "") +
           (winograd ? ", nest.winograd = " + std::to_string(winograd) + " : i64" : "") +
           (strassen ? ", nest.strassen" : "") + "} : (" + types + ") -> " +
           result + " " + region() + "\n return %y : " + result + "\n}\n";
  }
};

class Draw {
public:
  explicit Draw(uint64_t seed) : random(seed) {}
  int64_t operator()(int64_t low, int64_t high) { return low + int64_t(random() % uint64_t(high - low + 1)); }
  template <typename T> T oneOf(std::initializer_list<T> values) { return values.begin()[random() % values.size()]; }

private:
  std::mt19937_64 random;
};

/// A window of rank `rank` on extents that leave at least one output.
Conv drawWindow(Draw &draw, size_t rank, int64_t maxExtent) {
  Conv conv;
  for (size_t i = 0; i < rank; ++i) {
    int64_t kernel = draw.oneOf<int64_t>({1, 1, 2, 3, 3, 3, 5, 7}), dilation = draw(1, 8) == 8 ? 2 : 1;
    int64_t span = dilation * (kernel - 1) + 1;
    conv.kernel.push_back(kernel);
    conv.dilations.push_back(dilation);
    conv.strides.push_back(draw.oneOf<int64_t>({1, 1, 2, 3}));
    conv.padBegin.push_back(draw(0, kernel - 1));
    conv.padEnd.push_back(draw(0, kernel - 1));
    conv.in.push_back(draw(span, maxExtent));
  }
  return conv;
}

void drawEpilogue(Draw &draw, Conv &conv) {
  conv.scale = draw(0, 3) == 0;
  conv.bias = draw(0, 3) != 0;
  conv.epilogue = draw.oneOf({Epilogue::None, Epilogue::Relu, Epilogue::HardSwish, Epilogue::Gelu,
                              Epilogue::Residual, Epilogue::SlopePerChannel, Epilogue::ScalarTimes});
}

/// One of 3x3 taps, with the filter transformed by the pass that packs it.
Conv drawWinograd(Draw &draw, int64_t tile, int64_t stride = 1) {
  Conv conv;
  conv.kernel = {3, 3};
  conv.strides = {stride, stride};
  conv.dilations = {1, 1};
  for (int i = 0; i < 2; ++i) {
    conv.padBegin.push_back(draw(0, 2));
    conv.padEnd.push_back(draw(0, 2));
    conv.in.push_back(draw(3, 20 * stride));
  }
  conv.batch = draw(1, 2);
  conv.inputs = draw.oneOf<int64_t>({1, 3, 8, 16, 19, 33});
  conv.outputs = draw.oneOf<int64_t>({1, 7, 16, 17, 32, 40, 58});
  conv.packed = false;
  conv.winograd = tile;
  drawEpilogue(draw, conv);
  return conv;
}

TEST(ConvTest, Dense) {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    Draw draw(seed);
    Conv conv = drawWindow(draw, 2, 34);
    conv.batch = draw(1, 2);
    conv.inputs = draw.oneOf<int64_t>({1, 3, 8, 16, 19, 33});
    conv.outputs = draw.oneOf<int64_t>({1, 7, 16, 17, 32, 40, 58, 64, 79});
    drawEpilogue(draw, conv);
    checkOperation(conv.print(), seed);
  }
}

TEST(ConvTest, Pointwise) {
  for (uint64_t seed = 100; seed < 118; ++seed) {
    Draw draw(seed);
    Conv conv;
    conv.in = {draw(1, 16), draw(1, 16)};
    conv.kernel = conv.strides = conv.dilations = {1, 1};
    conv.padBegin = conv.padEnd = {0, 0};
    conv.batch = draw(1, 2);
    conv.inputs = draw(1, 70);
    conv.outputs = draw(1, 100);
    drawEpilogue(draw, conv);
    checkOperation(conv.print(), seed);
  }
}

TEST(ConvTest, FullyConnected) {
  for (uint64_t seed = 200; seed < 208; ++seed) {
    Draw draw(seed);
    Conv conv;
    conv.kernel = conv.strides = conv.dilations = {1};
    conv.padBegin = conv.padEnd = {0};
    conv.in = {draw(1, 5)};
    conv.inputs = draw(1, 200);
    conv.outputs = draw(1, 150);
    drawEpilogue(draw, conv);
    checkOperation(conv.print(), seed);
  }
}

TEST(ConvTest, Depthwise) {
  for (uint64_t seed = 300; seed < 318; ++seed) {
    Draw draw(seed);
    Conv conv = drawWindow(draw, 2, 30);
    conv.batch = draw(1, 2);
    conv.inputs = conv.outputs = conv.groups = draw.oneOf<int64_t>({2, 3, 8, 16, 24, 29, 58});
    drawEpilogue(draw, conv);
    checkOperation(conv.print(), seed);
  }
}

/// The heights that are no multiple of a tile's rows, in planes of one and of
/// several, and the widths of the networks that have most depthwise layers.
TEST(ConvTest, DepthwiseTiles) {
  uint64_t seed = 330;
  for (int64_t kernel : {3, 5})
    for (int64_t stride : {1, 2})
      for (std::vector<int64_t> in : {std::vector<int64_t>{15, 16}, {14, 14}, {3, 5, 9}}) {
        Conv conv;
        conv.in = in;
        conv.kernel.assign(in.size(), kernel);
        conv.strides.assign(in.size(), stride);
        conv.dilations.assign(in.size(), 1);
        conv.padBegin = conv.padEnd = std::vector<int64_t>(in.size(), kernel / 2);
        conv.batch = 2;
        conv.inputs = conv.outputs = conv.groups = 40;
        conv.bias = true;
        conv.epilogue = Epilogue::Silu;
        checkOperation(conv.print(), ++seed);
      }
}

/// A last panel that is at most half full, alone and behind others.
TEST(ConvTest, HalfPanels) {
  uint64_t seed = 350;
  for (int64_t outputs : {3, 8, 24, 40, 56}) {
    Conv conv;
    conv.in = {9, 15};
    conv.kernel = {3, 1};
    conv.dilations = conv.strides = {1, 1};
    conv.padBegin = conv.padEnd = {1, 0};
    conv.inputs = 13;
    conv.outputs = outputs;
    conv.bias = true;
    conv.epilogue = outputs % 16 == 8 ? Epilogue::Silu : Epilogue::Residual;
    checkOperation(conv.print(), ++seed);
  }
}

TEST(ConvTest, Planar) {
  for (uint64_t seed = 360; seed < 372; ++seed) {
    Draw draw(seed);
    size_t rank = draw.oneOf<size_t>({1, 2, 2, 2, 3});
    Conv conv = drawWindow(draw, rank, rank == 3 ? 9 : 40);
    conv.planar = true;
    conv.batch = draw(1, 2);
    conv.inputs = draw(1, 4);
    conv.outputs = draw.oneOf<int64_t>({7, 16, 24, 40, 64});
    drawEpilogue(draw, conv);
    checkOperation(conv.print(), seed);
  }
}

TEST(ConvTest, Grouped) {
  for (uint64_t seed = 400; seed < 410; ++seed) {
    Draw draw(seed);
    Conv conv = drawWindow(draw, 2, 16);
    conv.groups = draw(2, 4);
    conv.inputs = conv.groups * draw(1, 6);
    conv.outputs = conv.groups * draw.oneOf<int64_t>({2, 5, 16, 20, 35});
    drawEpilogue(draw, conv);
    checkOperation(conv.print(), seed);
  }
}

/// Each kind of kernel, with channels that fill no panel and no half of one.
TEST(ConvTest, ResultInsideALargerTensor) {
  for (uint64_t seed = 420; seed < 427; ++seed) {
    Draw draw(seed);
    Conv conv = seed % 4 == 3 ? drawWinograd(draw, 2 + 2 * int64_t(seed / 4 % 3)) : drawWindow(draw, 2, 20);
    if (seed % 4 == 1)
      conv.kernel = conv.strides = conv.dilations = {1, 1}, conv.padBegin = conv.padEnd = {0, 0};
    conv.batch = draw(1, 2);
    conv.inputs = draw(1, 20);
    conv.outputs = draw.oneOf<int64_t>({1, 5, 8, 17, 24, 29, 40, 58});
    if (seed % 4 == 2)
      conv.inputs = conv.outputs = conv.groups = conv.outputs + 1;
    if (seed % 8 == 0)
      conv.groups = 3, conv.inputs *= 3, conv.outputs *= 3;
    drawEpilogue(draw, conv);
    if (conv.epilogue == Epilogue::Residual) // Those are dense.
      conv.epilogue = Epilogue::Silu;
    checkRows(conv.print(), seed, conv.packed ? nullptr : nestor::createPackFiltersPass());
  }
}

TEST(ConvTest, OneAndThreeDimensions) {
  for (uint64_t seed = 500; seed < 512; ++seed) {
    Draw draw(seed);
    Conv conv = drawWindow(draw, seed % 2 ? 1 : 3, seed % 2 ? 60 : 9);
    conv.inputs = draw(1, 20);
    conv.outputs = draw(1, 40);
    drawEpilogue(draw, conv);
    checkOperation(conv.print(), seed);
  }
}

TEST(ConvTest, FilterKnownAtRunTime) {
  for (uint64_t seed = 600; seed < 606; ++seed) {
    Draw draw(seed);
    Conv conv = drawWindow(draw, 2, 12);
    conv.groups = draw(1, 2);
    conv.inputs = conv.groups * draw(1, 9);
    conv.outputs = conv.groups * draw(1, 20);
    conv.packed = false;
    drawEpilogue(draw, conv);
    checkOperation(conv.print(), seed);
  }
}

/// Filters of two bytes a weight: what the kernel widens is what the reference reads.
TEST(ConvTest, HalfFilters) {
  for (uint64_t seed = 900; seed < 916; ++seed) {
    Draw draw(seed);
    Conv conv = drawWindow(draw, 2, 20);
    conv.filterElement = seed % 2 ? "f16" : "bf16";
    conv.groups = draw.oneOf<int64_t>({1, 1, 2});
    conv.inputs = conv.groups * draw.oneOf<int64_t>({2, 3, 8, 16, 19, 33});
    conv.outputs = conv.groups * draw.oneOf<int64_t>({3, 7, 16, 17, 32, 40, 58});
    drawEpilogue(draw, conv);
    checkOperation(conv.print(), seed);
  }
}

/// Matrices of one row and of many, and layers that fetch their weights ahead.
TEST(ConvTest, HalfFiltersOfProducts) {
  for (uint64_t seed = 920; seed < 930; ++seed) {
    Draw draw(seed);
    Conv conv;
    conv.kernel = conv.strides = conv.dilations = {1, 1};
    conv.padBegin = conv.padEnd = {0, 0};
    conv.in = {draw(1, 5), draw.oneOf<int64_t>({1, 5, 16})};
    conv.inputs = draw(1, 200);
    conv.outputs = draw(1, 150);
    conv.filterElement = seed % 2 ? "f16" : "bf16";
    drawEpilogue(draw, conv);
    checkOperation(conv.print(), seed);
  }
}

/// From the smallest subnormal to the largest number.
TEST(ConvTest, HalfFiltersOfEveryMagnitude) {
  for (const char *element : {"f16", "bf16"})
    for (double high : {1e-7, 1e-4, 6e4}) {
      Conv conv;
      conv.kernel = conv.strides = conv.dilations = {1};
      conv.padBegin = conv.padEnd = {0};
      conv.in = {4};
      conv.inputs = 8, conv.outputs = 24;
      conv.filterElement = element;
      checkOperation(conv.print(), 940, 1e-5, {-high, high});
    }
}

/// Tiles of 6 round most, and their products are the largest.
constexpr double winogradTolerance = 1e-4;

TEST(ConvTest, Winograd) {
  for (uint64_t seed = 800; seed < 809; ++seed) {
    Draw draw(seed);
    Conv conv = drawWinograd(draw, 2 + 2 * int64_t(seed % 3));
    checkOperation(conv.print(), seed, winogradTolerance, {}, nestor::createPackFiltersPass());
  }
}

TEST(ConvTest, WinogradOfStride2) {
  for (uint64_t seed = 850; seed < 856; ++seed) {
    Draw draw(seed);
    Conv conv = drawWinograd(draw, 2 + 2 * int64_t(seed % 2), 2);
    checkOperation(conv.print(), seed, winogradTolerance, {}, nestor::createPackFiltersPass());
  }
}

/// So many tiles that each grain of the work has blocks of its own.
TEST(ConvTest, WinogradInBlocks) {
  for (uint64_t seed = 820; seed < 823; ++seed) {
    Draw draw(seed);
    Conv conv = drawWinograd(draw, 2 + 2 * int64_t(seed % 3));
    conv.in = {draw(10, 12) * conv.winograd, draw(10, 12) * conv.winograd + draw(1, 5)};
    conv.batch = 1;
    conv.inputs = draw(1, 9), conv.outputs = draw(1, 40);
    checkOperation(conv.print(), seed, winogradTolerance, {}, nestor::createPackFiltersPass());
  }
}

TEST(ConvTest, WinogradOfStride2InBlocks) {
  for (uint64_t seed = 864; seed < 866; ++seed) {
    Draw draw(seed);
    Conv conv = drawWinograd(draw, 2 + 2 * int64_t(seed % 2), 2);
    conv.in = {draw(18, 20) * conv.winograd, draw(18, 20) * conv.winograd + draw(1, 5)};
    conv.batch = 1;
    conv.inputs = draw(1, 9), conv.outputs = draw(1, 40);
    checkOperation(conv.print(), seed, winogradTolerance, {}, nestor::createPackFiltersPass());
  }
}

/// Transformed filters that stay f32 are as exact as those of f32.
TEST(ConvTest, WinogradOfHalfFilters) {
  for (const char *element : {"f16", "bf16"})
    for (int64_t tile : {2, 4, 6, -2, -4}) { // Negative: of stride 2.
      uint64_t seed = 840 + tile;
      Draw draw(seed);
      Conv conv = drawWinograd(draw, std::abs(tile), tile < 0 ? 2 : 1);
      conv.filterElement = element;
      bool rounds = conv.winograd == 2 && conv.filterElement == "f16";
      checkOperation(conv.print(), seed, rounds ? 1e-3 : winogradTolerance, {}, nestor::createPackFiltersPass());
    }
}

/// A pointwise one, with the filter transformed by the pass that packs it.
Conv drawStrassen(Draw &draw) {
  Conv conv;
  conv.kernel = conv.strides = conv.dilations = {1, 1};
  conv.padBegin = conv.padEnd = {0, 0};
  conv.in = {draw(1, 10), draw(1, 10)};
  conv.inputs = draw.oneOf<int64_t>({1, 16, 24, 40, 64, 70, 128, 200});
  conv.outputs = draw.oneOf<int64_t>({1, 16, 17, 40, 64, 100, 128, 196});
  conv.packed = false;
  conv.strassen = true;
  drawEpilogue(draw, conv);
  return conv;
}

constexpr double strassenTolerance = 1e-5;

/// Whole and partial spans of channels, pixels that fill tiles and that do not.
TEST(ConvTest, Strassen) {
  for (uint64_t seed = 900; seed < 908; ++seed) {
    Draw draw(seed);
    Conv conv = drawStrassen(draw);
    checkOperation(conv.print(), seed, strassenTolerance, {}, nestor::createPackFiltersPass());
  }
}

/// So many tiles that each grain of the work has blocks of its own.
TEST(ConvTest, StrassenInBlocks) {
  for (uint64_t seed = 920; seed < 926; ++seed) {
    Draw draw(seed);
    Conv conv = drawStrassen(draw);
    conv.in = {draw(14, 20), draw(20, 30)};
    checkOperation(conv.print(), seed, strassenTolerance, {}, nestor::createPackFiltersPass());
  }
}

TEST(ConvTest, OtherTypes) {
  struct {
    const char *element, *filter, *result;
  } types[] = {{"f64", "f64", "f64"}, {"i8", "i8", "i32"}, {"ui8", "i8", "i32"}, {"i32", "i32", "i32"}};
  uint64_t seed = 700;
  for (const auto &type : types) {
    Draw draw(++seed);
    Conv conv = drawWindow(draw, 2, 10);
    conv.groups = draw(1, 2);
    conv.inputs = conv.groups * draw(1, 9);
    conv.outputs = conv.groups * draw(1, 20);
    conv.bias = draw(0, 1);
    conv.packed = false;
    conv.element = type.element, conv.filterElement = type.filter, conv.resultElement = type.result;
    checkOperation(conv.print(), seed);
  }
}

} // namespace

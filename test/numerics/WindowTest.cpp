//===- WindowTest.cpp - Pooling and resizing against the reference --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/KernelRunner.h"
#include "test/numerics/OpText.h"

#include "gtest/gtest.h"

using namespace nestor::test;

namespace {

TEST(Pool, RandomWindows) {
  for (uint64_t seed = 1; seed < 19; ++seed) {
    Draw draw(seed);
    std::string kind = draw.of<std::string>({"max", "avg", "avg", "lp"});
    Dims in{draw(1, 2)}, out = in, kernel, strides, dilations, padBegin, padEnd;
    for (int64_t rank = draw(1, 3); rank > 0; --rank) {
      kernel.push_back(draw(1, 4));
      strides.push_back(draw(1, 3));
      dilations.push_back(draw(1, 2));
      int64_t span = dilations.back() * (kernel.back() - 1) + 1;
      padBegin.push_back(draw(0, std::min<int64_t>(1, kernel.back() - 1)));
      padEnd.push_back(draw(0, std::min<int64_t>(1, kernel.back() - 1)));
      in.push_back(draw(span, 9));
      out.push_back((in.back() + padBegin.back() + padEnd.back() - span) / strides.back() + 1);
    }
    in.push_back(draw.extent());
    out.push_back(in.back());
    std::string element = kind == "max" ? draw.of<std::string>({"f32", "i8", "ui8", "f64"}) : "f32";
    std::string attributes = "kind = #nest.pool_kind<" + kind + ">, kernel = " + arrayAttr(kernel) +
                             ", strides = " + arrayAttr(strides) + ", dilations = " + arrayAttr(dilations) +
                             ", padBegin = " + arrayAttr(padBegin) + ", padEnd = " + arrayAttr(padEnd) +
                             (kind == "avg" && draw.coin() ? ", countIncludePad" : "") +
                             (kind == "lp" ? ", p = " + std::to_string(draw(1, 3)) + " : i64" : "");
    std::string source = genericOp("nest.pool", {tensorType(in, element)}, attributes, {tensorType(out, element)});
    checkOperation(source, seed, 1e-5);
    if (seed % 4 == 0)
      checkRows(source, seed);
  }
}

TEST(Resize, RandomModes) {
  const std::vector<std::string> coordinates = {"half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
                                                "align_corners", "asymmetric",           "tf_crop_and_resize"};
  for (uint64_t seed = 40; seed < 58; ++seed) {
    Draw draw(seed);
    bool channelsLast = draw.coin();
    Dims in{1, draw(3, 9), draw(3, 9), draw(1, 20)}, out = in;
    if (!channelsLast)
      std::swap(in[1], in[3]);
    out = in;
    std::string scales;
    for (size_t dim = 0; dim < 4; ++dim) {
      bool spatial = channelsLast ? dim == 1 || dim == 2 : dim >= 2;
      if (spatial)
        out[dim] = draw(2, 17);
      scales += (dim ? ", " : "") + std::to_string(double(out[dim]) / double(in[dim]));
    }
    std::string mode = draw.of<std::string>({"nearest", "linear", "cubic"});
    std::string coordinate = draw.of(coordinates);
    std::string attributes = "scales = array<f64: " + scales + ">, mode = #nest.resize_mode<" + mode +
                             ">, coordinates = #nest.coordinate_mode<" + coordinate +
                             ">, nearest = #nest.nearest_mode<" +
                             draw.of<std::string>({"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) + ">";
    if (coordinate == "tf_crop_and_resize")
      attributes += ", roi = array<f64: 0.0, 0.1, 0.0, -0.1, 1.0, 0.9, 1.2, 0.8>, extrapolation = 3.0 : f64";
    else if (mode != "nearest")
      attributes += std::string(draw.coin() ? ", antialias" : "") + (draw.coin() ? ", excludeOutside" : "");
    checkOperation(genericOp("nest.resize", {tensorType(in)}, attributes, {tensorType(out)}), seed, 1e-5);
  }
}

/// Channels first, as models are given images: lines are shuffled, where registers
/// hold what they need.
TEST(Resize, LinesOfImages) {
  for (uint64_t seed = 70; seed < 82; ++seed) {
    Draw draw(seed);
    Dims in{1, draw(1, 3), draw(2, 9), draw(8, 90)}, out = in;
    out[2] = draw(1, in[2]);
    out[3] = std::max<int64_t>(1, in[3] * draw(30, 130) / 100);
    std::string scales = "1.0, 1.0";
    for (size_t dim : {2, 3})
      scales += ", " + std::to_string(double(out[dim]) / double(in[dim]));
    std::string attributes = "scales = array<f64: " + scales +
                             ">, mode = #nest.resize_mode<linear>, coordinates = "
                             "#nest.coordinate_mode<half_pixel>, nearest = #nest.nearest_mode<floor>";
    checkOperation(genericOp("nest.resize", {tensorType(in)}, attributes, {tensorType(out)}), seed, 1e-5);
  }
}

} // namespace

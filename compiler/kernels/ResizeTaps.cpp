//===- ResizeTaps.cpp - What a resized position is made of ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/ResizeTaps.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;
using nest::CoordinateMode;
using nest::NearestMode;
using nest::ResizeMode;

namespace {

struct Axis {
  double input, output, scale, roiStart, roiEnd;
};

/// ONNX Resize: the coordinate in the input that position x stands for.
double coordinateOf(CoordinateMode mode, const Axis &axis, double x) {
  double centre = (x + 0.5) / axis.scale;
  switch (mode) {
  case CoordinateMode::half_pixel:
    return centre - 0.5;
  case CoordinateMode::half_pixel_symmetric:
    return axis.input / 2 * (1 - axis.output / (axis.scale * axis.input)) + centre - 0.5;
  case CoordinateMode::pytorch_half_pixel:
    return axis.output > 1 ? centre - 0.5 : 0;
  case CoordinateMode::tf_half_pixel_for_nn:
    return centre;
  case CoordinateMode::align_corners:
    return axis.output > 1 ? x * (axis.input - 1) / (axis.scale * axis.input - 1) : 0;
  case CoordinateMode::asymmetric:
    return x / axis.scale;
  case CoordinateMode::tf_crop_and_resize: {
    // In ONNX's order of operations: whether a position is halfway between two
    // pixels must not depend on how it is rounded.
    double last = axis.input - 1;
    if (axis.output <= 1)
      return 0.5 * (axis.roiStart + axis.roiEnd) * last;
    return axis.roiStart * last + x * (axis.roiEnd - axis.roiStart) * last / (axis.output - 1);
  }
  }
  llvm_unreachable("unknown coordinate mode");
}

double roundBy(NearestMode mode, double x) {
  switch (mode) {
  case NearestMode::round_prefer_floor:
    return std::ceil(x - 0.5);
  case NearestMode::round_prefer_ceil:
    return std::floor(x + 0.5);
  case NearestMode::floor:
    return std::floor(x);
  case NearestMode::ceil:
    return std::ceil(x);
  }
  llvm_unreachable("unknown nearest mode");
}

/// The interpolation kernel: a triangle, or Keys' cubic with coefficient a.
double weightAt(ResizeMode mode, double a, double distance) {
  double x = std::fabs(distance);
  if (mode == ResizeMode::linear)
    return std::max(0.0, 1 - x);
  if (x >= 2)
    return 0;
  return x <= 1 ? (a + 2) * x * x * x - (a + 3) * x * x + 1 : a * (x * x * x - 5 * x * x + 8 * x - 4);
}

} // namespace

bool AxisTaps::isIdentity() const {
  if (input != output || taps != 1 || !outside.empty())
    return false;
  for (int64_t x = 0; x < output; ++x)
    if (positions[x] != x || weights[x] != 1)
      return false;
  return true;
}

AxisTaps nestor::kernels::computeTaps(nest::ResizeOp op, int64_t dim) {
  auto type = cast<RankedTensorType>(op.getInput().getType());
  AxisTaps result;
  result.input = type.getDimSize(dim), result.output = op.getType().getDimSize(dim);
  Axis axis{double(result.input), double(result.output), op.getScales()[dim], 0, 1};
  if (auto roi = op.getRoi()) {
    axis.roiStart = (*roi)[dim];
    axis.roiEnd = (*roi)[type.getRank() + dim];
  }
  ResizeMode mode = op.getMode();
  double a = op.getCubicCoefficient().convertToDouble();
  // Antialiasing stretches the kernel over everything that a position covers.
  double stretch = op.getAntialias() ? std::max(1.0, 1 / axis.scale) : 1;
  double reach = (mode == ResizeMode::linear ? 1 : 2) * stretch;
  bool copies = mode == ResizeMode::nearest || (axis.scale == 1 && result.input == result.output &&
                                                op.getCoordinates() != CoordinateMode::tf_crop_and_resize);
  result.taps = copies ? 1 : int64_t(std::ceil(2 * reach));
  auto inside = [&](double position) { return int32_t(std::clamp(position, 0.0, axis.input - 1)); };
  for (int64_t x = 0; x < result.output; ++x) {
    double at = coordinateOf(op.getCoordinates(), axis, double(x));
    if (op.getCoordinates() == CoordinateMode::tf_crop_and_resize)
      result.outside.push_back(at < 0 || at > axis.input - 1);
    if (copies) {
      result.positions.push_back(inside(mode == ResizeMode::nearest ? roundBy(op.getNearest(), at) : double(x)));
      result.weights.push_back(1);
      continue;
    }
    double first = std::floor(at - reach) + 1, sum = 0;
    SmallVector<double> weights;
    for (int64_t tap = 0; tap < result.taps; ++tap) {
      double position = first + tap;
      bool excluded = op.getExcludeOutside() && (position < 0 || position >= axis.input);
      weights.push_back(excluded ? 0 : weightAt(mode, a, (position - at) / stretch));
      sum += weights.back();
      result.positions.push_back(inside(position));
    }
    for (double weight : weights)
      result.weights.push_back(float(op.getAntialias() || op.getExcludeOutside() ? weight / sum : weight));
  }
  return result;
}

//===- Resize.cpp - Interpolation -----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Interpolation is separable: each position of the result along a dimension is
// a short weighted sum of input positions along it. Those sums are worked out
// for each dimension and applied one dimension after the other.
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Families.h"
#include "compiler/reference/Indices.h"

#include <algorithm>

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

namespace {

/// One dimension of a resize.
struct ResizeAxis {
  int64_t input, output;
  double scale;
  double roiStart, roiEnd;
};

/// What one position of the result is made of.
struct Taps {
  SmallVector<std::pair<int64_t, double>, 4> weights; ///< Input position, factor.
  bool extrapolated = false;                          ///< Outside the region of interest.
};

} // namespace

/// Where position `x` of the result lies in the input.
static double inputCoordinate(const ResizeAxis &axis, CoordinateMode mode, int64_t x) {
  double resized = axis.scale * axis.input;
  switch (mode) {
  case CoordinateMode::half_pixel:
    return (x + 0.5) / axis.scale - 0.5;
  case CoordinateMode::half_pixel_symmetric: {
    double offset = axis.input / 2.0 * (1 - axis.output / resized);
    return offset + (x + 0.5) / axis.scale - 0.5;
  }
  case CoordinateMode::pytorch_half_pixel:
    return axis.output > 1 ? (x + 0.5) / axis.scale - 0.5 : 0;
  case CoordinateMode::align_corners:
    return axis.output > 1 ? x * (axis.input - 1) / (resized - 1) : 0;
  case CoordinateMode::asymmetric:
    return x / axis.scale;
  case CoordinateMode::tf_half_pixel_for_nn:
    return (x + 0.5) / axis.scale;
  case CoordinateMode::tf_crop_and_resize: {
    double last = axis.input - 1;
    return axis.output > 1 ? axis.roiStart * last + x * (axis.roiEnd - axis.roiStart) * last /
                                                        (axis.output - 1)
                           : 0.5 * (axis.roiStart + axis.roiEnd) * last;
  }
  }
  llvm_unreachable("unknown coordinate mode");
}

static int64_t nearestPosition(double x, NearestMode mode) {
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

/// The interpolation kernel at distance `x`.
static double kernelAt(double x, ResizeMode mode, double a) {
  x = std::fabs(x);
  if (mode == ResizeMode::linear)
    return std::max(1 - x, 0.0);
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static Taps tapsAt(ResizeOp op, const ResizeAxis &axis, int64_t x) {
  Taps taps;
  double coordinate = inputCoordinate(axis, op.getCoordinates(), x);
  taps.extrapolated = op.getCoordinates() == CoordinateMode::tf_crop_and_resize &&
                      (coordinate < 0 || coordinate > axis.input - 1);
  auto clamped = [&](int64_t position) { return std::clamp<int64_t>(position, 0, axis.input - 1); };
  if (op.getMode() == ResizeMode::nearest) {
    taps.weights.push_back({clamped(nearestPosition(coordinate, op.getNearest())), 1});
    return taps;
  }
  // Antialiasing widens the kernel to cover what one result position stands for.
  double squeeze = op.getAntialias() ? std::min(axis.scale, 1.0) : 1.0;
  double radius = (op.getMode() == ResizeMode::linear ? 1 : 2) / squeeze;
  double sum = 0;
  for (int64_t at = std::floor(coordinate - radius) + 1; at < coordinate + radius; ++at) {
    bool outside = at < 0 || at >= axis.input;
    double weight = kernelAt((at - coordinate) * squeeze, op.getMode(),
                             op.getCubicCoefficient().convertToDouble());
    if (outside && op.getExcludeOutside())
      continue;
    taps.weights.push_back({clamped(at), weight});
    sum += weight;
  }
  // The weights add up to 1 by themselves but for these.
  if (op.getAntialias() || op.getExcludeOutside())
    for (auto &[position, weight] : taps.weights)
      weight /= sum;
  return taps;
}

/// Applies `taps`, one entry per position of the result, along one axis.
static std::vector<double> interpolate(const std::vector<double> &input, ArrayRef<int64_t> shape,
                                       int64_t axis, ArrayRef<Taps> taps) {
  AxisView view(shape, axis);
  std::vector<double> result(view.outer * taps.size() * view.inner);
  double *to = result.data();
  for (int64_t outer = 0; outer < view.outer; ++outer)
    for (const Taps &entry : taps) {
      for (auto [position, weight] : entry.weights) {
        const double *from = input.data() + view.offset(outer, position, 0);
        for (int64_t i = 0; i < view.inner; ++i)
          to[i] += weight * from[i];
      }
      to += view.inner;
    }
  return result;
}

TensorValue nestor::reference::evaluateResize(ResizeOp op, const Operands &operands) {
  ArrayRef<int64_t> in = op.getInput().getType().getShape(), out = op.getType().getShape();
  std::vector<double> values = toVector<double>(operands[op.getInput()]);
  SmallVector<int64_t> shape(in);
  SmallVector<std::vector<Taps>> taps(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    ResizeAxis axis{in[i], out[i], op.getScales()[i], 0, 1};
    if (auto roi = op.getRoi()) {
      axis.roiStart = (*roi)[i];
      axis.roiEnd = (*roi)[in.size() + i];
    }
    for (int64_t x = 0; x < out[i]; ++x)
      taps[i].push_back(tapsAt(op, axis, x));
    values = interpolate(values, shape, i, taps[i]);
    shape[i] = out[i];
  }
  int64_t next = 0;
  forEachIndex(out, [&](ArrayRef<int64_t> at) {
    double &value = values[next++];
    for (size_t i = 0; i < at.size(); ++i)
      if (taps[i][at[i]].extrapolated)
        value = op.getExtrapolation().convertToDouble();
  });
  return fromVector(op.getType(), values);
}

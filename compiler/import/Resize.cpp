//===- Resize.cpp - Resize, Upsample --------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include "llvm/ADT/Twine.h"

#include <cmath>

using namespace mlir;
using nestor::nest::CoordinateMode;
using nestor::nest::NearestMode;
using nestor::nest::ResizeMode;

namespace nestor::import {

namespace {

/// What there is to know of a resize, per dimension of the input.
struct Plan {
  SmallVector<double> scales;
  SmallVector<int64_t> extents;
  SmallVector<double> roi; ///< Starts, then ends; empty if unused.
  ResizeMode mode = ResizeMode::nearest;
  CoordinateMode coordinates = CoordinateMode::asymmetric;
  NearestMode nearest = NearestMode::floor;
};

FailureOr<SmallVector<double>> requireFloats(NodeImporter &n, unsigned index, const Twine &what) {
  std::optional<reference::TensorValue> value = n.constant(index);
  if (!value)
    return n.unsupported(
        what + " must be known at compile time",
        "fix the model's input shapes with --shape, or give the value with --bind NAME=@file");
  SmallVector<double> result;
  for (int64_t i = 0; i < value->size(); ++i)
    result.push_back(value->getDouble(i));
  return result;
}

/// Whether the optional operand is there and has elements: exporters pass
/// empty tensors for what they leave out.
bool given(NodeImporter &n, unsigned index) {
  return n.hasInput(index) && n.type(index).getNumElements() > 0;
}

LogicalResult setScales(NodeImporter &n, ArrayRef<int64_t> axes, ArrayRef<double> scales,
                        Plan &plan) {
  if (scales.size() != axes.size())
    return n.unsupported("there are " + Twine(scales.size()) + " scales for " + Twine(axes.size()) +
                         " dimensions");
  for (auto [axis, scale] : llvm::zip(axes, scales)) {
    double extent = std::floor(double(n.shape(0)[axis]) * scale);
    if (!(scale > 0) || !(extent <= double(kMaxElements)))
      return n.unsupported("a scale is not positive or too large");
    plan.scales[axis] = scale;
    plan.extents[axis] = int64_t(extent);
  }
  return success();
}

LogicalResult setSizes(NodeImporter &n, ArrayRef<int64_t> axes, ArrayRef<int64_t> sizes,
                       Plan &plan) {
  if (sizes.size() != axes.size())
    return n.unsupported("there are " + Twine(sizes.size()) + " sizes for " + Twine(axes.size()) +
                         " dimensions");
  std::string policy = n.stringAttr("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
    return n.unsupported("keep_aspect_ratio_policy '" + policy + "'");
  double common = policy == "not_larger" ? HUGE_VAL : 0;
  for (auto [axis, size] : llvm::zip(axes, sizes)) {
    if (size < 0 || size > kMaxElements || n.shape(0)[axis] == 0)
      return n.unsupported("a size is negative or too large");
    double ratio = double(size) / double(n.shape(0)[axis]);
    plan.extents[axis] = size;
    plan.scales[axis] = ratio;
    common = policy == "not_larger" ? std::min(common, ratio) : std::max(common, ratio);
  }
  if (policy == "stretch")
    return success();
  for (int64_t axis : axes) {
    plan.scales[axis] = common;
    plan.extents[axis] = int64_t(std::round(common * double(n.shape(0)[axis])));
  }
  return success();
}

LogicalResult setRoi(NodeImporter &n, ArrayRef<int64_t> axes, Plan &plan) {
  FailureOr<SmallVector<double>> roi = requireFloats(n, 1, "roi");
  if (failed(roi))
    return failure();
  if (roi->size() != 2 * axes.size())
    return n.unsupported("roi needs a start and an end per resized dimension");
  size_t rank = n.type(0).getRank();
  plan.roi.assign(rank, 0);
  plan.roi.append(rank, 1);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    plan.roi[axis] = (*roi)[i];
    plan.roi[rank + axis] = (*roi)[axes.size() + i];
  }
  return success();
}

Plan identityPlan(NodeImporter &n) {
  Plan plan;
  plan.extents.assign(n.shape(0).begin(), n.shape(0).end());
  plan.scales.assign(plan.extents.size(), 1.0);
  return plan;
}

/// Emits the resize, channels last where the input is [N, C, spatial..] and
/// only the spatial dimensions change: kernels run along the channels then.
LogicalResult emit(NodeImporter &n, const Plan &plan) {
  size_t rank = plan.extents.size();
  bool spatial = rank >= 3 && plan.scales[0] == 1 && plan.scales[1] == 1 && plan.roi.empty() &&
                 plan.extents[0] == n.shape(0)[0] && plan.extents[1] == n.shape(0)[1];
  Value input = spatial ? n.toChannelsLast(n.input(0)) : n.input(0);
  SmallVector<int64_t> extents(plan.extents);
  SmallVector<double> scales(plan.scales);
  if (spatial) {
    std::rotate(extents.begin() + 1, extents.begin() + 2, extents.end());
    std::rotate(scales.begin() + 1, scales.begin() + 2, scales.end());
  }
  if (failed(checkShape(n, extents)))
    return failure();
  DenseF64ArrayAttr roi =
      plan.roi.empty() ? DenseF64ArrayAttr() : n.builder.getDenseF64ArrayAttr(plan.roi);
  Value result = n.create<nest::ResizeOp>(
      withShape(input, extents), input, scales, roi, plan.mode, plan.coordinates, plan.nearest,
      APFloat(n.floatAttr("cubic_coeff_a", -0.75)), bool(n.intAttr("exclude_outside", 0)),
      bool(n.intAttr("antialias", 0)), APFloat(n.floatAttr("extrapolation_value", 0)));
  n.setOutput(0, spatial ? n.toChannelsFirst(result) : result);
  return success();
}

LogicalResult readMode(NodeImporter &n, Plan &plan) {
  std::string mode = n.stringAttr("mode", "nearest");
  if (mode == "bilinear" || mode == "trilinear")
    mode = "linear";
  std::optional<ResizeMode> parsed = nest::symbolizeResizeMode(mode);
  if (!parsed)
    return n.unsupported("mode '" + mode + "'");
  plan.mode = *parsed;
  return success();
}

/// Upsample and Resize 10: asymmetric coordinates, nearest rounds down.
LogicalResult importScaled(NodeImporter &n) {
  Plan plan = identityPlan(n);
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, n.type(0).getRank()));
  SmallVector<double> scales = n.floatsAttr("scales");
  if (n.hasAttr("width_scale") && axes.size() == 4) { // Upsample 1
    scales = {1, 1, n.floatAttr("height_scale", 1), n.floatAttr("width_scale", 1)};
  } else if (scales.empty()) {
    FailureOr<SmallVector<double>> read = requireFloats(n, 1, "scales");
    if (failed(read))
      return failure();
    scales = *read;
  }
  if (failed(readMode(n, plan)) || failed(setScales(n, axes, scales, plan)))
    return failure();
  return emit(n, plan);
}

LogicalResult importResize(NodeImporter &n) {
  Plan plan = identityPlan(n);
  std::string coordinates = n.stringAttr("coordinate_transformation_mode", "half_pixel");
  std::string nearest = n.stringAttr("nearest_mode", "round_prefer_floor");
  std::optional<CoordinateMode> coordinateMode = nest::symbolizeCoordinateMode(coordinates);
  std::optional<NearestMode> nearestMode = nest::symbolizeNearestMode(nearest);
  if (!coordinateMode || !nearestMode)
    return n.unsupported("coordinate_transformation_mode '" + coordinates +
                         "' with nearest_mode '" + nearest + "'");
  plan.coordinates = *coordinateMode;
  plan.nearest = *nearestMode;
  SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, n.type(0).getRank()));
  SmallVector<int64_t> listed = n.intsAttr("axes");
  FailureOr<SmallVector<int64_t>> axes =
      normalizeAxes(n, listed.empty() ? all : listed, all.size());
  if (failed(axes) || failed(readMode(n, plan)))
    return failure();
  if (given(n, 3)) {
    FailureOr<SmallVector<int64_t>> sizes = n.requireInts(3, "sizes");
    if (failed(sizes) || failed(setSizes(n, *axes, *sizes, plan)))
      return failure();
  } else if (given(n, 2)) {
    FailureOr<SmallVector<double>> scales = requireFloats(n, 2, "scales");
    if (failed(scales) || failed(setScales(n, *axes, *scales, plan)))
      return failure();
  } else {
    return n.unsupported("neither scales nor sizes are given", "the model is not valid ONNX");
  }
  if (plan.coordinates == CoordinateMode::tf_crop_and_resize && failed(setRoi(n, *axes, plan)))
    return failure();
  return emit(n, plan);
}

} // namespace

void registerResizeRules(ImportRegistry &registry) {
  constexpr llvm::StringLiteral limits = "scales, sizes and roi must be known at compile time";
  registry.add({"", "Upsample", 1, 9, importScaled, limits});
  registry.add({"", "Resize", 10, 10, importScaled, limits});
  registry.add({"", "Resize", 11, kNewestOpset, importResize, limits});
}

} // namespace nestor::import

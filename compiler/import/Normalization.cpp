//===- Normalization.cpp - Batch, layer, instance, group, local -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/Twine.h"

using namespace mlir;
using nestor::nest::ReduceKind;

namespace nestor::import {

namespace {

Value multiply(NodeImporter &n, Value a, Value b) {
  return elementwise(n, {a, b}, [](Scalars &s, ValueRange x) { return s.mul(x[0], x[1]); });
}
Value add(NodeImporter &n, Value a, Value b) {
  return elementwise(n, {a, b}, [](Scalars &s, ValueRange x) { return s.add(x[0], x[1]); });
}
Value subtract(NodeImporter &n, Value a, Value b) {
  return elementwise(n, {a, b}, [](Scalars &s, ValueRange x) { return s.sub(x[0], x[1]); });
}

/// 1 / sqrt(value + epsilon)
Value inverseDeviation(NodeImporter &n, Value variance, double epsilon) {
  return elementwise(n, variance, [&](Scalars &s, ValueRange a) {
    return s.div(s.constant(1), s.apply<math::SqrtOp>(s.add(a[0], s.constant(epsilon))));
  });
}

/// A vector over the channels of [N, C, spatial..], shaped [C, 1..].
Value perChannel(NodeImporter &n, Value vector, int64_t rank) {
  SmallVector<int64_t> shape(rank - 1, 1);
  shape[0] = tensorType(vector).getNumElements();
  return n.reshape(vector, shape);
}

/// x * scale + bias per channel: a multiplication and an addition, the form
/// that the batch norm folding pass looks for.
Value scaleChannels(NodeImporter &n, Value x, Value scale, Value bias) {
  int64_t rank = tensorType(x).getRank();
  Value scaled = multiply(n, x, perChannel(n, scale, rank));
  return bias ? add(n, scaled, perChannel(n, bias, rank)) : scaled;
}

/// Mean and population variance over `axes`, kept as extents of 1.
std::pair<Value, Value> moments(NodeImporter &n, Value x, ArrayRef<int64_t> axes) {
  Value mean = reduce(n, x, ReduceKind::mean, axes);
  Value centred = subtract(n, x, mean);
  return {mean, reduce(n, multiply(n, centred, centred), ReduceKind::mean, axes)};
}

LogicalResult requireFloat(NodeImporter &n, int64_t minRank) {
  if (!isa<FloatType>(n.type(0).getElementType()) || n.type(0).getRank() < minRank)
    return n.unsupported("the input must be float of rank " + Twine(minRank) + " or more");
  return success();
}

/// Checks that inputs [first, last] hold one value per channel each.
LogicalResult requireChannelVectors(NodeImporter &n, unsigned first, unsigned last,
                                    int64_t channels) {
  for (unsigned i = first; i <= last; ++i)
    if (n.hasInput(i) && n.type(i).getNumElements() != channels)
      return n.unsupported("input " + Twine(i) + " needs " + Twine(channels) +
                           " values, one per channel");
  return success();
}

//===----------------------------------------------------------------------===//
// BatchNormalization
//===----------------------------------------------------------------------===//

/// Training mode (opset 14): the batch's own statistics, and running ones that
/// move towards them.
LogicalResult importBatchNormTraining(NodeImporter &n) {
  int64_t rank = n.type(0).getRank(), channels = n.shape(0)[1];
  SmallVector<int64_t> axes{0};
  for (int64_t axis = 2; axis < rank; ++axis)
    axes.push_back(axis);
  auto [mean, variance] = moments(n, n.input(0), axes);
  mean = n.reshape(mean, {channels});
  variance = n.reshape(variance, {channels});
  Value scale =
      multiply(n, n.input(1), inverseDeviation(n, variance, n.floatAttr("epsilon", 1e-5)));
  Value centred = subtract(n, n.input(0), perChannel(n, mean, rank));
  n.setOutput(0, scaleChannels(n, centred, scale, n.input(2)));
  double momentum = n.floatAttr("momentum", 0.9);
  auto blend = [&](Value running, Value batch) {
    return elementwise(n, {running, batch}, [&](Scalars &s, ValueRange a) {
      return s.add(s.mul(a[0], s.constant(momentum)), s.mul(a[1], s.constant(1 - momentum)));
    });
  };
  if (n.wantsOutput(1))
    n.setOutput(1, blend(n.input(3), mean));
  if (n.wantsOutput(2))
    n.setOutput(2, blend(n.input(4), variance));
  return success();
}

LogicalResult importBatchNorm(NodeImporter &n) {
  if (failed(requireFloat(n, 2)) || failed(requireChannelVectors(n, 1, 4, n.shape(0)[1])))
    return failure();
  if (n.opset < 9 && !n.intAttr("spatial", 1))
    return n.unsupported("spatial = 0");
  if (n.opset >= 14 && n.intAttr("training_mode", 0))
    return importBatchNormTraining(n);
  // Before opset 14 the other outputs are the trainer's; nothing reads them.
  Value scale =
      multiply(n, n.input(1), inverseDeviation(n, n.input(4), n.floatAttr("epsilon", 1e-5)));
  Value bias = subtract(n, n.input(2), multiply(n, n.input(3), scale));
  n.setOutput(0, scaleChannels(n, n.input(0), scale, bias));
  return success();
}

//===----------------------------------------------------------------------===//
// Layer, group and instance normalization
//===----------------------------------------------------------------------===//

LogicalResult importLayerNorm(NodeImporter &n) {
  if (failed(requireFloat(n, 1)))
    return failure();
  int64_t rank = n.type(0).getRank();
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", -1), rank);
  if (failed(axis))
    return failure();
  double epsilon = n.floatAttr("epsilon", 1e-5);
  n.setOutput(0, n.create<nest::NormOp>(n.type(0), n.input(0), n.input(1), n.input(2),
                                        uint64_t(*axis), APFloat(epsilon)));
  if (!n.wantsOutput(1) && !n.wantsOutput(2))
    return success();
  SmallVector<int64_t> axes;
  for (int64_t i = *axis; i < rank; ++i)
    axes.push_back(i);
  auto [mean, variance] = moments(n, n.input(0), axes);
  n.setOutput(1, mean);
  n.setOutput(2, inverseDeviation(n, variance, epsilon));
  return success();
}

LogicalResult importRmsNorm(NodeImporter &n) {
  if (failed(requireFloat(n, 1)))
    return failure();
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", -1), n.type(0).getRank());
  if (failed(axis))
    return failure();
  n.setOutput(0, n.create<nest::NormOp>(n.type(0), n.input(0), n.input(1), Value(), uint64_t(*axis),
                                        APFloat(n.floatAttr("epsilon", 1e-5)), /*rms=*/true));
  return success();
}

/// Normalizes groups of channels of [N, C, spatial..] as rows of a matrix.
Value normalizeGroups(NodeImporter &n, Value x, int64_t groups, double epsilon) {
  ArrayRef<int64_t> shape = shapeOf(x);
  int64_t rest = groups == 0 ? 0 : shape[1] / groups; // No channels, no groups.
  for (int64_t extent : shape.drop_front(2))
    rest *= extent;
  Value rows = n.reshape(x, {shape[0], groups, rest});
  Value normal =
      n.create<nest::NormOp>(rows.getType(), rows, Value(), Value(), uint64_t(2), APFloat(epsilon));
  return n.reshape(normal, shape);
}

LogicalResult importInstanceNorm(NodeImporter &n) {
  if (failed(requireFloat(n, 3)) || failed(requireChannelVectors(n, 1, 2, n.shape(0)[1])))
    return failure();
  Value normal = normalizeGroups(n, n.input(0), n.shape(0)[1], n.floatAttr("epsilon", 1e-5));
  n.setOutput(0, scaleChannels(n, normal, n.input(1), n.input(2)));
  return success();
}

LogicalResult importGroupNorm(NodeImporter &n) {
  if (failed(requireFloat(n, 3)))
    return failure();
  int64_t groups = n.intAttr("num_groups", 0), channels = n.shape(0)[1];
  if (groups < 1 || channels % groups)
    return n.unsupported("num_groups must divide the channels");
  // Opset 18 has one scale per group, opset 21 one per channel.
  bool perGroup = n.opset < 21;
  if (failed(requireChannelVectors(n, 1, 2, perGroup ? groups : channels)))
    return failure();
  auto spread = [&](Value vector) {
    if (!perGroup)
      return vector;
    Value column = n.reshape(vector, {groups, 1});
    Value wide = n.mapTo({groups, channels / groups}, column, elementOf(column),
                         [](OpBuilder &, Location, ValueRange a) { return a[0]; });
    return n.reshape(wide, {channels});
  };
  Value normal = normalizeGroups(n, n.input(0), groups, n.floatAttr("epsilon", 1e-5));
  n.setOutput(0, scaleChannels(n, normal, spread(n.input(1)), spread(n.input(2))));
  return success();
}

//===----------------------------------------------------------------------===//
// The others
//===----------------------------------------------------------------------===//

LogicalResult importMeanVariance(NodeImporter &n) {
  if (failed(requireFloat(n, 1)))
    return failure();
  SmallVector<int64_t> given = n.intsAttr("axes");
  if (!n.hasAttr("axes")) {
    given = {0, 2, 3};
    if (n.opset < 9 && n.intAttr("across_channels", 0))
      given = {0, 1, 2, 3};
  }
  FailureOr<SmallVector<int64_t>> axes = normalizeAxes(n, given, n.type(0).getRank());
  if (failed(axes))
    return failure();
  auto [mean, variance] = moments(n, n.input(0), *axes);
  Value centred = subtract(n, n.input(0), mean);
  if (n.opset < 9 && !n.intAttr("normalize_variance", 1)) {
    n.setOutput(0, centred);
    return success();
  }
  n.setOutput(0, elementwise(n, {centred, variance}, [](Scalars &s, ValueRange a) {
                return s.div(a[0], s.add(s.apply<math::SqrtOp>(a[1]), s.constant(1e-9)));
              }));
  return success();
}

LogicalResult importLpNormalization(NodeImporter &n) {
  if (failed(requireFloat(n, 1)))
    return failure();
  int64_t p = n.intAttr("p", 2);
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", -1), n.type(0).getRank());
  if (failed(axis))
    return failure();
  if (p != 1 && p != 2)
    return n.unsupported("p must be 1 or 2");
  Value powers = elementwise(n, n.input(0), [&](Scalars &s, ValueRange a) {
    return p == 1 ? s.abs(a[0]) : s.mul(a[0], a[0]);
  });
  Value norm = reduce(n, powers, ReduceKind::sum, *axis);
  n.setOutput(0, elementwise(n, {n.input(0), norm}, [&](Scalars &s, ValueRange a) {
                Value length = p == 1 ? a[1] : s.apply<math::SqrtOp>(a[1]);
                // A zero vector stays zero.
                Value zero = s.constant(0);
                return s.select(s.equal(length, zero), zero, s.div(a[0], length));
              }));
  return success();
}

LogicalResult importLrn(NodeImporter &n) {
  if (failed(requireFloat(n, 3)))
    return failure();
  int64_t size = n.intAttr("size", 0);
  if (size < 1)
    return n.unsupported("size must be positive");
  Value input = n.toChannelsLast(n.input(0));
  Value result = n.create<nest::LrnOp>(
      input.getType(), input, uint64_t(size), APFloat(n.floatAttr("alpha", 0.0001f)),
      APFloat(n.floatAttr("beta", 0.75)), APFloat(n.floatAttr("bias", 1)));
  n.setOutput(0, n.toChannelsFirst(result));
  return success();
}

} // namespace

void registerNormalizationRules(ImportRegistry &registry) {
  auto add = [&](StringRef op, int64_t since, ImportFunction import, unsigned inputs,
                 StringRef limits = "") {
    registry.add({"", op, since, kNewestOpset, import, limits, inputs});
  };
  add("BatchNormalization", 1, importBatchNorm, 5);
  add("LayerNormalization", 17, importLayerNorm, 2);
  // Opset 23 standardised what exporters write into older models already.
  add("RMSNormalization", 1, importRmsNorm, 2);
  add("SimplifiedLayerNormalization", 1, importRmsNorm, 2);
  add("InstanceNormalization", 1, importInstanceNorm, 3);
  add("GroupNormalization", 18, importGroupNorm, 3);
  add("MeanVarianceNormalization", 1, importMeanVariance, 1);
  add("LpNormalization", 1, importLpNormalization, 1);
  add("LRN", 1, importLrn, 1);
}

} // namespace nestor::import

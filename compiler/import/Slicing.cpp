//===- Slicing.cpp - Concat, Split, Slice, Pad, CenterCropPad, Trilu ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include <algorithm>
#include <numeric>

using namespace mlir;
using nestor::nest::PadMode;

namespace nestor::import {
namespace {

//===----------------------------------------------------------------------===//
// Concat, Split
//===----------------------------------------------------------------------===//

LogicalResult importConcat(NodeImporter &n) {
  if (n.opset >= 4 && !n.hasAttr("axis"))
    return n.unsupported("attribute axis is missing");
  SmallVector<int64_t> shape(n.shape(0));
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", 1), shape.size());
  if (failed(axis))
    return failure();
  SmallVector<Value> inputs;
  shape[*axis] = 0;
  for (unsigned i = 0; i < n.numInputs(); ++i) {
    if (!n.hasInput(i) || n.shape(i).size() != shape.size())
      return n.unsupported("input " + Twine(i) + " is missing or of another rank than the first");
    if (n.type(i).getElementType() != n.type(0).getElementType())
      return n.unsupported("input " + Twine(i) + " is of another element type than the first");
    shape[*axis] += n.shape(i)[*axis];
    inputs.push_back(n.input(i));
  }
  n.setOutput(0, n.create<nest::ConcatOp>(withShape(n.input(0), shape), inputs, *axis));
  return success();
}

/// The extents of Split's outputs: given, or as equal as they can be.
FailureOr<SmallVector<int64_t>> splitExtents(NodeImporter &n, int64_t extent) {
  FailureOr<SmallVector<int64_t>> given = intsFrom(n, "split", 1);
  if (failed(given) || n.hasInput(1) || !given->empty())
    return given;
  int64_t parts = n.numOutputs();
  if (parts == 0 || (n.opset < 18 && extent % parts))
    return n.unsupported(Twine(extent) + " elements do not split into " + Twine(parts) +
                         " equal parts");
  if (n.hasAttr("num_outputs") && n.intAttr("num_outputs", 0) != parts)
    return n.unsupported("num_outputs is not the number of outputs");
  int64_t chunk = (extent + parts - 1) / parts;
  SmallVector<int64_t> extents;
  for (int64_t begin = 0; int64_t(extents.size()) < parts; begin += chunk)
    extents.push_back(std::clamp<int64_t>(extent - begin, 0, chunk));
  return extents;
}

LogicalResult importSplit(NodeImporter &n) {
  SmallVector<int64_t> shape(n.shape(0)), starts(shape.size(), 0), steps(shape.size(), 1);
  FailureOr<int64_t> axis = normalizeAxis(n, n.intAttr("axis", 0), shape.size());
  if (failed(axis))
    return failure();
  int64_t extent = shape[*axis];
  FailureOr<SmallVector<int64_t>> extents = splitExtents(n, extent);
  if (failed(extents) || failed(checkShape(n, *extents)))
    return failure();
  if (extents->size() != n.numOutputs() ||
      std::accumulate(extents->begin(), extents->end(), int64_t(0)) != extent)
    return n.unsupported("split does not add up to the axis, with one entry per output");
  for (auto [i, part] : llvm::enumerate(*extents)) {
    shape[*axis] = part;
    n.setOutput(i, slice(n, n.input(0), starts, steps, shape));
    starts[*axis] += part;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

/// Resolves numpy's `start:end:step` over `extent` elements to the first index
/// and the number of elements.
std::pair<int64_t, int64_t> resolveSlice(int64_t start, int64_t end, int64_t step, int64_t extent) {
  start = start < 0 ? start + extent : start;
  end = end < 0 ? end + extent : end;
  int64_t span;
  if (step > 0) {
    start = std::clamp<int64_t>(start, 0, extent);
    span = std::clamp<int64_t>(end, 0, extent) - start;
  } else {
    start = std::clamp<int64_t>(start, -1, extent - 1);
    span = start - std::clamp<int64_t>(end, -1, extent - 1);
    step = -step;
  }
  return {start, span > 0 ? (span - 1) / step + 1 : 0};
}

LogicalResult importSlice(NodeImporter &n) {
  if (n.opset >= 10 && !(n.hasInput(1) && n.hasInput(2)))
    return n.unsupported("inputs 1 and 2, starts and ends, are missing");
  FailureOr<SmallVector<int64_t>> from = intsFrom(n, "starts", 1), to = intsFrom(n, "ends", 2);
  FailureOr<SmallVector<int64_t>> given = intsFrom(n, "axes", 3), by = intsFrom(n, "steps", 4);
  if (failed(from) || failed(to) || failed(given) || failed(by))
    return failure();
  if (given->empty())
    given = countTo(from->size());
  if (by->empty())
    by->assign(from->size(), 1);
  SmallVector<int64_t> shape(n.shape(0)), starts(shape.size(), 0), steps(shape.size(), 1);
  FailureOr<SmallVector<int64_t>> axes = normalizeAxes(n, *given, shape.size());
  if (failed(axes))
    return failure();
  if (to->size() != from->size() || axes->size() != from->size() || by->size() != from->size())
    return n.unsupported("starts, ends, axes and steps differ in length");
  for (auto [i, axis] : llvm::enumerate(*axes)) {
    // No dimension is longer; the bound keeps the step's negation in range.
    int64_t step = std::clamp<int64_t>((*by)[i], -(int64_t(1) << 40), int64_t(1) << 40);
    if (step == 0)
      return n.unsupported("a step is 0");
    std::tie(starts[axis], shape[axis]) = resolveSlice((*from)[i], (*to)[i], step, shape[axis]);
    steps[axis] = step;
  }
  n.setOutput(0, slice(n, n.input(0), starts, steps, shape));
  return success();
}

//===----------------------------------------------------------------------===//
// Pad, CenterCropPad
//===----------------------------------------------------------------------===//

/// Sets output 0 to the input extended by `low` and `high` (negative: cropped).
LogicalResult setPadded(NodeImporter &n, Value fill, ArrayRef<int64_t> low, ArrayRef<int64_t> high,
                        PadMode mode) {
  SmallVector<int64_t> shape(n.shape(0));
  for (size_t i = 0; i < shape.size(); ++i) {
    if (std::min(low[i], high[i]) < -kMaxElements || std::max(low[i], high[i]) > kMaxElements)
      return n.unsupported("a pad is too large");
    int64_t widest = std::max(low[i], high[i]);
    if (mode == PadMode::reflect && widest > 0 && widest >= shape[i])
      return n.unsupported("a reflected pad must be smaller than its dimension");
    if (mode != PadMode::constant && widest > 0 && shape[i] == 0)
      return n.unsupported("an empty dimension has nothing to repeat");
    shape[i] += low[i] + high[i];
  }
  if (failed(checkShape(n, shape)))
    return failure();
  n.setOutput(
      0, n.create<nest::PadOp>(withShape(n.input(0), shape), n.input(0), fill, low, high, mode));
  return success();
}

/// Spreads `amounts` (all begins, then all ends, of the dimensions in `axes`)
/// over all dimensions.
LogicalResult spreadPads(NodeImporter &n, ArrayRef<int64_t> amounts, ArrayRef<int64_t> axes,
                         SmallVectorImpl<int64_t> &low, SmallVectorImpl<int64_t> &high) {
  if (amounts.size() != 2 * axes.size())
    return n.unsupported("pads needs two entries per axis");
  low.assign(n.shape(0).size(), 0);
  high.assign(n.shape(0).size(), 0);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    low[axis] = amounts[i];
    high[axis] = amounts[i + axes.size()];
  }
  return success();
}

LogicalResult importPad(NodeImporter &n) {
  std::optional<PadMode> mode = nest::symbolizePadMode(n.stringAttr("mode", "constant"));
  if (!mode)
    return n.unsupported("mode = " + Twine(n.stringAttr("mode", "")));
  bool asInputs = n.opset >= 11;
  if (asInputs && !n.hasInput(1))
    return n.unsupported("input 1, pads, is missing");
  FailureOr<SmallVector<int64_t>> pads =
      asInputs ? n.requireInts(1, "pads") : n.intsAttr(n.hasAttr("pads") ? "pads" : "paddings");
  FailureOr<SmallVector<int64_t>> axes = intsFrom(n, "axes", 3);
  if (failed(pads) || failed(axes) || failed(axes = normalizeAxes(n, *axes, n.shape(0).size())))
    return failure();
  if (!n.hasInput(3))
    axes = countTo(n.shape(0).size());
  SmallVector<int64_t> low, high;
  if (failed(spreadPads(n, *pads, *axes, low, high)))
    return failure();

  Value fill;
  if (*mode == PadMode::constant && asInputs && n.hasInput(2)) {
    if (n.type(2).getNumElements() != 1 || n.type(2).getElementType() != n.type(0).getElementType())
      return n.unsupported("constant_value must be a scalar of the input's element type");
    fill = n.reshape(n.input(2), {});
  } else if (*mode == PadMode::constant && n.hasAttr("value")) {
    fill = n.constantScalar(n.type(0).getElementType(), n.floatAttr("value", 0));
  }
  return setPadded(n, fill, low, high, *mode);
}

LogicalResult importCenterCropPad(NodeImporter &n) {
  FailureOr<SmallVector<int64_t>> target = n.requireInts(1, "the shape");
  if (failed(target) || failed(checkShape(n, *target)))
    return failure();
  int64_t rank = n.shape(0).size();
  FailureOr<SmallVector<int64_t>> axes = normalizeAxes(n, n.intsAttr("axes"), rank);
  if (failed(axes))
    return failure();
  if (!n.hasAttr("axes"))
    axes = countTo(rank);
  if (target->size() != axes->size())
    return n.unsupported("the shape needs one entry per axis");
  SmallVector<int64_t> low(rank, 0), high(rank, 0);
  for (auto [extent, axis] : llvm::zip(*target, *axes)) {
    int64_t growth = extent - n.shape(0)[axis];
    low[axis] = growth / 2;
    high[axis] = growth - growth / 2;
  }
  return setPadded(n, {}, low, high, PadMode::constant);
}

//===----------------------------------------------------------------------===//
// Trilu
//===----------------------------------------------------------------------===//

/// Keeps the elements whose column - row is at least (upper) or at most k.
LogicalResult importTrilu(NodeImporter &n) {
  ArrayRef<int64_t> shape = n.shape(0);
  if (shape.size() < 2)
    return n.unsupported("the input must be a matrix or a batch of them");
  if (n.hasInput(1) &&
      (n.type(1).getNumElements() != 1 || !n.type(1).getElementType().isInteger(64)))
    return n.unsupported("k must be an i64 scalar");
  bool upper = n.intAttr("upper", 1);
  int64_t rows = shape[shape.size() - 2], columns = shape.back();
  Value row = constantIndices(n, {rows, 1}, countTo(rows));
  Value column = constantIndices(n, {1, columns}, countTo(columns));
  Value k = n.hasInput(1) ? n.reshape(n.input(1), {}) : constantIndices(n, {}, {0});
  Value keep = elementwise(
      n, {row, column, k},
      [&](Scalars &s, ValueRange in) {
        Value diagonal = s.sub(in[1], in[0]);
        return upper ? s.lessEqual(in[2], diagonal) : s.lessEqual(diagonal, in[2]);
      },
      n.builder.getI1Type());
  n.setOutput(0, elementwise(n, {n.input(0), keep}, [](Scalars &s, ValueRange in) {
                return s.select(in[1], in[0], s.constant(0));
              }));
  return success();
}

} // namespace

void registerSlicingRules(ImportRegistry &registry) {
  registry.add({"", "Concat", 1, kNewestOpset, importConcat, ""});
  registry.add({"", "Split", 1, kNewestOpset, importSplit, "split known at compile time"});
  registry.add({"", "Slice", 1, kNewestOpset, importSlice,
                "starts, ends, axes, steps known at compile time"});
  registry.add({"", "Pad", 1, kNewestOpset, importPad, "pads known at compile time"});
  registry.add({"", "CenterCropPad", 18, kNewestOpset, importCenterCropPad,
                "shape known at compile time", 2});
  registry.add({"", "Trilu", 14, kNewestOpset, importTrilu, ""});
}

} // namespace nestor::import

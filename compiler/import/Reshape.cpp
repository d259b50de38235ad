//===- Reshape.cpp - Reshape, Squeeze, Transpose, Tile, DepthToSpace, ... -===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

using namespace mlir;

namespace nestor::import {
namespace {

int64_t product(ArrayRef<int64_t> extents) {
  int64_t result = 1;
  for (int64_t extent : extents)
    result *= extent;
  return result;
}

//===----------------------------------------------------------------------===//
// The same elements in the same order
//===----------------------------------------------------------------------===//

LogicalResult importReshape(NodeImporter &n) {
  if (n.opset >= 5 && !n.hasInput(1))
    return n.unsupported("input 1, the shape, is missing");
  FailureOr<SmallVector<int64_t>> shape = intsFrom(n, "shape", 1);
  if (failed(shape))
    return failure();
  bool allowZero = n.intAttr("allowzero", 0);
  int64_t *inferred = nullptr;
  for (size_t i = 0; i < shape->size(); ++i) {
    int64_t &extent = (*shape)[i];
    if (extent == 0 && !allowZero) {
      if (i >= n.shape(0).size())
        return n.unsupported("a 0 in the shape has no input dimension to copy");
      extent = n.shape(0)[i];
    } else if (extent == -1) {
      if (inferred)
        return n.unsupported("the shape has more than one -1");
      inferred = &extent;
      extent = 1;
    }
  }
  if (failed(checkShape(n, *shape)))
    return failure();
  if (inferred) {
    int64_t rest = product(*shape);
    if (rest == 0)
      return n.unsupported("-1 cannot be inferred beside an empty dimension");
    *inferred = n.type(0).getNumElements() / rest;
  }
  n.setOutput(0, n.reshape(n.input(0), *shape));
  return success();
}

LogicalResult importFlatten(NodeImporter &n) {
  ArrayRef<int64_t> shape = n.shape(0);
  int64_t rank = shape.size();
  // The axis lies between dimensions, so that the rank itself is allowed.
  FailureOr<int64_t> axis = n.intAttr("axis", 1);
  if (*axis != rank)
    axis = normalizeAxis(n, *axis, rank);
  if (failed(axis))
    return failure();
  n.setOutput(0, n.reshape(n.input(0),
                           {product(shape.take_front(*axis)), product(shape.drop_front(*axis))}));
  return success();
}

LogicalResult importSqueeze(NodeImporter &n) {
  FailureOr<SmallVector<int64_t>> given = intsFrom(n, "axes", 1);
  if (failed(given))
    return failure();
  FailureOr<SmallVector<int64_t>> axes = normalizeAxes(n, *given, n.shape(0).size());
  if (failed(axes))
    return failure();
  bool all = !n.hasInput(1) && !n.hasAttr("axes");
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(n.shape(0))) {
    bool named = llvm::is_contained(*axes, int64_t(i));
    if (named && extent != 1)
      return n.unsupported("dimension " + Twine(i) + " has extent " + Twine(extent) + ", not 1");
    if (!named && !(all && extent == 1))
      shape.push_back(extent);
  }
  n.setOutput(0, n.reshape(n.input(0), shape));
  return success();
}

LogicalResult importUnsqueeze(NodeImporter &n) {
  FailureOr<SmallVector<int64_t>> given = intsFrom(n, "axes", 1);
  if (failed(given))
    return failure();
  int64_t rank = n.shape(0).size() + given->size();
  FailureOr<SmallVector<int64_t>> axes = normalizeAxes(n, *given, rank);
  if (failed(axes))
    return failure();
  SmallVector<int64_t> shape;
  const int64_t *next = n.shape(0).begin();
  for (int64_t i = 0; i < rank; ++i)
    shape.push_back(llvm::is_contained(*axes, i) ? 1 : *next++);
  n.setOutput(0, n.reshape(n.input(0), shape));
  return success();
}

//===----------------------------------------------------------------------===//
// Another order
//===----------------------------------------------------------------------===//

LogicalResult importTranspose(NodeImporter &n) {
  SmallVector<int64_t> perm = n.intsAttr("perm");
  if (!n.hasAttr("perm"))
    perm = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, n.shape(0).size())));
  n.setOutput(0, n.transpose(n.input(0), perm));
  return success();
}

/// Checks an input [N, C, H, W] and the block size of the two operators below.
FailureOr<int64_t> blockSize(NodeImporter &n) {
  int64_t block = n.intAttr("blocksize", 0);
  if (n.shape(0).size() != 4 || block < 1 || block > 1 << 15)
    return n.unsupported("needs an input [N, C, H, W] and a positive blocksize");
  return block;
}

LogicalResult importDepthToSpace(NodeImporter &n) {
  FailureOr<int64_t> b = blockSize(n);
  if (failed(b))
    return failure();
  ArrayRef<int64_t> s = n.shape(0);
  if (s[1] % (*b * *b))
    return n.unsupported("blocksize^2 must divide the channels");
  int64_t depth = s[1] / (*b * *b);
  std::string mode = n.stringAttr("mode", "DCR");
  Value split, ordered;
  if (mode == "DCR") {
    split = n.reshape(n.input(0), {s[0], *b, *b, depth, s[2], s[3]});
    ordered = n.transpose(split, {0, 3, 4, 1, 5, 2});
  } else if (mode == "CRD") {
    split = n.reshape(n.input(0), {s[0], depth, *b, *b, s[2], s[3]});
    ordered = n.transpose(split, {0, 1, 4, 2, 5, 3});
  } else {
    return n.unsupported("mode = " + Twine(mode));
  }
  n.setOutput(0, n.reshape(ordered, {s[0], depth, s[2] * *b, s[3] * *b}));
  return success();
}

LogicalResult importSpaceToDepth(NodeImporter &n) {
  FailureOr<int64_t> b = blockSize(n);
  if (failed(b))
    return failure();
  ArrayRef<int64_t> s = n.shape(0);
  if (s[2] % *b || s[3] % *b)
    return n.unsupported("blocksize must divide height and width");
  int64_t height = s[2] / *b, width = s[3] / *b;
  Value split = n.reshape(n.input(0), {s[0], s[1], height, *b, width, *b});
  Value ordered = n.transpose(split, {0, 3, 5, 1, 2, 4});
  n.setOutput(0, n.reshape(ordered, {s[0], s[1] * *b * *b, height, width}));
  return success();
}

//===----------------------------------------------------------------------===//
// Repetition
//===----------------------------------------------------------------------===//

Value broadcastTo(NodeImporter &n, Value input, ArrayRef<int64_t> shape) {
  if (shapeOf(input) == shape)
    return input;
  return n.mapTo(shape, input, elementOf(input),
                 [](OpBuilder &, Location, ValueRange in) { return in[0]; });
}

LogicalResult importExpand(NodeImporter &n) {
  FailureOr<SmallVector<int64_t>> given = n.requireInts(1, "the shape");
  if (failed(given) || failed(checkShape(n, *given)))
    return failure();
  FailureOr<SmallVector<int64_t>> shape = broadcastShapes(n, n.shape(0), *given);
  if (failed(shape))
    return failure();
  n.setOutput(0, broadcastTo(n, n.input(0), *shape));
  return success();
}

/// How often each dimension is repeated. Opset 1 names one axis and a count.
FailureOr<SmallVector<int64_t>> tileRepeats(NodeImporter &n) {
  FailureOr<SmallVector<int64_t>> given = n.requireInts(1, "repeats");
  if (failed(given) || n.opset >= 6)
    return given;
  FailureOr<SmallVector<int64_t>> axes = n.requireInts(2, "axis");
  if (failed(axes) || failed(axes = normalizeAxes(n, *axes, n.shape(0).size())))
    return failure();
  if (axes->size() != 1 || given->size() != 1)
    return n.unsupported("tiles and axis must be scalars");
  SmallVector<int64_t> repeats(n.shape(0).size(), 1);
  repeats[axes->front()] = given->front();
  return repeats;
}

LogicalResult importTile(NodeImporter &n) {
  FailureOr<SmallVector<int64_t>> repeats = tileRepeats(n);
  if (failed(repeats))
    return failure();
  ArrayRef<int64_t> shape = n.shape(0);
  if (repeats->size() != shape.size())
    return n.unsupported("repeats needs one entry per dimension");
  if (failed(checkShape(n, *repeats)))
    return failure();
  // [a, b] becomes [1, a, 1, b], is broadcast to [r, a, s, b] and seen as
  // [r*a, s*b]. Dimensions that are not repeated stay as they are.
  SmallVector<int64_t> split, repeated, result;
  for (auto [extent, count] : llvm::zip(shape, *repeats)) {
    if (count != 1) {
      split.push_back(1);
      repeated.push_back(count);
    }
    split.push_back(extent);
    repeated.push_back(extent);
  }
  if (failed(checkShape(n, repeated)))
    return failure();
  for (auto [extent, count] : llvm::zip(shape, *repeats))
    result.push_back(extent * count);
  n.setOutput(0, n.reshape(broadcastTo(n, n.reshape(n.input(0), split), repeated), result));
  return success();
}

} // namespace

void registerReshapeRules(ImportRegistry &registry) {
  auto add = [&](StringRef op, ImportFunction import, unsigned minInputs = 1,
                 StringRef limits = "") {
    registry.add({"", op, 1, kNewestOpset, import, limits, minInputs});
  };
  add("Reshape", importReshape, 1, "shape known at compile time");
  add("Flatten", importFlatten);
  add("Squeeze", importSqueeze, 1, "axes known at compile time");
  add("Unsqueeze", importUnsqueeze, 1, "axes known at compile time");
  add("Transpose", importTranspose);
  add("DepthToSpace", importDepthToSpace);
  add("SpaceToDepth", importSpaceToDepth);
  add("Expand", importExpand, 2, "shape known at compile time");
  add("Tile", importTile, 2, "repeats known at compile time");
}

} // namespace nestor::import

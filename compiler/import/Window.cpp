//===- Window.cpp - Sliding windows ---------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Window.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace nestor::import {

namespace {

/// Attributes beyond this cannot be meant and would overflow later sums.
constexpr int64_t kLimit = int64_t(1) << 30;

/// An attribute with one entry per spatial dimension, `fallback` where absent.
FailureOr<SmallVector<int64_t>> perDimension(NodeImporter &n, StringRef name, size_t count,
                                             int64_t fallback, int64_t minimum) {
  SmallVector<int64_t> values = n.intsAttr(name);
  if (values.empty())
    values.assign(count, fallback);
  if (values.size() != count)
    return n.unsupported("attribute '" + name + "' has " + Twine(values.size()) +
                         " entries, but needs " + Twine(count));
  for (int64_t value : values)
    if (value < minimum || value > kLimit)
      return n.unsupported("attribute '" + name + "' has the entry " + Twine(value));
  return values;
}

/// Pads before each dimension, then behind each. Where opsets were young,
/// exporters wrote one entry for both ends.
FailureOr<SmallVector<int64_t>> readPads(NodeImporter &n, size_t rank) {
  bool isForBothEnds = n.opset == 1 && n.hasAttr("pads") && n.intsAttr("pads").size() == rank;
  FailureOr<SmallVector<int64_t>> pads =
      perDimension(n, "pads", isForBothEnds ? rank : 2 * rank, 0, -kLimit);
  if (succeeded(pads) && isForBothEnds)
    pads->append(pads->begin(), pads->begin() + rank);
  return pads;
}

/// auto_pad SAME: as many positions as the extent holds strides.
void padToSame(Window &window, ArrayRef<int64_t> spatial, bool lower) {
  for (size_t i = 0; i < window.rank(); ++i) {
    int64_t positions = llvm::divideCeil(spatial[i], window.strides[i]);
    int64_t total =
        std::max<int64_t>(0, (positions - 1) * window.strides[i] + window.span(i) - spatial[i]);
    window.padBegin[i] = lower ? total - total / 2 : total / 2;
    window.padEnd[i] = total - window.padBegin[i];
  }
}

} // namespace

int64_t Window::positions(size_t i, int64_t extent, bool ceil) const {
  int64_t room = extent + padBegin[i] + padEnd[i] - span(i);
  if (room < 0)
    return 0;
  int64_t count = (ceil ? int64_t(llvm::divideCeil(room, strides[i])) : room / strides[i]) + 1;
  if (ceil && (count - 1) * strides[i] >= extent + padBegin[i])
    --count;
  return count;
}

FailureOr<Window> readWindow(NodeImporter &n, ArrayRef<int64_t> spatial, ArrayRef<int64_t> kernel) {
  Window window;
  window.kernel.assign(kernel.begin(), kernel.end());
  size_t rank = spatial.size();
  if (kernel.size() != rank)
    return n.unsupported("the kernel has rank " + Twine(kernel.size()) + ", but the input has " +
                         Twine(rank) + " spatial dimensions");
  if (rank < 1 || rank > 3)
    return n.unsupported("windows of rank " + Twine(rank) + " (1, 2 and 3 are supported)");
  for (auto [extent, taps] : llvm::zip(spatial, kernel))
    if (taps < 1 || taps > kLimit || extent > kLimit)
      return n.unsupported("the kernel or the input has an extent of " +
                           Twine(taps < 1 ? taps : extent));
  FailureOr<SmallVector<int64_t>> strides = perDimension(n, "strides", rank, 1, 1);
  FailureOr<SmallVector<int64_t>> dilations = perDimension(n, "dilations", rank, 1, 1);
  FailureOr<SmallVector<int64_t>> pads = readPads(n, rank);
  if (failed(strides) || failed(dilations) || failed(pads))
    return failure();
  window.strides = *strides;
  window.dilations = *dilations;
  window.padBegin.assign(pads->begin(), pads->begin() + rank);
  window.padEnd.assign(pads->begin() + rank, pads->end());
  for (size_t i = 0; i < rank; ++i)
    if (window.kernel[i] > 1 && window.dilations[i] > kLimit / window.kernel[i])
      return n.unsupported("the dilated kernel is too large");

  std::string autoPad = n.stringAttr("auto_pad", "NOTSET");
  if (autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER") {
    padToSame(window, spatial, autoPad == "SAME_LOWER");
  } else if (autoPad == "VALID") {
    window.padBegin.assign(rank, 0);
    window.padEnd.assign(rank, 0);
  } else if (autoPad != "NOTSET" && !autoPad.empty()) {
    return n.unsupported("auto_pad '" + autoPad + "'");
  }
  return window;
}

} // namespace nestor::import

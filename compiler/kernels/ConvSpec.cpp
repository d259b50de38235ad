//===- ConvSpec.cpp - A convolution as kernels see it ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/ConvSpec.h"
#include "compiler/ir/HalfFilter.h"
#include "compiler/kernels/TileTable.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

bool ConvGeometry::alwaysInside(int dim) const {
  return inside(dim, 0, 0) && inside(dim, out[dim] - 1, kernel[dim] - 1);
}

bool ConvGeometry::isPointwise() const {
  for (int dim = 0; dim < 3; ++dim)
    if (kernel[dim] != 1 || stride[dim] != 1 || in[dim] != out[dim] || pad[dim] != 0)
      return false;
  return true;
}

std::string ConvGeometry::identity() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << batch;
  for (const std::array<int64_t, 3> &list : {in, out, kernel, stride, dilation, pad})
    for (int64_t value : list)
      os << ',' << value;
  return text;
}

std::string ConvGeometry::describe() const {
  auto extents = [&](const std::array<int64_t, 3> &values) {
    int first = in[0] > 1 || kernel[0] > 1 ? 0 : 1;
    return llvm::join(llvm::map_range(ArrayRef<int64_t>(values).drop_front(first),
                                      [](int64_t v) { return std::to_string(v); }), "x");
  };
  std::string text = extents(kernel) + " s" + std::to_string(stride[2]) + " p" + std::to_string(pad[2]);
  if (dilation[2] > 1)
    text += " d" + std::to_string(dilation[2]);
  text += " " + extents(out);
  return batch > 1 ? text + " batch " + std::to_string(batch) : text;
}

/// From any operation with the attributes of a convolution.
template <typename Op> static ConvGeometry geometryOf(Op op, ArrayRef<int64_t> in, Value narrow) {
  ConvGeometry g;
  ArrayRef<int64_t> out = cast<RankedTensorType>(narrow.getType()).getShape();
  g.batch = in[0];
  int missing = 3 - int(op.getKernel().size());
  for (int dim = 0; dim < 3; ++dim) {
    int i = dim - missing;
    bool present = i >= 0;
    g.in[dim] = present ? in[i + 1] : 1;
    g.out[dim] = present ? out[i + 1] : 1;
    g.kernel[dim] = present ? op.getKernel()[i] : 1;
    g.stride[dim] = present ? op.getStrides()[i] : 1;
    g.dilation[dim] = present ? op.getDilations()[i] : 1;
    g.pad[dim] = present ? op.getPadBegin()[i] : 0;
  }
  return g;
}

ConvGeometry ConvGeometry::get(nest::ConvOp op) {
  ConvGeometry g = geometryOf(op, op.getInputShape(), op.getResult());
  if (g.isPointwise() && !op.getPlanar()) {
    g.in = g.out = {1, 1, g.inPixels()};
    g.batch = 1;
  }
  return g;
}

ConvGeometry ConvGeometry::get(nest::ConvFilterGradOp op) {
  return geometryOf(op, op.getInput().getType().getShape(), op.getGrad());
}

int64_t ConvSpec::weightBytes() const { return storageBytes(filter) * taps() * panelWidth; }

std::string ConvSpec::identity() const {
  std::string text = geometry.identity();
  for (bool flag : {depthwise, grouped, narrow, aliased, halfPanel, pitched})
    text += flag ? '1' : '0';
  text += char('0' + int(grain));
  if (rowSums)
    text += "row sums ";
  if (planes)
    text += llvm::formatv("planes {0} ", planes).str();
  if (nest::isHalf(filter))
    text += filter.isF16() ? "f16" : "bf16";
  if (nesting.shells)
    text += llvm::formatv("shells {0} {1} {2} {3}", nesting.shells, nesting.parts, int(nesting.wholeInputs),
                          int(nesting.slice))
                .str();
  if (winograd)
    text += llvm::formatv("winograd {0} {1} ", winograd, tileBlock).str();
  if (strassen)
    text += llvm::formatv("strassen {0} ", tileBlock).str();
  llvm::raw_string_ostream os(text);
  if (tiles)
    os << tiles;
  return text + epilogue.identity();
}

std::pair<Value, Value> nestor::kernels::tapRange(KernelBuilder &b, const ConvGeometry &g, int dim, Value o) {
  if (g.alwaysInside(dim))
    return {b.i64(0), b.i64(g.kernel[dim])};
  // Tap k is inside where 0 <= first + k * dilation < in.
  int64_t dilation = g.dilation[dim];
  Value first = b.add(b.mul(o, g.stride[dim]), -g.pad[dim]);
  auto tapsBelow = [&](Value distance) {
    return b.div(b.add(b.max(distance, b.i64(0)), dilation - 1), dilation);
  };
  Value lower = tapsBelow(b.sub(b.i64(0), first));
  Value upper = b.min(b.i64(g.kernel[dim]), tapsBelow(b.sub(b.i64(g.in[dim]), first)));
  return {lower, upper};
}

SmallVector<Value> nestor::kernels::forEachTap(KernelBuilder &b, const ConvGeometry &g, int dim, Value o,
                                               ValueRange sums, TapBody body) {
  Value first = b.add(b.mul(o, g.stride[dim]), -g.pad[dim]);
  if (g.kernel[dim] == 1 && g.alwaysInside(dim))
    return body(b.i64(0), first, sums);
  auto [lower, upper] = tapRange(b, g, dim, o);
  return b.loop(lower, upper, 1, sums, [&](Value tap, ValueRange carried) {
    return body(tap, b.add(first, b.mul(tap, g.dilation[dim])), carried);
  });
}

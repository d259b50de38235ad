//===- Pooling.cpp - MaxPool, AveragePool, LpPool -------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/GraphExporter.h"

using namespace mlir;
using nestor::nest::PoolKind;

namespace nestor::onnx_export {
namespace {

/// How ONNX says where the windows lie.
struct Placement {
  Dims pads; ///< Begins, then ends.
  bool ceil = false;
};

/// Finds pads and a rounding that give the result its extents. Windows are
/// clipped to the input, so pads at the end may change where nothing counts
/// them.
template <typename OpTy> std::optional<Placement> placementOf(OpTy op, bool countsPads) {
  bool floor = true, ceil = true;
  Dims fitting; // Pads at the end with which rounding down is right.
  for (size_t i = 0; i < op.getKernel().size(); ++i) {
    int64_t span = op.getDilations()[i] * (op.getKernel()[i] - 1) + 1, stride = op.getStrides()[i];
    int64_t extent = shapeOf(op.getInput())[i + 1] + op.getPadBegin()[i], pad = op.getPadEnd()[i];
    // What the last window reads beyond the input.
    int64_t beyond = (shapeOf(op.getResult())[i + 1] - 1) * stride + span - extent;
    floor &= beyond <= pad && pad < beyond + stride && pad >= 0;
    ceil &= beyond - stride < pad && pad <= beyond && pad >= 0;
    fitting.push_back(std::max<int64_t>(beyond, 0));
    countsPads |= fitting.back() >= beyond + stride || fitting.back() >= span;
  }
  if (!floor && !ceil && countsPads)
    return std::nullopt;
  Placement placement{Dims(op.getPadBegin()), ceil && !floor};
  llvm::append_range(placement.pads, floor || ceil ? Dims(op.getPadEnd()) : fitting);
  return placement;
}

template <typename OpTy> void setWindow(Node &node, OpTy op, const Placement &placement) {
  if (placement.ceil)
    node.set("ceil_mode", int64_t(1));
  if (llvm::any_of(op.getDilations(), [](int64_t step) { return step != 1; }))
    node.set("dilations", op.getDilations());
  node.set("kernel_shape", op.getKernel())
      .set("pads", placement.pads)
      .set("strides", op.getStrides());
}

/// The indices of the maxima that `pool` takes, if they are asked for.
nest::MaxPoolIndicesOp indicesOf(nest::PoolOp pool) {
  for (Operation *user : pool.getInput().getUsers())
    if (auto op = dyn_cast<nest::MaxPoolIndicesOp>(user);
        op && pool.getKind() == PoolKind::max && pool.getKernelAttr() == op.getKernelAttr() &&
        pool.getStridesAttr() == op.getStridesAttr() &&
        pool.getDilationsAttr() == op.getDilationsAttr() &&
        pool.getPadBeginAttr() == op.getPadBeginAttr() &&
        pool.getPadEndAttr() == op.getPadEndAttr() &&
        shapeOf(pool.getResult()) == shapeOf(op.getResult()))
      return op;
  return {};
}

/// MaxPool with both of its outputs; `pool` may be null.
LogicalResult exportMaxPool(GraphExporter &g, nest::PoolOp pool, nest::MaxPoolIndicesOp op) {
  size_t rank = shapeOf(op.getInput()).size();
  std::optional<Placement> placement = placementOf(op, /*countsPads=*/false);
  if (!placement)
    return g.unsupported(op, "its windows lie where no ONNX padding puts them");
  Node node = g.node("MaxPool", g.use(op.getInput(), channelsFirst(rank)), 2);
  setWindow(node, op, *placement);
  if (op.getColumnMajor())
    node.set("storage_order", int64_t(1));
  if (pool)
    g.define(pool.getResult(), node.output(0), channelsFirst(rank));
  g.define(op.getResult(), node.output(1), channelsFirst(rank));
  return success();
}

} // namespace

LogicalResult exportOp(GraphExporter &g, nest::PoolOp op) {
  if (nest::MaxPoolIndicesOp indices = indicesOf(op))
    return exportMaxPool(g, op, indices);
  size_t rank = shapeOf(op.getInput()).size();
  PoolKind kind = op.getKind();
  std::optional<Placement> placement = placementOf(op, op.getCountIncludePad());
  if (!placement)
    return g.unsupported(op, "its windows lie where no ONNX padding puts them");
  const char *names[] = {"MaxPool", "AveragePool", "LpPool"};
  Node node = g.node(names[unsigned(kind)], g.use(op.getInput(), channelsFirst(rank)));
  setWindow(node, op, *placement);
  bool dilated = llvm::any_of(op.getDilations(), [](int64_t step) { return step != 1; });
  if (kind == PoolKind::avg && dilated)
    g.require(19);
  if (kind == PoolKind::lp && (dilated || placement->ceil))
    g.require(18);
  if (kind == PoolKind::avg && op.getCountIncludePad())
    node.set("count_include_pad", int64_t(1));
  if (kind == PoolKind::lp)
    node.set("p", int64_t(op.getP()));
  g.define(op.getResult(), node.output(), channelsFirst(rank));
  return success();
}

LogicalResult exportOp(GraphExporter &g, nest::MaxPoolIndicesOp op) {
  return g.isDefined(op.getResult()) ? success() : exportMaxPool(g, {}, op);
}

} // namespace nestor::onnx_export

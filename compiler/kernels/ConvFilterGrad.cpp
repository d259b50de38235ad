//===- ConvFilterGrad.cpp - Gradients of filters as kernel calls ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Every part of the images has sums of its own, which a second kernel adds; the
// number of parts depends on the shapes only, and with it the result. Filters
// too large for that are one part, cut into kernel rows and columns.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/ConvFilterGrad.h"
#include "compiler/ir/Winograd.h"
#include "compiler/kernels/Families.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

FilterGradSpec::FilterGradSpec(nest::ConvFilterGradOp op)
    : g(ConvGeometry::get(op)), groups(op.getGroups()) {
  inputs = typeOf(op.getInput()).getShape().back() / groups;
  outputs = typeOf(op.getGrad()).getShape().back() / groups;
  depthwise = groups > 1 && inputs == 1 && outputs == 1;
  if (depthwise)
    std::swap(groups, outputs);
  // Half of a nearest cache, and filters whose sums of all parts are cheap.
  constexpr int64_t blockFloats = 8 << 10, mostPartFloats = 128 << 10, mostParts = 16;
  int64_t rowFloats = g.out[0] * g.out[2] * outputStride() +
                      std::min(g.in[1], g.stride[1]) * g.in[0] * g.in[2] * inputStride();
  int64_t rows = std::clamp<int64_t>(blockFloats / rowFloats, 1, g.out[1]);
  rowsPerBlock = llvm::divideCeil(g.out[1], llvm::divideCeil(g.out[1], rows));
  imagesPerBlock =
      rows < g.out[1] ? 1 : std::clamp<int64_t>(blockFloats / (rowFloats * g.out[1]), 1, g.batch);
  parts = filterFloats() <= mostPartFloats ? std::min(blocks(), mostParts) : 1;
}

std::string FilterGradSpec::describe() const {
  std::string text = g.describe() + " " + std::to_string(inputs) + " to " + std::to_string(outputs);
  if (depthwise)
    text += " depthwise";
  return groups > 1 ? text + " groups " + std::to_string(groups) : text;
}

/// Adds the sums of all parts. A grain is a run of results.
static KernelCall addParts(CallArg sums, int64_t count, int64_t parts) {
  constexpr int64_t run = 1024;
  KernelCall call;
  call.spec.signature = "add " + std::to_string(parts) + " parts of " + std::to_string(count);
  call.spec.name = kernelName("add_parts", call.spec.signature);
  call.spec.args = {{{{4 * count * parts, {}}}, /*written=*/false, 4},
                    {{{4 * count, {}}}, /*written=*/true, 4}};
  call.args = {sums, {CallArg::Result, 0}};
  call.spec.grains = {{int64_t(llvm::divideCeil(count, run)), {}}};
  call.spec.emit = [=](func::FuncOp func, const TargetInfo &target) {
    KernelBuilder b(func, target);
    Type f32 = b.getF32Type();
    Value from = b.arg(0), to = b.arg(1);
    Value first = b.mul(b.begin(), run), last = b.min(b.mul(b.end(), run), b.i64(count));
    b.vectorLoop(first, last, target.vectorLanes, [&](Value index, Lanes lanes) {
      Value total = b.load(f32, from, index, lanes);
      for (int64_t part = 1; part < parts; ++part)
        total =
            arith::AddFOp::create(b, total, b.load(f32, from, b.add(index, part * count), lanes));
      b.store(total, to, index, lanes);
    });
    return success();
  };
  return call;
}

FailureOr<Calls> nestor::kernels::describeConvFilterGrad(nest::ConvFilterGradOp op) {
  for (Type type : {op.getInput().getType(), op.getGrad().getType(), op.getResult().getType()})
    if (!cast<RankedTensorType>(type).getElementType().isF32())
      return op.emitError("only gradients of f32 filters have a kernel");
  FilterGradSpec spec(op);
  if (nest::WinogradTile tile = nest::winogradTile(op))
    return describeWinogradFilterGrad(op, tile.m);
  int64_t floats = spec.filterFloats();
  bool direct = spec.parts == 1;
  std::string detail = spec.describe() + " of " + spec.g.identity();
  Calls calls{staticCall(op, "filter_grad", detail, direct ? spec.units() : spec.parts,
                         [spec](KernelBuilder &b) { emitConvFilterGrad(b, spec); })};
  calls.front().macs = uint64_t(spec.g.outPixels()) * floats;
  if (direct)
    return calls;
  CallArg sums{CallArg::Scratch, 0, 0, 4 * floats * spec.parts};
  calls.front().args.back() = sums;
  calls.front().spec.args.back().bytes = {{sums.scratchBytes, {}}};
  calls.push_back(addParts(sums, floats, spec.parts));
  return calls;
}

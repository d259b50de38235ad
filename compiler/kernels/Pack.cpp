//===- Pack.cpp - Filters into the layout that kernels read ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/FilterForm.h"
#include "compiler/kernels/Families.h"
#include "compiler/kernels/KernelBuilder.h"
#include "compiler/kernels/PackSpec.h"
#include "compiler/kernels/TileTable.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

/// Panel (group, p): for each tap and input 16 outputs, zeros past the end.
static LogicalResult emitPack(func::FuncOp func, const TargetInfo &target, bool transposed) {
  KernelBuilder b(func, target);
  Type f32 = b.getF32Type();
  Value source = b.arg(0), result = b.arg(1);
  Value matrices = b.param(0), inputs = b.param(1), outputs = b.param(2), groups = b.param(3), panels = b.param(4);
  Value rowLength = b.mul(outputs, groups);
  Value inputStride = transposed ? b.i64(1) : rowLength, outputStride = transposed ? inputs : b.i64(1);
  Value matrixFloats = b.mul(inputs, rowLength);
  b.loop(b.begin(), b.end(), 1, [&](Value index) {
    Value group = b.div(index, panels), first = b.mul(b.rem(index, panels), panelWidth);
    Value count = b.max(b.min(b.sub(outputs, first), b.i64(panelWidth)), b.i64(0));
    Value column = b.mul(b.add(b.mul(group, outputs), first), outputStride);
    Value panel = b.at(result, b.mul(b.mul(b.mul(index, matrices), inputs), panelWidth), f32);
    b.loop(b.i64(0), matrices, 1, [&](Value matrix) {
      Value from = b.at(source, b.add(b.mul(matrix, matrixFloats), column), f32);
      Value to = b.at(panel, b.mul(b.mul(matrix, inputs), panelWidth), f32);
      // The source is read along its rows, whichever way they run.
      if (transposed)
        b.loop(b.i64(0), count, 1, [&](Value o) {
          Value line = b.at(from, b.mul(o, outputStride), f32), lane = b.at(to, o, f32);
          b.loop(b.i64(0), inputs, 1, [&](Value i) { b.store(b.load(f32, line, i), lane, b.mul(i, panelWidth)); });
        });
      else
        b.loop(b.i64(0), inputs, 1, [&](Value i) {
          Value line = b.at(from, b.mul(i, inputStride), f32), lane = b.at(to, b.mul(i, panelWidth), f32);
          b.vectorLoop(b.i64(0), count, b.target.vectorLanes,
                       [&](Value o, Lanes lanes) { b.store(b.load(f32, line, o, lanes), lane, o, lanes); });
        });
      b.ifThen(b.less(count, b.i64(panelWidth)), [&] {
        b.loop(b.i64(0), inputs, 1, [&](Value i) {
          Value lane = b.at(to, b.mul(i, panelWidth), f32);
          b.loop(count, b.i64(panelWidth), 1, [&](Value o) { b.store(b.constant(f32, 0), lane, o); });
        });
      });
    });
  });
  return success();
}

KernelSpec nestor::kernels::packKernel(bool transposed) {
  KernelSpec spec;
  spec.name = kernelName("pack", transposed ? "transposed" : "plain");
  spec.signature = transposed ? "pack transposed" : "pack";
  Polynomial matrix = {{4, {0, 1, 2, 3}}}, packed = {{4 * panelWidth, {0, 1, 3, 4}}};
  spec.args = {{matrix, /*written=*/false, 4}, {packed, /*written=*/true, 64}};
  spec.params.assign(5, {1, int64_t(1) << 31});
  spec.grains = {{1, {3, 4}}};
  spec.emit = [transposed](func::FuncOp func, const TargetInfo &target) { return emitPack(func, target, transposed); };
  return spec;
}

FailureOr<Calls> nestor::kernels::describePack(nest::PackOp op) {
  auto filter = cast<RankedTensorType>(op.getFilter().getType());
  if (!filter.getElementType().isF32())
    return op.emitError("only f32 filters are packed");
  ArrayRef<int64_t> shape = filter.getShape();
  int64_t groups = op.getDepthwise() ? 1 : op.getGroups();
  int64_t inputs = shape[shape.size() - 2], outputs = shape.back() / groups;
  int64_t matrices = filter.getNumElements() / (inputs * shape.back());
  int64_t panels = llvm::divideCeil(outputs, panelWidth);
  if (nest::filterForm(op).strassen)
    return op.emitError("no kernel transforms filters for Strassen's algorithm: only constants are");
  KernelCall call;
  call.args = {{CallArg::Operand, 0}, {CallArg::Result, 0}};
  if (auto tile = nest::winogradTile(op)) {
    call.spec = winogradPackKernel(nest::Winograd(tile).filter());
    call.params = {inputs, outputs, panels};
  } else {
    call.spec = packKernel(/*transposed=*/false);
    call.params = {matrices, inputs, outputs, groups, panels};
  }
  return Calls{std::move(call)};
}

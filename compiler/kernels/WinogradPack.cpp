//===- WinogradPack.cpp - Filters transformed at run time -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Filters of a network that trains change with every step, and so do their
// transforms: G filter G', as two passes of a transform of one dimension over
// vectors of outputs. In f32, since what follows rounds more.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/PackSpec.h"
#include "compiler/kernels/TileTable.h"
#include "compiler/kernels/WinogradTransform.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

static constexpr int64_t kTaps = 3; ///< In each dimension.

namespace {

class FilterTransform {
public:
  FilterTransform(func::FuncOp func, const TargetInfo &target, const nest::Matrix &matrix)
      : b(func, target), extent(matrix.rows), matrix(b, matrix),
        stage(b.stack(b.getF32Type(), kTaps * extent * panelWidth)) {}

  void emit();

private:
  void emitInput(Value taps, Value to, Value count);
  void emitRows(Value taps, Value output, Lanes lanes);
  void emitColumns(Value to, Value output, Lanes lanes);

  KernelBuilder b;
  int64_t extent; ///< Transformed taps in each dimension.
  ConstantMatrix matrix;
  Value stage; ///< [row of taps][column] of vectors that are 16 floats apart.
};

void FilterTransform::emit() {
  Type f32 = b.getF32Type();
  Value inputs = b.param(0), outputs = b.param(1);
  b.loop(b.begin(), b.end(), 1, [&](Value panel) {
    Value first = b.mul(panel, panelWidth), count = b.min(b.sub(outputs, first), b.i64(panelWidth));
    Value result = b.at(b.arg(1), b.mul(b.mul(panel, inputs), extent * extent * panelWidth), f32);
    b.loop(b.i64(0), inputs, 1, [&](Value input) {
      emitInput(b.at(b.arg(0), b.add(b.mul(input, outputs), first), f32), b.at(result, b.mul(input, panelWidth), f32),
                count);
    });
  });
}

/// One input of a panel that has `count` outputs; zeros past the end.
void FilterTransform::emitInput(Value taps, Value to, Value count) {
  b.vectorLoop(b.i64(0), count, b.target.vectorLanes, [&](Value output, Lanes lanes) {
    emitRows(taps, output, lanes);
    emitColumns(to, output, lanes);
  });
  b.ifThen(b.less(count, b.i64(panelWidth)), [&] {
    Value stride = b.mul(b.param(0), panelWidth);
    b.loop(b.i64(0), b.i64(extent * extent), 1, [&](Value position) {
      b.loop(count, b.i64(panelWidth), 1, [&](Value output) {
        b.store(b.constant(b.getF32Type(), 0), to, b.add(b.mul(position, stride), output));
      });
    });
  });
}

/// Rows of taps from the filter to the stack.
void FilterTransform::emitRows(Value taps, Value output, Lanes lanes) {
  Value plane = b.mul(b.param(0), b.param(1));
  b.loop(b.i64(0), b.i64(kTaps), 1, [&](Value i) {
    Value first = b.add(b.mul(b.mul(i, kTaps), plane), output), place = b.mul(i, extent * panelWidth);
    SmallVector<Value> row;
    for (int64_t j = 0; j < kTaps; ++j)
      row.push_back(b.load(b.getF32Type(), taps, b.add(first, b.mul(plane, j)), lanes));
    for (auto [j, value] : llvm::enumerate(matrix.apply(row)))
      b.store(value, stage, b.add(place, j * panelWidth), {lanes.count});
  });
}

/// Columns from the stack to the result.
void FilterTransform::emitColumns(Value to, Value output, Lanes lanes) {
  transformColumns(b, matrix, stage, extent, to, output, b.mul(b.param(0), panelWidth), lanes);
}

} // namespace

KernelSpec nestor::kernels::winogradPackKernel(const nest::Matrix &matrix) {
  std::string identity;
  llvm::raw_string_ostream os(identity);
  os << matrix.rows << ':';
  for (double value : matrix.values)
    os << value << ',';
  std::string extent = std::to_string(matrix.rows);
  KernelSpec spec;
  spec.name = kernelName("winograd_pack", identity);
  spec.signature = "pack " + extent + "x" + extent + " transformed";
  Polynomial filter = {{4 * kTaps * kTaps, {0, 1}}};
  Polynomial packed = {{4 * matrix.rows * matrix.rows * panelWidth, {0, 2}}};
  spec.args = {{filter, /*written=*/false, 4}, {packed, /*written=*/true, 64}};
  spec.params.assign(3, {1, int64_t(1) << 31});
  spec.grains = {{1, {2}}};
  spec.emit = [matrix](func::FuncOp func, const TargetInfo &target) {
    FilterTransform(func, target, matrix).emit();
    return success();
  };
  return spec;
}

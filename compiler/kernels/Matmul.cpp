//===- Matmul.cpp - Products of two computed tensors ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The right side is packed into panels by a first call, then the micro-kernel
// of convolutions runs over each matrix of the batch. Other types than f32,
// and products of so few rows that packing would cost more than it saves, are
// plain loops.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Epilogue.h"
#include "compiler/kernels/Families.h"
#include "compiler/kernels/MicroKernel.h"
#include "compiler/kernels/PackSpec.h"
#include "compiler/kernels/PlainConv.h"
#include "compiler/kernels/TileChoice.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

namespace {

struct MatmulSpec {
  EpilogueSpec epilogue;
  Type lhs, rhs, result;
  SmallVector<int64_t> batch;                ///< Batch dimensions of the result.
  SmallVector<bool> lhsRepeats, rhsRepeats;  ///< The operand has extent 1 there.
  int64_t rows = 0;
  bool transposeLhs = false, transposeRhs = false, packed = false, narrow = false, aliased = false;
  DictionaryAttr tiles; ///< `nest.tiles` of the operation, or null.

  int64_t batches(ArrayRef<bool> repeats = {}) const {
    int64_t count = 1;
    for (auto [i, extent] : llvm::enumerate(batch))
      count *= !repeats.empty() && repeats[i] ? 1 : extent;
    return count;
  }
  /// A grain is one matrix, or one row where there is a single matrix.
  bool grainIsRow() const { return batches() == 1; }

  std::string identity() const {
    std::string text;
    llvm::raw_string_ostream os(text);
    os << lhs << rhs << result << rows << transposeLhs << transposeRhs << packed << narrow << aliased;
    for (size_t i = 0; i < batch.size(); ++i)
      os << ',' << batch[i] << lhsRepeats[i] << rhsRepeats[i];
    if (tiles)
      os << tiles;
    os << epilogue.identity();
    return text;
  }
};

Tile tableTile(const TargetInfo &target, const MatmulSpec &spec) {
  return matmulTile(target, spec.rows, spec.narrow, spec.aliased);
}

Tile tileFor(const TargetInfo &target, const MatmulSpec &spec) {
  return chosenTile(spec.tiles, target, tableTile(target, spec));
}

/// Number of the operand's matrix that matrix `index` of the result needs.
Value operandMatrix(KernelBuilder &b, const MatmulSpec &spec, ArrayRef<bool> repeats, Value index) {
  if (llvm::none_of(repeats, [](bool r) { return r; }))
    return index;
  Value result = b.i64(0);
  int64_t resultStride = 1, operandStride = 1;
  for (int64_t i = int64_t(spec.batch.size()) - 1; i >= 0; --i) {
    if (!repeats[i]) {
      Value coordinate = b.rem(b.div(index, resultStride), spec.batch[i]);
      result = b.add(result, b.mul(coordinate, operandStride));
      operandStride *= spec.batch[i];
    }
    resultStride *= spec.batch[i];
  }
  return result;
}

/// Runs `body(matrix, firstRow, lastRow)` over the grains [begin, end), rows
/// rounded up to `multiple`.
void overRange(KernelBuilder &b, const MatmulSpec &spec, int64_t multiple,
               llvm::function_ref<void(Value, Value, Value)> body) {
  Value rows = b.i64(spec.rows);
  if (spec.grainIsRow())
    return body(b.i64(0), b.min(b.roundUp(b.begin(), multiple), rows), b.min(b.roundUp(b.end(), multiple), rows));
  b.loop(b.begin(), b.end(), 1, [&](Value matrix) { body(matrix, b.i64(0), rows); });
}

/// Arguments: lhs, packed rhs [panels, matrices, depth, 16], epilogue.
/// Parameters: depth, columns, panels.
LogicalResult emitPacked(func::FuncOp func, const TargetInfo &target, const MatmulSpec &spec) {
  KernelBuilder b(func, target);
  Type f32 = b.getF32Type();
  Tile tile = tileFor(target, spec);
  Value lhs = b.arg(0), rhs = b.arg(1), depth = b.param(0), columns = b.param(1), panels = b.param(2);
  PanelEpilogue epilogue(b, spec.epilogue, 2, columns, tile.rows, tile.panels);
  Value rowStride = spec.transposeLhs ? b.i64(1) : depth, depthStride = spec.transposeLhs ? b.i64(spec.rows) : b.i64(1);
  Value panelStride = b.mul(depth, spec.batches(spec.rhsRepeats) * panelWidth);

  overRange(b, spec, tile.rows, [&](Value matrix, Value first, Value last) {
    Value a = b.at(lhs, b.mul(b.mul(operandMatrix(b, spec, spec.lhsRepeats, matrix), depth), spec.rows), f32);
    Value w = b.at(rhs, b.mul(b.mul(operandMatrix(b, spec, spec.rhsRepeats, matrix), depth), panelWidth), f32);
    auto emitTile = [&](Value row, int64_t rows, Value panelPointer) {
      SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, rows));
      SmallVector<Value> panelPointers = PanelsOperand{panelPointer, panelStride, f32}.panels(b, epilogue.panelCount());
      SmallVector<Value> sums = accumulate(b, epilogue.start(rows), all, epilogue.vectors(), epilogue.lanes(),
                                           {b.at(a, b.mul(row, rowStride), f32), rowStride, depthStride},
                                           panelPointers, depth);
      epilogue.finish(sums, rows, b.add(b.mul(matrix, spec.rows), row));
    };
    forEachPanels(b, b.i64(0), panels, columns, tile.panels, [&](Value panel, int64_t count) {
      Value channel = b.mul(panel, panelWidth), pointer = b.at(w, b.mul(panel, panelStride), f32);
      epilogue.enterPanels(channel, b.sub(columns, channel), count);
      int64_t whole = spec.rows / tile.rows * tile.rows;
      b.loop(first, b.min(last, b.i64(whole)), tile.rows, [&](Value row) { emitTile(row, tile.rows, pointer); });
      if (whole < spec.rows)
        b.ifThen(b.less(b.i64(whole), last), [&] { emitTile(b.i64(whole), spec.rows - whole, pointer); });
    });
  });
  return success();
}

/// Arguments: lhs, rhs, epilogue. Parameters: depth, columns.
LogicalResult emitPlain(func::FuncOp func, const TargetInfo &target, const MatmulSpec &spec) {
  KernelBuilder b(func, target);
  Value lhs = b.arg(0), rhs = b.arg(1), depth = b.param(0), columns = b.param(1);
  DirectEpilogue epilogue(b, spec.epilogue, spec.result, 2);
  Value rowStride = spec.transposeLhs ? b.i64(1) : depth, depthStride = spec.transposeLhs ? b.i64(spec.rows) : b.i64(1);
  overRange(b, spec, 1, [&](Value matrix, Value first, Value last) {
    Value a = b.mul(b.mul(operandMatrix(b, spec, spec.lhsRepeats, matrix), depth), spec.rows);
    Value w = b.mul(b.mul(operandMatrix(b, spec, spec.rhsRepeats, matrix), depth), columns);
    b.loop(first, last, 1, [&](Value row) {
      // Columns of a transposed right side do not lie side by side.
      int64_t width = spec.transposeRhs ? 1 : b.lanesFor(spec.result);
      b.vectorLoop(b.i64(0), columns, width, [&](Value column, Lanes lanes) {
        SmallVector<Value> sum{b.constant(withLanes(registerType(spec.result), lanes.count), 0)};
        sum = b.loop(b.i64(0), depth, 1, sum, [&](Value k, ValueRange carried) {
          Value x = b.load(spec.lhs, lhs, b.add(a, b.add(b.mul(row, rowStride), b.mul(k, depthStride))));
          Value index = spec.transposeRhs ? b.add(b.mul(column, depth), k) : b.add(b.mul(k, columns), column);
          Value y = widen(b, b.load(spec.rhs, rhs, b.add(w, index), lanes), spec.rhs, spec.result);
          x = b.broadcast(widen(b, x, spec.lhs, spec.result), lanes.count);
          return SmallVector<Value>{multiplyAdd(b, x, y, carried[0])};
        });
        Value pixel = b.add(b.mul(matrix, spec.rows), row);
        epilogue.finish(sum[0], column, b.add(b.mul(pixel, columns), column), lanes);
      });
    });
  });
  return success();
}

MatmulSpec specFor(nest::MatmulOp op, EpilogueSpec epilogue) {
  MatmulSpec spec;
  auto lhs = cast<RankedTensorType>(op.getLhs().getType()), rhs = cast<RankedTensorType>(op.getRhs().getType());
  ArrayRef<int64_t> out = op.getType().getShape();
  spec.epilogue = std::move(epilogue);
  spec.lhs = lhs.getElementType(), spec.rhs = rhs.getElementType(), spec.result = op.getType().getElementType();
  for (size_t i = 0; i + 2 < out.size(); ++i) {
    spec.batch.push_back(out[i]);
    spec.lhsRepeats.push_back(lhs.getShape()[i] != out[i]);
    spec.rhsRepeats.push_back(rhs.getShape()[i] != out[i]);
  }
  spec.rows = out[out.size() - 2];
  spec.transposeLhs = op.getTransposeLhs(), spec.transposeRhs = op.getTransposeRhs();
  constexpr int64_t fewRows = 3;
  spec.packed = spec.lhs.isF32() && spec.rhs.isF32() && spec.result.isF32() &&
                (spec.rows > fewRows || spec.transposeRhs);
  if (spec.packed) {
    int64_t depth = lhs.getShape()[out.size() - (op.getTransposeLhs() ? 2 : 1)];
    spec.narrow = out.back() <= panelWidth;
    spec.aliased = !spec.transposeLhs && depth * 4 % 4096 == 0;
  }
  spec.tiles = tilesOf(op);
  return spec;
}

} // namespace

SmallVector<TileShape> nestor::kernels::matmulTiles(nest::MatmulOp op, const TargetInfo &target) {
  FailureOr<EpilogueSpec> epilogue = describeEpilogue(op, op.getType(), op.getExtras(), op.getEpilogue());
  if (failed(epilogue))
    return {};
  MatmulSpec spec = specFor(op, *epilogue);
  if (!spec.packed)
    return {};
  return tilesBeside(tableTile(target, spec), target, spec.rows, spec.narrow, INT64_MAX);
}

FailureOr<Calls> nestor::kernels::describeMatmul(nest::MatmulOp op) {
  if (failed(checkTiles(op)))
    return failure();
  FailureOr<EpilogueSpec> epilogue = describeEpilogue(op, op.getType(), op.getExtras(), op.getEpilogue());
  if (failed(epilogue))
    return failure();
  MatmulSpec spec = specFor(op, *epilogue);
  ArrayRef<int64_t> lhs = cast<RankedTensorType>(op.getLhs().getType()).getShape();
  int64_t depth = lhs[lhs.size() - (spec.transposeLhs ? 2 : 1)], columns = op.getType().getShape().back();
  int64_t panels = llvm::divideCeil(columns, panelWidth), rhsMatrices = spec.batches(spec.rhsRepeats);

  Calls calls;
  KernelCall call;
  int64_t lhsBytes = storageBytes(spec.lhs), rhsBytes = storageBytes(spec.rhs), bytes = storageBytes(spec.result);
  Polynomial rhs = {{rhsBytes * rhsMatrices, {0, 1}}};
  call.args = {{CallArg::Operand, 0}, {CallArg::Operand, 1}};
  call.params = {depth, columns};
  if (spec.packed) {
    KernelCall pack;
    pack.spec = packKernel(spec.transposeRhs);
    pack.args = {{CallArg::Operand, 1}, {CallArg::Scratch, 0, 0, 4 * panels * rhsMatrices * depth * panelWidth}};
    pack.params = {rhsMatrices, depth, columns, 1, panels};
    call.args[1] = pack.args[1];
    call.params.push_back(panels);
    rhs = {{4 * rhsMatrices * panelWidth, {0, 2}}};
    calls.push_back(std::move(pack));
  }
  call.spec.args = {{{{lhsBytes * spec.batches(spec.lhsRepeats) * spec.rows, {0}}}, /*written=*/false, uint32_t(lhsBytes)},
                    {rhs, /*written=*/false, spec.packed ? 64 : uint32_t(rhsBytes)}};
  addEpilogueArgs(call, spec.epilogue, {{bytes, {1}}}, {{bytes * spec.batches() * spec.rows, {1}}}, bytes, 2);
  call.spec.params.assign(call.params.size(), {1, int64_t(1) << 31});
  call.spec.grains = {{spec.grainIsRow() ? spec.rows : spec.batches(), {}}};
  call.spec.name = kernelName("matmul", spec.identity());
  call.spec.signature = "matmul " + (spec.batches() > 1 ? std::to_string(spec.batches()) + " x " : std::string()) +
                        std::to_string(spec.rows) + " rows" + epilogueSuffix(spec.epilogue) + tileSuffix(spec.tiles);
  call.macs = uint64_t(spec.batches()) * spec.rows * depth * columns;
  call.spec.emit = [spec](func::FuncOp func, const TargetInfo &target) {
    return spec.packed ? emitPacked(func, target, spec) : emitPlain(func, target, spec);
  };
  calls.push_back(std::move(call));
  return calls;
}

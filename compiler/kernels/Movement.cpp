//===- Movement.cpp - Transposing, slicing, joining and padding -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/Rows.h"
#include "compiler/kernels/StaticCall.h"
#include "compiler/kernels/StridedCopy.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

static std::string listOf(ArrayRef<int64_t> values) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleave(values, os, ",");
  return text;
}

static Calls copyCall(Operation *op, StringRef family, StringRef detail, const StridedCopy &copy) {
  return {staticCall(op, family, detail, copy.grains(),
                     [copy](KernelBuilder &b) { copy.emit(b, b.arg(0), b.arg(1)); })};
}

FailureOr<Calls> nestor::kernels::describeTranspose(nest::TransposeOp op) {
  RankedTensorType input = typeOf(op.getInput()), result = op.getType();
  SmallVector<int64_t> from = stridesOf(input.getShape()), to = stridesOf(result.getShape());
  SmallVector<CopyDim> dims;
  for (auto [i, p] : llvm::enumerate(op.getPerm()))
    dims.push_back({result.getDimSize(i), from[p], to[i]});
  return copyCall(op, "transpose", listOf(op.getPerm()), StridedCopy(input.getElementType(), dims));
}

FailureOr<Calls> nestor::kernels::describeSlice(nest::SliceOp op) {
  RankedTensorType input = typeOf(op.getInput()), result = op.getType();
  SmallVector<int64_t> from = stridesOf(input.getShape()), to = stridesOf(result.getShape());
  SmallVector<CopyDim> dims;
  int64_t start = 0;
  for (int64_t i = 0; i < result.getRank(); ++i) {
    dims.push_back({result.getDimSize(i), from[i] * op.getSteps()[i], to[i]});
    start += from[i] * op.getStarts()[i];
  }
  std::string detail = listOf(op.getStarts()) + " by " + listOf(op.getSteps());
  return copyCall(op, "slice", detail, StridedCopy(input.getElementType(), dims, start));
}

namespace {

/// An operand of a concatenation that is copied: rows of `width` elements,
/// `pitch` apart, that begin `start` elements into those of the result.
struct CopiedRows {
  unsigned operand;
  int64_t width, pitch, start;
};

/// The copies of a concatenation, `count` rows each.
struct RowCopies {
  int64_t count, resultPitch;
  SmallVector<CopiedRows> operands;

  RowCopies(nest::ConcatOp op, const RowPitches &pitches);
  KernelCall call(nest::ConcatOp op) const;
};

} // namespace

RowCopies::RowCopies(nest::ConcatOp op, const RowPitches &pitches) {
  ArrayRef<int64_t> shape = op.getType().getShape();
  size_t axis = op.getAxis();
  int64_t inner = product(shape, axis + 1, shape.size()), start = 0;
  count = product(shape, 0, axis);
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    int64_t width = typeOf(input).getDimSize(axis) * inner;
    if (!pitches.inPlace[i])
      operands.push_back({unsigned(i), width, pitches.operands[i] ? pitches.operands[i] : width, start});
    start += width;
  }
  resultPitch = pitches.result ? pitches.result : start;
}

KernelCall RowCopies::call(nest::ConcatOp op) const {
  Type element = op.getType().getElementType();
  int64_t bytes = storageBytes(element);
  KernelCall call;
  llvm::raw_string_ostream text(call.spec.signature);
  text << "concat " << element << " rows " << count;
  auto add = [&](CallArg arg, int64_t length, int64_t pitch) {
    int64_t extent = count ? (count - 1) * pitch + length : 0;
    call.spec.args.push_back({{{bytes * extent, {}}}, arg.kind == CallArg::Result, uint32_t(bytes)});
    call.args.push_back(arg);
  };
  for (const CopiedRows &rows : operands) {
    text << ' ' << rows.width << '/' << rows.pitch << " to " << rows.start;
    add({CallArg::Operand, rows.operand}, rows.width, rows.pitch);
  }
  text << " of " << resultPitch;
  add({CallArg::Result, 0}, operands.back().start + operands.back().width, resultPitch);
  call.spec.name = kernelName("concat", call.spec.signature);
  call.spec.grains = {{count, {}}};
  call.spec.emit = [copies = *this, element](func::FuncOp func, const TargetInfo &target) {
    KernelBuilder b(func, target);
    SmallVector<Value> pointers;
    for (size_t i = 0; i <= copies.operands.size(); ++i)
      pointers.push_back(b.arg(i));
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      Value to = b.mul(row, copies.resultPitch);
      for (auto [rows, source] : llvm::zip(copies.operands, pointers))
        copyRun(b, element, source, b.mul(row, rows.pitch), pointers.back(), b.add(to, rows.start), rows.width);
    });
    return success();
  };
  return call;
}

FailureOr<Calls> nestor::kernels::describeConcat(nest::ConcatOp op) {
  return describeConcat(op, RowPitches::dense(op));
}

FailureOr<Calls> nestor::kernels::describeConcat(nest::ConcatOp op, const RowPitches &pitches) {
  RowCopies copies(op, pitches);
  if (copies.operands.empty())
    return Calls();
  return Calls{copies.call(op)};
}

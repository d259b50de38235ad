//===- Movement.cpp - Transposing, slicing, joining and padding -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
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

FailureOr<Calls> nestor::kernels::describeConcat(nest::ConcatOp op) {
  RankedTensorType result = op.getType();
  size_t axis = op.getAxis();
  int64_t outer = product(result.getShape(), 0, axis);
  int64_t inner = product(result.getShape(), axis + 1, result.getRank());
  SmallVector<int64_t> widths;
  for (Value input : op.getInputs())
    widths.push_back(typeOf(input).getDimSize(axis) * inner);
  int64_t total = result.getDimSize(axis) * inner;
  auto body = [=](KernelBuilder &b) {
    SmallVector<Value> sources;
    for (size_t i = 0; i < widths.size(); ++i)
      sources.push_back(b.arg(i));
    Value target = b.arg(widths.size());
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      Value to = b.mul(row, total);
      for (auto [source, width] : llvm::zip_equal(sources, widths)) {
        copyRun(b, result.getElementType(), source, b.mul(row, width), target, to, width);
        to = b.add(to, width);
      }
    });
  };
  return Calls{staticCall(op, "concat", "axis " + std::to_string(axis), outer, body)};
}

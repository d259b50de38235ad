//===- Rows.cpp - Tensors inside larger ones ------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Rows.h"

#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/Quantized.h"
#include "compiler/ir/RowSums.h"
#include "compiler/kernels/Epilogue.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

RowPitches RowPitches::dense(Operation *op) {
  RowPitches pitches;
  pitches.operands.assign(op->getNumOperands(), 0);
  pitches.inPlace.assign(op->getNumOperands(), false);
  return pitches;
}

static bool joinsRows(nest::ConcatOp op) { return int64_t(op.getAxis()) + 1 == op.getType().getRank(); }

/// Floats and bytes. Residuals are read as far apart as results are written, and
/// sums of rows lie behind results that have memory of their own.
static bool convWritesRows(nest::ConvOp op) {
  Type f32 = Float32Type::get(op.getContext());
  auto isFull = [&](Value extra) {
    return classifyExtra(op.getType().clone(f32), cast<RankedTensorType>(extra.getType()).clone(f32)) ==
           ExtraKind::Full;
  };
  return (nest::computesInF32(op) || nest::isOfBytes(op)) && !nest::leavesRowSums(op) &&
         llvm::none_of(op.getExtras(), isFull);
}

bool nestor::kernels::writesRows(Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([](nest::ConvOp conv) { return convWritesRows(conv); })
      .Case([](nest::PoolOp) { return true; })
      .Case([](nest::ConcatOp concat) { return joinsRows(concat); })
      .Default([](Operation *) { return false; });
}

bool nestor::kernels::readsRows(Operation *op) {
  auto concat = dyn_cast<nest::ConcatOp>(op);
  return concat && joinsRows(concat);
}

Polynomial nestor::kernels::pitchedBytes(Term oneApart, uint32_t pitch, const Term &rowBytes) {
  oneApart.factors.push_back(pitch);
  // Of rowBytes only the coefficient, an element's bytes, belongs to each row.
  return {oneApart, {-rowBytes.coefficient, {pitch}}, rowBytes};
}

FailureOr<SmallVector<KernelCall, 1>> nestor::kernels::describeCalls(Operation *op, const RowPitches &pitches) {
  return llvm::TypeSwitch<Operation *, FailureOr<SmallVector<KernelCall, 1>>>(op)
      .Case([&](nest::ConvOp conv) { return describeConv(conv, pitches.result); })
      .Case([&](nest::PoolOp pool) { return describePool(pool, pitches.result); })
      .Case([&](nest::ConcatOp concat) { return describeConcat(concat, pitches); })
      .Default([](Operation *other) { return describeCalls(other); });
}

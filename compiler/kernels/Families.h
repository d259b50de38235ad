//===- Families.h - One describer per kernel family -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Each describer turns one kind of operation into kernel calls; `describeCalls`
// picks one by the operation's type. They are defined in the family's file.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_FAMILIES_H
#define NESTOR_KERNELS_FAMILIES_H

#include "compiler/ir/NestDialect.h"
#include "compiler/kernels/Kernel.h"

namespace nestor::kernels {

using Calls = llvm::SmallVector<KernelCall, 1>;

// Dense linear algebra.
mlir::FailureOr<Calls> describeConv(nest::ConvOp op);
mlir::FailureOr<Calls> describeConvFilterGrad(nest::ConvFilterGradOp op);
mlir::FailureOr<Calls> describeConvTranspose(nest::ConvTransposeOp op);
mlir::FailureOr<Calls> describeMatmul(nest::MatmulOp op);
mlir::FailureOr<Calls> describePack(nest::PackOp op);

// Element by element.
mlir::FailureOr<Calls> describeMap(nest::MapOp op);
bool mapRunsInPlace(nest::MapOp op, unsigned index);

// Reading and writing by index.
mlir::FailureOr<Calls> describeGather(nest::GatherOp op);
mlir::FailureOr<Calls> describeGatherElements(nest::GatherElementsOp op);
mlir::FailureOr<Calls> describeGatherND(nest::GatherNDOp op);
mlir::FailureOr<Calls> describeScatterElements(nest::ScatterElementsOp op);
mlir::FailureOr<Calls> describeScatterND(nest::ScatterNDOp op);
mlir::FailureOr<Calls> describeOneHot(nest::OneHotOp op);
mlir::FailureOr<Calls> describeReverseSequence(nest::ReverseSequenceOp op);
mlir::FailureOr<Calls> describeMaxPoolIndices(nest::MaxPoolIndicesOp op);

// Moving data.
mlir::FailureOr<Calls> describeTranspose(nest::TransposeOp op);
mlir::FailureOr<Calls> describeSlice(nest::SliceOp op);
mlir::FailureOr<Calls> describeConcat(nest::ConcatOp op);
mlir::FailureOr<Calls> describePad(nest::PadOp op);

// Windows and reductions.
mlir::FailureOr<Calls> describePool(nest::PoolOp op);
mlir::FailureOr<Calls> describePoolGrad(nest::PoolGradOp op);
mlir::FailureOr<Calls> describeReduce(nest::ReduceOp op);
mlir::FailureOr<Calls> describeArgReduce(nest::ArgReduceOp op);
mlir::FailureOr<Calls> describeResize(nest::ResizeOp op);
mlir::FailureOr<Calls> describeSoftmax(nest::SoftmaxOp op);
mlir::FailureOr<Calls> describeNorm(nest::NormOp op);

// Along an axis.
mlir::FailureOr<Calls> describeCumsum(nest::CumsumOp op);
mlir::FailureOr<Calls> describeTopK(nest::TopKOp op);
mlir::FailureOr<Calls> describeLrn(nest::LrnOp op);

// Recurrent layers.
mlir::FailureOr<Calls> describeLstm(nest::LstmOp op);
mlir::FailureOr<Calls> describeGru(nest::GruOp op);
mlir::FailureOr<Calls> describeRnn(nest::RnnOp op);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_FAMILIES_H

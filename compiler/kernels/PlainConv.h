//===- PlainConv.h - Epilogue description and plain convolutions -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_PLAINCONV_H
#define NESTOR_KERNELS_PLAINCONV_H

#include "compiler/kernels/Epilogue.h"
#include "compiler/kernels/Families.h"

namespace nestor::kernels {

/// The epilogue of `op`. An error at `op` if an extra operand has a shape that
/// no kernel fuses.
mlir::FailureOr<EpilogueSpec> describeEpilogue(mlir::Operation *op, mlir::RankedTensorType result,
                                               mlir::ValueRange extras, mlir::Region &region);

/// Adds the arguments scale, bias, extras (operands from `firstOperand` on) and
/// result, all from channel `firstChannel` on.
void addEpilogueArgs(KernelCall &call, const EpilogueSpec &epilogue, const Polynomial &channelBytes,
                     const Polynomial &resultBytes, int64_t elementBytes, unsigned firstOperand,
                     int64_t firstChannel = 0);

/// What a fused region does, for people: its operations, shortened.
std::string epilogueSuffix(const EpilogueSpec &epilogue);

/// `value`, read as an element of type `from`, in the type of `to`.
mlir::Value widen(KernelBuilder &b, mlir::Value value, mlir::Type from, mlir::Type to);
/// x * y + sum in the type of `sum`.
mlir::Value multiplyAdd(KernelBuilder &b, mlir::Value x, mlir::Value y, mlir::Value sum);

/// A convolution of another type than f32, with its filter as it is.
mlir::FailureOr<Calls> describePlainConv(nest::ConvOp op, const EpilogueSpec &epilogue);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_PLAINCONV_H

//===- PlanTensors.h - What a manifest says of tensors ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_PLANTENSORS_H
#define NESTOR_PACKAGE_PLANTENSORS_H

#include "compiler/package/artifact.pb.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace nestor::package {

/// Bytes of the elements.
int64_t byteSize(mlir::Value value);

/// What its memory holds: the tensor, and behind it the sums of its rows, if any.
int64_t bytesInMemory(mlir::Value value);

/// DTYPE_INVALID for elements that artifacts cannot hold.
format::DType dtypeOf(mlir::Type type);

/// Whether the result of `op` lies in a shell instead of being computed.
bool isWeight(mlir::Operation *op);

/// Adds the model's inputs and outputs, which all capacities have, from any one of
/// them.
mlir::LogicalResult describeBoundary(mlir::func::FuncOp func, format::Manifest &manifest);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_PLANTENSORS_H

//===- Verify.h - What verifiers of the nest operations share ---*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_VERIFY_H
#define NESTOR_IR_VERIFY_H

#include "compiler/ir/NestDialect.h"
#include "compiler/ir/Winograd.h"

namespace nestor::nest {

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType()).getShape();
}

inline mlir::Type elementOf(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType()).getElementType();
}

/// Checks that `axis` names one of `rank` dimensions.
mlir::LogicalResult verifyAxis(mlir::Operation *op, int64_t axis, int64_t rank);

/// Checks the shape of an operand or result, which the message calls `name`.
mlir::LogicalResult verifyShape(mlir::Operation *op, llvm::StringRef name, mlir::Value value,
                                llvm::ArrayRef<int64_t> want);

/// Checks that both have the same element type.
mlir::LogicalResult verifySameElements(mlir::Operation *op, mlir::Value a, mlir::Value b);

/// Checks that `value` holds integers, as indices and lengths do.
mlir::LogicalResult verifyIntegers(mlir::Operation *op, llvm::StringRef name, mlir::Value value);

/// Checks that `value` broadcasts to `result` by numpy's rule.
mlir::LogicalResult verifyBroadcast(mlir::Operation *op, mlir::Value value,
                                    llvm::ArrayRef<int64_t> result);

/// Checks that the extents of `result` follow from a window sliding over
/// `input` (both [N, spatial.., C]). `exact` asks for the floor formula.
mlir::LogicalResult verifyWindow(mlir::Operation *op, llvm::ArrayRef<int64_t> input, mlir::Value result,
                                 llvm::ArrayRef<int64_t> kernel, llvm::ArrayRef<int64_t> strides,
                                 llvm::ArrayRef<int64_t> dilations,
                                 llvm::ArrayRef<int64_t> padBegin, llvm::ArrayRef<int64_t> padEnd,
                                 bool exact);

/// Checks that a filter with such taps can be that of `tile`; any without a tile.
mlir::LogicalResult verifyWinograd(mlir::Operation *op, WinogradTile tile, llvm::ArrayRef<int64_t> kernel,
                                   int64_t groups, mlir::Type element);

} // namespace nestor::nest

#endif // NESTOR_IR_VERIFY_H

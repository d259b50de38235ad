//===- Evaluator.h - The naive reference evaluator --------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Evaluates nest operations with plain loops, accumulating floats in double.
// It is the importer's constant folder, the oracle of the kernel tests, and
// what `nestorc verify` compares with: slow, small and obviously right.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_REFERENCE_EVALUATOR_H
#define NESTOR_REFERENCE_EVALUATOR_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <vector>

namespace nestor::reference {

/// A dense row-major tensor. Elements lie as in memory on a little-endian
/// machine; i1 takes one byte, 0 or 1.
struct TensorValue {
  mlir::RankedTensorType type;
  std::vector<char> bytes;

  int64_t size() const { return type.getNumElements(); }
  template <typename T> llvm::MutableArrayRef<T> as() {
    return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
  }
  template <typename T> llvm::ArrayRef<T> as() const {
    return {reinterpret_cast<const T *>(bytes.data()), bytes.size() / sizeof(T)};
  }

  /// Element `index` converted; floats to integers truncate.
  double getDouble(int64_t index) const;
  int64_t getInt(int64_t index) const;

  /// Zero-filled.
  static TensorValue zeros(mlir::RankedTensorType type);
  /// From a `DenseElementsAttr` (splats expanded) or `DenseResourceElementsAttr`.
  static TensorValue fromAttr(mlir::ElementsAttr attr);
  /// As a `dense` attribute when small, otherwise a `dense_resource` that owns
  /// a 64-byte aligned copy.
  mlir::ElementsAttr toAttr() const;
};

/// Bytes one element takes in memory (i1: 1).
int64_t elementBytes(mlir::Type element);

/// `tensor` with its elements converted: floats to integers truncate (NaN
/// becomes 0, what is out of range the nearest end of it), integers keep their
/// low bits.
TensorValue convert(const TensorValue &tensor, mlir::Type element);

/// Evaluates one nest operation. Fails, with an error at `op`, for one that
/// does not verify or that the evaluator does not know.
mlir::LogicalResult evaluate(mlir::Operation *op, llvm::ArrayRef<TensorValue> operands,
                             llvm::SmallVectorImpl<TensorValue> &results);

/// Evaluates a function of nest operations.
mlir::LogicalResult evaluate(mlir::func::FuncOp func, llvm::ArrayRef<TensorValue> arguments,
                             llvm::SmallVectorImpl<TensorValue> &results);

} // namespace nestor::reference

#endif // NESTOR_REFERENCE_EVALUATOR_H

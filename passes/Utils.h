//===- Utils.h - What several passes need -----------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_UTILS_H
#define NESTOR_PASSES_UTILS_H

#include "compiler/ir/NestDialect.h"

#include "mlir/IR/PatternMatch.h"

namespace nestor {

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}
inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) { return tensorType(value).getShape(); }
inline bool isConstant(mlir::Value value) {
  return value && value.getDefiningOp<nest::ConstOp>() != nullptr;
}

/// Whether nothing but `reader` uses `value`.
inline bool isReadOnlyBy(mlir::Value value, mlir::Operation *reader) {
  return llvm::all_of(value.getUsers(), [&](mlir::Operation *user) { return user == reader; });
}
/// Whether `op` is a product that can finish its elements in an epilogue.
inline bool hasEpilogue(mlir::Operation *op) {
  return llvm::isa_and_nonnull<nest::ConvOp, nest::MatmulOp>(op);
}

/// Bytes that the tensor takes in memory.
int64_t bytesOf(mlir::Value value);

/// What `op`, whose operands are constants, evaluates to.
mlir::LogicalResult evaluateOnConstants(mlir::Operation *op,
                                        llvm::SmallVectorImpl<mlir::ElementsAttr> &results);

/// Inserts `op`, which has one result and is in no block yet, or, where its
/// operands are constants, the constant that it evaluates to.
mlir::Value insertFolded(mlir::OpBuilder &builder, mlir::Operation *op);
template <typename OpTy, typename... Args>
mlir::Value createFolded(mlir::OpBuilder &builder, mlir::Location loc, Args &&...args) {
  mlir::OpBuilder detached(builder.getContext());
  return insertFolded(builder, OpTy::create(detached, loc, std::forward<Args>(args)...));
}

/// `value` under another shape; itself if it has that shape.
mlir::Value reshapeTo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                      llvm::ArrayRef<int64_t> shape);
/// Result dimension i is `value`'s perm[i]; itself if nothing moves.
mlir::Value transposeTo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                        llvm::ArrayRef<int64_t> perm);

/// Copies the operations of `body` but its yield to the builder's position
/// and returns what it yields, with `arguments` for the block's.
mlir::Value inlineBody(mlir::OpBuilder &builder, mlir::Region &body, mlir::ValueRange arguments);

/// The type that an element of `tensor` has inside a region.
mlir::Type scalarTypeOf(mlir::Type tensor);

} // namespace nestor

#endif // NESTOR_PASSES_UTILS_H

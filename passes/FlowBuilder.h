//===- FlowBuilder.h - Reads how indices correspond -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_FLOWBUILDER_H
#define NESTOR_PASSES_FLOWBUILDER_H

#include "passes/ChannelFlow.h"

namespace nestor {

/// A reshape that splits a dimension, a transpose of the parts and a reshape
/// back: index i of the result's `dim` is index indices[i] of the input's.
struct ChannelShuffle {
  nest::ReshapeOp first;
  nest::TransposeOp transpose;
  unsigned dim;
  llvm::SmallVector<int64_t> indices;

  static std::optional<ChannelShuffle> endingAt(nest::ReshapeOp last);
};

/// Walks a function and writes down what each operation does.
class FlowBuilder {
public:
  explicit FlowBuilder(ChannelFlow &flow) : flow(flow) {}

  void build(mlir::func::FuncOp func);

private:
  using Value = mlir::Value;
  using OpOperand = mlir::OpOperand;
  using Operation = mlir::Operation;

  ChannelFlow &flow;
  llvm::DenseMap<Operation *, ChannelShuffle> shuffles; ///< By their last operation.
  llvm::DenseSet<Operation *> insideShuffles;           ///< Their other operations.
  llvm::DenseSet<Axis> carriers;                        ///< Factors that are preferred as carriers.

  //===--- axes -----------------------------------------------------------===//

  Axis find(Axis axis);
  Axis create(int64_t extent);
  Axis axis(void *tensor, unsigned dim, int64_t extent);
  Axis axis(Value value, unsigned dim);
  Axis axis(OpOperand &operand, unsigned dim);

  /// Puts both on one axis; false if they are already.
  bool unite(Axis a, Axis b);
  void fix(Axis axis, Operation *op, const llvm::Twine &reason);
  void fixAll(OpOperand &operand, const llvm::Twine &reason);
  void fixAll(Operation *op, const llvm::Twine &reason);
  void multiply(Operation *op, Axis whole, llvm::ArrayRef<Axis> factors);
  /// A selection along a dimension of `op`'s result, all zeros at first.
  AxisSelection &select(Operation *op, unsigned dim);

  //===--- operations (FlowRules.cpp) -------------------------------------===//

  void visit(Operation *op);
  void visitConv(nest::ConvOp op);
  void visitMatmul(nest::MatmulOp op);
  void visitRecurrent(const RecurrentOperands &layer);
  /// Operations whose operand and result lie on the same axes, but that need
  /// the dimensions for which `needs` is true as they are.
  void visitAligned(Operation *op, llvm::function_ref<bool(int64_t dim)> needs,
                    const llvm::Twine &reason);
  /// `operand` broadcasts to `result`.
  void alignBroadcast(OpOperand &operand, Value result);

  //===--- movement (FlowMovement.cpp) ------------------------------------===//

  void visitSlice(nest::SliceOp op);
  void visitPad(nest::PadOp op);
  void visitConcat(nest::ConcatOp op);
  void visitGather(nest::GatherOp op);
  void visitReshape(nest::ReshapeOp op);
  void visitShuffle(nest::ReshapeOp op, const ChannelShuffle &shuffle);

  void resolveProducts();
  void chooseCarrier(AxisProduct &product, const llvm::DenseSet<Axis> &fixed);
  llvm::DenseSet<Axis> findFixed();
  void finish();
};

} // namespace nestor

#endif // NESTOR_PASSES_FLOWBUILDER_H

//===- NarrowFunction.h - A function with other indices ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_NARROWFUNCTION_H
#define NESTOR_PASSES_NARROWFUNCTION_H

#include "passes/ChannelOrder.h"

#include "mlir/IR/IRMapping.h"

#include <functional>

namespace nestor {

/// The elements of `value` with the given indices along each dimension.
mlir::ElementsAttr selectElements(mlir::ElementsAttr value,
                                  llvm::ArrayRef<llvm::ArrayRef<int64_t>> indices);

/// Copies a function's body, each tensor with the indices of its axes that an
/// IndexOrder leaves. Constants are cut out; slices, pads, concats and gathers
/// become what selects the same channels among those that are left.
class FunctionNarrower {
public:
  FunctionNarrower(const ChannelGroups &groups, const IndexOrder &order)
      : groups(groups), flow(groups.flow()), order(order) {}

  /// What stands for an operand that capacities share; by default its constant.
  std::function<mlir::Value(mlir::OpBuilder &, mlir::OpOperand &)> weightOf;
  /// What stands for an operation, whose operands `mapping` has; a null value
  /// for those that are copied.
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Operation *, mlir::IRMapping &mapping)>
      replacementOf;

  /// Fills the empty body of `to`, whose type is `from`'s.
  void run(mlir::func::FuncOp from, mlir::func::FuncOp to);

private:
  const ChannelGroups &groups;
  const ChannelFlow &flow;
  const IndexOrder &order;
  mlir::IRMapping mapping;
  llvm::DenseMap<mlir::Value, mlir::Value> weights;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<const AxisSelection *>> changed;
  llvm::DenseSet<mlir::Operation *> skipped; ///< Inside of shuffles that are changed.

  void findChanged();
  void copy(mlir::OpBuilder &builder, mlir::Operation *op);
  mlir::Value operand(mlir::OpBuilder &builder, mlir::OpOperand &operand);
  mlir::Value sharedWeight(mlir::OpBuilder &builder, mlir::OpOperand &operand);
  mlir::Value constant(mlir::OpBuilder &builder, mlir::OpOperand &operand);
  mlir::RankedTensorType narrowType(mlir::Value value) const;
  mlir::Value withoutSelections(mlir::OpBuilder &builder, mlir::Operation *op, mlir::Value input,
                                llvm::ArrayRef<const AxisSelection *> selections);
  void copyRecurrent(mlir::OpBuilder &builder, const RecurrentOperands &layer);
  mlir::Value select(mlir::OpBuilder &builder, const AxisSelection &selection,
                     mlir::ValueRange operands);
};

} // namespace nestor

#endif // NESTOR_PASSES_NARROWFUNCTION_H

//===- GradientRules.h - One rule for each operator family ------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A rule is given an operation and the gradient of its result, and adds to the
// gradients of its operands. Rules are defined in the file of their family.
// They take any float type, so that tests can run them in double precision.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_GRADIENTRULES_H
#define NESTOR_LEARN_GRADIENTRULES_H

#include "compiler/ir/NestDialect.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace nestor::learn {

/// The gradients of a function's values while they are being built, at the
/// builder's position.
class Gradients : public mlir::ImplicitLocOpBuilder {
public:
  /// `active`: the values that depend on what the gradient is taken of.
  Gradients(mlir::OpBuilder builder, mlir::Location loc, llvm::DenseSet<mlir::Value> active)
      : ImplicitLocOpBuilder(loc, builder), active(std::move(active)) {}

  /// Whether the gradient of `value` is needed.
  bool wants(mlir::Value value) const { return value && active.contains(value); }
  /// Adds to the gradient of `value`, if it is wanted. A gradient of a shape
  /// that `value` broadcasts to is summed over the repetitions.
  void add(mlir::Value value, mlir::Value gradient);
  /// What was added for `value` in total; null if nothing was.
  mlir::Value take(mlir::Value value);

  // What rules build gradients with.
  using Body = llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::ValueRange)>;
  /// A `nest.map` to `shape`; its element type is that of the first input.
  mlir::Value map(mlir::ValueRange inputs, llvm::ArrayRef<int64_t> shape, Body body);
  mlir::Value multiply(mlir::Value a, mlir::Value b);
  mlir::Value scale(mlir::Value a, double factor);
  /// `value` repeated to `shape`.
  mlir::Value broadcast(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  /// Over `axes`, which stay as extents of 1.
  mlir::Value sum(mlir::Value value, llvm::ArrayRef<int64_t> axes);
  mlir::Value mean(mlir::Value value, llvm::ArrayRef<int64_t> axes);
  /// The sum of a * b over all dimensions but the last, which stay as extents of
  /// 1. Both have the same shape, of three dimensions at least.
  mlir::Value dot(mlir::Value a, mlir::Value b);
  mlir::Value slice(mlir::Value value, llvm::ArrayRef<int64_t> starts,
                    llvm::ArrayRef<int64_t> steps, llvm::ArrayRef<int64_t> shape);
  /// Zeros around `value`; negative amounts crop.
  mlir::Value pad(mlir::Value value, llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> high);
  /// steps[i] - 1 zeros after each index of dimension i.
  mlir::Value spread(mlir::Value value, llvm::ArrayRef<int64_t> steps);
  mlir::Value filled(mlir::RankedTensorType type, double value);

private:
  mlir::Value sumRepeated(mlir::Value gradient, llvm::ArrayRef<int64_t> axes);

  llvm::DenseSet<mlir::Value> active;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value, 2>> parts;
};

/// A scalar constant of a float type.
mlir::Value scalar(mlir::ImplicitLocOpBuilder &b, mlir::Type type, double value);

// GradientMap.cpp
bool isDifferentiableBody(mlir::Region &body);
void differentiate(nest::MapOp op, mlir::Value grad, Gradients &g);

// GradientConv.cpp
void differentiate(nest::ConvOp op, mlir::Value grad, Gradients &g);
/// Whether it is what `Gradients::dot` builds: others have no rule.
bool isDot(nest::ConvFilterGradOp op);
void differentiate(nest::ConvFilterGradOp op, mlir::Value grad, Gradients &g);
/// Moves the scale of `op` into its filter: everything about it is then a
/// matter of tensors as small as the filter.
void scaleFilter(nest::ConvOp op);

// GradientMatmul.cpp
void differentiate(nest::MatmulOp op, mlir::Value grad, Gradients &g);

// GradientPool.cpp
void differentiate(nest::PoolOp op, mlir::Value grad, Gradients &g);

// GradientReduce.cpp
void differentiate(nest::ReduceOp op, mlir::Value grad, Gradients &g);
void differentiate(nest::SoftmaxOp op, mlir::Value grad, Gradients &g);
void differentiate(nest::NormOp op, mlir::Value grad, Gradients &g);
void differentiate(nest::CumsumOp op, mlir::Value grad, Gradients &g);

// GradientMovement.cpp
void differentiate(nest::TransposeOp op, mlir::Value grad, Gradients &g);
void differentiate(nest::ReshapeOp op, mlir::Value grad, Gradients &g);
void differentiate(nest::SliceOp op, mlir::Value grad, Gradients &g);
void differentiate(nest::PadOp op, mlir::Value grad, Gradients &g);
void differentiate(nest::ConcatOp op, mlir::Value grad, Gradients &g);
void differentiate(nest::GatherOp op, mlir::Value grad, Gradients &g);

// GradientRecurrent.cpp
/// Whether `unroll` knows how to write the layer as matrix products and maps.
bool canUnroll(nest::LstmOp op);
bool canUnroll(nest::GruOp op);
/// Replaces the layer by its steps.
void unroll(nest::LstmOp op);
void unroll(nest::GruOp op);

} // namespace nestor::learn

#endif // NESTOR_LEARN_GRADIENTRULES_H

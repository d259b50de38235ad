//===- ChannelFlow.h - What operations do to indices ------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Every dimension of every tensor lies on an *axis*; two dimensions lie on the
// same one where index i of the one can only be index i of the other (both
// sides of an addition, a convolution's outputs and its bias). What relates
// different axes is a selection (slice, concat, pad: each index of the result
// is one of an operand, or zero) or a product (a reshape that splits or merges
// dimensions, the granules of a grouped convolution). Axes that an operation
// can neither shorten nor reorder are fixed.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_CHANNELFLOW_H
#define NESTOR_PASSES_CHANNELFLOW_H

#include "passes/SharedWeights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

#include <string>
#include <vector>

namespace nestor {

/// Names one axis of a ChannelFlow.
using Axis = unsigned;

/// Along `result`, index i of the result of `op` is index sources[i].index of
/// the axis sources[i].axis of operand sources[i].operand of `reads`, or zero.
struct AxisSelection {
  struct Source {
    int operand; ///< -1: zero.
    Axis axis;
    int64_t index;
  };
  mlir::Operation *op;
  mlir::Operation *reads; ///< `op`, or where a channel shuffle begins that ends there.
  unsigned dim;           ///< Of the result.
  Axis result;
  std::vector<Source> sources;
};

/// Index (i, j, ..) in row-major order of `whole` is index i of factors[0], j
/// of factors[1] and so on. Only the indices of one factor, the carrier, can
/// be left out.
struct AxisProduct {
  mlir::Operation *op;
  Axis whole;
  llvm::SmallVector<Axis> factors;
  unsigned carrier;
};

/// An axis that `op` needs as it is.
struct FixedAxis {
  Axis axis;
  mlir::Operation *op;
  std::string reason; ///< What `op` does: "takes its softmax over them".
};

class ChannelFlow {
public:
  explicit ChannelFlow(mlir::func::FuncOp func);

  /// The axis of a dimension of an operand. Constants have axes of their own
  /// for each reader, but for those that capacities share (`sharedOperands`),
  /// which tie the operations that read them.
  Axis axisOf(mlir::OpOperand &operand, unsigned dim) const;
  /// The axis of a dimension of a value, of a constant as its first reader
  /// has it.
  Axis axisOf(mlir::Value value, unsigned dim) const;

  unsigned axisCount() const { return extents.size(); }
  /// Whether `axis` stands for itself: `axisOf` returns only such ones.
  bool isRoot(Axis axis) const { return parents[axis] == axis; }
  int64_t extentOf(Axis axis) const { return extents[axis]; }
  bool isFixed(Axis axis) const { return fixedAxes.contains(axis); }
  /// Whether a filter that capacities share has its outputs on the axis.
  bool isProduced(Axis axis) const { return producedAxes.contains(axis); }
  /// Whether anything computes with the axis, instead of moving it elsewhere.
  bool isComputedWith(Axis axis) const { return computedAxes.contains(axis); }

  llvm::ArrayRef<AxisSelection> selections() const { return selectionList; }
  llvm::ArrayRef<AxisProduct> products() const { return productList; }
  llvm::ArrayRef<FixedAxis> fixed() const { return fixedList; }

private:
  friend class FlowBuilder;

  using Key = std::pair<void *, unsigned>;
  static void *tensorOf(mlir::OpOperand &operand);

  llvm::DenseMap<Key, Axis> axes;
  std::vector<Axis> parents; ///< Union-find; roots are the oldest axes.
  std::vector<int64_t> extents;
  std::vector<AxisSelection> selectionList;
  std::vector<AxisProduct> productList;
  std::vector<FixedAxis> fixedList;
  llvm::DenseSet<Axis> fixedAxes, producedAxes, computedAxes;
};

/// The ONNX node that `op` comes from; the operation's name where unknown.
std::string nodeName(mlir::Operation *op);

} // namespace nestor

#endif // NESTOR_PASSES_CHANNELFLOW_H

//===- NestedLayers.h - The same layer in all capacities --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_NESTEDLAYERS_H
#define NESTOR_LEARN_NESTEDLAYERS_H

#include "compiler/learn/Parameters.h"

#include "llvm/ADT/DenseMap.h"

namespace nestor::learn {

/// A convolution of one function, and the residual addition that it feeds.
struct LayerSite {
  nest::ConvOp conv; ///< Null: this capacity has no such layer.
  mlir::Value other; ///< What its result alone is added to; null: nothing.
  /// For each index of the conv's result (input, within a convolution group),
  /// the teacher's.
  llvm::SmallVector<int64_t> outputs, inputs;
};

/// Whether a capacity's layer has other places than the teacher's: its input was
/// scaled (passes/ScaleInput.h). Both exist.
bool isScaled(const LayerSite &teacher, const LayerSite &site);

/// A convolution whose filter is shared, in the teacher and in each capacity.
struct NestedLayer {
  LayerSite teacher;
  std::vector<LayerSite> capacities; ///< Ascending.
  unsigned filter;                   ///< The parameter.
};

/// The layers of a nested module beside those of the network that it was made
/// from, in program order, which is topological.
class NestedLayers {
public:
  /// Convolutions whose filters are not in `set` are no layers.
  NestedLayers(mlir::ModuleOp nested, mlir::ModuleOp teacher, const ParameterSet &set);

  llvm::ArrayRef<NestedLayer> layers() const { return list; }
  /// The teacher, then the capacities.
  llvm::ArrayRef<mlir::func::FuncOp> functions() const { return functionList; }

  /// Whether capacity number `capacity` computes on a scaled input.
  bool hasScaledInput(size_t capacity) const;

  /// Whether `value` does not depend on the results of layers `layer` and up.
  bool isReady(mlir::Value value, size_t layer) const { return depthOf(value) <= layer; }
  /// The values, ready at `layer`, from which all others follow.
  llvm::SmallVector<mlir::Value> frontier(size_t layer) const;

private:
  size_t depthOf(mlir::Value value) const { return depths.lookup(value); }
  void match(mlir::func::FuncOp function, int capacity, const ParameterSet &set);
  void computeDepths();

  std::vector<mlir::func::FuncOp> functionList;
  std::vector<NestedLayer> list;
  llvm::DenseMap<mlir::Value, size_t> depths; ///< Layers that a value depends on: below.
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_NESTEDLAYERS_H

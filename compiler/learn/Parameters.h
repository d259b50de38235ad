//===- Parameters.h - What recovery may change ------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_PARAMETERS_H
#define NESTOR_LEARN_PARAMETERS_H

#include "compiler/ir/Nested.h"

#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/DenseMap.h"

#include <string>
#include <vector>

namespace nestor::learn {

/// A tensor of a nested module (compiler/ir/Nested.h) that recovery may change.
struct Parameter {
  enum Role { Filter, Scale, Bias } role;
  std::string name;           ///< The global's symbol, or function/node/role.
  llvm::SmallVector<int64_t> shape;
  std::vector<float> value;   ///< Row-major; a filter at its full extents.
  /// Filters are shared by all capacities: -1. Scales and biases belong to one.
  int capacity = -1;
  nest::GlobalOp global;      ///< Filters only.
  nest::ConstOp constant;     ///< Scales and biases only.
};

/// All parameters of a nested module, in an order that does not depend on
/// anything but the module.
class ParameterSet {
public:
  explicit ParameterSet(mlir::ModuleOp nested);

  llvm::MutableArrayRef<Parameter> parameters() { return list; }
  llvm::ArrayRef<Parameter> parameters() const { return list; }
  Parameter &operator[](unsigned index) { return list[index]; }
  const Parameter &operator[](unsigned index) const { return list[index]; }
  size_t size() const { return list.size(); }

  /// Index of the parameter that `value`, the filter, scale or bias operand of
  /// a convolution, is; -1 if it is none.
  int indexOf(mlir::Value value) const;

  /// Stores the values in the module.
  void writeBack() const;

private:
  void addPrivate(mlir::Value vector, Parameter::Role role, int capacity);

  std::vector<Parameter> list;
  /// By the global or the constant.
  llvm::DenseMap<mlir::Operation *, unsigned> indices;
};

/// A function that takes its parameters as arguments.
struct ParameterizedFunction {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp func;  ///< In `module`.
  unsigned inputs;          ///< Arguments of the original function; they come first.
  /// Argument inputs + i is parameter parameters[i], at its full extents: what
  /// the capacity reads of a filter is sliced out inside.
  llvm::SmallVector<unsigned> parameters;
};

/// `function`, one capacity of the module that `set` was made from, with every
/// parameter that it uses as an argument.
ParameterizedFunction parameterize(mlir::func::FuncOp function, const ParameterSet &set);

} // namespace nestor::learn

#endif // NESTOR_LEARN_PARAMETERS_H

//===- Activations.h - ONNX activations in scalar arithmetic ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_EXPORT_ACTIVATIONS_H
#define NESTOR_EXPORT_ACTIVATIONS_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>
#include <string>

namespace nestor::onnx_export {

/// An ONNX operator that a scalar value of a map's region is the result of.
struct Activation {
  std::string op;
  llvm::SmallVector<mlir::Value, 3> operands; ///< Null for one left out.
  llvm::SmallVector<std::pair<std::string, double>, 2> attributes;
};

/// Recognises what takes several scalar operations and ONNX one operator:
/// Relu, Clip, Sigmoid, HardSwish, ... Only what computes exactly the same.
std::optional<Activation> recognizeActivation(mlir::Value value);

} // namespace nestor::onnx_export

#endif // NESTOR_EXPORT_ACTIVATIONS_H

//===- Quantize.h - Networks that compute on bytes --------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_QUANTIZE_H
#define NESTOR_LEARN_QUANTIZE_H

#include "compiler/learn/Dataset.h"

#include "mlir/IR/BuiltinOps.h"

namespace nestor::learn {

struct QuantizeOptions {
  const Dataset *data = nullptr; ///< What ranges are measured on.
  unsigned threads = 2;
};

/// Makes convolutions (fully connected layers too) of all capacities of
/// `module` ones of bytes (compiler/ir/Quantized.h), and what lies between them
/// bytes. `module` is fused, but its filters are not packed. Weights have one
/// scale for each output, the same in all capacities, so that these share the
/// words; tensors have one scale and zero each, by capacity. What cannot be
/// bytes stays f32. An error is about the data, or says that nothing was done.
llvm::Error quantize(mlir::ModuleOp module, const QuantizeOptions &options);

} // namespace nestor::learn

#endif // NESTOR_LEARN_QUANTIZE_H

//===- Calibrate.h - The ranges of what is to be bytes ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_CALIBRATE_H
#define NESTOR_LEARN_CALIBRATE_H

#include "compiler/learn/Dataset.h"

#include "mlir/IR/BuiltinOps.h"

namespace nestor::learn {

struct CalibrateOptions {
  const Dataset *data = nullptr; ///< What ranges are measured on.
  unsigned threads = 2;
};

/// Gives convolutions (fully connected layers too) of all capacities of `module`
/// that can be ones of bytes the ranges of their input and, where another one
/// reads that as bytes, of their result (passes/ByteRange.h): what `nest-quantize`
/// goes by. `module` is fused, but its filters are not packed. An error is about
/// the data, or says that nothing can be bytes.
llvm::Error calibrate(mlir::ModuleOp module, const CalibrateOptions &options);

} // namespace nestor::learn

#endif // NESTOR_LEARN_CALIBRATE_H

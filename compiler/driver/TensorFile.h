//===- TensorFile.h - Tensors in files of their own -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_DRIVER_TENSORFILE_H
#define NESTOR_DRIVER_TENSORFILE_H

#include "compiler/reference/Evaluator.h"

#include "llvm/Support/Error.h"

namespace nestor::driver {

/// Reads a tensor from a .npy file or from a .pb file (an ONNX TensorProto).
/// The error names the file and what is wrong with it.
llvm::Expected<reference::TensorValue> readTensorFile(llvm::StringRef path,
                                                      mlir::MLIRContext &context);

} // namespace nestor::driver

#endif // NESTOR_DRIVER_TENSORFILE_H

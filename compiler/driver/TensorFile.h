//===- TensorFile.h - Tensors in files of their own -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_DRIVER_TENSORFILE_H
#define NESTOR_DRIVER_TENSORFILE_H

#include "compiler/reference/Evaluator.h"
#include "tools/support/Npz.h"

#include "llvm/Support/Error.h"

namespace nestor::driver {

/// The tensor in a numpy array; fails for an element type that has none here.
llvm::Expected<reference::TensorValue> tensorFromNpy(const support::NpyArray &array,
                                                     mlir::MLIRContext &context);

/// Reads a tensor from a .npy file or from a .pb file (an ONNX TensorProto).
/// The error names the file and what is wrong with it.
llvm::Expected<reference::TensorValue> readTensorFile(llvm::StringRef path,
                                                      mlir::MLIRContext &context);

} // namespace nestor::driver

#endif // NESTOR_DRIVER_TENSORFILE_H

//===- TensorDecoder.h - ONNX tensors to values -----------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IMPORT_TENSORDECODER_H
#define NESTOR_IMPORT_TENSORDECODER_H

#include "compiler/reference/Evaluator.h"

#include <onnx/onnx_pb.h>

#include <optional>
#include <string>

namespace nestor::import {

/// The product of `shape`, or nothing where an extent is negative or the
/// product does not fit.
std::optional<int64_t> checkedElementCount(llvm::ArrayRef<int64_t> shape);

/// The element type of an ONNX `TensorProto::DataType`; null for strings,
/// complex numbers and types this version does not know.
mlir::Type elementTypeOf(int dataType, mlir::MLIRContext &context);

/// A name for messages: "float16", "string", "type 17".
std::string dataTypeName(int dataType);

/// What became of a tensor: a value, or why there is none.
struct DecodedTensor {
  enum Outcome { Ok, Corrupt, Unsupported } outcome = Ok;
  reference::TensorValue value; ///< When `Ok`; f16 and bf16 as stored.
  std::string message;          ///< Otherwise: the field and what is wrong with it.
};

/// Decodes a tensor from whichever field holds its data. External data is read
/// from files inside `directory` only. Allocates no more than the data found.
DecodedTensor decodeTensor(const onnx::TensorProto &tensor, llvm::StringRef directory,
                           mlir::MLIRContext &context);

} // namespace nestor::import

#endif // NESTOR_IMPORT_TENSORDECODER_H

//===- Quantize.h - What can compute on bytes -------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What those ask who choose ranges for `nest-quantize` (ByteRange.h).
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_QUANTIZE_H
#define NESTOR_PASSES_QUANTIZE_H

#include "compiler/ir/NestDialect.h"

namespace nestor {

/// Why `conv` cannot be one of bytes; empty where it can.
llvm::StringRef whyNotBytes(nest::ConvOp conv);

/// The value that `op` moves without changing any element: its bytes are the same
/// bytes. Null for other operations, and for none.
mlir::Value movedBy(mlir::Operation *op);

} // namespace nestor

#endif // NESTOR_PASSES_QUANTIZE_H

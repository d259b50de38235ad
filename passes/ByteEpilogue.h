//===- ByteEpilogue.h - Epilogues of convolutions of bytes ------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The scalar arithmetic between bytes and the floats that they stand for.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_BYTEEPILOGUE_H
#define NESTOR_PASSES_BYTEEPILOGUE_H

#include "passes/ByteRange.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

#include <vector>

namespace nestor {

/// The type of as many bytes, ui8.
mlir::RankedTensorType asBytes(mlir::RankedTensorType type);
/// `value`, f32, as bytes of `range`.
mlir::Value quantizeTensor(mlir::OpBuilder &builder, mlir::Value value, const ByteRange &range);
/// The f32 that `bytes` of `range` stand for.
mlir::Value dequantizeTensor(mlir::OpBuilder &builder, mlir::Value bytes, const ByteRange &range);

/// A constant vector.
mlir::Value createVector(mlir::OpBuilder &builder, mlir::Location loc,
                         llvm::ArrayRef<float> values);

/// What a sum of whole numbers is multiplied with, and what is then added, by output.
struct Affine {
  std::vector<float> scale, bias;
};

/// What an epilogue reads besides the sum.
struct Extra {
  mlir::Value value;
  std::optional<ByteRange> range; ///< Of bytes.
};

/// Whether `epilogue` is the sum of all its arguments, then clamped to what
/// `range` lies in, so that nothing is left to do but to add.
bool onlyAdds(mlir::Region &epilogue, const ByteRange &range);

/// Fills `epilogue` for one that only adds, with sums that count in bytes of
/// `range`: these scales and zeros become part of `affine`. Returns the operands
/// that it reads: each extra with what it is multiplied with.
llvm::SmallVector<mlir::Value> addInBytes(mlir::OpBuilder &builder, mlir::Location loc,
                                          llvm::ArrayRef<Extra> extras, const ByteRange &range,
                                          Affine &affine, mlir::Region &epilogue);

/// Fills `epilogue` with the epilogue `old`, on floats, with bytes among its
/// extras and, with a `range`, as its result. Returns the operands that it reads.
llvm::SmallVector<mlir::Value> computeInFloats(mlir::Location loc, mlir::Region &old,
                                               llvm::ArrayRef<Extra> extras,
                                               const std::optional<ByteRange> &range,
                                               mlir::Region &epilogue);

} // namespace nestor

#endif // NESTOR_PASSES_BYTEEPILOGUE_H

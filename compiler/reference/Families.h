//===- Families.h - The evaluator's operator families -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// One function per operation, in the file of its family. The description of
// the operation in NestOps.td is the specification of each. Operations have
// been verified, so that shapes and attributes can be trusted; the contents of
// tensors (indices, lengths) cannot.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_REFERENCE_FAMILIES_H
#define NESTOR_REFERENCE_FAMILIES_H

#include "compiler/ir/NestDialect.h"
#include "compiler/reference/Element.h"

namespace nestor::reference {

/// The operand tensors of one operation, found by SSA value.
class Operands {
public:
  Operands(mlir::Operation *op, llvm::ArrayRef<const TensorValue *> tensors)
      : op(op), tensors(tensors) {}

  /// The tensor of `value`, an operand of the operation.
  const TensorValue &operator[](mlir::Value value) const {
    auto at = llvm::find(op->getOperands(), value);
    assert(at != op->operand_end() && "not an operand");
    return *tensors[at.getIndex()];
  }
  /// The elements of an optional operand, or `absent` copies of `fallback`.
  std::vector<double> doublesOr(mlir::Value value, size_t absent, double fallback) const {
    return value ? toVector<double>((*this)[value]) : std::vector<double>(absent, fallback);
  }

private:
  mlir::Operation *op;
  llvm::ArrayRef<const TensorValue *> tensors;
};

using Results = llvm::SmallVectorImpl<TensorValue>;

// Elementwise.cpp. Both fail, with an error, on a scalar operation that is not
// known.
mlir::FailureOr<TensorValue> evaluateMap(nest::MapOp op, const Operands &operands);
/// Runs a fused epilogue over `accumulator`; without a region that is the result.
mlir::FailureOr<TensorValue> evaluateEpilogue(mlir::Region &region, TensorValue accumulator,
                                              mlir::ValueRange extras, const Operands &operands);

// Convolution.cpp
mlir::FailureOr<TensorValue> evaluateConv(nest::ConvOp op, const Operands &operands);
TensorValue evaluateConvTranspose(nest::ConvTransposeOp op, const Operands &operands);
TensorValue evaluatePack(nest::PackOp op, const Operands &operands);

TensorValue evaluateConvFilterGrad(nest::ConvFilterGradOp op, const Operands &operands);

// Weight.cpp
TensorValue evaluateWeight(nest::WeightOp op);

// Matmul.cpp
mlir::FailureOr<TensorValue> evaluateMatmul(nest::MatmulOp op, const Operands &operands);

// Pooling.cpp
TensorValue evaluatePool(nest::PoolOp op, const Operands &operands);
TensorValue evaluateMaxPoolIndices(nest::MaxPoolIndicesOp op, const Operands &operands);
TensorValue evaluatePoolGrad(nest::PoolGradOp op, const Operands &operands);

// Reduction.cpp
TensorValue evaluateReduce(nest::ReduceOp op, const Operands &operands);
TensorValue evaluateArgReduce(nest::ArgReduceOp op, const Operands &operands);
TensorValue evaluateCumsum(nest::CumsumOp op, const Operands &operands);
void evaluateTopK(nest::TopKOp op, const Operands &operands, Results &results);

// Normalization.cpp
TensorValue evaluateSoftmax(nest::SoftmaxOp op, const Operands &operands);
TensorValue evaluateNorm(nest::NormOp op, const Operands &operands);
TensorValue evaluateLrn(nest::LrnOp op, const Operands &operands);

// Movement.cpp
TensorValue evaluateTranspose(nest::TransposeOp op, const Operands &operands);
TensorValue evaluateReshape(nest::ReshapeOp op, const Operands &operands);
TensorValue evaluateSlice(nest::SliceOp op, const Operands &operands);
TensorValue evaluatePad(nest::PadOp op, const Operands &operands);
TensorValue evaluateConcat(nest::ConcatOp op, const Operands &operands);
TensorValue evaluateReverseSequence(nest::ReverseSequenceOp op, const Operands &operands);
/// `input` repeated to `shape` by numpy's broadcasting rule.
TensorValue broadcast(const TensorValue &input, llvm::ArrayRef<int64_t> shape);

// Indexing.cpp
TensorValue evaluateGather(nest::GatherOp op, const Operands &operands);
TensorValue evaluateGatherElements(nest::GatherElementsOp op, const Operands &operands);
TensorValue evaluateGatherND(nest::GatherNDOp op, const Operands &operands);
TensorValue evaluateScatterElements(nest::ScatterElementsOp op, const Operands &operands);
TensorValue evaluateScatterND(nest::ScatterNDOp op, const Operands &operands);
TensorValue evaluateOneHot(nest::OneHotOp op, const Operands &operands);

// Resize.cpp
TensorValue evaluateResize(nest::ResizeOp op, const Operands &operands);

// Recurrent.cpp. Layers fail, with an error, on an activation that is not known.
TensorValue evaluatePackRecurrent(nest::PackRecurrentOp op, const Operands &operands);
mlir::LogicalResult evaluateLstm(nest::LstmOp op, const Operands &operands, Results &results);
mlir::LogicalResult evaluateGru(nest::GruOp op, const Operands &operands, Results &results);
mlir::LogicalResult evaluateRnn(nest::RnnOp op, const Operands &operands, Results &results);

} // namespace nestor::reference

#endif // NESTOR_REFERENCE_FAMILIES_H

//===- Describe.cpp - From operations to kernel calls ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

int64_t nestor::kernels::evaluatePolynomial(const Polynomial &polynomial, ArrayRef<int64_t> params) {
  int64_t sum = 0;
  for (const Term &term : polynomial) {
    int64_t product = term.coefficient;
    for (uint32_t factor : term.factors)
      product *= params[factor];
    sum += product;
  }
  return sum;
}

FailureOr<SmallVector<KernelCall, 1>> nestor::kernels::describeCalls(Operation *op) {
  return llvm::TypeSwitch<Operation *, FailureOr<Calls>>(op)
      .Case([](nest::ConvOp conv) { return describeConv(conv); })
      .Case([](nest::ConvFilterGradOp grad) { return describeConvFilterGrad(grad); })
      .Case([](nest::ConvTransposeOp conv) { return describeConvTranspose(conv); })
      .Case([](nest::MatmulOp matmul) { return describeMatmul(matmul); })
      .Case([](nest::PackOp pack) { return describePack(pack); })
      .Case([](nest::MapOp map) { return describeMap(map); })
      .Case([](nest::GatherOp gather) { return describeGather(gather); })
      .Case([](nest::GatherElementsOp gather) { return describeGatherElements(gather); })
      .Case([](nest::GatherNDOp gather) { return describeGatherND(gather); })
      .Case([](nest::ScatterElementsOp scatter) { return describeScatterElements(scatter); })
      .Case([](nest::ScatterNDOp scatter) { return describeScatterND(scatter); })
      .Case([](nest::OneHotOp oneHot) { return describeOneHot(oneHot); })
      .Case([](nest::ReverseSequenceOp reverse) { return describeReverseSequence(reverse); })
      .Case([](nest::MaxPoolIndicesOp pool) { return describeMaxPoolIndices(pool); })
      .Case([](nest::TransposeOp transpose) { return describeTranspose(transpose); })
      .Case([](nest::SliceOp slice) { return describeSlice(slice); })
      .Case([](nest::ConcatOp concat) { return describeConcat(concat); })
      .Case([](nest::PadOp pad) { return describePad(pad); })
      .Case([](nest::PoolOp pool) { return describePool(pool); })
      .Case([](nest::PoolGradOp grad) { return describePoolGrad(grad); })
      .Case([](nest::ReduceOp reduce) { return describeReduce(reduce); })
      .Case([](nest::ArgReduceOp reduce) { return describeArgReduce(reduce); })
      .Case([](nest::ResizeOp resize) { return describeResize(resize); })
      .Case([](nest::SoftmaxOp softmax) { return describeSoftmax(softmax); })
      .Case([](nest::NormOp norm) { return describeNorm(norm); })
      .Case([](nest::CumsumOp cumsum) { return describeCumsum(cumsum); })
      .Case([](nest::TopKOp topk) { return describeTopK(topk); })
      .Case([](nest::LrnOp lrn) { return describeLrn(lrn); })
      .Case([](nest::LstmOp lstm) { return describeLstm(lstm); })
      .Case([](nest::GruOp gru) { return describeGru(gru); })
      .Case([](nest::RnnOp rnn) { return describeRnn(rnn); })
      .Default([](Operation *other) -> FailureOr<Calls> {
        return other->emitError("no kernel computes '") << other->getName() << "'";
      });
}

/// Whether operand `index` is a residual of an epilogue: each of its elements
/// is read just before the same element of the result is written. A value that
/// the operation also reads otherwise must stay whole.
static bool isOnlyResidual(Operation *op, OperandRange extras, unsigned index) {
  Value operand = op->getOperand(index);
  return llvm::is_contained(extras, operand) && operand.getType() == op->getResult(0).getType() &&
         llvm::count(op->getOperands(), operand) == 1;
}

bool nestor::kernels::canRunInPlace(Operation *op, unsigned index) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](nest::MapOp map) { return mapRunsInPlace(map, index); })
      .Case<nest::ConvOp, nest::MatmulOp>([&](auto product) { return isOnlyResidual(op, product.getExtras(), index); })
      // Each row is read in full before its last pass writes it.
      .Case<nest::SoftmaxOp, nest::NormOp>([&](Operation *) { return index == 0; })
      // The copy that a scatter begins with is then one onto itself.
      .Case<nest::ScatterElementsOp, nest::ScatterNDOp>([&](Operation *) { return index == 0; })
      .Default([](Operation *) { return false; });
}

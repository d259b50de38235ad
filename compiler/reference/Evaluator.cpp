//===- Evaluator.cpp - The naive reference evaluator ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Families.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

/// Appends the one result of an evaluation, if there is one.
static LogicalResult append(FailureOr<TensorValue> value, Results &results) {
  if (failed(value))
    return failure();
  results.push_back(std::move(*value));
  return success();
}

static LogicalResult evaluateOp(Operation *op, const Operands &in, Results &out) {
  using Result = LogicalResult;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](ConstOp op) { return append(TensorValue::fromAttr(op.getValue()), out); })
      .Case([&](WeightOp op) { return append(evaluateWeight(op), out); })
      .Case([&](MapOp op) { return append(evaluateMap(op, in), out); })
      .Case([&](ConvOp op) { return append(evaluateConv(op, in), out); })
      .Case([&](ConvTransposeOp op) { return append(evaluateConvTranspose(op, in), out); })
      .Case([&](ConvFilterGradOp op) { return append(evaluateConvFilterGrad(op, in), out); })
      .Case([&](PackOp op) { return append(evaluatePack(op, in), out); })
      .Case([&](PackRecurrentOp op) { return append(evaluatePackRecurrent(op, in), out); })
      .Case([&](MatmulOp op) { return append(evaluateMatmul(op, in), out); })
      .Case([&](PoolOp op) { return append(evaluatePool(op, in), out); })
      .Case([&](PoolGradOp op) { return append(evaluatePoolGrad(op, in), out); })
      .Case([&](MaxPoolIndicesOp op) { return append(evaluateMaxPoolIndices(op, in), out); })
      .Case([&](ReduceOp op) { return append(evaluateReduce(op, in), out); })
      .Case([&](ArgReduceOp op) { return append(evaluateArgReduce(op, in), out); })
      .Case([&](CumsumOp op) { return append(evaluateCumsum(op, in), out); })
      .Case([&](TopKOp op) { return evaluateTopK(op, in, out), success(); })
      .Case([&](SoftmaxOp op) { return append(evaluateSoftmax(op, in), out); })
      .Case([&](NormOp op) { return append(evaluateNorm(op, in), out); })
      .Case([&](LrnOp op) { return append(evaluateLrn(op, in), out); })
      .Case([&](TransposeOp op) { return append(evaluateTranspose(op, in), out); })
      .Case([&](ReshapeOp op) { return append(evaluateReshape(op, in), out); })
      .Case([&](SliceOp op) { return append(evaluateSlice(op, in), out); })
      .Case([&](PadOp op) { return append(evaluatePad(op, in), out); })
      .Case([&](ConcatOp op) { return append(evaluateConcat(op, in), out); })
      .Case([&](ReverseSequenceOp op) { return append(evaluateReverseSequence(op, in), out); })
      .Case([&](GatherOp op) { return append(evaluateGather(op, in), out); })
      .Case([&](GatherElementsOp op) { return append(evaluateGatherElements(op, in), out); })
      .Case([&](GatherNDOp op) { return append(evaluateGatherND(op, in), out); })
      .Case([&](ScatterElementsOp op) { return append(evaluateScatterElements(op, in), out); })
      .Case([&](ScatterNDOp op) { return append(evaluateScatterND(op, in), out); })
      .Case([&](OneHotOp op) { return append(evaluateOneHot(op, in), out); })
      .Case([&](ResizeOp op) { return append(evaluateResize(op, in), out); })
      .Case([&](LstmOp op) { return evaluateLstm(op, in, out); })
      .Case([&](GruOp op) { return evaluateGru(op, in, out); })
      .Case([&](RnnOp op) { return evaluateRnn(op, in, out); })
      .Default([](Operation *op) -> Result {
        return op->emitError("the reference evaluator does not know '") << op->getName() << "'";
      });
}

LogicalResult nestor::reference::evaluate(Operation *op, ArrayRef<TensorValue> operands,
                                          SmallVectorImpl<TensorValue> &results) {
  assert(operands.size() == op->getNumOperands());
  // The families trust shapes and attributes; operations that are folded while
  // a function is built have not been looked at yet.
  if (failed(verify(op)))
    return failure();
  SmallVector<const TensorValue *> tensors(llvm::make_pointer_range(operands));
  return evaluateOp(op, Operands(op, tensors), results);
}

LogicalResult nestor::reference::evaluate(func::FuncOp func, ArrayRef<TensorValue> arguments,
                                          SmallVectorImpl<TensorValue> &results) {
  Block &body = func.getBody().front();
  assert(arguments.size() == body.getNumArguments());

  // What has been computed and is still needed, with its remaining uses.
  struct Live {
    TensorValue tensor;
    int64_t uses;
  };
  DenseMap<Value, Live> live;
  auto define = [&](Value value, TensorValue tensor) {
    if (int64_t uses = llvm::range_size(value.getUses()))
      live.try_emplace(value, Live{std::move(tensor), uses});
  };
  for (auto [value, tensor] : llvm::zip_equal(body.getArguments(), arguments))
    define(value, tensor);

  for (Operation &op : body.without_terminator()) {
    SmallVector<const TensorValue *> tensors;
    for (Value operand : op.getOperands())
      tensors.push_back(&live.find(operand)->second.tensor);
    SmallVector<TensorValue> values;
    if (failed(evaluateOp(&op, Operands(&op, tensors), values)))
      return failure();
    for (Value operand : op.getOperands())
      if (auto at = live.find(operand); --at->second.uses == 0)
        live.erase(at);
    for (auto [value, tensor] : llvm::zip_equal(op.getResults(), values))
      define(value, std::move(tensor));
  }
  for (Value value : body.getTerminator()->getOperands())
    results.push_back(live.find(value)->second.tensor);
  return success();
}

//===- Scatter.cpp - Kernels that write by index --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A scatter is a copy of the input followed by the updates. The updates are one
// grain: two of them may write the same element, and their order decides.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

/// What the element becomes that held `old`.
static Value combine(KernelBuilder &b, nest::ScatterKind kind, Type element, Value old,
                     Value update) {
  bool isFloat = isa<FloatType>(element), isUnsigned = element.isUnsignedInteger();
  switch (kind) {
  case nest::ScatterKind::none:
    return update;
  case nest::ScatterKind::add:
    return isFloat ? arith::AddFOp::create(b, old, update).getResult()
                   : arith::AddIOp::create(b, old, update).getResult();
  case nest::ScatterKind::mul:
    return isFloat ? arith::MulFOp::create(b, old, update).getResult()
                   : arith::MulIOp::create(b, old, update).getResult();
  case nest::ScatterKind::max:
    return isFloat      ? arith::MaximumFOp::create(b, old, update).getResult()
           : isUnsigned ? arith::MaxUIOp::create(b, old, update).getResult()
                        : arith::MaxSIOp::create(b, old, update).getResult();
  case nest::ScatterKind::min:
    return isFloat      ? arith::MinimumFOp::create(b, old, update).getResult()
           : isUnsigned ? arith::MinUIOp::create(b, old, update).getResult()
                        : arith::MinSIOp::create(b, old, update).getResult();
  }
  llvm_unreachable("covered switch");
}

/// Runs `body` in the one call whose range begins at 0.
static void once(KernelBuilder &b, llvm::function_ref<void()> body) {
  b.loop(b.begin(), b.end(), 1, [&](Value) { body(); });
}

/// Copies operand 0 to result 0, a run of up to 4096 elements a grain.
static KernelCall copyCall(Operation *op) {
  RankedTensorType type = typeOf(op->getOperand(0));
  constexpr int64_t kRun = 4096;
  int64_t count = type.getNumElements(), operands = op->getNumOperands();
  auto body = [=](KernelBuilder &b) {
    Value source = b.arg(0), target = b.arg(operands);
    Value lower = b.mul(b.begin(), kRun), upper = b.min(b.mul(b.end(), kRun), b.i64(count));
    b.vectorLoop(lower, upper, b.lanesFor(type.getElementType()), [&](Value index, Lanes lanes) {
      b.store(b.load(type.getElementType(), source, index, lanes), target, index, lanes);
    });
  };
  return staticCall(op, "scatter_copy", "", llvm::divideCeil(count, kRun), body);
}

FailureOr<Calls> nestor::kernels::describeScatterElements(nest::ScatterElementsOp op) {
  RankedTensorType data = typeOf(op.getInput()), indices = typeOf(op.getIndices());
  size_t axis = op.getAxis();
  nest::ScatterKind kind = op.getKind();
  SmallVector<int64_t> strides = stridesOf(data.getShape());
  auto body = [=](KernelBuilder &b) {
    Value index = b.arg(1), updates = b.arg(2), target = b.arg(3);
    Type element = data.getElementType();
    once(b, [&] {
      b.loop(b.i64(0), b.i64(indices.getNumElements()), 1, [&](Value position) {
        SmallVector<Value> at = unravel(b, position, indices.getShape());
        at[axis] = loadIndex(b, indices, index, position, data.getDimSize(axis));
        Value to = ravel(b, at, strides);
        Value old = b.load(element, target, to), update = b.load(element, updates, position);
        b.store(combine(b, kind, element, old, update), target, to);
      });
    });
  };
  std::string detail = ("axis " + Twine(axis) + " " + stringifyScatterKind(kind)).str();
  return Calls{copyCall(op), staticCall(op, "scatter_elements", detail, 1, body)};
}

FailureOr<Calls> nestor::kernels::describeScatterND(nest::ScatterNDOp op) {
  RankedTensorType data = typeOf(op.getInput()), indices = typeOf(op.getIndices());
  nest::ScatterKind kind = op.getKind();
  int64_t depth = indices.getShape().back(), tuples = product(indices.getShape().drop_back());
  int64_t inner = product(data.getShape(), depth, data.getRank());
  SmallVector<int64_t> strides = stridesOf(data.getShape());
  auto body = [=](KernelBuilder &b) {
    Value index = b.arg(1), updates = b.arg(2), target = b.arg(3);
    Type element = data.getElementType();
    auto update = [&](Value tuple) {
      Value to = b.i64(0);
      for (int64_t i = 0; i < depth; ++i) {
        Value pick =
            loadIndex(b, indices, index, b.add(b.mul(tuple, depth), i), data.getDimSize(i));
        to = b.add(to, b.mul(pick, strides[i]));
      }
      Value from = b.mul(tuple, inner);
      b.vectorLoop(b.i64(0), b.i64(inner), inner == 1 ? 1 : b.lanesFor(element),
                   [&](Value i, Lanes lanes) {
                     Value old = b.load(element, target, b.add(to, i), lanes);
                     Value value = b.load(element, updates, b.add(from, i), lanes);
                     b.store(combine(b, kind, element, old, value), target, b.add(to, i), lanes);
                   });
    };
    once(b, [&] { b.loop(b.i64(0), b.i64(tuples), 1, update); });
  };
  StringRef detail = stringifyScatterKind(kind);
  return Calls{copyCall(op), staticCall(op, "scatter_nd", detail, 1, body)};
}

//===- StaticCall.cpp - Calls of kernels with static shapes ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nestor::kernels;

KernelCall nestor::kernels::staticCall(Operation *op, StringRef family, StringRef detail,
                                       int64_t grains, StaticBody body) {
  KernelCall call;
  std::string signature;
  llvm::raw_string_ostream text(signature);
  text << family << ' ' << detail;
  auto addArgument = [&](Type type, CallArg arg, bool written) {
    auto tensor = cast<RankedTensorType>(type);
    text << ' ' << type;
    int64_t each = storageBytes(tensor.getElementType());
    call.spec.args.push_back(
        {Polynomial{{tensor.getNumElements() * each, {}}}, written, uint32_t(each)});
    call.args.push_back(arg);
  };
  for (auto [index, type] : llvm::enumerate(op->getOperandTypes()))
    addArgument(type, {CallArg::Operand, unsigned(index)}, /*written=*/false);
  text << " ->";
  for (auto [index, type] : llvm::enumerate(op->getResultTypes()))
    addArgument(type, {CallArg::Result, unsigned(index)}, /*written=*/true);

  call.spec.signature = signature;
  call.spec.name = kernelName(family, signature);
  call.spec.grains = {{grains, {}}};
  call.spec.emit = [body = std::move(body)](func::FuncOp func, const TargetInfo &target) {
    KernelBuilder builder(func, target);
    body(builder);
    return success();
  };
  return call;
}

int64_t nestor::kernels::product(ArrayRef<int64_t> shape, size_t first, size_t last) {
  int64_t result = 1;
  for (size_t i = first; i < last; ++i)
    result *= shape[i];
  return result;
}

SmallVector<int64_t> nestor::kernels::stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * shape[i];
  return strides;
}

SmallVector<Value> nestor::kernels::unravel(KernelBuilder &b, Value linear,
                                            ArrayRef<int64_t> shape) {
  SmallVector<Value> coordinates(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    // The outermost coordinate is what is left.
    coordinates[i] = i == 0 ? linear : b.rem(linear, shape[i]);
    if (i != 0)
      linear = b.div(linear, shape[i]);
  }
  return coordinates;
}

Value nestor::kernels::ravel(KernelBuilder &b, ValueRange coordinates, ArrayRef<int64_t> strides) {
  Value linear = b.i64(0);
  for (auto [coordinate, stride] : llvm::zip_equal(coordinates, strides))
    linear = b.add(linear, b.mul(coordinate, stride));
  return linear;
}

/// An element of any type as i64.
static Value loadInteger(KernelBuilder &b, RankedTensorType type, Value pointer, Value position) {
  Type element = type.getElementType();
  Value value = b.load(element, pointer, position);
  if (isa<FloatType>(element)) // ONNX allows any number as an index of OneHot.
    return arith::FPToSIOp::create(b, b.getI64Type(), value);
  if (element.getIntOrFloatBitWidth() == 64)
    return value;
  if (element.isUnsignedInteger())
    return arith::ExtUIOp::create(b, b.getI64Type(), value);
  return arith::ExtSIOp::create(b, b.getI64Type(), value);
}

Value nestor::kernels::loadIndexUnclamped(KernelBuilder &b, RankedTensorType type, Value pointer,
                                          Value position, int64_t extent) {
  Value index = loadInteger(b, type, pointer, position);
  Value negative = b.less(index, b.i64(0));
  return arith::SelectOp::create(b, negative, b.add(index, extent), index);
}

Value nestor::kernels::loadIndex(KernelBuilder &b, RankedTensorType type, Value pointer,
                                 Value position, int64_t extent) {
  Value index = loadIndexUnclamped(b, type, pointer, position, extent);
  return b.max(b.i64(0), b.min(index, b.i64(extent - 1)));
}

Value nestor::kernels::loadLength(KernelBuilder &b, RankedTensorType type, Value pointer,
                                  Value position, int64_t most) {
  return b.max(b.i64(0), b.min(loadInteger(b, type, pointer, position), b.i64(most)));
}

void nestor::kernels::copyRun(KernelBuilder &b, Type element, Value source, Value from,
                              Value target, Value to, int64_t count) {
  b.vectorLoop(b.i64(0), b.i64(count), count == 1 ? 1 : b.lanesFor(element),
               [&](Value index, Lanes lanes) {
                 b.store(b.load(element, source, b.add(from, index), lanes), target,
                         b.add(to, index), lanes);
               });
}

//===- Norm.cpp - Layer and RMS normalisation -----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A grain is one row: the elements that are normalised together, contiguous in
// memory. Mean, then the variance about it, then the result: three passes over
// a row that stays in the nearest cache.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/KernelBuilder.h"
#include "compiler/kernels/RunReduction.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

namespace {

/// How `scale` or `bias` lies along a row.
enum class Affine { None, Scalar, Row };

/// Fails where the operand differs between rows or repeats within one.
FailureOr<Affine> affineOf(nest::NormOp op, Value value, int64_t width) {
  if (!value)
    return Affine::None;
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getNumElements() == 1)
    return Affine::Scalar;
  size_t normalised = cast<RankedTensorType>(op.getInput().getType()).getRank() - op.getAxis();
  bool sameInEveryRow = product(type.getShape().drop_back(std::min<size_t>(normalised, type.getRank()))) == 1;
  if (sameInEveryRow && type.getNumElements() == width)
    return Affine::Row;
  return op.emitError("no kernel applies a scale or bias of type ") << type << " to rows of " << width;
}

struct NormEmitter {
  KernelBuilder &b;
  Type element;
  double epsilon;
  bool rms;
  Affine scale, bias;

  void emit() {
    Value source = b.arg(0), target = b.arg(1), width = b.param(1);
    Value scaleFrom = scale == Affine::None ? Value() : b.arg(2);
    Value biasFrom = bias == Affine::None ? Value() : b.arg(scaleFrom ? 3 : 2);
    Value count = arith::SIToFPOp::create(b, element, width);
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      Value base = b.mul(row, width);
      auto read = [&](Value index, Lanes lanes) { return b.load(element, source, b.add(base, index), lanes); };
      Combiner sum{nest::ReduceKind::sum, element};
      Value mean;
      if (!rms)
        mean = arith::DivFOp::create(b, reduceRun(b, width, sum, read), count);
      auto centred = [&](Value index, Lanes lanes) -> Value {
        Value value = read(index, lanes);
        return mean ? arith::SubFOp::create(b, value, b.broadcast(mean, lanes.count)).getResult() : value;
      };
      Value squares = reduceRun(b, width, sum, [&](Value index, Lanes lanes) -> Value {
        Value value = centred(index, lanes);
        return arith::MulFOp::create(b, value, value);
      });
      Value variance = arith::DivFOp::create(b, squares, count);
      Value deviation = math::SqrtOp::create(b, arith::AddFOp::create(b, variance, b.constant(element, epsilon)));
      Value factor = arith::DivFOp::create(b, b.constant(element, 1), deviation);
      b.vectorLoop(b.i64(0), width, b.lanesFor(element), [&](Value index, Lanes lanes) {
        Value value = arith::MulFOp::create(b, centred(index, lanes), b.broadcast(factor, lanes.count));
        if (scaleFrom)
          value = arith::MulFOp::create(b, value, operand(scale, scaleFrom, index, lanes));
        if (biasFrom)
          value = arith::AddFOp::create(b, value, operand(bias, biasFrom, index, lanes));
        b.store(value, target, b.add(base, index), lanes);
      });
    });
  }

  Value operand(Affine kind, Value pointer, Value index, Lanes lanes) {
    if (kind == Affine::Scalar)
      return b.broadcast(b.load(element, pointer, b.i64(0)), lanes.count);
    return b.load(element, pointer, index, lanes);
  }
};

} // namespace

FailureOr<Calls> nestor::kernels::describeNorm(nest::NormOp op) {
  auto type = cast<RankedTensorType>(op.getInput().getType());
  Type element = type.getElementType();
  int64_t rows = product(type.getShape(), 0, op.getAxis());
  int64_t width = product(type.getShape(), op.getAxis(), type.getRank());
  FailureOr<Affine> scale = affineOf(op, op.getScale(), width), bias = affineOf(op, op.getBias(), width);
  if (failed(scale) || failed(bias))
    return failure();

  KernelCall call;
  KernelSpec &spec = call.spec;
  double epsilon = op.getEpsilon().convertToDouble();
  bool rms = op.getRms();
  llvm::raw_string_ostream os(spec.signature);
  os << (rms ? "rms_norm " : "layer_norm ") << element << " epsilon " << epsilon;
  Polynomial all{{storageBytes(element), {0, 1}}};
  spec.args = {{all}, {all, /*written=*/true}};
  call.args = {{CallArg::Operand, 0}, {CallArg::Result, 0}};
  auto addAffine = [&](StringRef name, Affine kind, unsigned index) {
    if (kind == Affine::None)
      return;
    os << ' ' << name << (kind == Affine::Scalar ? "[1]" : "");
    spec.args.push_back({{{storageBytes(element), kind == Affine::Row ? SmallVector<uint32_t, 2>{1} : SmallVector<uint32_t, 2>{}}}});
    call.args.push_back({CallArg::Operand, index});
  };
  addAffine("scale", *scale, 1);
  addAffine("bias", *bias, op.getScale() ? 2 : 1);
  spec.name = kernelName("norm", spec.signature);
  spec.params.assign(2, {0, int64_t(1) << 40});
  call.params = {rows, width};
  spec.grains = {{1, {0}}};
  spec.emit = [=, scale = *scale, bias = *bias](func::FuncOp func, const TargetInfo &target) {
    KernelBuilder builder(func, target);
    NormEmitter{builder, element, epsilon, rms, scale, bias}.emit();
    return success();
  };
  return Calls{call};
}

//===- RecurrentActivation.cpp - ONNX's activations of recurrent layers ---===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Recurrent.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace nestor::kernels;

namespace {

using Emitter = Value (*)(KernelBuilder &, Value x, Value alpha, Value beta);

Value constantLike(KernelBuilder &b, Value x, double value) {
  return b.constant(x.getType(), value);
}
Value positive(KernelBuilder &b, Value x) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, x, constantLike(b, x, 0));
}
Value clampTo01(KernelBuilder &b, Value x) {
  Value low = arith::MaximumFOp::create(b, x, constantLike(b, x, 0));
  return arith::MinimumFOp::create(b, low, constantLike(b, x, 1));
}

Value sigmoid(KernelBuilder &b, Value x, Value, Value) {
  Value one = constantLike(b, x, 1);
  Value power = math::ExpOp::create(b, arith::NegFOp::create(b, x));
  return arith::DivFOp::create(b, one, arith::AddFOp::create(b, one, power));
}
Value tanhOf(KernelBuilder &b, Value x, Value, Value) { return math::TanhOp::create(b, x); }
Value relu(KernelBuilder &b, Value x, Value, Value) {
  return arith::MaximumFOp::create(b, x, constantLike(b, x, 0));
}
Value affine(KernelBuilder &b, Value x, Value alpha, Value beta) { return b.fma(alpha, x, beta); }
Value leakyRelu(KernelBuilder &b, Value x, Value alpha, Value) {
  return arith::SelectOp::create(b, positive(b, x), x, arith::MulFOp::create(b, alpha, x));
}
Value thresholdedRelu(KernelBuilder &b, Value x, Value alpha, Value) {
  Value above = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, alpha);
  return arith::SelectOp::create(b, above, x, constantLike(b, x, 0));
}
Value scaledTanh(KernelBuilder &b, Value x, Value alpha, Value beta) {
  return arith::MulFOp::create(b, alpha,
                               math::TanhOp::create(b, arith::MulFOp::create(b, beta, x)));
}
Value hardSigmoid(KernelBuilder &b, Value x, Value alpha, Value beta) {
  return clampTo01(b, b.fma(alpha, x, beta));
}
Value elu(KernelBuilder &b, Value x, Value alpha, Value) {
  Value below = arith::MulFOp::create(b, alpha, math::ExpM1Op::create(b, x));
  return arith::SelectOp::create(b, positive(b, x), x, below);
}
Value softsign(KernelBuilder &b, Value x, Value, Value) {
  Value size = arith::AddFOp::create(b, constantLike(b, x, 1), math::AbsFOp::create(b, x));
  return arith::DivFOp::create(b, x, size);
}
Value softplus(KernelBuilder &b, Value x, Value, Value) {
  // log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) does not overflow.
  Value power = math::ExpOp::create(b, arith::NegFOp::create(b, math::AbsFOp::create(b, x)));
  Value top = arith::MaximumFOp::create(b, x, constantLike(b, x, 0));
  return arith::AddFOp::create(b, top, math::Log1pOp::create(b, power));
}

Emitter find(StringRef name) {
  // ONNX compares these names without case.
  return llvm::StringSwitch<Emitter>(name.lower())
      .Case("sigmoid", sigmoid)
      .Case("tanh", tanhOf)
      .Case("relu", relu)
      .Case("affine", affine)
      .Case("leakyrelu", leakyRelu)
      .Case("thresholdedrelu", thresholdedRelu)
      .Case("scaledtanh", scaledTanh)
      .Case("hardsigmoid", hardSigmoid)
      .Case("elu", elu)
      .Case("softsign", softsign)
      .Case("softplus", softplus)
      .Default(nullptr);
}

} // namespace

bool nestor::kernels::isKnownActivation(StringRef name) { return find(name) != nullptr; }

Value nestor::kernels::emitActivation(KernelBuilder &b, const Activation &activation, Value x) {
  return find(activation.name)(b, x, constantLike(b, x, activation.alpha),
                               constantLike(b, x, activation.beta));
}

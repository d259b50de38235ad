//===- GradientReduce.cpp - Gradients of reductions and normalisations ----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/GradientRules.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;
using namespace nestor::nest;

/// The gradient of a maximum or minimum goes to the elements that are it; of
/// several, an equal share to each.
static Value gradientOfExtremum(ReduceOp op, Value grad, Gradients &g) {
  ArrayRef<int64_t> shape = shapeOf(op.getInput());
  auto ifEqual = [](ImplicitLocOpBuilder &b, Value x, Value extremum, Value value) -> Value {
    Value equal = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, extremum);
    return arith::SelectOp::create(b, equal, value, scalar(b, value.getType(), 0));
  };
  Value ones =
      g.map({op.getInput(), op.getResult()}, shape, [&](ImplicitLocOpBuilder &b, ValueRange in) {
        return ifEqual(b, in[0], in[1], scalar(b, in[0].getType(), 1));
      });
  Value count = g.sum(ones, op.getAxes());
  return g.map({op.getInput(), op.getResult(), grad, count}, shape,
               [&](ImplicitLocOpBuilder &b, ValueRange in) {
                 return ifEqual(b, in[0], in[1], arith::DivFOp::create(b, in[2], in[3]));
               });
}

void nestor::learn::differentiate(ReduceOp op, Value grad, Gradients &g) {
  ArrayRef<int64_t> shape = shapeOf(op.getInput());
  if (op.getKind() == ReduceKind::max || op.getKind() == ReduceKind::min)
    return g.add(op.getInput(), gradientOfExtremum(op, grad, g));
  if (op.getKind() == ReduceKind::mean)
    grad = g.scale(grad, double(tensorType(grad).getNumElements()) /
                             double(tensorType(op.getInput()).getNumElements()));
  g.add(op.getInput(), g.broadcast(grad, shape));
}

/// y = softmax(x): dx = y * (dy - sum(y * dy)); for its logarithm
/// dx = dy - exp(y) * sum(dy).
void nestor::learn::differentiate(SoftmaxOp op, Value grad, Gradients &g) {
  Value y = op.getResult();
  bool log = op.getLog();
  Value total = g.sum(log ? grad : g.multiply(y, grad), int64_t(op.getAxis()));
  g.add(op.getInput(),
        g.map({y, grad, total}, shapeOf(y), [&](ImplicitLocOpBuilder &b, ValueRange in) {
          if (!log)
            return arith::MulFOp::create(b, in[0], arith::SubFOp::create(b, in[1], in[2]))
                .getResult();
          Value share = arith::MulFOp::create(b, math::ExpOp::create(b, in[0]), in[2]);
          return arith::SubFOp::create(b, in[1], share).getResult();
        }));
}

/// With n = (x - mean) / deviation and y = n * scale + bias:
/// dn = dy * scale, dx = (dn - mean(dn) - n * mean(dn * n)) / deviation; without
/// the mean(dn) for `rms`.
void nestor::learn::differentiate(NormOp op, Value grad, Gradients &g) {
  Value x = op.getInput();
  ArrayRef<int64_t> shape = shapeOf(x);
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(op.getAxis(), shape.size()));
  double epsilon = op.getEpsilon().convertToDouble();

  Value centered = x;
  if (!op.getRms())
    centered = g.map({x, g.mean(x, axes)}, shape, [](ImplicitLocOpBuilder &b, ValueRange in) {
      return arith::SubFOp::create(b, in[0], in[1]);
    });
  Value variance = g.mean(g.multiply(centered, centered), axes);
  Value inverse =
      g.map(variance, shapeOf(variance), [&](ImplicitLocOpBuilder &b, ValueRange in) -> Value {
        Type type = in[0].getType();
        Value shifted = arith::AddFOp::create(b, in[0], scalar(b, type, epsilon));
        return arith::DivFOp::create(b, scalar(b, type, 1), math::SqrtOp::create(b, shifted));
      });
  Value normal = g.multiply(centered, inverse);

  g.add(op.getBias(), grad);
  Value dNormal = grad;
  if (Value scale = op.getScale()) {
    if (g.wants(scale))
      g.add(scale, g.multiply(grad, normal));
    dNormal = g.multiply(grad, scale);
  }
  Value along = g.mean(g.multiply(dNormal, normal), axes);
  Value mean = op.getRms() ? g.filled(tensorType(along), 0) : g.mean(dNormal, axes);
  g.add(x, g.map({dNormal, normal, along, mean, inverse}, shape,
                 [](ImplicitLocOpBuilder &b, ValueRange in) -> Value {
                   Value rest = arith::SubFOp::create(b, in[0], in[3]);
                   Value share = arith::MulFOp::create(b, in[1], in[2]);
                   rest = arith::SubFOp::create(b, rest, share);
                   return arith::MulFOp::create(b, rest, in[4]);
                 }));
}

void nestor::learn::differentiate(CumsumOp op, Value grad, Gradients &g) {
  g.add(op.getInput(), CumsumOp::create(g, grad.getType(), grad, op.getAxis(), op.getExclusive(),
                                        !op.getReverse()));
}

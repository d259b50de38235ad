//===- Softmax.cpp - Softmax along one axis -------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Three passes over a line: its maximum, the exponentials and their sum, and
// the division; for the logarithm the second pass only sums. Lines along the
// last dimension are vectorised along themselves, others side by side.
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

class SoftmaxEmitter {
public:
  SoftmaxEmitter(KernelBuilder &b, Type element, bool log)
      : b(b), element(element), log(log), source(b.arg(0)), target(b.arg(1)), extent(b.param(1)) {}

  /// One line in contiguous memory from `base` on.
  void emitContiguous(Value base) {
    auto read = [&](Value pointer, Value index, Lanes lanes) {
      return b.load(element, pointer, b.add(base, index), lanes);
    };
    Value largest = reduceRun(b, extent, {nest::ReduceKind::max, element},
                              [&](Value index, Lanes lanes) { return read(source, index, lanes); });
    Value sum = reduceRun(b, extent, {nest::ReduceKind::sum, element}, [&](Value index, Lanes lanes) {
      Value power = exponential(read(source, index, lanes), b.broadcast(largest, lanes.count));
      if (!log)
        b.store(power, target, b.add(base, index), lanes);
      return power;
    });
    Value last = finalTerm(largest, sum);
    b.vectorLoop(b.i64(0), extent, b.lanesFor(element), [&](Value index, Lanes lanes) {
      Value value = read(log ? source : target, index, lanes);
      b.store(finish(value, b.broadcast(last, lanes.count)), target, b.add(base, index), lanes);
    });
  }

  /// `lanes` lines side by side, `stride` elements from one step to the next.
  void emitStrided(Value base, Value stride, Lanes lanes) {
    auto at = [&](Value step) { return b.add(base, b.mul(step, stride)); };
    Combiner max{nest::ReduceKind::max, element};
    Value largest = b.loop(b.i64(0), extent, 1, max.identity(b, lanes.count), [&](Value i, ValueRange so) {
      return SmallVector<Value>{max.combine(b, so[0], b.load(element, source, at(i), lanes))};
    })[0];
    Value zero = b.constant(largest.getType(), 0);
    Value sum = b.loop(b.i64(0), extent, 1, zero, [&](Value i, ValueRange so) {
      Value power = exponential(b.load(element, source, at(i), lanes), largest);
      if (!log)
        b.store(power, target, at(i), lanes);
      return SmallVector<Value>{arith::AddFOp::create(b, so[0], power)};
    })[0];
    Value last = finalTerm(largest, sum);
    b.loop(b.i64(0), extent, 1, [&](Value i) {
      Value value = b.load(element, log ? source : target, at(i), lanes);
      b.store(finish(value, last), target, at(i), lanes);
    });
  }

private:
  Value exponential(Value value, Value largest) {
    return math::ExpOp::create(b, arith::SubFOp::create(b, value, largest));
  }
  /// What the last pass multiplies by, or, for the logarithm, subtracts.
  Value finalTerm(Value largest, Value sum) {
    if (log)
      return arith::AddFOp::create(b, largest, math::LogOp::create(b, sum));
    return arith::DivFOp::create(b, b.constant(sum.getType(), 1), sum);
  }
  Value finish(Value value, Value last) {
    if (log)
      return arith::SubFOp::create(b, value, last);
    return arith::MulFOp::create(b, value, last);
  }

  KernelBuilder &b;
  Type element;
  bool log;
  Value source, target, extent;
};

} // namespace

FailureOr<Calls> nestor::kernels::describeSoftmax(nest::SoftmaxOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  Type element = type.getElementType();
  size_t axis = op.getAxis();
  bool log = op.getLog();
  int64_t inner = product(type.getShape(), axis + 1, type.getRank());
  bool contiguous = inner == 1;
  KernelCall call;
  KernelSpec &spec = call.spec;
  llvm::raw_string_ostream(spec.signature)
      << (log ? "log_softmax " : "softmax ") << element << (contiguous ? " rows" : " columns");
  spec.name = kernelName("softmax", spec.signature);
  Polynomial bytes{{storageBytes(element), {0, 1, 2}}};
  spec.args = {{bytes}, {bytes, /*written=*/true}};
  call.args = {{CallArg::Operand, 0}, {CallArg::Result, 0}};
  spec.params = {{0, int64_t(1) << 40}, {0, int64_t(1) << 40}, {contiguous ? 1 : 0, contiguous ? 1 : int64_t(1) << 40}};
  call.params = {product(type.getShape(), 0, axis), type.getDimSize(axis), inner};
  spec.grains = {{1, {0}}};
  spec.emit = [=](func::FuncOp func, const TargetInfo &target) {
    KernelBuilder b(func, target);
    SoftmaxEmitter emitter(b, element, log);
    Value extent = b.param(1), columns = contiguous ? b.i64(1) : b.param(2);
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      Value base = b.mul(b.mul(row, extent), columns);
      if (contiguous)
        return emitter.emitContiguous(base);
      b.vectorLoop(b.i64(0), columns, b.lanesFor(element), [&](Value column, Lanes lanes) {
        emitter.emitStrided(b.add(base, column), columns, lanes);
      });
    });
    return success();
  };
  return Calls{call};
}

//===- Softmax.cpp - Softmax along one axis -------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Three passes over a line: its maximum, the exponentials and their sum, and
// the division; for the logarithm the second pass only sums. Lines along the
// last dimension are vectorised along themselves, a few at a time, others side by
// side.
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

  /// `lines` lines in contiguous memory, one after the other from `base` on.
  void emitContiguous(Value base, int64_t lines) {
    auto place = [&](int64_t line, Value index) { return b.add(b.add(base, b.mul(extent, line)), index); };
    auto read = [&](Value pointer, int64_t line, Value index, Lanes lanes) {
      return b.load(element, pointer, place(line, index), lanes);
    };
    SmallVector<Value> largest =
        reduceRuns(b, lines, extent, {nest::ReduceKind::max, element},
                   [&](int64_t line, Value index, Lanes lanes) { return read(source, line, index, lanes); });
    SmallVector<Value> last =
        reduceRuns(b, lines, extent, {nest::ReduceKind::sum, element}, [&](int64_t line, Value index, Lanes lanes) {
          Value power = exponential(read(source, line, index, lanes), b.broadcast(largest[line], lanes.count));
          if (!log)
            b.store(power, target, place(line, index), lanes);
          return power;
        });
    for (int64_t line = 0; line < lines; ++line)
      last[line] = finalTerm(largest[line], last[line]);
    b.vectorLoop(b.i64(0), extent, b.lanesFor(element), [&](Value index, Lanes lanes) {
      for (int64_t line = 0; line < lines; ++line) {
        Value value = read(log ? source : target, line, index, lanes);
        b.store(finish(value, b.broadcast(last[line], lanes.count)), target, place(line, index), lanes);
      }
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
    Value extent = b.param(1), columns = b.param(2);
    if (contiguous) {
      // What a line waits for, its maximum and its sum, takes as long as the rest.
      constexpr int64_t together = 4;
      Value count = b.max(b.sub(b.end(), b.begin()), b.i64(0)), whole = b.sub(b.end(), b.rem(count, together));
      auto lines = [&](Value from, Value to, int64_t step) {
        b.loop(from, to, step, [&](Value row) { emitter.emitContiguous(b.mul(row, extent), step); });
      };
      lines(b.begin(), whole, together);
      lines(whole, b.end(), 1);
      return success();
    }
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      Value base = b.mul(b.mul(row, extent), columns);
      b.vectorLoop(b.i64(0), columns, b.lanesFor(element), [&](Value column, Lanes lanes) {
        emitter.emitStrided(b.add(base, column), columns, lanes);
      });
    });
    return success();
  };
  return Calls{call};
}

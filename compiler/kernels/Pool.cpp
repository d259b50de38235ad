//===- Pool.cpp - Pooling kernels -----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A grain is one row of results along the innermost spatial dimension. Every
// pixel's window is clipped to the input; windows of few taps that lie inside
// it are unrolled. Channels are vectorised, and their number is a parameter.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/PoolWindow.h"
#include "compiler/kernels/Rows.h"
#include "compiler/kernels/RunReduction.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;
using nest::PoolKind;

namespace {

struct Pooling {
  PoolKind kind;
  Type element;
  bool countIncludePad;
  int64_t p;
  SmallVector<PoolWindow> windows;

  explicit Pooling(nest::PoolOp op)
      : kind(op.getKind()), element(op.getType().getElementType()),
        countIncludePad(op.getCountIncludePad()), p(op.getP()),
        windows(poolWindows(op, typeOf(op.getInput()).getShape(), op.getType().getShape())) {}
  Combiner combiner() const {
    return {kind == PoolKind::max ? nest::ReduceKind::max : nest::ReduceKind::sum, element};
  }
  int64_t taps() const {
    int64_t count = 1;
    for (const PoolWindow &window : windows)
      count *= window.kernel;
    return count;
  }
};

/// Windows of no more taps than this are unrolled where nothing is clipped.
constexpr int64_t unrolledTaps = 9;

class PoolEmitter {
public:
  PoolEmitter(KernelBuilder &b, const Pooling &pool, bool pitched)
      : b(b), pool(pool), combiner(pool.combiner()), source(b.arg(0)), target(b.arg(1)), channels(b.param(1)),
        resultPitch(pitched ? b.param(2) : channels) {}

  void emit() {
    SmallVector<int64_t> outer;
    for (const PoolWindow &window : ArrayRef(pool.windows).drop_back())
      outer.push_back(window.out);
    int64_t width = pool.windows.back().out;
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      SmallVector<Value> at = unravelRow(row, outer);
      Value batch = at.front();
      at.erase(at.begin());
      at.push_back(nullptr);
      b.loop(b.i64(0), b.i64(width), 1, [&](Value x) {
        at.back() = x;
        emitPixel(batch, at, b.mul(b.add(b.mul(row, width), x), resultPitch));
      });
    });
  }

private:
  /// Batch and outer spatial coordinates of a row.
  SmallVector<Value> unravelRow(Value row, ArrayRef<int64_t> outer) {
    SmallVector<int64_t> shape{0}; // The outermost extent does not enter.
    llvm::append_range(shape, outer);
    return unravel(b, row, shape);
  }

  void emitPixel(Value batch, ArrayRef<Value> at, Value to) {
    SmallVector<Value> first, last, origin;
    Value inside, base = batch;
    for (auto [window, coordinate] : llvm::zip_equal(pool.windows, at)) {
      Value start = b.sub(b.mul(coordinate, window.stride), b.i64(window.padBegin));
      origin.push_back(start);
      base = b.add(b.mul(base, window.in), start);
      first.push_back(window.tapsBefore(b, b.i64(0), start));
      last.push_back(window.tapsBefore(b, b.i64(window.in), start));
      Value whole = b.equal(b.sub(last.back(), first.back()), b.i64(window.kernel));
      inside = inside ? arith::AndIOp::create(b, inside, whole).getResult() : whole;
    }
    Value from = b.mul(base, channels), divisor = divisorOf(origin, first, last);
    auto overChannels = [&](bool unroll) {
      b.vectorLoop(b.i64(0), channels, b.lanesFor(pool.element), [&](Value channel, Lanes lanes) {
        Value sum = combiner.identity(b, lanes.count), position = b.add(from, channel);
        sum = unroll ? unrolled(sum, position, 0, lanes) : clipped(sum, position, first, last, 0, lanes);
        b.store(finish(sum, divisor, lanes), target, b.add(to, channel), lanes);
      });
    };
    if (pool.taps() > unrolledTaps)
      return overChannels(false);
    b.ifThenElse(inside, [&] { overChannels(true); }, [&] { overChannels(false); });
  }

  /// What an average divides by: null for other kinds.
  Value divisorOf(ArrayRef<Value> origin, ArrayRef<Value> first, ArrayRef<Value> last) {
    if (pool.kind != PoolKind::avg)
      return nullptr;
    Value count = b.i64(1);
    for (auto [i, window] : llvm::enumerate(pool.windows)) {
      Value taps = pool.countIncludePad ? window.tapsBefore(b, b.i64(window.in + window.padEnd), origin[i])
                                        : b.sub(last[i], first[i]);
      count = b.mul(count, taps);
    }
    // A window beyond the input averages nothing to zero.
    return arith::SIToFPOp::create(b, pool.element, b.max(count, b.i64(1)));
  }

  /// Elements from one tap of dimension `dim` to the next.
  Value tapStride(size_t dim) {
    int64_t pixels = pool.windows[dim].dilation;
    for (const PoolWindow &inner : ArrayRef(pool.windows).drop_front(dim + 1))
      pixels *= inner.in;
    return b.mul(channels, pixels);
  }

  Value unrolled(Value sum, Value position, size_t dim, Lanes lanes) {
    if (dim == pool.windows.size())
      return accumulate(sum, position, lanes);
    for (int64_t tap = 0; tap < pool.windows[dim].kernel; ++tap)
      sum = unrolled(sum, b.add(position, b.mul(tapStride(dim), tap)), dim + 1, lanes);
    return sum;
  }

  Value clipped(Value sum, Value position, ArrayRef<Value> first, ArrayRef<Value> last, size_t dim, Lanes lanes) {
    if (dim == pool.windows.size())
      return accumulate(sum, position, lanes);
    return b.loop(first[dim], last[dim], 1, sum, [&](Value tap, ValueRange so) {
      Value inner = b.add(position, b.mul(tapStride(dim), tap));
      return SmallVector<Value>{clipped(so[0], inner, first, last, dim + 1, lanes)};
    })[0];
  }

  Value accumulate(Value sum, Value position, Lanes lanes) {
    Value value = b.load(pool.element, source, position, lanes);
    if (pool.kind == PoolKind::lp) {
      value = math::AbsFOp::create(b, value);
      Value power = value;
      for (int64_t i = 1; i < pool.p; ++i)
        power = arith::MulFOp::create(b, power, value);
      value = power;
    }
    return combiner.combine(b, sum, value);
  }

  Value finish(Value sum, Value divisor, Lanes lanes) {
    if (divisor)
      return arith::DivFOp::create(b, sum, b.broadcast(divisor, lanes.count));
    if (pool.kind != PoolKind::lp || pool.p == 1)
      return sum;
    if (pool.p == 2)
      return math::SqrtOp::create(b, sum);
    return math::PowFOp::create(b, sum, b.constant(sum.getType(), 1.0 / pool.p));
  }

  KernelBuilder &b;
  const Pooling &pool;
  Combiner combiner;
  Value source, target, channels, resultPitch;
};

} // namespace

FailureOr<Calls> nestor::kernels::describePool(nest::PoolOp op) { return describePool(op, /*resultPitch=*/0); }

FailureOr<Calls> nestor::kernels::describePool(nest::PoolOp op, int64_t resultPitch) {
  Pooling pool(op);
  KernelCall call;
  KernelSpec &spec = call.spec;
  llvm::raw_string_ostream os(spec.signature);
  os << "pool " << nest::stringifyPoolKind(pool.kind) << ' ' << pool.element;
  int64_t inPixels = 1, outPixels = 1, outRows = 1;
  for (const PoolWindow &window : pool.windows) {
    os << " [" << window.in << "->" << window.out << " k" << window.kernel << " s" << window.stride << " d"
       << window.dilation << " p" << window.padBegin << ',' << window.padEnd << ']';
    inPixels *= window.in;
    outRows = outPixels;
    outPixels *= window.out;
  }
  if (pool.countIncludePad)
    os << " count pads";
  if (pool.kind == PoolKind::lp)
    os << " p " << pool.p;
  if (resultPitch)
    os << " in rows apart";
  spec.name = kernelName("pool", spec.signature);
  int64_t bytes = storageBytes(pool.element);
  spec.args = {{{{bytes * inPixels, {0, 1}}}}, {{{bytes * outPixels, {0, 1}}}, /*written=*/true}};
  call.args = {{CallArg::Operand, 0}, {CallArg::Result, 0}};
  // Batch and channels.
  spec.params.assign(2, {0, int64_t(1) << 32});
  call.params = {op.getType().getDimSize(0), op.getType().getShape().back()};
  if (resultPitch) {
    spec.args[1].bytes = pitchedBytes({bytes * outPixels, {0}}, /*pitch=*/2, {bytes, {1}});
    spec.params.push_back({1, int64_t(1) << 32});
    call.params.push_back(resultPitch);
  }
  // Rows of the innermost spatial dimension.
  spec.grains = {{outRows, {0}}};
  spec.emit = [pool, pitched = resultPitch != 0](func::FuncOp func, const TargetInfo &target) {
    KernelBuilder builder(func, target);
    PoolEmitter(builder, pool, pitched).emit();
    return success();
  };
  return Calls{call};
}

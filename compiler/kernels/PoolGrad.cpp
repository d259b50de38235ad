//===- PoolGrad.cpp - Gradients of pooling --------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// One image at a time: its gradient is cleared, then every window adds to the
// pixels that it saw, whole vectors of channels together. Windows of a maximum
// look for the tap that won first.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/PoolWindow.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;
using nest::PoolKind;

namespace {

struct PoolGradSpec {
  SmallVector<PoolWindow> windows;
  int64_t batch, channels, inPixels = 1, outPixels = 1;
  PoolKind kind;
  bool countIncludePad;

  explicit PoolGradSpec(nest::PoolGradOp op)
      : kind(op.getKind()), countIncludePad(op.getCountIncludePad()) {
    ArrayRef<int64_t> in = typeOf(op.getInput()).getShape(), out = typeOf(op.getGrad()).getShape();
    batch = in.front(), channels = in.back();
    windows = poolWindows(op, in, out);
    for (const PoolWindow &w : windows)
      inPixels *= w.in, outPixels *= w.out;
  }
  std::string describe() const;
};

std::string PoolGradSpec::describe() const {
  std::string text = nest::stringifyPoolKind(kind).str() + (countIncludePad ? " count pads" : "");
  for (const PoolWindow &w : windows)
    text += " k" + std::to_string(w.kernel) + " s" + std::to_string(w.stride) + " d" +
            std::to_string(w.dilation) + " p" + std::to_string(w.padBegin) + "," +
            std::to_string(w.padEnd);
  return text;
}

class PoolGrad {
public:
  PoolGrad(KernelBuilder &b, const PoolGradSpec &spec)
      : b(b), spec(spec), f32(b.getF32Type()), input(b.arg(0)), grad(b.arg(1)), result(b.arg(2)) {}

  void emit() {
    b.loop(b.begin(), b.end(), 1, [&](Value image) {
      base = b.mul(image, spec.inPixels * spec.channels);
      b.vectorLoop(base, b.add(base, spec.inPixels * spec.channels), b.target.vectorLanes,
                   [&](Value index, Lanes lanes) {
                     b.store(b.constant(withLanes(f32, lanes.count), 0), result, index, lanes);
                   });
      b.loop(b.i64(0), b.i64(spec.outPixels), 1, [&](Value window) {
        Value from = b.mul(b.add(b.mul(image, spec.outPixels), window), spec.channels);
        enterWindow(window);
        b.vectorLoop(b.i64(0), b.i64(spec.channels), b.target.vectorLanes,
                     [&](Value channel, Lanes lanes) {
                       Value gradient = b.load(f32, grad, b.add(from, channel), lanes);
                       if (spec.kind == PoolKind::max)
                         giveToMaximum(gradient, channel, lanes);
                       else
                         divide(gradient, channel, lanes);
                     });
      });
    });
  }

private:
  /// Where the window begins, and which of its taps lie inside the input.
  void enterWindow(Value window) {
    SmallVector<int64_t> extents;
    for (const PoolWindow &w : spec.windows)
      extents.push_back(w.out);
    origin.clear(), first.clear(), last.clear();
    divisor = b.i64(1);
    for (auto [at, w] : llvm::zip_equal(unravel(b, window, extents), spec.windows)) {
      origin.push_back(b.add(b.mul(at, w.stride), -w.padBegin));
      auto tapsBefore = [&](int64_t bound) { return w.tapsBefore(b, b.i64(bound), origin.back()); };
      first.push_back(tapsBefore(0));
      last.push_back(tapsBefore(w.in));
      Value taps = spec.countIncludePad
                       ? b.sub(tapsBefore(w.in + w.padEnd), tapsBefore(-w.padBegin))
                       : b.sub(last.back(), first.back());
      divisor = b.mul(divisor, taps);
    }
    // A window beyond the input divides nothing.
    divisor = arith::SIToFPOp::create(b, f32, b.max(divisor, b.i64(1)));
  }

  /// Calls `body` for each tap inside with its element of channel 0 and, in
  /// row-major order, its number.
  using TapBody =
      llvm::function_ref<SmallVector<Value>(Value element, Value number, ValueRange carried)>;
  SmallVector<Value> overTaps(size_t dim, Value pixel, Value number, ValueRange carried,
                              TapBody body) {
    if (dim == spec.windows.size())
      return body(b.add(base, b.mul(pixel, spec.channels)), number, carried);
    const PoolWindow &w = spec.windows[dim];
    return b.loop(first[dim], last[dim], 1, carried, [&](Value tap, ValueRange inner) {
      Value at = b.add(origin[dim], b.mul(tap, w.dilation));
      return overTaps(dim + 1, b.add(b.mul(pixel, w.in), at), b.add(b.mul(number, w.kernel), tap),
                      inner, body);
    });
  }

  void addTo(Value element, Value gradient, Lanes lanes) {
    Value sum = arith::AddFOp::create(b, b.load(f32, result, element, lanes), gradient);
    b.store(sum, result, element, lanes);
  }

  void divide(Value gradient, Value channel, Lanes lanes) {
    gradient = arith::DivFOp::create(b, gradient, b.broadcast(divisor, lanes.count));
    overTaps(0, b.i64(0), b.i64(0), {}, [&](Value element, Value, ValueRange) {
      addTo(b.add(element, channel), gradient, lanes);
      return SmallVector<Value>();
    });
  }

  void giveToMaximum(Value gradient, Value channel, Lanes lanes) {
    Type i32 = b.getI32Type();
    auto numberOf = [&](Value tap) -> Value {
      return b.broadcast(arith::TruncIOp::create(b, i32, tap), lanes.count);
    };
    // The first tap wins until one is larger, or NaN, which stays.
    SmallVector<Value> start{b.constant(withLanes(f32, lanes.count), 0),
                             b.constant(withLanes(i32, lanes.count), -1)};
    auto compare = [&](arith::CmpFPredicate predicate, Value x, Value y) -> Value {
      return arith::CmpFOp::create(b, predicate, x, y);
    };
    Value winner =
        overTaps(0, b.i64(0), b.i64(0), start, [&](Value element, Value number, ValueRange best) {
          Value value = b.load(f32, input, b.add(element, channel), lanes);
          Value larger = compare(arith::CmpFPredicate::UGT, value, best[0]);
          Value ordered = compare(arith::CmpFPredicate::ORD, best[0], best[0]);
          Value none = b.equal(best[1], b.constant(best[1].getType(), -1));
          Value wins = arith::OrIOp::create(b, none, arith::AndIOp::create(b, larger, ordered));
          return SmallVector<Value>{b.select(wins, value, best[0]),
                                    b.select(wins, numberOf(number), best[1])};
        })[1];
    overTaps(0, b.i64(0), b.i64(0), {}, [&](Value element, Value number, ValueRange) {
      Value won = b.equal(winner, numberOf(number));
      addTo(b.add(element, channel), b.select(won, gradient, b.constant(gradient.getType(), 0)),
            lanes);
      return SmallVector<Value>();
    });
  }

  KernelBuilder &b;
  const PoolGradSpec &spec;
  Type f32;
  Value input, grad, result;

  // Where the emission is.
  Value base; ///< The image's first element.
  SmallVector<Value> origin, first, last;
  Value divisor;
};

} // namespace

FailureOr<Calls> nestor::kernels::describePoolGrad(nest::PoolGradOp op) {
  if (!op.getType().getElementType().isF32())
    return op.emitError("only gradients of f32 poolings have a kernel");
  PoolGradSpec spec(op);
  return Calls{staticCall(op, "pool_grad", spec.describe(), spec.batch,
                          [spec](KernelBuilder &b) { PoolGrad(b, spec).emit(); })};
}

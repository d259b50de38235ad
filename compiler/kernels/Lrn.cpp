//===- Lrn.cpp - Local response normalisation -----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

namespace {
/// One kernel's constants.
struct Window {
  Type element;
  int64_t channels, before, after;
  double alphaOverSize, beta, k;
};
} // namespace

/// x / (k + alpha/size * squares)^beta at `at`.
static void storeNormalised(KernelBuilder &b, const Window &w, Value source, Value target, Value at,
                            Value squares, Lanes lanes) {
  Type type = withLanes(w.element, lanes.count);
  Value base = b.fma(squares, b.constant(type, w.alphaOverSize), b.constant(type, w.k));
  Value scale = math::PowFOp::create(b, base, b.constant(type, -w.beta));
  Value x = b.load(w.element, source, at, lanes);
  b.store(arith::MulFOp::create(b, x, scale), target, at, lanes);
}

/// Channels [lower, upper) of the pixel at `base`, one by one, windows clipped.
static void emitEdge(KernelBuilder &b, const Window &w, Value source, Value target, Value base,
                     int64_t lower, int64_t upper) {
  b.loop(b.i64(lower), b.i64(upper), 1, [&](Value c) {
    Value first = b.max(b.i64(0), b.sub(c, b.i64(w.before)));
    Value last = b.min(b.i64(w.channels), b.add(c, w.after + 1));
    Value zero = b.constant(w.element, 0);
    Value squares = b.loop(first, last, 1, zero, [&](Value i, ValueRange sum) {
      Value x = b.load(w.element, source, b.add(base, i));
      return SmallVector<Value>{b.fma(x, x, sum[0])};
    })[0];
    storeNormalised(b, w, source, target, b.add(base, c), squares, {});
  });
}

FailureOr<Calls> nestor::kernels::describeLrn(nest::LrnOp op) {
  RankedTensorType type = op.getType();
  int64_t size = op.getSize(), channels = type.getShape().back();
  Window w{type.getElementType(),
           channels,
           (size - 1) / 2,
           size / 2,
           op.getAlpha().convertToDouble() / size,
           op.getBeta().convertToDouble(),
           op.getK().convertToDouble()};
  int64_t innerBegin = std::min(w.before, channels);
  int64_t innerEnd = std::max(innerBegin, channels - w.after);
  auto body = [=](KernelBuilder &b) {
    Value source = b.arg(0), target = b.arg(1);
    b.loop(b.begin(), b.end(), 1, [&](Value pixel) {
      Value base = b.mul(pixel, channels);
      emitEdge(b, w, source, target, base, 0, innerBegin);
      b.vectorLoop(b.i64(innerBegin), b.i64(innerEnd), b.lanesFor(w.element),
                   [&](Value c, Lanes lanes) {
                     Value squares = b.constant(withLanes(w.element, lanes.count), 0);
                     for (int64_t tap = -w.before; tap <= w.after; ++tap) {
                       Value x = b.load(w.element, source, b.add(base, b.add(c, tap)), lanes);
                       squares = b.fma(x, x, squares);
                     }
                     storeNormalised(b, w, source, target, b.add(base, c), squares, lanes);
                   });
      emitEdge(b, w, source, target, base, innerEnd, channels);
    });
  };
  std::string detail = llvm::formatv("size {0} alpha {1:e} beta {2:e} k {3:e}", size,
                                     op.getAlpha().convertToDouble(), w.beta, w.k);
  return Calls{staticCall(op, "lrn", detail, type.getNumElements() / channels, body)};
}

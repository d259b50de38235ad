//===- Pad.cpp - Padding and cropping -------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

namespace {

/// A padding whose trailing dimensions that do not change are one run.
struct Padding {
  SmallVector<int64_t> in, out, low;
  int64_t run = 1;
  nest::PadMode mode;
  Type element;

  explicit Padding(nest::PadOp op) : mode(op.getMode()) {
    auto input = cast<RankedTensorType>(op.getInput().getType());
    element = input.getElementType();
    in.assign(input.getShape().begin(), input.getShape().end());
    out.assign(op.getType().getShape().begin(), op.getType().getShape().end());
    low.assign(op.getLow().begin(), op.getLow().end());
    for (size_t rank = in.size(); rank-- > 0 && low[rank] == 0 && in[rank] == out[rank];) {
      run *= in.pop_back_val();
      out.pop_back();
      low.pop_back();
    }
    if (mode == nest::PadMode::constant && !in.empty()) {
      // Whole rows of the last padded dimension are filled and copied at once.
      in.back() *= run;
      out.back() *= run;
      low.back() *= run;
      run = 1;
    }
  }
};

/// numpy's and ONNX's view of what lies at coordinate `at` of a dimension of
/// `extent`, brought into it.
Value mirror(KernelBuilder &b, nest::PadMode mode, Value at, int64_t extent, int64_t low) {
  if (mode == nest::PadMode::edge || extent == 1)
    return b.max(b.i64(0), b.min(at, b.i64(extent - 1)));
  int64_t period = mode == nest::PadMode::wrap ? extent : 2 * (extent - 1);
  // A whole number of periods makes the dividend non-negative.
  int64_t shift = low > 0 ? (low + period - 1) / period * period : 0;
  Value phase = b.rem(b.add(at, shift), period);
  return mode == nest::PadMode::wrap ? phase : b.min(phase, b.sub(b.i64(period), phase));
}

/// The offset in the input of a row of the result, from the row's coordinates
/// in all dimensions but the last.
Value rowOffset(KernelBuilder &b, const Padding &pad, ArrayRef<Value> at, Value &inside) {
  SmallVector<int64_t> strides = stridesOf(pad.in);
  Value offset = b.i64(0);
  for (auto [dim, coordinate] : llvm::enumerate(at)) {
    Value from = b.sub(coordinate, b.i64(pad.low[dim]));
    if (pad.mode == nest::PadMode::constant) {
      Value valid = arith::AndIOp::create(b, b.less(b.i64(-1), from), b.less(from, b.i64(pad.in[dim])));
      inside = inside ? arith::AndIOp::create(b, inside, valid).getResult() : valid;
    } else {
      from = mirror(b, pad.mode, from, pad.in[dim], pad.low[dim]);
    }
    offset = b.add(offset, b.mul(from, strides[dim]));
  }
  return offset;
}

/// Rows of the last dimension: filled, copied, filled.
void emitConstant(KernelBuilder &b, const Padding &pad, Value source, Value target, Value fill) {
  int64_t width = pad.out.back(), low = pad.low.back();
  int64_t first = std::clamp<int64_t>(low, 0, width);
  int64_t last = std::clamp<int64_t>(low + pad.in.back(), first, width);
  auto fillRun = [&](Value lower, Value upper) {
    b.vectorLoop(lower, upper, b.lanesFor(pad.element), [&](Value index, Lanes lanes) {
      b.store(b.broadcast(fill, lanes.count), target, index, lanes);
    });
  };
  b.loop(b.begin(), b.end(), 1, [&](Value row) {
    SmallVector<Value> at = unravel(b, row, ArrayRef(pad.out).drop_back());
    Value inside, from = rowOffset(b, pad, at, inside);
    Value to = b.mul(row, width), end = b.add(to, width);
    auto copyRow = [&] {
      fillRun(to, b.add(to, first));
      copyRun(b, pad.element, source, b.add(from, first - low), target, b.add(to, first), last - first);
      fillRun(b.add(to, last), end);
    };
    if (inside)
      b.ifThenElse(inside, copyRow, [&] { fillRun(to, end); });
    else
      copyRow();
  });
}

/// Every coordinate finds its source; dimensions that do not change are runs.
void emitMirrored(KernelBuilder &b, const Padding &pad, Value source, Value target) {
  b.loop(b.begin(), b.end(), 1, [&](Value row) {
    SmallVector<Value> at = unravel(b, row, ArrayRef(pad.out).drop_back());
    Value inside, from = rowOffset(b, pad, at, inside);
    b.loop(b.i64(0), b.i64(pad.out.back()), 1, [&](Value i) {
      Value column = mirror(b, pad.mode, b.sub(i, b.i64(pad.low.back())), pad.in.back(), pad.low.back());
      Value to = b.add(b.mul(row, pad.out.back()), i);
      copyRun(b, pad.element, source, b.mul(b.add(from, column), pad.run), target, b.mul(to, pad.run), pad.run);
    });
  });
}

} // namespace

FailureOr<Calls> nestor::kernels::describePad(nest::PadOp op) {
  Padding pad(op);
  if (pad.in.empty()) { // Nothing is padded: one run.
    pad.in = pad.out = {pad.run};
    pad.low = {0};
    pad.run = 1;
    pad.mode = nest::PadMode::constant;
  }
  bool hasValue = op.getValue() != nullptr;
  auto body = [pad, hasValue](KernelBuilder &b) {
    Value source = b.arg(0), target = b.arg(hasValue ? 2 : 1);
    if (pad.mode != nest::PadMode::constant)
      return emitMirrored(b, pad, source, target);
    Value fill = hasValue ? b.load(pad.element, b.arg(1), b.i64(0)) : b.constant(registerType(pad.element), 0);
    emitConstant(b, pad, source, target, fill);
  };
  std::string detail = nest::stringifyPadMode(op.getMode()).str();
  for (int64_t low : op.getLow())
    detail += " " + std::to_string(low);
  return Calls{staticCall(op, "pad", detail, product(ArrayRef(pad.out).drop_back()), body)};
}

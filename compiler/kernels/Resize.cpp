//===- Resize.cpp - Interpolation kernels ---------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Which input positions an output position reads, and their weights, are
// tables in the image, one per dimension that changes. Dimensions after the
// last such one (the channels, usually) are runs that are vectorised. Where the
// last dimension itself is interpolated (an image with channels first), a line of
// it is made of the lines around it, and then picked from by shuffles.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/ResizeTaps.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

namespace {

/// Taps of one dimension up to this number are unrolled.
constexpr int64_t unrolledTaps = 4;

class ResizeEmitter {
public:
  ResizeEmitter(KernelBuilder &b, Type element, ArrayRef<AxisTaps> axes, int64_t run, double extrapolation)
      : b(b), element(element), compute(element.isF32() ? element : Type(b.getF64Type())), axes(axes), run(run),
        extrapolation(extrapolation), source(b.arg(0)), target(b.arg(1)) {
    for (const AxisTaps &axis : axes) {
      bool plain = axis.isIdentity();
      onlyCopies = onlyCopies && axis.taps == 1;
      positions.push_back(plain ? Value() : b.table(axis.positions));
      weights.push_back(axis.taps == 1 ? Value() : b.table(axis.weights));
      outside.push_back(axis.outside.empty() ? Value() : b.table(axis.outside));
    }
  }

  /// Grains are the positions in all dimensions but the last of `axes`.
  void emit() {
    SmallVector<int64_t> outer;
    for (const AxisTaps &axis : axes.drop_back())
      outer.push_back(axis.output);
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      SmallVector<Value> at = unravel(b, row, outer);
      at.push_back(nullptr);
      b.loop(b.i64(0), b.i64(axes.back().output), 1, [&](Value x) {
        at.back() = x;
        emitPosition(at, b.mul(b.add(b.mul(row, axes.back().output), x), run));
      });
    });
  }

  /// The value at position `at` of `axes`, element `index` of the run.
  Value interpolate(ArrayRef<Value> at, Value index, Lanes lanes) {
    Value sum = gather(at, 0, b.i64(0), index, lanes);
    if (onlyCopies || compute == element)
      return sum;
    Type type = withLanes(registerType(element), lanes.count);
    return element.isUnsignedInteger() ? arith::FPToUIOp::create(b, type, sum).getResult()
                                       : arith::FPToSIOp::create(b, type, sum).getResult();
  }

private:
  void emitPosition(ArrayRef<Value> at, Value to) {
    Value isOutside;
    for (auto [coordinate, flags] : llvm::zip_equal(at, outside)) {
      if (!flags)
        continue;
      Value flag = b.equal(entry(flags, coordinate), b.i64(1));
      isOutside = isOutside ? arith::OrIOp::create(b, isOutside, flag).getResult() : flag;
    }
    auto overRun = [&](llvm::function_ref<Value(Value, Lanes)> valueAt) {
      int64_t lanes = run == 1 ? 1 : std::min(b.lanesFor(element), b.lanesFor(compute));
      b.vectorLoop(b.i64(0), b.i64(run), lanes, [&](Value index, Lanes some) {
        b.store(valueAt(index, some), target, b.add(to, index), some);
      });
    };
    auto inside = [&] { overRun([&](Value index, Lanes lanes) { return interpolate(at, index, lanes); }); };
    auto filled = [&] {
      Value fill = b.constant(registerType(element), extrapolation);
      overRun([&](Value, Lanes lanes) { return b.broadcast(fill, lanes.count); });
    };
    if (isOutside)
      b.ifThenElse(isOutside, filled, inside);
    else
      inside();
  }

  Value entry(Value table, Value index) {
    return arith::ExtSIOp::create(b, b.getI64Type(), b.load(b.getI32Type(), table, index));
  }

  /// The weighted sum over the taps of dimensions [dim, end); `row` is the
  /// input's row so far.
  Value gather(ArrayRef<Value> at, size_t dim, Value row, Value index, Lanes lanes) {
    if (dim == axes.size())
      return read(b.add(b.mul(row, run), index), lanes);
    const AxisTaps &axis = axes[dim];
    auto tapAt = [&](Value position) {
      return gather(at, dim + 1, b.add(b.mul(row, axis.input), position), index, lanes);
    };
    if (axis.taps == 1)
      return tapAt(positions[dim] ? entry(positions[dim], at[dim]) : at[dim]);
    Value first = b.mul(at[dim], axis.taps);
    auto weighted = [&](Value sum, Value tap) {
      Value weight = b.load(b.getF32Type(), weights[dim], b.add(first, tap));
      if (compute != b.getF32Type())
        weight = arith::ExtFOp::create(b, compute, weight);
      return b.fma(tapAt(entry(positions[dim], b.add(first, tap))), b.broadcast(weight, lanes.count), sum);
    };
    Value sum = b.constant(withLanes(compute, lanes.count), 0);
    if (axis.taps > unrolledTaps)
      return b.loop(b.i64(0), b.i64(axis.taps), 1, sum, [&](Value tap, ValueRange so) {
        return SmallVector<Value>{weighted(so[0], tap)};
      })[0];
    for (int64_t tap = 0; tap < axis.taps; ++tap)
      sum = weighted(sum, b.i64(tap));
    return sum;
  }

  Value read(Value index, Lanes lanes) {
    Value value = b.load(element, source, index, lanes);
    if (onlyCopies || compute == element)
      return value;
    Type type = withLanes(compute, lanes.count);
    return element.isUnsignedInteger() ? arith::UIToFPOp::create(b, type, value).getResult()
                                       : arith::SIToFPOp::create(b, type, value).getResult();
  }

  KernelBuilder &b;
  Type element, compute;
  ArrayRef<AxisTaps> axes;
  int64_t run;
  double extrapolation;
  bool onlyCopies = true;
  Value source, target;
  SmallVector<Value> positions, weights, outside; ///< Tables; null where there is nothing to look up.
};

/// Interpolates along the last dimension by shuffles of constant masks.
class LineEmitter {
public:
  LineEmitter(KernelBuilder &b, ArrayRef<AxisTaps> axes) : b(b), axes(axes), line(axes.back()) {}

  static bool applies(ArrayRef<AxisTaps> axes, Type element, int64_t lanes);

  /// Grains as `ResizeEmitter::emit` has them.
  void emit() {
    Type element = b.getF32Type();
    int64_t lanes = b.lanesFor(element);
    ResizeEmitter around(b, element, axes.drop_back(), line.input, /*extrapolation=*/0);
    // Shuffles read whole registers, and pick nothing behind the line.
    Value buffer = b.stack(element, line.input + 2 * lanes), target = b.arg(1);
    SmallVector<Value> weights = weightTables(lanes);
    SmallVector<int64_t> outer;
    for (const AxisTaps &axis : axes.drop_back())
      outer.push_back(axis.output);
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      SmallVector<Value> at = unravel(b, row, outer);
      b.vectorLoop(b.i64(0), b.i64(line.input), lanes, [&](Value index, Lanes some) {
        b.store(around.interpolate(at, index, some), buffer, index, some);
      });
      Value to = b.mul(row, line.output);
      for (auto [number, first] : llvm::enumerate(firsts(lanes)))
        b.store(pick(buffer, first, lanes, weights, number), target, b.add(to, first), {lanes});
    });
  }

private:
  /// The first output of each register; the last ends with the line.
  SmallVector<int64_t> firsts(int64_t lanes) const {
    SmallVector<int64_t> result;
    for (int64_t first = 0; first < line.output; first += lanes)
      result.push_back(std::min(first, line.output - lanes));
    return result;
  }

  /// For each tap, the weights of the lanes of each register.
  SmallVector<Value> weightTables(int64_t lanes) {
    SmallVector<Value> tables;
    for (int64_t tap = 0; tap < line.taps; ++tap) {
      SmallVector<float> values;
      for (int64_t first : firsts(lanes))
        for (int64_t x = first; x < first + lanes; ++x)
          values.push_back(line.weights[x * line.taps + tap]);
      tables.push_back(b.table(values));
    }
    return tables;
  }

  Value pick(Value buffer, int64_t first, int64_t lanes, ArrayRef<Value> weights, size_t number) {
    Type element = b.getF32Type();
    int64_t begin = line.positions[first * line.taps];
    Value low = b.load(element, buffer, b.i64(begin), {lanes});
    Value high = b.load(element, buffer, b.i64(begin + lanes), {lanes});
    Value sum = b.constant(withLanes(element, lanes), 0);
    for (int64_t tap = 0; tap < line.taps; ++tap) {
      SmallVector<int64_t> mask;
      for (int64_t x = first; x < first + lanes; ++x)
        mask.push_back(line.positions[x * line.taps + tap] - begin);
      Value taken = vector::ShuffleOp::create(b, low, high, mask);
      sum = b.fma(taken, b.load(element, weights[tap], b.i64(number * lanes), {lanes}), sum);
    }
    return sum;
  }

  KernelBuilder &b;
  ArrayRef<AxisTaps> axes;
  const AxisTaps &line;
};

/// Whether two registers hold all that the outputs of one read, on every line.
bool LineEmitter::applies(ArrayRef<AxisTaps> axes, Type element, int64_t lanes) {
  // Code grows with the line, and so does its buffer on the stack.
  constexpr int64_t mostRegisters = 64;
  const AxisTaps &line = axes.back();
  auto hasOutside = [](const AxisTaps &axis) { return !axis.outside.empty(); };
  if (!element.isF32() || lanes == 1 || line.taps != 2 || llvm::any_of(axes, hasOutside) ||
      line.output < lanes || std::max(line.input, line.output) > mostRegisters * lanes)
    return false;
  for (int64_t first = 0; first < line.output; ++first) {
    int64_t last = std::min(first + lanes, line.output) - 1;
    if (line.positions[last * 2 + 1] - line.positions[first * 2] >= 2 * lanes)
      return false;
  }
  return true;
}

} // namespace

FailureOr<Calls> nestor::kernels::describeResize(nest::ResizeOp op) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  SmallVector<AxisTaps> axes;
  for (int64_t dim = 0; dim < input.getRank(); ++dim)
    axes.push_back(computeTaps(op, dim));
  int64_t run = 1;
  while (axes.size() > 1 && axes.back().isIdentity())
    run *= axes.pop_back_val().input;
  int64_t grains = 1;
  for (const AxisTaps &axis : ArrayRef(axes).drop_back())
    grains *= axis.output;
  Type element = input.getElementType();
  double extrapolation = op.getExtrapolation().convertToDouble();
  auto body = [=](KernelBuilder &b) {
    if (run == 1 && LineEmitter::applies(axes, element, b.lanesFor(element)))
      LineEmitter(b, axes).emit();
    else
      ResizeEmitter(b, element, axes, run, extrapolation).emit();
  };
  std::string detail; // Every attribute shapes the tables.
  llvm::raw_string_ostream(detail) << op->getAttrDictionary();
  return Calls{staticCall(op, "resize", detail, grains, body)};
}

//===- MaxPoolIndices.cpp - Where the maxima of a pooling are -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

namespace {

/// The windows of one op, all static.
struct Geometry {
  RankedTensorType input;
  SmallVector<int64_t> kernel, strides, dilations, padBegin;
  /// Strides of the index that is reported: batch, channel, spatial.
  int64_t batchStride, channelStride;
  SmallVector<int64_t> spatialStrides;
};

Geometry geometryOf(nest::MaxPoolIndicesOp op) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  ArrayRef<int64_t> shape = input.getShape();
  SmallVector<int64_t> spatial(shape.drop_front().drop_back());
  SmallVector<int64_t> strides = stridesOf(spatial);
  if (op.getColumnMajor()) {
    SmallVector<int64_t> reversed(llvm::reverse(spatial));
    strides = SmallVector<int64_t>(llvm::reverse(stridesOf(reversed)));
  }
  int64_t plane = product(spatial);
  return {input,
          SmallVector<int64_t>(op.getKernel()),
          SmallVector<int64_t>(op.getStrides()),
          SmallVector<int64_t>(op.getDilations()),
          SmallVector<int64_t>(op.getPadBegin()),
          plane * shape.back(),
          plane,
          strides};
}

/// Walks the taps from spatial dimension `dim` on. `offset` is the element's
/// place in the channels-last input, `label` the index to report, `best` the
/// maximum so far and its label.
SmallVector<Value> scan(KernelBuilder &b, const Geometry &g, size_t dim, ValueRange window,
                        Value source, Value offset, Value label, SmallVector<Value> best) {
  Type element = g.input.getElementType();
  if (dim == g.kernel.size()) {
    Value value = b.load(element, source, offset);
    Value first = b.less(best[1], b.i64(0));
    Value larger;
    if (isa<FloatType>(element))
      larger = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, value, best[0]);
    else
      larger = arith::CmpIOp::create(
          b, element.isUnsignedInteger() ? arith::CmpIPredicate::ugt : arith::CmpIPredicate::sgt,
          value, best[0]);
    Value take = arith::OrIOp::create(b, first, larger);
    return {arith::SelectOp::create(b, take, value, best[0]),
            arith::SelectOp::create(b, take, label, best[1])};
  }
  int64_t extent = g.input.getDimSize(dim + 1);
  int64_t stride = product(g.input.getShape(), dim + 2, g.input.getRank());
  Value start = b.sub(b.mul(window[dim], g.strides[dim]), b.i64(g.padBegin[dim]));
  return b.loop(b.i64(0), b.i64(g.kernel[dim]), 1, best, [&](Value tap, ValueRange carried) {
    Value x = b.add(start, b.mul(tap, g.dilations[dim]));
    // Taps outside the input read its edge and are then ignored.
    Value clamped = b.max(b.i64(0), b.min(x, b.i64(extent - 1)));
    Value inside = b.equal(x, clamped);
    SmallVector<Value> found =
        scan(b, g, dim + 1, window, source, b.add(offset, b.mul(clamped, stride)),
             b.add(label, b.mul(clamped, g.spatialStrides[dim])), SmallVector<Value>(carried));
    return SmallVector<Value>{arith::SelectOp::create(b, inside, found[0], carried[0]),
                              arith::SelectOp::create(b, inside, found[1], carried[1])};
  });
}

} // namespace

FailureOr<Calls> nestor::kernels::describeMaxPoolIndices(nest::MaxPoolIndicesOp op) {
  Geometry g = geometryOf(op);
  RankedTensorType result = op.getType();
  auto body = [=](KernelBuilder &b) {
    Value source = b.arg(0), target = b.arg(1);
    b.loop(b.begin(), b.end(), 1, [&](Value position) {
      SmallVector<Value> at = unravel(b, position, result.getShape());
      Value offset = b.add(b.mul(at.front(), g.batchStride), at.back());
      Value label = b.add(b.mul(at.front(), g.batchStride), b.mul(at.back(), g.channelStride));
      SmallVector<Value> none{b.constant(registerType(g.input.getElementType()), 0), b.i64(-1)};
      ValueRange window = ValueRange(at).drop_front().drop_back();
      SmallVector<Value> best = scan(b, g, 0, window, source, offset, label, none);
      b.store(best[1], target, position);
    });
  };
  std::string detail;
  llvm::raw_string_ostream(detail) << op->getAttrDictionary();
  return Calls{staticCall(op, "max_pool_indices", detail, result.getNumElements(), body)};
}

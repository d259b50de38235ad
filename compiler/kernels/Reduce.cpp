//===- Reduce.cpp - Reductions over axes ----------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Neighbouring dimensions that are both kept or both reduced are merged. If
// the last one is kept (a global pooling over [N, H*W, C]), whole vectors of it
// are accumulated side by side; if it is reduced, each result gathers its run
// in several vectors and adds their lanes at the end. The extents are
// parameters.
//
// A long tensor that becomes one run of results (the gradient of a bias) is cut
// into parts first, whose number depends on the shape only: threads share them.
//
// A mean of what a convolution left the sums of rows of (compiler/ir/RowSums.h)
// reads those.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/RowSums.h"
#include "compiler/kernels/Families.h"
#include "compiler/kernels/KernelBuilder.h"
#include "compiler/kernels/RunReduction.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;
using nest::ReduceKind;

namespace {

/// The collapsed dimensions, outermost first: kept and reduced ones alternate.
struct ReducedSpace {
  SmallVector<int64_t> extents;
  SmallVector<bool> reduced;

  ReducedSpace(ArrayRef<int64_t> shape, ArrayRef<int64_t> axes) {
    for (auto [dim, extent] : llvm::enumerate(shape)) {
      bool isReduced = llvm::is_contained(axes, int64_t(dim));
      if (!extents.empty() && reduced.back() == isReduced) {
        extents.back() *= extent;
      } else if (extent != 1) {
        extents.push_back(extent);
        reduced.push_back(isReduced);
      }
    }
    if (extents.empty()) {
      extents.push_back(1);
      reduced.push_back(false);
    }
  }
};

class ReduceEmitter {
public:
  ReduceEmitter(KernelBuilder &b, ReduceKind kind, Type element, const ReducedSpace &space, int64_t summed)
      : b(b), combiner{kind, element}, space(space), source(b.arg(0)), target(b.arg(1)) {
    size_t rank = space.extents.size();
    strides.resize(rank);
    Value stride = b.i64(1), count = b.i64(summed);
    for (size_t dim = 0; dim < rank; ++dim)
      extents.push_back(b.param(dim));
    for (size_t dim = rank; dim-- > 0;) {
      strides[dim] = stride;
      stride = b.mul(stride, extents[dim]);
      if (space.reduced[dim])
        count = b.mul(count, extents[dim]);
      (space.reduced[dim] ? reducedDims : keptDims).insert(space.reduced[dim] ? reducedDims.begin() : keptDims.begin(), dim);
    }
    if (kind == ReduceKind::mean)
      divisor = isa<FloatType>(element) ? arith::SIToFPOp::create(b, element, count).getResult() : count;
  }

  void emit() {
    bool alongLast = space.reduced.back();
    if (!alongLast)
      keptDims.pop_back();
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      Value base = b.i64(0), rest = row;
      for (size_t dim : llvm::reverse(keptDims)) {
        bool outermost = dim == keptDims.front();
        Value at = outermost ? rest : b.rem(rest, extents[dim]);
        base = b.add(base, b.mul(at, strides[dim]));
        if (!outermost)
          rest = b.div(rest, extents[dim]);
      }
      if (alongLast)
        b.store(finish(reduceInner(base, reducedDims)), target, row);
      else
        reduceOuter(base, b.mul(row, extents.back()));
    });
  }

private:
  /// Sums of whole runs along the last dimension, which is reduced.
  Value reduceInner(Value base, ArrayRef<size_t> dims) {
    if (dims.size() == 1)
      return reduceRun(b, extents[dims[0]], combiner, [&](Value index, Lanes lanes) {
        return b.load(combiner.element, source, b.add(base, index), lanes);
      });
    Value start = combiner.identity(b, 1);
    return b.loop(b.i64(0), extents[dims[0]], 1, start, [&](Value i, ValueRange sums) {
      Value inner = reduceInner(b.add(base, b.mul(i, strides[dims[0]])), dims.drop_front());
      return SmallVector<Value>{combiner.combine(b, sums[0], inner)};
    })[0];
  }

  /// Vectors of results along the last dimension, which is kept.
  void reduceOuter(Value base, Value to) {
    int64_t lanes = b.lanesFor(combiner.element);
    constexpr int64_t unroll = 4;
    Value columns = extents.back();
    Value blocks = b.sub(columns, b.rem(columns, unroll * lanes));
    b.loop(b.i64(0), blocks, unroll * lanes, [&](Value column) {
      storeColumns(base, to, column, {lanes, nullptr}, unroll);
    });
    b.vectorLoop(blocks, columns, lanes, [&](Value column, Lanes part) { storeColumns(base, to, column, part, 1); });
  }

  void storeColumns(Value base, Value to, Value column, Lanes lanes, int64_t vectors) {
    SmallVector<Value> start(vectors, combiner.identity(b, lanes.count));
    SmallVector<Value> sums = accumulate(b.add(base, column), reducedDims, start, lanes);
    for (auto [i, sum] : llvm::enumerate(sums))
      b.store(finish(sum), target, b.add(b.add(to, column), i * lanes.count), lanes);
  }

  SmallVector<Value> accumulate(Value base, ArrayRef<size_t> dims, ValueRange sums, Lanes lanes) {
    SmallVector<Value> next(sums);
    if (dims.empty()) {
      for (auto [i, sum] : llvm::enumerate(next)) {
        Value from = b.add(base, i * lanes.count);
        sum = combiner.combine(b, sum, b.load(combiner.element, source, from, lanes));
      }
      return next;
    }
    return b.loop(b.i64(0), extents[dims[0]], 1, next, [&](Value i, ValueRange carried) {
      return accumulate(b.add(base, b.mul(i, strides[dims[0]])), dims.drop_front(), carried, lanes);
    });
  }

  Value finish(Value sum) {
    if (!divisor)
      return sum;
    auto vector = dyn_cast<VectorType>(sum.getType());
    int64_t lanes = vector ? vector.getNumElements() : 1;
    if (isa<FloatType>(combiner.element))
      return arith::DivFOp::create(b, sum, b.broadcast(divisor, lanes));
    // An integer mean truncates.
    Value by = divisor;
    if (combiner.element.getIntOrFloatBitWidth() < 64)
      by = arith::TruncIOp::create(b, registerType(combiner.element), divisor);
    by = b.broadcast(by, lanes);
    return combiner.element.isUnsignedInteger() ? arith::DivUIOp::create(b, sum, by).getResult()
                                                : arith::DivSIOp::create(b, sum, by).getResult();
  }

  KernelBuilder &b;
  Combiner combiner;
  const ReducedSpace &space;
  Value source, target, divisor;
  SmallVector<Value> extents, strides;
  SmallVector<size_t> keptDims, reducedDims;
};

} // namespace

/// One call over `space`, whose elements are sums of `summed` elements each.
static KernelCall reduceCall(ReduceKind kind, Type element, const ReducedSpace &space, CallArg from, CallArg to,
                             int64_t summed = 1) {
  KernelCall call;
  KernelSpec &spec = call.spec;
  llvm::raw_string_ostream os(spec.signature);
  os << "reduce " << nest::stringifyReduceKind(kind) << ' ' << element << " [";
  for (bool reduced : space.reduced)
    os << (reduced ? 'R' : 'K');
  os << ']';
  if (summed > 1)
    os << " of sums of " << summed;
  spec.name = kernelName("reduce", spec.signature);

  Term all{storageBytes(element), {}}, kept{storageBytes(element), {}}, grains{1, {}};
  for (auto [dim, reduced] : llvm::enumerate(space.reduced)) {
    all.factors.push_back(dim);
    if (reduced)
      continue;
    kept.factors.push_back(dim);
    if (dim + 1 != space.reduced.size())
      grains.factors.push_back(dim);
  }
  spec.args = {{{all}}, {{kept}, /*written=*/true}};
  call.args = {from, to};
  spec.params.assign(space.extents.size(), {0, int64_t(1) << 40});
  call.params.assign(space.extents.begin(), space.extents.end());
  spec.grains = {grains};
  spec.emit = [=](func::FuncOp func, const TargetInfo &target) {
    KernelBuilder builder(func, target);
    ReduceEmitter(builder, kind, element, space, summed).emit();
    return success();
  };
  return call;
}

/// How many parts of equal length the only dimension that is reduced, the
/// outermost, is cut into. Means of integers would be rounded twice.
static int64_t partsOf(const ReducedSpace &space, ReduceKind kind, Type element) {
  constexpr int64_t mostParts = 16, leastElements = 16 << 10;
  bool isOneRun = space.reduced.front() && space.extents.size() <= 2;
  if (!isOneRun || product(space.extents) < leastElements ||
      (kind == ReduceKind::mean && !isa<FloatType>(element)))
    return 1;
  int64_t parts = mostParts;
  while (space.extents.front() % parts != 0)
    --parts;
  return parts;
}

FailureOr<Calls> nestor::kernels::describeReduce(nest::ReduceOp op) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  Type element = input.getElementType();
  ReducedSpace space(input.getShape(), op.getAxes());
  CallArg from{CallArg::Operand, 0}, to{CallArg::Result, 0};
  if (auto sums = nest::rowSumsShape(op.getInput()); !sums.empty() && nest::isMeanOfPixels(op)) {
    from.offsetBytes = input.getNumElements() * storageBytes(element);
    return Calls{reduceCall(ReduceKind::mean, element, ReducedSpace(sums, /*axes=*/1), from, to, input.getDimSize(2))};
  }
  int64_t parts = partsOf(space, op.getKind(), element);
  if (parts == 1)
    return Calls{reduceCall(op.getKind(), element, space, from, to)};
  // [R, ..] is [parts, R / parts, ..].
  ReducedSpace within = space, across = space;
  within.extents.front() /= parts;
  within.extents.insert(within.extents.begin(), parts);
  within.reduced.insert(within.reduced.begin(), false);
  across.extents.front() = parts;
  int64_t results = op.getType().getNumElements();
  CallArg middle{CallArg::Scratch, 0, 0, parts * results * storageBytes(element)};
  return Calls{reduceCall(op.getKind(), element, within, from, middle),
               reduceCall(op.getKind(), element, across, middle, to)};
}

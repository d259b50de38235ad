//===- Layout.cpp - Running operations under permuted dimensions ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Layout.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

SmallVector<int64_t> inversePermutation(ArrayRef<int64_t> perm) {
  SmallVector<int64_t> inverse(perm.size());
  for (auto [index, dim] : llvm::enumerate(perm))
    inverse[dim] = index;
  return inverse;
}

bool movesData(ArrayRef<int64_t> shape, ArrayRef<int64_t> perm) {
  int64_t last = -1;
  for (int64_t dim : perm) {
    if (shape[dim] == 1)
      continue;
    if (dim < last)
      return true;
    last = dim;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

namespace {

/// A value and the transposition that brings it into a layout.
struct Relayout {
  Value base;
  SmallVector<int64_t> shape; ///< Of the base, leading ones added for broadcasting.
  SmallVector<int64_t> perm;

  Relayout(Value value, ArrayRef<int64_t> layout) : base(value), perm(inversePermutation(layout)) {
    if (auto transpose = value.getDefiningOp<TransposeOp>();
        transpose && transpose.getPerm().size() == layout.size()) {
      base = transpose.getInput();
      for (int64_t &dim : perm)
        dim = transpose.getPerm()[dim];
    }
    shape.assign(layout.size() - shapeOf(base).size(), 1);
    llvm::append_range(shape, shapeOf(base));
  }

  bool isFree() const { return isConstant(base) || !movesData(shape, perm); }

  Value build(OpBuilder &builder, Location loc) const {
    SmallVector<int64_t> result;
    for (int64_t dim : perm)
      result.push_back(shape[dim]);
    if (!movesData(shape, perm))
      return reshapeTo(builder, loc, base, result);
    return transposeTo(builder, loc, reshapeTo(builder, loc, base, shape), perm);
  }
};

/// The same tensor without leading dimensions of extent 1, for an operand
/// that is broadcast anyway.
Value dropLeadingOnes(OpBuilder &builder, Location loc, Value value) {
  ArrayRef<int64_t> shape = shapeOf(value);
  auto isOne = [](int64_t extent) { return extent == 1; };
  return reshapeTo(builder, loc, value, shape.drop_while(isOne));
}

} // namespace

ValueRange layoutOperands(Operation *op) {
  return isa<MapOp, ConcatOp, NormOp>(op) ? ValueRange(op->getOperands())
                                          : ValueRange(op->getOperands().take_front());
}

int64_t costInLayout(Value value, ArrayRef<int64_t> perm) {
  Relayout relayout(value, perm);
  return relayout.isFree() ? 0 : bytesOf(value);
}

bool existsInLayout(Value value, ArrayRef<int64_t> perm) {
  Relayout relayout(value, perm);
  return llvm::any_of(relayout.base.getUsers(), [&](Operation *user) {
    auto transpose = dyn_cast<TransposeOp>(user);
    return transpose && transpose.getPerm() == ArrayRef<int64_t>(relayout.perm);
  });
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

/// Reductions along the last dimension have the fastest kernels; a layout may
/// not take that away.
static bool keepsAxisLast(int64_t axis, ArrayRef<int64_t> perm) {
  int64_t last = perm.size() - 1;
  return axis != last || perm[axis] == last;
}

bool canRunInLayout(Operation *op, ArrayRef<int64_t> perm) {
  return TypeSwitch<Operation *, bool>(op)
      .Case<MapOp, ConcatOp, SliceOp, PadOp, ReduceOp, ResizeOp>([](auto) { return true; })
      .Case<SoftmaxOp, ArgReduceOp, CumsumOp>(
          [&](auto axial) { return keepsAxisLast(axial.getAxis(), perm); })
      .Case([](GatherOp gather) { return shapeOf(gather.getIndices()).size() == 1; })
      .Case([&](NormOp norm) {
        // The normalised dimensions must stay the last ones.
        return llvm::all_of(perm.drop_front(norm.getAxis()),
                            [&](int64_t dim) { return dim >= int64_t(norm.getAxis()); });
      })
      .Default([](Operation *) { return false; });
}

/// One entry per dimension, brought into the layout.
template <typename T>
static SmallVector<T> permuted(ArrayRef<T> values, ArrayRef<int64_t> perm) {
  SmallVector<T> result(values.size());
  for (auto [index, dim] : llvm::enumerate(perm))
    result[dim] = values[index];
  return result;
}

static void permuteAttributes(Operation *op, ArrayRef<int64_t> perm) {
  TypeSwitch<Operation *>(op)
      .Case<ConcatOp, SoftmaxOp, ArgReduceOp, CumsumOp, GatherOp>(
          [&](auto axial) { axial.setAxis(perm[axial.getAxis()]); })
      .Case([&](ReduceOp reduce) {
        SmallVector<int64_t> axes;
        for (int64_t axis : reduce.getAxes())
          axes.push_back(perm[axis]);
        llvm::sort(axes);
        reduce.setAxes(axes);
      })
      .Case([&](SliceOp slice) {
        slice.setStarts(permuted(slice.getStarts(), perm));
        slice.setSteps(permuted(slice.getSteps(), perm));
      })
      .Case([&](PadOp pad) {
        pad.setLow(permuted(pad.getLow(), perm));
        pad.setHigh(permuted(pad.getHigh(), perm));
      })
      .Case([&](ResizeOp resize) {
        resize.setScales(permuted(resize.getScales(), perm));
        if (std::optional<ArrayRef<double>> roi = resize.getRoi()) {
          size_t rank = perm.size();
          SmallVector<double> both = permuted(roi->take_front(rank), perm);
          llvm::append_range(both, permuted(roi->drop_front(rank), perm));
          resize.setRoi(both);
        }
      });
}

Value runInLayout(RewriterBase &rewriter, Operation *op, ArrayRef<int64_t> perm) {
  SmallVector<Value> operands(op->getOperands());
  for (Value &operand : MutableArrayRef(operands).take_front(layoutOperands(op).size())) {
    bool broadcasts = isa<MapOp, NormOp>(op) && isConstant(operand);
    operand = Relayout(operand, perm).build(rewriter, op->getLoc());
    if (broadcasts)
      operand = dropLeadingOnes(rewriter, op->getLoc(), operand);
  }
  Operation *copy = rewriter.clone(*op);
  copy->setOperands(operands);
  RankedTensorType type = tensorType(op->getResult(0));
  copy->getResult(0).setType(type.clone(permuted(type.getShape(), perm)));
  permuteAttributes(copy, perm);
  return copy->getResult(0);
}

//===----------------------------------------------------------------------===//
// Reshapes
//===----------------------------------------------------------------------===//

std::optional<SmallVector<ReshapeGroup>> groupDims(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  if (llvm::is_contained(from, 0) || llvm::is_contained(to, 0))
    return std::nullopt;
  SmallVector<ReshapeGroup> groups;
  size_t i = 0, j = 0;
  auto skipOnes = [](ArrayRef<int64_t> shape, size_t &dim) {
    while (dim < shape.size() && shape[dim] == 1)
      ++dim;
    return dim < shape.size();
  };
  while (skipOnes(from, i) && skipOnes(to, j)) {
    ReshapeGroup &group = groups.emplace_back();
    int64_t left = from[i], right = to[j];
    group.from.push_back(i++);
    group.to.push_back(j++);
    while (left != right) {
      if (left < right && skipOnes(from, i)) {
        left *= from[i];
        group.from.push_back(i++);
      } else if (left > right && skipOnes(to, j)) {
        right *= to[j];
        group.to.push_back(j++);
      } else {
        return std::nullopt;
      }
    }
  }
  return groups;
}

} // namespace nestor

//===- PackRecurrent.cpp - Recurrent weights as their kernels read them ---===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace nestor {

#define GEN_PASS_DEF_PACKRECURRENTPASS
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t kPanel = 16;

/// Builds the rearrangements; they vanish when the weights are constants.
class Packer {
public:
  Packer(Operation *op, int64_t hidden) : builder(op), loc(op->getLoc()), hidden(hidden) {}

  /// [D, G*H, K] -> [D, P, K, G, 16].
  Value matrix(Value value) {
    ArrayRef<int64_t> shape = shapeOf(value);
    int64_t directions = shape[0], gates = shape[1] / hidden, inner = shape[2];
    Value split = reshape(value, {directions, gates, hidden, inner});
    Value padded = pad(split, 2);
    Value panels = reshape(padded, {directions, gates, panelCount(), kPanel, inner});
    return transpose(panels, {0, 2, 4, 1, 3});
  }

  /// [D, G*H] -> [D, P, G, 16].
  Value vector(Value value) {
    ArrayRef<int64_t> shape = shapeOf(value);
    int64_t directions = shape[0], gates = shape[1] / hidden;
    Value padded = pad(reshape(value, {directions, gates, hidden}), 2);
    return transpose(reshape(padded, {directions, gates, panelCount(), kPanel}), {0, 2, 1, 3});
  }

  /// The same of a weight that capacities share and kernels find packed.
  Value sharedMatrix(Value weight) {
    ArrayRef<int64_t> shape = shapeOf(weight);
    int64_t gates = shape[1] / hidden;
    auto type = tensorType(weight).clone({shape[0], panelCount(), shape[2], gates, kPanel});
    return nest::PackRecurrentOp::create(builder, loc, type, weight, gates);
  }

  /// Columns [first, last) of [D, N], in units of H.
  Value columns(Value value, int64_t first, int64_t last) {
    auto type = tensorType(value).clone({shapeOf(value)[0], (last - first) * hidden});
    return nest::SliceOp::create(builder, loc, type, value, ArrayRef<int64_t>{0, first * hidden},
                                 ArrayRef<int64_t>{1, 1});
  }

  Value sum(Value a, Value b) {
    auto map = nest::MapOp::create(builder, loc, a.getType(), ValueRange{a, b});
    Type element = tensorType(a).getElementType();
    OpBuilder::InsertionGuard guard(builder);
    Block *block = builder.createBlock(&map.getBody(), {}, {element, element}, {loc, loc});
    Value added = arith::AddFOp::create(builder, loc, block->getArgument(0), block->getArgument(1));
    nest::YieldOp::create(builder, loc, added);
    return map;
  }

  Value concat(Value a, Value b, Value c) {
    int64_t width = shapeOf(a)[1] + shapeOf(b)[1] + shapeOf(c)[1];
    auto type = tensorType(a).clone({shapeOf(a)[0], width});
    return nest::ConcatOp::create(builder, loc, type, ValueRange{a, b, c}, /*axis=*/1);
  }

private:
  int64_t panelCount() const { return llvm::divideCeil(hidden, kPanel); }

  Value reshape(Value value, ArrayRef<int64_t> shape) {
    return nest::ReshapeOp::create(builder, loc, tensorType(value).clone(shape), value);
  }
  Value transpose(Value value, ArrayRef<int64_t> perm) {
    SmallVector<int64_t> shape;
    for (int64_t dim : perm)
      shape.push_back(shapeOf(value)[dim]);
    return nest::TransposeOp::create(builder, loc, tensorType(value).clone(shape), value, perm);
  }
  /// Zeros up to whole panels along `dim`.
  Value pad(Value value, size_t dim) {
    SmallVector<int64_t> shape(shapeOf(value)), low(shape.size(), 0), high(shape.size(), 0);
    high[dim] = panelCount() * kPanel - shape[dim];
    if (high[dim] == 0)
      return value;
    shape[dim] += high[dim];
    return nest::PadOp::create(builder, loc, tensorType(value).clone(shape), value, Value(), low,
                               high, nest::PadMode::constant);
  }

  OpBuilder builder;
  Location loc;
  int64_t hidden;
};

/// The bias of a layer whose gates only ever see the sum of both halves.
template <typename OpTy> void packSummedBias(OpTy op, Packer &packer, int64_t gates) {
  if (Value bias = op.getBias()) {
    Value sum = packer.sum(packer.columns(bias, 0, gates), packer.columns(bias, gates, 2 * gates));
    op.getBiasMutable().assign(packer.vector(sum));
  }
}

template <typename OpTy> void packWeights(OpTy op, Packer &packer) {
  for (OpOperand *matrix : {&op.getWeightsMutable(), &op.getRecurrenceMutable()}) {
    bool isShared = matrix->get().template getDefiningOp<nest::WeightOp>();
    matrix->set(isShared ? packer.sharedMatrix(matrix->get()) : packer.matrix(matrix->get()));
  }
  op.setPacked(true);
}

template <typename OpTy> int64_t hiddenOf(OpTy op) { return shapeOf(op.getHidden())[3]; }

void pack(nest::LstmOp op) {
  Packer packer(op, hiddenOf(op));
  packSummedBias(op, packer, 4);
  if (Value peephole = op.getPeephole())
    op.getPeepholeMutable().assign(packer.vector(peephole));
  packWeights(op, packer);
}

void pack(nest::GruOp op) {
  Packer packer(op, hiddenOf(op));
  if (Value bias = op.getBias()) {
    Value gates = packer.sum(packer.columns(bias, 0, 2), packer.columns(bias, 3, 5));
    Value all = packer.concat(gates, packer.columns(bias, 2, 3), packer.columns(bias, 5, 6));
    op.getBiasMutable().assign(packer.vector(all));
  }
  packWeights(op, packer);
}

void pack(nest::RnnOp op) {
  Packer packer(op, hiddenOf(op));
  packSummedBias(op, packer, 1);
  packWeights(op, packer);
}

struct PackRecurrentPass final : impl::PackRecurrentPassBase<PackRecurrentPass> {
  void runOnOperation() override {
    getOperation().walk([](Operation *op) {
      llvm::TypeSwitch<Operation *>(op).Case<nest::LstmOp, nest::GruOp, nest::RnnOp>(
          [](auto layer) {
            if (!layer.getPacked())
              pack(layer);
          });
    });
  }
};

} // namespace
} // namespace nestor

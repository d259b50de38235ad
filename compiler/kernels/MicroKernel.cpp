//===- MicroKernel.cpp - The inner loop of matrix products ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/MicroKernel.h"
#include "compiler/kernels/PlainConv.h"
#include "compiler/kernels/TileTable.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace nestor::kernels;

SmallVector<Value> PanelsOperand::panels(KernelBuilder &b, int64_t count) const {
  SmallVector<Value> pointers;
  for (int64_t panel = 0; panel < count; ++panel)
    pointers.push_back(b.at(pointer, b.mul(panelStride, panel), element));
  return pointers;
}

void nestor::kernels::forEachPanels(KernelBuilder &b, Value first, Value last, Value outputs, int64_t together,
                                    llvm::function_ref<void(Value, int64_t)> body) {
  auto over = [&](Value from, Value to, int64_t count) {
    b.loop(from, to, count, [&](Value panel) { body(panel, count); });
  };
  if (together > 1) {
    Value whole = b.min(last, b.div(outputs, panelWidth));
    Value groups = b.mul(b.div(b.max(b.sub(whole, first), b.i64(0)), together), together);
    Value middle = b.add(first, groups);
    over(first, middle, together);
    first = middle;
  }
  over(first, last, 1);
}

SmallVector<Value> nestor::kernels::accumulate(KernelBuilder &b, const ElementProduct &product, ArrayRef<Value> sums,
                                               ArrayRef<int64_t> rows, int64_t vectors, int64_t lanes,
                                               RowsOperand lhs, ArrayRef<Value> panels, Value depth, Value ahead) {
  int64_t perPanel = panelWidth / lanes;
  SmallVector<Value> rowPointers, carried;
  for (int64_t row : rows) {
    rowPointers.push_back(b.at(lhs.pointer, b.mul(lhs.rowStride, row), product.input));
    for (int64_t v = 0; v < vectors; ++v)
      carried.push_back(sums[row * vectors + v]);
  }
  const size_t products = carried.size();
  for (int64_t v = 0; v < vectors && !product.offset.empty(); ++v)
    carried.push_back(b.constant(carried.front().getType(), 0));

  SmallVector<Value> results = b.loop(b.i64(0), depth, 1, carried, [&](Value k, ValueRange current) {
    Value offset = b.mul(k, panelWidth), step = b.mul(k, lhs.depthStride);
    SmallVector<ElementProduct::Prepared> weights;
    for (int64_t v = 0; v < vectors; ++v) {
      Value pointer = b.at(panels[v / perPanel], b.add(offset, v % perPanel * lanes), product.weights);
      // Panels are aligned: SSE can then take the weights from memory.
      weights.push_back(product.prepareWeights(LLVM::LoadOp::create(
          b, VectorType::get(lanes, product.weights), pointer, lanes * storageBytes(product.weights))));
    }
    for (Value panel : ahead ? panels : ArrayRef<Value>())
      LLVM::Prefetch::create(b, b.at(panel, b.add(offset, ahead), product.weights), /*rw=*/0, /*hint=*/2, /*cache=*/1);
    SmallVector<Value> next;
    for (auto [i, pointer] : llvm::enumerate(rowPointers)) {
      ElementProduct::Prepared x = product.prepareInput(b.load(product.input, pointer, step));
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(product.add(current[i * vectors + v], x, weights[v]));
    }
    for (size_t v = 0; products + v < current.size(); ++v)
      next.push_back(product.add(current[products + v], product.offset, weights[v]));
    return next;
  });

  SmallVector<Value> updated(sums);
  for (auto [i, row] : llvm::enumerate(rows))
    for (int64_t v = 0; v < vectors; ++v) {
      Value &sum = updated[row * vectors + v] = results[i * vectors + v];
      if (!product.offset.empty())
        sum = arith::SubIOp::create(b, sum, results[products + v]);
    }
  return updated;
}

/// A vector of weights of `stored`, which are finite, as f32. Where x86 does not
/// convert halves, their bits with the sign spread, moved and masked are floats
/// whose exponents are too small by 112: nothing that needs more registers.
static Value widenWeights(KernelBuilder &b, Value weights, Type stored) {
  bool converts = b.target.arch != "x86_64" || llvm::is_contained(b.target.features, "f16c");
  if (!stored.isF16() || converts)
    return widen(b, weights, stored, b.getF32Type());
  auto vectorOf = [&](Type element) {
    return VectorType::get(cast<VectorType>(weights.getType()).getShape(), element);
  };
  VectorType i32s = vectorOf(b.getI32Type()), floats = vectorOf(b.getF32Type());
  constexpr int32_t signExponentMantissa = INT32_MIN | 0x0fffe000;
  Value bits = arith::ExtSIOp::create(b, i32s, arith::BitcastOp::create(b, vectorOf(b.getI16Type()), weights));
  Value moved = arith::ShLIOp::create(b, bits, b.constant(i32s, 13));
  Value masked = arith::AndIOp::create(b, moved, b.constant(i32s, signExponentMantissa));
  return arith::MulFOp::create(b, arith::BitcastOp::create(b, floats, masked), b.constant(floats, 0x1p112));
}

SmallVector<Value> nestor::kernels::accumulate(KernelBuilder &b, ArrayRef<Value> sums, ArrayRef<int64_t> rows,
                                               int64_t vectors, int64_t lanes, RowsOperand lhs,
                                               ArrayRef<Value> panels, Value depth, Value ahead, Type stored) {
  using Prepared = ElementProduct::Prepared;
  Type f32 = b.getF32Type();
  if (!stored)
    stored = f32;
  auto widened = [&](Value weights) { return Prepared{widenWeights(b, weights, stored)}; };
  auto broadcast = [&](Value x) { return Prepared{b.broadcast(x, lanes)}; };
  auto add = [&](Value sum, const Prepared &x, const Prepared &weights) { return b.fma(x[0], weights[0], sum); };
  return accumulate(b, {stored, f32, widened, broadcast, add}, sums, rows, vectors, lanes, lhs, panels, depth, ahead);
}

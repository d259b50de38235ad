//===- MicroKernel.cpp - The inner loop of matrix products ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/MicroKernel.h"
#include "compiler/kernels/TileTable.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace nestor::kernels;

SmallVector<Value> PanelsOperand::panels(KernelBuilder &b, int64_t count) const {
  SmallVector<Value> pointers;
  for (int64_t panel = 0; panel < count; ++panel)
    pointers.push_back(b.at(pointer, b.mul(panelStride, panel), b.getF32Type()));
  return pointers;
}

SmallVector<Value> nestor::kernels::accumulate(KernelBuilder &b, ArrayRef<Value> sums, ArrayRef<int64_t> rows,
                                               int64_t vectors, int64_t lanes, RowsOperand lhs,
                                               ArrayRef<Value> panels, Value depth, Value ahead) {
  Type f32 = b.getF32Type();
  int64_t perPanel = panelWidth / lanes;
  SmallVector<Value> rowPointers, carried;
  for (int64_t row : rows) {
    rowPointers.push_back(b.at(lhs.pointer, b.mul(lhs.rowStride, row), f32));
    for (int64_t v = 0; v < vectors; ++v)
      carried.push_back(sums[row * vectors + v]);
  }

  SmallVector<Value> results = b.loop(b.i64(0), depth, 1, carried, [&](Value k, ValueRange current) {
    Value offset = b.mul(k, panelWidth), step = b.mul(k, lhs.depthStride);
    SmallVector<Value> weights, next;
    for (int64_t v = 0; v < vectors; ++v) {
      Value pointer = b.at(panels[v / perPanel], b.add(offset, v % perPanel * lanes), f32);
      // Panels are aligned: SSE can then take the weights from memory.
      weights.push_back(LLVM::LoadOp::create(b, VectorType::get(lanes, f32), pointer, /*alignment=*/lanes * 4));
    }
    for (Value panel : ahead ? panels : ArrayRef<Value>())
      LLVM::Prefetch::create(b, b.at(panel, b.add(offset, ahead), f32), /*rw=*/0, /*hint=*/2, /*cache=*/1);
    for (auto [i, pointer] : llvm::enumerate(rowPointers)) {
      Value x = b.broadcast(b.load(f32, pointer, step), lanes);
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(b.fma(x, weights[v], current[i * vectors + v]));
    }
    return next;
  });

  SmallVector<Value> updated(sums);
  for (auto [i, row] : llvm::enumerate(rows))
    for (int64_t v = 0; v < vectors; ++v)
      updated[row * vectors + v] = results[i * vectors + v];
  return updated;
}

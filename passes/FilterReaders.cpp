//===- FilterReaders.cpp - The convolutions that read a filter ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/FilterReaders.h"

#include "compiler/ir/Nested.h"

using namespace mlir;
using namespace nestor::nest;

/// Null for a filter that is no constant.
static const void *constantOf(Value filter) {
  if (auto weight = filter.getDefiningOp<WeightOp>())
    return globalOf(weight).getOperation();
  if (auto constant = filter.getDefiningOp<ConstOp>())
    return constant.getValue().getAsOpaquePointer();
  return nullptr;
}

void nestor::forEachFilterReader(ModuleOp module, llvm::function_ref<void(const FilterReader &)> visit) {
  DenseSet<const void *> known;
  SmallVector<func::FuncOp> functions = capacityFunctions(module);
  for (func::FuncOp function : llvm::reverse(functions)) {
    SmallVector<const void *> read;
    function.walk([&](ConvOp conv) {
      const void *constant = constantOf(conv.getFilter());
      const void *filter = constant ? constant : conv.getFilter().getAsOpaquePointer();
      visit({conv, filter, constant != nullptr, !known.contains(filter)});
      read.push_back(filter);
    });
    known.insert(read.begin(), read.end());
  }
}

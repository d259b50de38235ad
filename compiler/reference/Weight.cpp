//===- Weight.cpp - What one capacity reads of a shared weight ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Nested.h"
#include "compiler/reference/Families.h"
#include "compiler/reference/Indices.h"

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

TensorValue nestor::reference::evaluateWeight(WeightOp op) {
  GlobalOp global = globalOf(op);
  TensorValue whole = TensorValue::fromAttr(global.getValue());
  ArrayRef<int64_t> shape = whole.type.getShape();
  SmallVector<int64_t> strides = stridesOf(shape);
  SmallVector<SmallVector<int64_t>> kept;
  for (size_t dim = 0; dim < shape.size(); ++dim)
    kept.push_back(keptIndices(global, dim, op.getCapacity()));
  TensorValue result = TensorValue::zeros(op.getType());
  int64_t unit = elementBytes(whole.type.getElementType()), to = 0;
  forEachIndex(op.getType().getShape(), [&](ArrayRef<int64_t> index) {
    int64_t from = 0;
    for (size_t dim = 0; dim < index.size(); ++dim)
      from += kept[dim][index[dim]] * strides[dim];
    std::copy_n(&whole.bytes[from * unit], unit, &result.bytes[to++ * unit]);
  });
  return result;
}

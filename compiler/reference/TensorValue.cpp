//===- TensorValue.cpp - Tensors of the reference evaluator ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Element.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

#include <algorithm>

using namespace mlir;
using namespace nestor::reference;

/// Above this an attribute is a resource, which is not hashed and uniqued.
static constexpr size_t kLargestUniquedBytes = 1024;

int64_t nestor::reference::elementBytes(Type element) {
  return std::max(1u, element.getIntOrFloatBitWidth() / 8);
}

double TensorValue::getDouble(int64_t index) const {
  return visitStorage(type.getElementType(), [&](auto zero) {
    return convertElement<double>(as<decltype(zero)>()[index]);
  });
}

int64_t TensorValue::getInt(int64_t index) const {
  return visitStorage(type.getElementType(), [&](auto zero) {
    return convertElement<int64_t>(as<decltype(zero)>()[index]);
  });
}

TensorValue TensorValue::zeros(RankedTensorType type) {
  return {type, std::vector<char>(type.getNumElements() * elementBytes(type.getElementType()))};
}

TensorValue TensorValue::fromAttr(ElementsAttr attr) {
  TensorValue tensor = zeros(cast<RankedTensorType>(attr.getType()));
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    ArrayRef<char> data = resource.getData();
    assert(data.size() == tensor.bytes.size() && "resource does not fit its type");
    std::copy(data.begin(), data.end(), tensor.bytes.begin());
    return tensor;
  }
  auto dense = cast<DenseElementsAttr>(attr);
  if (dense.getElementType().isInteger(1)) {
    llvm::copy(dense.getValues<bool>(), tensor.bytes.begin());
    return tensor;
  }
  ArrayRef<char> data = dense.getRawData();
  for (size_t i = 0; i < tensor.bytes.size(); i += data.size())
    std::copy(data.begin(), data.end(), tensor.bytes.begin() + i);
  return tensor;
}

ElementsAttr TensorValue::toAttr() const {
  size_t unit = elementBytes(type.getElementType());
  // All elements are equal if each byte equals the one an element before.
  bool splat = bytes.size() > unit && std::equal(bytes.begin() + unit, bytes.end(), bytes.begin());
  if (!splat && bytes.size() > kLargestUniquedBytes)
    return DenseResourceElementsAttr::get(
        type, "nest", HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, /*align=*/64));
  ArrayRef<char> data = ArrayRef<char>(bytes).take_front(splat ? unit : bytes.size());
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> values(data.begin(), data.end());
    return DenseElementsAttr::get(type, values);
  }
  return DenseElementsAttr::getFromRawBuffer(type, data);
}

TensorValue nestor::reference::convert(const TensorValue &tensor, Type element) {
  if (tensor.type.getElementType() == element)
    return tensor;
  auto type = RankedTensorType::get(tensor.type.getShape(), element);
  return visitCompute(tensor.type.getElementType(), [&](auto zero) {
    return fromVector(type, toVector<decltype(zero)>(tensor));
  });
}

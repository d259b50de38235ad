//===- PlanTensors.cpp - What a manifest says of tensors ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/PlanTensors.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/ir/RowSums.h"
#include "compiler/reference/Element.h"

using namespace mlir;

namespace nestor::package {

int64_t byteSize(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getNumElements() * reference::elementBytes(type.getElementType());
}

int64_t bytesInMemory(Value value) {
  SmallVector<int64_t, 3> sums = nest::rowSumsShape(value);
  return byteSize(value) + (sums.empty() ? 0 : int64_t(sizeof(float)) * llvm::product_of(sums));
}

format::DType dtypeOf(Type type) {
  if (type.isF32())
    return format::FLOAT32;
  if (type.isF64())
    return format::FLOAT64;
  if (type.isF16())
    return format::FLOAT16;
  if (type.isBF16())
    return format::BFLOAT16;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return format::DTYPE_INVALID;
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return format::BOOL;
  case 8:
    return isUnsigned ? format::UINT8 : format::INT8;
  case 16:
    return isUnsigned ? format::UINT16 : format::INT16;
  case 32:
    return isUnsigned ? format::UINT32 : format::INT32;
  case 64:
    return isUnsigned ? format::UINT64 : format::INT64;
  default:
    return format::DTYPE_INVALID;
  }
}

bool isWeight(Operation *op) {
  if (isa<nest::PackOp, nest::PackRecurrentOp>(op))
    op = op->getOperand(0).getDefiningOp();
  return isa_and_nonnull<nest::ConstOp, nest::WeightOp>(op);
}

static LogicalResult describeTensor(Operation *model, Value value, Attribute name,
                                    Attribute normalization, format::Tensor &out) {
  auto type = cast<RankedTensorType>(value.getType());
  if (auto text = dyn_cast_or_null<StringAttr>(name))
    out.set_name(text.str());
  out.set_dtype(dtypeOf(type.getElementType()));
  if (out.dtype() == format::DTYPE_INVALID)
    return model->emitError("tensor '") << out.name() << "' has the element type "
                                        << type.getElementType()
                                        << ", which artifacts cannot hold";
  for (int64_t extent : type.getShape())
    out.add_dims(extent);
  auto dictionary = dyn_cast_or_null<DictionaryAttr>(normalization);
  if (!dictionary)
    return success();
  format::Normalization &stored = *out.mutable_normalization();
  stored.set_scale(dictionary.getAs<FloatAttr>("scale").getValueAsDouble());
  for (float mean : dictionary.getAs<DenseF32ArrayAttr>("mean").asArrayRef())
    stored.add_mean(mean);
  for (float std : dictionary.getAs<DenseF32ArrayAttr>("std").asArrayRef())
    stored.add_std(std);
  return success();
}

LogicalResult describeBoundary(func::FuncOp func, format::Manifest &manifest) {
  for (BlockArgument argument : func.getArguments()) {
    unsigned index = argument.getArgNumber();
    if (failed(describeTensor(func, argument, func.getArgAttr(index, "nest.name"),
                              func.getArgAttr(index, "nest.normalization"),
                              *manifest.add_inputs())))
      return failure();
  }
  for (OpOperand &result : func.front().getTerminator()->getOpOperands())
    if (failed(describeTensor(func, result.get(),
                              func.getResultAttr(result.getOperandNumber(), "nest.name"), {},
                              *manifest.add_outputs())))
      return failure();
  return success();
}

} // namespace nestor::package

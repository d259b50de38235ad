//===- TensorFile.cpp - Tensors in files of their own ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/TensorFile.h"

#include "compiler/import/TensorDecoder.h"

#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace nestor::driver {
namespace {

Error error(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

Expected<reference::TensorValue> readProto(StringRef path, StringRef bytes,
                                           mlir::MLIRContext &context) {
  onnx::TensorProto proto;
  if (!proto.ParseFromArray(bytes.data(), bytes.size()))
    return error(path + ": not an ONNX TensorProto");
  import::DecodedTensor tensor =
      import::decodeTensor(proto, sys::path::parent_path(path), context);
  if (tensor.outcome != import::DecodedTensor::Ok)
    return error(path + ": " + tensor.message);
  return std::move(tensor.value);
}

/// The element type that numpy spells `dtype`, or null.
mlir::Type elementType(StringRef dtype, mlir::MLIRContext &context) {
  using mlir::IntegerType;
  if (dtype == "f2")
    return mlir::Float16Type::get(&context);
  if (dtype == "f4")
    return mlir::Float32Type::get(&context);
  if (dtype == "f8")
    return mlir::Float64Type::get(&context);
  if (dtype == "b1")
    return IntegerType::get(&context, 1);
  unsigned bytes;
  if (dtype.drop_front().getAsInteger(10, bytes) || !is_contained({1u, 2u, 4u, 8u}, bytes))
    return nullptr;
  if (dtype.front() == 'i')
    return IntegerType::get(&context, 8 * bytes);
  if (dtype.front() == 'u')
    return IntegerType::get(&context, 8 * bytes, IntegerType::Unsigned);
  return nullptr;
}

} // namespace

Expected<reference::TensorValue> tensorFromNpy(const support::NpyArray &array,
                                               mlir::MLIRContext &context) {
  mlir::Type element = elementType(array.dtype, context);
  if (!element)
    return error("elements of type '" + array.dtype + "' are not supported");
  auto type = mlir::RankedTensorType::get(array.shape, element);
  return reference::TensorValue{type, {array.data.begin(), array.data.end()}};
}

Expected<reference::TensorValue> readTensorFile(StringRef path, mlir::MLIRContext &context) {
  if (path.ends_with(".npy")) {
    support::NpyArray array;
    if (std::string problem = support::readNpy(path.str(), array); !problem.empty())
      return error(problem);
    return tensorFromNpy(array, context);
  }
  auto file = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return error(path + ": " + file.getError().message());
  if (path.ends_with(".pb"))
    return readProto(path, (*file)->getBuffer(), context);
  return error(path + ": neither .npy nor .pb");
}

} // namespace nestor::driver

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

} // namespace

Expected<reference::TensorValue> readTensorFile(StringRef path, mlir::MLIRContext &context) {
  auto file = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return error(path + ": " + file.getError().message());
  if (path.ends_with(".pb"))
    return readProto(path, (*file)->getBuffer(), context);
  return error(path + ": neither .npy nor .pb");
}

} // namespace nestor::driver

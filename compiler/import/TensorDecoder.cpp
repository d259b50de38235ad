//===- TensorDecoder.cpp - ONNX tensors to values -------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/TensorDecoder.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <cstring>

using namespace mlir;
using onnx::TensorProto;

namespace nestor::import {

std::optional<int64_t> checkedElementCount(ArrayRef<int64_t> shape) {
  // A zero extent makes the product small again, but not its factors: those
  // are bounded too, so that later arithmetic on strides cannot overflow.
  int64_t count = 1;
  bool empty = false;
  for (int64_t extent : shape) {
    if (extent < 0)
      return std::nullopt;
    empty |= extent == 0;
    if (llvm::MulOverflow(count, std::max<int64_t>(extent, 1), count))
      return std::nullopt;
  }
  return empty ? 0 : count;
}

Type elementTypeOf(int dataType, MLIRContext &context) {
  auto integer = [&](unsigned width, IntegerType::SignednessSemantics signedness) {
    return IntegerType::get(&context, width, signedness);
  };
  switch (dataType) {
  case TensorProto::FLOAT:
    return Float32Type::get(&context);
  case TensorProto::DOUBLE:
    return Float64Type::get(&context);
  case TensorProto::FLOAT16:
    return Float16Type::get(&context);
  case TensorProto::BFLOAT16:
    return BFloat16Type::get(&context);
  case TensorProto::BOOL:
    return integer(1, IntegerType::Signless);
  case TensorProto::INT8:
    return integer(8, IntegerType::Signless);
  case TensorProto::INT16:
    return integer(16, IntegerType::Signless);
  case TensorProto::INT32:
    return integer(32, IntegerType::Signless);
  case TensorProto::INT64:
    return integer(64, IntegerType::Signless);
  case TensorProto::UINT8:
    return integer(8, IntegerType::Unsigned);
  case TensorProto::UINT16:
    return integer(16, IntegerType::Unsigned);
  case TensorProto::UINT32:
    return integer(32, IntegerType::Unsigned);
  case TensorProto::UINT64:
    return integer(64, IntegerType::Unsigned);
  default:
    return {};
  }
}

std::string dataTypeName(int dataType) {
  if (!TensorProto::DataType_IsValid(dataType))
    return "type " + std::to_string(dataType);
  return llvm::StringRef(TensorProto::DataType_Name(TensorProto::DataType(dataType))).lower();
}

//===----------------------------------------------------------------------===//
// External data
//===----------------------------------------------------------------------===//

namespace {

struct ExternalLocation {
  std::string path;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

DecodedTensor corrupt(const Twine &message) { return {DecodedTensor::Corrupt, {}, message.str()}; }

/// Whether `path` lies inside `directory` after symbolic links are resolved.
bool isInside(StringRef path, StringRef directory) {
  SmallString<256> realPath, realDirectory;
  if (llvm::sys::fs::real_path(path, realPath) ||
      llvm::sys::fs::real_path(directory.empty() ? "." : directory, realDirectory))
    return false;
  StringRef rest = realPath;
  return rest.consume_front(realDirectory) &&
         (rest.starts_with("/") || StringRef(realDirectory).ends_with("/"));
}

/// Reads field `external_data`; an error message where it is not usable.
std::string parseLocation(const TensorProto &tensor, ExternalLocation &location) {
  for (const onnx::StringStringEntryProto &entry : tensor.external_data()) {
    StringRef value = entry.value();
    if (entry.key() == "location") {
      location.path = value.str();
    } else if (entry.key() == "offset") {
      if (value.getAsInteger(10, location.offset))
        return "offset '" + value.str() + "' is not a number";
    } else if (entry.key() == "length") {
      uint64_t length;
      if (value.getAsInteger(10, length))
        return "length '" + value.str() + "' is not a number";
      location.length = length;
    }
  }
  StringRef path = location.path;
  if (path.empty() || path.contains('\0'))
    return "location is missing";
  if (llvm::sys::path::is_absolute(path) ||
      llvm::any_of(llvm::make_range(llvm::sys::path::begin(path), llvm::sys::path::end(path)),
                   [](StringRef part) { return part == ".."; }))
    return "location '" + path.str() + "' leaves the model's directory";
  return "";
}

/// The bytes of an external tensor, exactly `size` of them.
DecodedTensor readExternal(const TensorProto &tensor, StringRef directory, uint64_t size,
                           std::unique_ptr<llvm::MemoryBuffer> &buffer) {
  ExternalLocation location;
  std::string problem = parseLocation(tensor, location);
  if (!problem.empty())
    return corrupt("field 'external_data': " + problem);
  SmallString<256> path(directory);
  llvm::sys::path::append(path, location.path);
  uint64_t fileSize = 0;
  if (std::error_code error = llvm::sys::fs::file_size(path, fileSize))
    return corrupt("field 'external_data': " + path.str() + ": " + error.message());
  if (!isInside(path, directory) || !llvm::sys::fs::is_regular_file(path))
    return corrupt("field 'external_data': location '" + location.path +
                   "' leaves the model's directory or is not a file");
  if (location.length.value_or(size) != size)
    return corrupt("field 'external_data': length " + Twine(*location.length) +
                   " does not match the " + Twine(size) + " bytes that dims and data_type need");
  if (location.offset > fileSize || size > fileSize - location.offset)
    return corrupt("field 'external_data': " + Twine(size) + " bytes at offset " +
                   Twine(location.offset) + " lie beyond the end of " + path.str() + " (" +
                   Twine(fileSize) + " bytes)");
  auto slice = llvm::MemoryBuffer::getFileSlice(path, size, location.offset);
  if (!slice)
    return corrupt("field 'external_data': " + path.str() + ": " + slice.getError().message());
  buffer = std::move(*slice);
  return {};
}

//===----------------------------------------------------------------------===//
// Typed fields
//===----------------------------------------------------------------------===//

/// Stores a repeated field, each element narrowed to `To` (int32_data holds
/// five smaller types, f16 as bits among them).
template <typename To, typename Field>
DecodedTensor copyField(const Field &field, StringRef name, int64_t count,
                        reference::TensorValue &value) {
  if (field.size() != count)
    return corrupt("field '" + name + "' has " + Twine(field.size()) + " elements, but dims need " +
                   Twine(count));
  value.bytes.resize(count * sizeof(To));
  auto out = value.as<To>();
  for (int64_t i = 0; i < count; ++i)
    out[i] = static_cast<To>(field.Get(i));
  return {};
}

DecodedTensor decodeTyped(const TensorProto &tensor, int64_t count, reference::TensorValue &value) {
  switch (tensor.data_type()) {
  case TensorProto::FLOAT:
    return copyField<float>(tensor.float_data(), "float_data", count, value);
  case TensorProto::DOUBLE:
    return copyField<double>(tensor.double_data(), "double_data", count, value);
  case TensorProto::INT64:
    return copyField<int64_t>(tensor.int64_data(), "int64_data", count, value);
  case TensorProto::UINT64:
    return copyField<uint64_t>(tensor.uint64_data(), "uint64_data", count, value);
  case TensorProto::UINT32:
    return copyField<uint32_t>(tensor.uint64_data(), "uint64_data", count, value);
  case TensorProto::INT32:
    return copyField<int32_t>(tensor.int32_data(), "int32_data", count, value);
  case TensorProto::BOOL:
  case TensorProto::INT8:
  case TensorProto::UINT8:
    return copyField<uint8_t>(tensor.int32_data(), "int32_data", count, value);
  default: // int16, uint16, and the bits of float16 and bfloat16
    return copyField<uint16_t>(tensor.int32_data(), "int32_data", count, value);
  }
}

/// "[1, 3, 224]"
std::string printDims(ArrayRef<int64_t> dims) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << '[';
  llvm::interleaveComma(dims, stream);
  stream << ']';
  return text;
}

} // namespace

DecodedTensor decodeTensor(const TensorProto &tensor, StringRef directory, MLIRContext &context) {
  Type element = elementTypeOf(tensor.data_type(), context);
  if (!element && tensor.data_type() == TensorProto::UNDEFINED)
    return corrupt("field 'data_type' is missing");
  if (!element)
    return {DecodedTensor::Unsupported,
            {},
            "tensors of " + dataTypeName(tensor.data_type()) + " are not supported"};
  SmallVector<int64_t> dims(tensor.dims().begin(), tensor.dims().end());
  std::optional<int64_t> count = checkedElementCount(dims);
  int64_t size = 0;
  if (!count || llvm::MulOverflow(*count, reference::elementBytes(element), size))
    return corrupt("field 'dims' " + printDims(dims) + " is negative or too large");
  if (tensor.has_segment())
    return {DecodedTensor::Unsupported, {}, "tensors in segments are not supported"};

  DecodedTensor result;
  result.value.type = RankedTensorType::get(dims, element);
  std::unique_ptr<llvm::MemoryBuffer> external;
  StringRef raw;
  if (tensor.data_location() == TensorProto::EXTERNAL) {
    DecodedTensor read = readExternal(tensor, directory, size, external);
    if (read.outcome != DecodedTensor::Ok)
      return read;
    raw = external->getBuffer();
  } else if (tensor.has_raw_data() && !(tensor.raw_data().empty() && size > 0)) {
    raw = tensor.raw_data();
    if (int64_t(raw.size()) != size)
      return corrupt("field 'raw_data' has " + Twine(raw.size()) + " bytes, but dims " +
                     printDims(dims) + " of " + dataTypeName(tensor.data_type()) + " need " +
                     Twine(size));
  } else {
    DecodedTensor typed = decodeTyped(tensor, *count, result.value);
    if (typed.outcome != DecodedTensor::Ok)
      return typed;
  }
  if (!raw.empty())
    result.value.bytes.assign(raw.begin(), raw.end());
  if (element.isInteger(1))
    for (char &byte : result.value.bytes)
      byte = byte != 0;
  return result;
}

} // namespace nestor::import

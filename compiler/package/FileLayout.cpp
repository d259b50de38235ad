//===- FileLayout.cpp - Header, manifest and sections of a file -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/FileLayout.h"

#include "runtime/format/header.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <cstring>

using namespace llvm;

namespace nestor::package {

static std::string serialize(const format::Manifest &manifest) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  manifest.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

static format::FileHeader makeHeader(StringRef manifest, uint64_t fileSize) {
  static_assert(endianness::native == endianness::little, "headers are written as they lie");
  format::FileHeader header = {};
  std::memcpy(header.magic, format::kMagic, sizeof(header.magic));
  header.major = format::kMajorVersion;
  header.minor = format::kMinorVersion;
  header.headerSize = sizeof(header);
  header.manifestOffset = sizeof(header);
  header.manifestSize = manifest.size();
  header.manifestHash = xxh3_64bits(manifest);
  header.fileSize = fileSize;
  header.headerHash = xxh3_64bits(ArrayRef(reinterpret_cast<const uint8_t *>(&header),
                                           offsetof(format::FileHeader, headerHash)));
  return header;
}

/// The sections follow the manifest, whose size depends on their offsets: the
/// layout is repeated until it holds. Offsets only grow, so it ends.
uint64_t layOutSections(format::Manifest &manifest) {
  for (format::Section &section : *manifest.mutable_sections())
    section.set_offset(0);
  uint64_t manifestBytes = 0, fileSize = 0;
  while (serialize(manifest).size() != manifestBytes) {
    manifestBytes = serialize(manifest).size();
    fileSize = sizeof(format::FileHeader) + manifestBytes;
    for (format::Section &section : *manifest.mutable_sections()) {
      section.set_offset(alignTo(fileSize, format::kSectionAlignment));
      fileSize = section.offset() + section.size();
    }
  }
  return fileSize;
}

void writeHead(const format::Manifest &manifest, MutableArrayRef<uint8_t> file) {
  std::string bytes = serialize(manifest);
  format::FileHeader header = makeHeader(bytes, file.size());
  std::memcpy(file.data(), &header, sizeof(header));
  llvm::copy(bytes, file.begin() + sizeof(header));
}

static Error writeTo(raw_fd_ostream &stream, ArrayRef<uint8_t> bytes) {
  stream << toStringRef(bytes);
  stream.flush();
  std::error_code code = stream.error();
  stream.clear_error(); // Or its destructor would end the program.
  return errorCodeToError(code);
}

Error writeWhole(ArrayRef<uint8_t> file, StringRef path) {
  // A device must not be renamed over; a folder gives its own error.
  if (sys::fs::exists(path) && !sys::fs::is_regular_file(path)) {
    std::error_code code;
    raw_fd_ostream stream(path, code);
    return code ? errorCodeToError(code) : writeTo(stream, file);
  }
  Expected<sys::fs::TempFile> temporary = sys::fs::TempFile::create(path + ".tmp%%%%%%%");
  if (!temporary)
    return temporary.takeError();
  // Without a buffer, all is written in one call.
  raw_fd_ostream stream(temporary->FD, /*shouldClose=*/false, /*unbuffered=*/true);
  if (Error error = writeTo(stream, file))
    return joinErrors(std::move(error), temporary->discard());
  return temporary->keep(path);
}

} // namespace nestor::package

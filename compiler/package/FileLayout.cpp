//===- FileLayout.cpp - Header, manifest and sections of a file -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/FileLayout.h"

#include "runtime/format/header.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
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

} // namespace nestor::package

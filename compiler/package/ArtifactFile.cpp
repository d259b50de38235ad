//===- ArtifactFile.cpp - What only the compiler reads of an artifact -----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Graph.h"

#include "runtime/format/header.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

#include <cstring>

using namespace llvm;

namespace nestor::package {

static Error error(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

Expected<ArtifactFile> ArtifactFile::open(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return error(buffer.getError().message());
  ArtifactFile file;
  file.buffer = std::move(*buffer);
  if (Error problem = file.readManifest())
    return std::move(problem);
  return std::move(file);
}

Expected<ArtifactFile> ArtifactFile::fromMemory(MemoryBufferRef bytes) {
  ArtifactFile file;
  file.buffer = MemoryBuffer::getMemBuffer(bytes, /*RequiresNullTerminator=*/false);
  if (Error problem = file.readManifest())
    return std::move(problem);
  return std::move(file);
}

Error ArtifactFile::readManifest() {
  format::FileHeader header;
  StringRef bytes = buffer->getBuffer();
  if (bytes.size() < sizeof(header))
    return error("it is too short to be an artifact");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, format::kMagic, sizeof(header.magic)) != 0)
    return error("it is not an artifact");
  ArrayRef<uint8_t> hashed =
      arrayRefFromStringRef(bytes).take_front(offsetof(format::FileHeader, headerHash));
  if (header.headerHash != xxh3_64bits(hashed))
    return error("its header is damaged");
  if (header.major != format::kMajorVersion)
    return error("it has version " + Twine(header.major) + " of the format, not " +
                 Twine(format::kMajorVersion));
  if (header.manifestOffset > bytes.size() ||
      header.manifestSize > bytes.size() - header.manifestOffset)
    return error("it ends before its manifest does");
  StringRef manifest = bytes.substr(header.manifestOffset, header.manifestSize);
  if (header.manifestHash != xxh3_64bits(manifest) ||
      !contents.ParseFromArray(manifest.data(), manifest.size()))
    return error("its manifest is damaged");
  return Error::success();
}

const format::Section *ArtifactFile::find(format::SectionKind kind, unsigned index) const {
  uint64_t size = buffer->getBufferSize();
  for (const format::Section &section : contents.sections())
    if (section.kind() == kind && section.index() == index)
      return section.offset() <= size && section.size() <= size - section.offset() ? &section
                                                                                   : nullptr;
  return nullptr;
}

Expected<StringRef> ArtifactFile::read(format::SectionKind kind, unsigned index) const {
  const format::Section *section = find(kind, index);
  if (!section)
    return error("it has no section " + Twine(index) + " of this kind");
  StringRef bytes = buffer->getBuffer().substr(section->offset(), section->size());
  if (section->hash() != xxh3_64bits(bytes))
    return error("its section '" + section->name() + "' is damaged");
  return bytes;
}

unsigned ArtifactFile::availableCapacities() const {
  unsigned count = 0;
  for (const format::Capacity &capacity : contents.capacities()) {
    for (unsigned shell = 0; shell < capacity.shells(); ++shell)
      if (!find(format::WEIGHTS, shell))
        return count;
    ++count;
  }
  return count;
}

} // namespace nestor::package

//===- Trim.cpp - A smaller artifact out of an artifact -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Trim.h"

#include "compiler/package/FileLayout.h"
#include "runtime/format/header.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileOutputBuffer.h"

#include <cstring>

using namespace llvm;

namespace nestor::package {

/// Leaves out what only larger capacities have.
static void keepCapacities(format::Manifest &manifest, unsigned count) {
  auto &capacities = *manifest.mutable_capacities();
  capacities.DeleteSubrange(count, capacities.size() - count);
  for (format::Group &group : *manifest.mutable_groups())
    if (group.widths_size() > int(count))
      group.mutable_widths()->Truncate(count);
  uint32_t shells = capacities.rbegin()->shells();
  auto &sections = *manifest.mutable_sections();
  for (int i = sections.size() - 1; i >= 0; --i)
    if (sections[i].kind() == format::WEIGHTS && sections[i].index() >= shells)
      sections.DeleteSubrange(i, 1);
}

Error trimArtifact(StringRef file, unsigned capacities, StringRef path) {
  format::FileHeader header;
  std::memcpy(&header, file.data(), sizeof(header));
  format::Manifest manifest;
  if (!manifest.ParseFromArray(file.data() + header.manifestOffset, int(header.manifestSize)))
    return createStringError("its manifest cannot be decoded");
  keepCapacities(manifest, capacities);
  std::vector<uint64_t> sources;
  for (const format::Section &section : manifest.sections())
    sources.push_back(section.offset());

  uint64_t size = layOutSections(manifest);
  auto buffer = FileOutputBuffer::create(path, size);
  if (!buffer)
    return buffer.takeError();
  MutableArrayRef<uint8_t> out((*buffer)->getBufferStart(), size);
  llvm::fill(out, 0);
  for (auto [section, source] : zip_equal(manifest.sections(), sources))
    llvm::copy(file.substr(source, section.size()), out.begin() + section.offset());
  writeHead(manifest, out);
  return (*buffer)->commit();
}

} // namespace nestor::package

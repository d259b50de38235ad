//===- Writer.cpp - Plan and code as a .nest artifact ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Writer.h"

#include "compiler/package/FileLayout.h"
#include "runtime/format/header.h"

#include "llvm/Support/xxhash.h"

#include <algorithm>
#include <vector>

using namespace llvm;

namespace nestor::package {

ArtifactWriter::ArtifactWriter(Plan &plan, ArrayRef<CodeImage> images, ArrayRef<Variant> variants)
    : plan(plan), images(images), variants(variants) {
  format::Manifest &manifest = plan.manifest;
  manifest.set_minor_version(format::kMinorVersion);
  for (auto [index, image] : enumerate(images)) {
    format::Target *target = manifest.add_targets();
    target->set_name(image.target->name);
    target->set_arch(image.target->arch);
    for (const std::string &feature : image.target->features)
      target->add_features(feature);
    for (auto [kernel, entry] : zip_equal(*manifest.mutable_kernels(), image.entries))
      kernel.add_entry(entry);
    for (auto [kernel, spec] : zip_equal(*manifest.mutable_kernels(), plan.kernels))
      if (spec.tile)
        kernel.add_tile(uint32_t(spec.tile(*image.target)));
    if (!image.elf.empty())
      addSection(format::CODE, "code " + image.target->name, index, image.elf.size());
  }
  if (!plan.graph.empty())
    addSection(format::GRAPH, "graph", 0, plan.graph.size());
  for (auto [index, size] : enumerate(plan.weights.shellBytes()))
    addSection(format::WEIGHTS, "shell " + std::to_string(index + 1), index, size);
  for (auto [index, variant] : enumerate(variants))
    addSection(format::VARIANT, variant.precision, index, variant.artifact.size());
  manifest.set_identity(1); // Takes its room in the layout, as the hashes do.
  fileSize = layOutSections(manifest);
}

/// Of the weights and of what passes between head and tail, which are the same
/// for all targets.
static uint64_t identityOf(const format::Manifest &manifest) {
  std::vector<uint64_t> parts;
  for (const format::Section &section : manifest.sections())
    if (section.kind() == format::WEIGHTS)
      parts.insert(parts.end(), {section.size(), section.hash()});
  for (const format::Capacity &capacity : manifest.capacities()) {
    parts.insert(parts.end(), {capacity.macs(), uint64_t(capacity.cuts_size())});
    for (const format::Cut &cut : capacity.cuts())
      for (const format::LiveTensor &live : cut.live()) {
        parts.insert(parts.end(), {uint64_t(live.dtype()), uint64_t(live.dims_size())});
        parts.insert(parts.end(), live.dims().begin(), live.dims().end());
      }
  }
  ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t *>(parts.data()),
                          parts.size() * sizeof(uint64_t));
  return std::max<uint64_t>(xxh3_64bits(bytes), 1); // 0 means that there is none.
}

void ArtifactWriter::addSection(format::SectionKind kind, const std::string &name, unsigned index,
                                uint64_t size) {
  format::Section *section = plan.manifest.add_sections();
  section->set_kind(kind);
  section->set_name(name);
  section->set_index(index);
  section->set_size(size);
  section->set_hash(1); // Not the default, so that it takes its room in the layout.
}

uint64_t ArtifactWriter::codeBytes() const {
  uint64_t bytes = 0;
  for (const CodeImage &image : images)
    bytes += image.elf.size();
  return bytes;
}

void ArtifactWriter::write(MutableArrayRef<uint8_t> out) {
  assert(out.size() == fileSize && "the buffer must fit the layout");
  for (format::Section &section : *plan.manifest.mutable_sections()) {
    MutableArrayRef<uint8_t> bytes = out.slice(section.offset(), section.size());
    if (section.kind() == format::CODE)
      llvm::copy(images[section.index()].elf, bytes.begin());
    else if (section.kind() == format::GRAPH)
      llvm::copy(plan.graph, bytes.begin());
    else if (section.kind() == format::VARIANT)
      llvm::copy(variants[section.index()].artifact, bytes.begin());
    else
      plan.weights.write(section.index(), bytes);
    section.set_hash(xxh3_64bits(bytes));
    for (format::BlockWeights &range : *plan.manifest.mutable_block_weights())
      if (section.kind() == format::WEIGHTS && section.index() == range.shell())
        range.set_hash(xxh3_64bits(bytes.slice(range.offset(), range.size())));
  }
  plan.manifest.set_identity(identityOf(plan.manifest));
  writeHead(plan.manifest, out);
}

Error ArtifactWriter::writeFile(StringRef path) {
  std::vector<uint8_t> bytes(fileSize);
  write(bytes);
  return writeWhole(bytes, path);
}

std::unique_ptr<MemoryBuffer> toMemory(Plan &plan, ArrayRef<CodeImage> images,
                                       ArrayRef<Variant> variants) {
  ArtifactWriter writer(plan, images, variants);
  auto buffer = WritableMemoryBuffer::getNewUninitMemBuffer(writer.size(), "artifact",
                                                            Align(format::kBufferAlignment));
  auto *begin = reinterpret_cast<uint8_t *>(buffer->getBufferStart());
  std::fill_n(begin, writer.size(), 0);
  writer.write({begin, size_t(writer.size())});
  return buffer;
}

} // namespace nestor::package

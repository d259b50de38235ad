//===- residency.cpp - What capacities keep in memory ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "checked.h"
#include "model.h"

#include <algorithm>
#include <sys/mman.h>

namespace nestor {

using namespace detail;

/// Where the file may end for a capacity: behind its shells. Shells come last.
static uint64_t file_bytes(const Manifest &manifest, uint32_t capacity) {
  uint64_t end = 0;
  for (pb_size_t i = 0; i < manifest.sections_count; ++i) {
    const nestor_format_Section &section = manifest.sections[i];
    uint32_t kind = raw(section.kind);
    if (kind == nestor_format_SectionKind_CODE ||
        (kind == nestor_format_SectionKind_WEIGHTS &&
         section.index < manifest.capacities[capacity].shells))
      end = std::max(end, section.offset + section.size);
  }
  return end;
}

/// The sum, or the largest number when it overflows: a manifest may claim any.
static uint64_t capped_add(uint64_t a, uint64_t b) {
  uint64_t sum;
  return checked_add(a, b, sum) ? sum : UINT64_MAX;
}

void Model::describe_memory() {
  uint64_t bytes = 0;
  if (codeStatus.ok() && !code.linked()) // Else it is the program's.
    bytes = find_section(*manifest, nestor_format_SectionKind_CODE, target)->size;
  for (const auto *tensors : {&inputs, &outputs})
    for (const TensorInfo &tensor : *tensors)
      bytes = capped_add(bytes, tensor.bytes);
  for (uint32_t i = 0; i < capacities.size(); ++i) {
    bytes = capped_add(bytes, capacities[i].delta_bytes);
    capacities[i].resident_bytes = capped_add(bytes, capacities[i].arena_bytes);
    bool last = i + 1u == manifest->capacities_count;
    capacities[i].file_bytes = last ? manifest.file_size() : file_bytes(*manifest, i);
  }
}

void Model::release_unused() const {
  // Other memory would not come back, and where weights are not mapped, the
  // addresses are others'.
  if (!file.shares_file() || file.front() < file.size())
    return;
  uint32_t needed = 0;
  for (uint32_t i = 0; i < capacities.size(); ++i)
    if (use.used(i))
      needed = std::max(needed, manifest->capacities[i].shells);
  for (uint32_t shell = needed; shell < manifest.shells(); ++shell) {
    const nestor_format_Section *section =
        find_section(*manifest, nestor_format_SectionKind_WEIGHTS, shell);
    PageSpan pages(file.data() + section->offset, section->size);
    (void)madvise(pages.start, pages.bytes, MADV_DONTNEED);
  }
}

void Artifact::release_unused() const { model_->release_unused(); }

} // namespace nestor

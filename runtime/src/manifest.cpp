//===- manifest.cpp - Reading and checking a manifest ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "manifest.h"
#include "blocks.h"
#include "checked.h"
#include "error.h"
#include "hash.h"
#include "nestor/artifact.hpp"
#include "runtime/format/header.h"

#include <pb_decode.h>

namespace nestor::detail {

using format::FileHeader;

// Bounds on what a manifest may ask for, far above what a compiler writes.
// Together they bound the time and memory that a hostile file can cost.
static constexpr uint64_t kMaxManifestBytes = 8 << 20;
static constexpr uint32_t kMaxTensors = 4096;
static constexpr uint32_t kMaxRank = 64;
static constexpr uint32_t kMaxTargets = 64;
static constexpr uint32_t kMaxCapacities = 64;
static constexpr uint32_t kMaxKernelArgs = 256;
static constexpr uint32_t kMaxKernelParams = 256;
static constexpr uint32_t kMaxTerms = 256;
static constexpr uint32_t kMaxFactors = 8;
static constexpr uint32_t kMaxRuns = 256;

static unsigned long long ull(uint64_t value) { return value; }

static Status corrupt_count(const char *field, uint64_t count, uint64_t limit) {
  return error(StatusCode::corrupt, "manifest: %s has %llu entries, at most %llu are allowed",
               field, ull(count), ull(limit));
}

static Status check_header(const uint8_t *file, uint64_t size, FileHeader &header) {
  if (size < sizeof header)
    return error(StatusCode::corrupt, "truncated: %llu bytes are less than a header", ull(size));
  std::memcpy(&header, file, sizeof header);
  if (std::memcmp(header.magic, format::kMagic, sizeof header.magic) != 0)
    return error(StatusCode::corrupt, "header: magic: not a .nest file");
  if (header.major != format::kMajorVersion)
    return error(StatusCode::incompatible,
                 "header: major: the file has format version %u.%u, this runtime reads %u.%u",
                 header.major, header.minor, format::kMajorVersion, format::kMinorVersion);
  if (header.headerHash != hash(file, offsetof(FileHeader, headerHash)))
    return error(StatusCode::corrupt, "header: headerHash: the header is damaged");
  if (header.headerSize < sizeof header || header.manifestOffset < header.headerSize)
    return error(StatusCode::corrupt, "header: manifestOffset %llu lies in the header",
                 ull(header.manifestOffset));
  if (header.manifestSize > kMaxManifestBytes)
    return error(StatusCode::corrupt, "header: manifestSize %llu is more than %llu",
                 ull(header.manifestSize), ull(kMaxManifestBytes));
  if (size > header.fileSize)
    return error(StatusCode::corrupt, "header: fileSize is %llu, the file has %llu bytes",
                 ull(header.fileSize), ull(size));
  if (!fits(header.manifestOffset, header.manifestSize, size))
    return error(StatusCode::corrupt, "truncated: the file ends inside the manifest");
  if (header.manifestHash != hash(file + header.manifestOffset, header.manifestSize))
    return error(StatusCode::corrupt, "header: manifestHash: the manifest is damaged");
  return Status();
}

Status ManifestOwner::read(const uint8_t *file, uint64_t size) {
  FileHeader header;
  NESTOR_RETURN_IF_ERROR(check_header(file, size, header));
  fileSize_ = header.fileSize;
  hash_ = header.manifestHash;
  dataStart_ = header.manifestOffset + header.manifestSize;
  hash_ = header.manifestHash;
  pb_istream_t stream =
      pb_istream_from_buffer(file + header.manifestOffset, header.manifestSize);
  if (!pb_decode(&stream, nestor_format_Manifest_fields, &manifest_))
    return error(StatusCode::corrupt, "manifest: %s", PB_GET_ERROR(&stream));
  return check(size);
}

ManifestOwner::~ManifestOwner() { pb_release(nestor_format_Manifest_fields, &manifest_); }

Status tensor_bytes(const nestor_format_Tensor &tensor, uint64_t &bytes) {
  uint32_t type = raw(tensor.dtype);
  if (type < nestor_format_DType_FLOAT32 || type > nestor_format_DType_BOOL)
    return error(StatusCode::corrupt, "dtype %u is unknown", type);
  if (tensor.dims_count > kMaxRank)
    return corrupt_count("dims", tensor.dims_count, kMaxRank);
  // A limit on the signed side, so that no later address computation wraps.
  int64_t total = static_cast<int64_t>(size_of(static_cast<DType>(type)));
  bool empty = false;
  for (pb_size_t i = 0; i < tensor.dims_count; ++i) {
    int64_t dim = tensor.dims[i];
    if (dim < 0)
      return error(StatusCode::corrupt, "dims[%u] is negative", i);
    empty |= dim == 0;
    if (dim != 0 && !checked_mul(total, dim, total))
      return error(StatusCode::corrupt, "dims: the tensor's size overflows");
  }
  bytes = empty ? 0 : static_cast<uint64_t>(total);
  return Status();
}

static Status check_tensors(const char *field, const nestor_format_Tensor *tensors,
                            pb_size_t count) {
  if (count > kMaxTensors)
    return corrupt_count(field, count, kMaxTensors);
  for (pb_size_t i = 0; i < count; ++i) {
    uint64_t bytes;
    if (Status status = tensor_bytes(tensors[i], bytes); !status.ok())
      return error(status.code(), "manifest: %s[%u].%s", field, i, status.message().c_str());
  }
  return Status();
}

const nestor_format_Section *find_section(const Manifest &manifest, nestor_format_SectionKind kind,
                                          uint32_t index) {
  for (pb_size_t i = 0; i < manifest.sections_count; ++i)
    if (raw(manifest.sections[i].kind) == kind && manifest.sections[i].index == index)
      return &manifest.sections[i];
  return nullptr;
}

Status ManifestOwner::check(uint64_t size) {
  NESTOR_RETURN_IF_ERROR(check_tensors("inputs", manifest_.inputs, manifest_.inputs_count));
  NESTOR_RETURN_IF_ERROR(check_tensors("outputs", manifest_.outputs, manifest_.outputs_count));
  if (manifest_.targets_count > kMaxTargets)
    return corrupt_count("targets", manifest_.targets_count, kMaxTargets);
  NESTOR_RETURN_IF_ERROR(check_sections(size));
  NESTOR_RETURN_IF_ERROR(check_kernels());
  NESTOR_RETURN_IF_ERROR(check_capacities(size));
  return check_blocks(manifest_);
}

Status ManifestOwner::check_sections(uint64_t size) {
  // Sections of an unknown kind belong to a later minor version.
  constexpr uint32_t maxSections = kMaxTargets + kMaxCapacities + 64;
  if (manifest_.sections_count > maxSections)
    return corrupt_count("sections", manifest_.sections_count, maxSections);
  for (pb_size_t i = 0; i < manifest_.sections_count; ++i) {
    const nestor_format_Section &section = manifest_.sections[i];
    if (section.offset % format::kSectionAlignment != 0 || section.offset < dataStart_)
      return error(StatusCode::corrupt, "manifest: sections[%u].offset %llu is not allowed", i,
                   ull(section.offset));
    if (!fits(section.offset, section.size, fileSize_))
      return error(StatusCode::corrupt,
                   "manifest: sections[%u]: %llu bytes at %llu exceed the file's %llu", i,
                   ull(section.size), ull(section.offset), ull(fileSize_));
    if (raw(section.kind) == nestor_format_SectionKind_CODE) {
      if (section.index >= manifest_.targets_count)
        return error(StatusCode::corrupt, "manifest: sections[%u].index: there is no target %u", i,
                     section.index);
      if (!fits(section.offset, section.size, size))
        return error(StatusCode::corrupt, "truncated: the file ends inside its code");
    }
  }
  for (;; ++shells_) {
    const nestor_format_Section *shell =
        find_section(manifest_, nestor_format_SectionKind_WEIGHTS, shells_);
    if (!shell || !fits(shell->offset, shell->size, size))
      return Status();
  }
}

static Status check_polynomial(const nestor_format_Polynomial &polynomial, uint32_t params) {
  if (polynomial.terms_count > kMaxTerms)
    return corrupt_count("terms", polynomial.terms_count, kMaxTerms);
  for (pb_size_t i = 0; i < polynomial.terms_count; ++i) {
    const nestor_format_Term &term = polynomial.terms[i];
    if (term.factors_count > kMaxFactors)
      return corrupt_count("factors", term.factors_count, kMaxFactors);
    for (pb_size_t j = 0; j < term.factors_count; ++j)
      if (term.factors[j] >= params)
        return error(StatusCode::corrupt, "manifest: terms[%u].factors[%u]: there is no param %u",
                     i, j, term.factors[j]);
  }
  return Status();
}

static Status check_kernel(const nestor_format_Kernel &kernel, uint32_t targets) {
  if (kernel.args_count > kMaxKernelArgs)
    return corrupt_count("args", kernel.args_count, kMaxKernelArgs);
  if (kernel.params_count > kMaxKernelParams)
    return corrupt_count("params", kernel.params_count, kMaxKernelParams);
  if (kernel.entry_count != targets)
    return error(StatusCode::corrupt, "manifest: entry has %u values for %u targets",
                 kernel.entry_count, targets);
  if (kernel.tile_count != 0 && kernel.tile_count != targets)
    return error(StatusCode::corrupt, "manifest: tile has %u values for %u targets",
                 kernel.tile_count, targets);
  for (pb_size_t i = 0; i < kernel.args_count; ++i) {
    uint32_t align = kernel.args[i].align;
    if ((align & (align - 1)) != 0 || align > format::kBufferAlignment)
      return error(StatusCode::corrupt, "manifest: args[%u].align: %u is not allowed", i, align);
    NESTOR_RETURN_IF_ERROR(check_polynomial(kernel.args[i].bytes, kernel.params_count));
    if (kernel.args[i].runs_count > kMaxRuns)
      return corrupt_count("runs", kernel.args[i].runs_count, kMaxRuns);
    for (pb_size_t j = 0; j < kernel.args[i].runs_count; ++j) {
      NESTOR_RETURN_IF_ERROR(
          check_polynomial(kernel.args[i].runs[j].grains, kernel.params_count));
      NESTOR_RETURN_IF_ERROR(check_polynomial(kernel.args[i].runs[j].bytes, kernel.params_count));
    }
  }
  return check_polynomial(kernel.grains, kernel.params_count);
}

Status ManifestOwner::check_kernels() const {
  for (pb_size_t i = 0; i < manifest_.kernels_count; ++i) {
    const nestor_format_Kernel &kernel = manifest_.kernels[i];
    if (Status status = check_kernel(kernel, manifest_.targets_count); !status.ok())
      return error(status.code(), "kernel %u (%.100s): %s", i, text(kernel.name),
                   status.message().c_str());
  }
  return Status();
}

/// `Artifact::plan` shows steps to callers also where no session can check them.
static Status check_layers(const nestor_format_Capacity &capacity) {
  for (pb_size_t i = 0; i < capacity.steps_count; ++i)
    if (capacity.steps[i].layer >= capacity.layers_count)
      return error(StatusCode::corrupt, "steps[%u].layer: there is no layer %u", i,
                   capacity.steps[i].layer);
  return Status();
}

Status ManifestOwner::check_capacities(uint64_t size) {
  if (manifest_.capacities_count == 0 || manifest_.capacities_count > kMaxCapacities)
    return error(StatusCode::corrupt, "manifest: capacities has %u entries",
                 manifest_.capacities_count);
  float previous = 0;
  for (pb_size_t i = 0; i < manifest_.capacities_count; ++i) {
    const nestor_format_Capacity &capacity = manifest_.capacities[i];
    if (!(capacity.capacity > previous && capacity.capacity <= 1))
      return error(StatusCode::corrupt,
                   "manifest: capacities[%u].capacity %g is not above the one before and at most 1",
                   i, static_cast<double>(capacity.capacity));
    previous = capacity.capacity;
    if (Status status = check_layers(capacity); !status.ok())
      return error(status.code(), "manifest: capacities[%u].%s", i, status.message().c_str());
    for (uint32_t s = shells_; s < capacity.shells; ++s)
      if (!find_section(manifest_, nestor_format_SectionKind_WEIGHTS, s))
        return error(StatusCode::corrupt, "manifest: capacities[%u].shells: there is no shell %u",
                     i, s);
    // Shells are in file order, so what a cut file holds is a prefix.
    if (capacities_ == i && capacity.shells <= shells_)
      ++capacities_;
  }
  // A file that is cut opens with the capacities that are whole in it. One
  // without weights is whole only at its full size; one with variants may lack
  // those.
  bool hasVariants = find_section(manifest_, nestor_format_SectionKind_VARIANT, 0) != nullptr;
  bool cut = size < fileSize_ && !hasVariants;
  if (capacities_ == 0 || (cut && capacities_ == manifest_.capacities_count))
    return error(StatusCode::corrupt, "truncated: header: fileSize is %llu, the file has %llu bytes",
                 ull(fileSize_), ull(size));
  return Status();
}

} // namespace nestor::detail

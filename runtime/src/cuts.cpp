//===- cuts.cpp - What a file says about its blocks and cuts --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "blocks.h"
#include "model.h"

namespace nestor {

using namespace detail;

const char *to_string(WorkKind kind) {
  constexpr const char *names[] = {"other",     "conv",        "depthwise", "matmul",
                                   "recurrent", "elementwise", "pool"};
  size_t index = static_cast<size_t>(kind);
  return index < sizeof names / sizeof *names ? names[index] : "";
}

/// A kind of a later minor version counts as other work.
static WorkKind work_kind(const nestor_format_Work &work) {
  uint32_t kind = raw(work.kind);
  return kind <= nestor_format_WorkKind_WORK_POOL ? static_cast<WorkKind>(kind) : WorkKind::other;
}

static BlockInfo describe_block(const nestor_format_Block &block) {
  BlockInfo info;
  info.steps = block.steps;
  info.weight_bytes = block.weight_bytes;
  info.activation_bytes = block.activation_bytes;
  for (pb_size_t i = 0; i < block.work_count; ++i) {
    info.work.push_back({work_kind(block.work[i]), block.work[i].macs, block.work[i].steps});
    info.macs += block.work[i].macs; // The sum over all blocks was checked.
  }
  return info;
}

std::vector<BlockInfo> Artifact::blocks(size_t index) const {
  std::vector<BlockInfo> blocks;
  if (index >= model_->capacities.size())
    return blocks;
  const Manifest &manifest = *model_->manifest;
  const nestor_format_Capacity &capacity = manifest.capacities[index];
  for (uint32_t i = 0; i < capacity.blocks_count; ++i) {
    blocks.push_back(describe_block(capacity.blocks[i]));
    blocks.back().index = i;
    for (uint32_t shell = 0; shell < capacity.shells; ++shell)
      if (const nestor_format_BlockWeights *range = find_block_weights(manifest, i, shell)) {
        uint64_t start =
            find_section(manifest, nestor_format_SectionKind_WEIGHTS, shell)->offset;
        blocks.back().weights.push_back({shell, start + range->offset, range->size});
      }
  }
  return blocks;
}

bool detail::is_float(DType type) {
  return type == DType::float32 || type == DType::float64 || type == DType::float16 ||
         type == DType::bfloat16;
}

uint64_t detail::live_bytes(const nestor_format_LiveTensor &live) {
  uint64_t bytes = size_of(static_cast<DType>(raw(live.dtype)));
  for (pb_size_t i = 0; i < live.dims_count; ++i)
    bytes *= static_cast<uint64_t>(live.dims[i]); // Checked with the manifest.
  return bytes;
}

uint64_t detail::row_bytes(const nestor_format_LiveTensor &live) {
  uint64_t size = size_of(static_cast<DType>(raw(live.dtype)));
  return live.dims_count ? size * static_cast<uint64_t>(live.dims[live.dims_count - 1]) : size;
}

uint64_t detail::row_pitch(const nestor_format_LiveTensor &live) {
  return raw(live.space) == nestor_format_Space_ARENA_ROWS ? live.pitch : row_bytes(live);
}

LiveTensorInfo detail::describe_live(const nestor_format_LiveTensor &live) {
  LiveTensorInfo info;
  info.name = text(live.name);
  info.dtype = static_cast<DType>(raw(live.dtype));
  info.dims.assign(live.dims, live.dims + live.dims_count);
  info.bytes = live_bytes(live);
  return info;
}

static CutInfo describe_cut(const nestor_format_Cut &cut) {
  CutInfo info;
  info.front_bytes = cut.front_bytes;
  info.back_bytes = cut.back_bytes;
  info.single_tensor = cut.live_count == 1;
  for (pb_size_t i = 0; i < cut.live_count; ++i) {
    LiveTensorInfo live = describe_live(cut.live[i]);
    uint64_t elements = live.bytes / size_of(live.dtype);
    info.live_bytes += live.bytes;
    info.live_bytes_f16 += is_float(live.dtype) ? 2 * elements : live.bytes;
    info.live_bytes_int8 += is_float(live.dtype) ? elements : live.bytes;
    info.live.push_back(std::move(live));
  }
  return info;
}

std::vector<CutInfo> Artifact::cuts(size_t index) const {
  std::vector<CutInfo> cuts;
  const std::vector<BlockInfo> blocks = this->blocks(index);
  if (blocks.empty())
    return cuts;
  const nestor_format_Capacity &capacity = model_->manifest->capacities[index];
  uint64_t macs = 0, before = 0;
  for (const BlockInfo &block : blocks)
    macs += block.macs;
  for (uint32_t i = 0; i < capacity.cuts_count; ++i) {
    before += i ? blocks[i - 1].macs : 0;
    CutInfo info = describe_cut(capacity.cuts[i]);
    info.index = i;
    info.name = text(model_->manifest->cuts[i].name);
    info.dominated = model_->manifest->cuts[i].dominated;
    info.macs_before = before;
    info.macs_after = macs - before;
    cuts.push_back(std::move(info));
  }
  return cuts;
}

std::vector<MixedInfo> Artifact::mixed() const {
  const Manifest &manifest = *model_->manifest;
  const std::vector<CapacityInfo> &known = model_->capacities;
  std::vector<MixedInfo> pairs;
  for (pb_size_t i = 0; i < manifest.mixed_count; ++i) {
    const nestor_format_MixedPair &pair = manifest.mixed[i];
    // The file may end before its largest capacities.
    if (pair.head < known.size() && pair.tail < known.size() && pair.cut < manifest.cuts_count)
      pairs.push_back({known[pair.head].capacity, known[pair.tail].capacity, pair.cut,
                       pair.accuracy});
  }
  return pairs;
}

BlockRange Artifact::present_blocks() const {
  const Manifest &manifest = *model_->manifest;
  if (manifest.has_present)
    return {manifest.present.first, manifest.present.end};
  return {0, block_count(manifest)};
}

} // namespace nestor

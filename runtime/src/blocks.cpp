//===- blocks.cpp - Checking blocks and cuts ------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "blocks.h"
#include "checked.h"
#include "error.h"
#include "polynomial.h"
#include "runtime/format/header.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace nestor::detail {

/// Far above what a compiler writes, like the bounds of manifest.cpp.
static constexpr uint32_t kMaxBlocks = 4096;

static unsigned long long ull(uint64_t value) { return value; }

const nestor_format_BlockWeights *find_block_weights(const Manifest &manifest, uint32_t block,
                                                     uint32_t shell) {
  using Place = std::pair<uint32_t, uint32_t>;
  const nestor_format_BlockWeights *begin = manifest.block_weights;
  const nestor_format_BlockWeights *end = begin + manifest.block_weights_count;
  auto before = [](const nestor_format_BlockWeights &entry, Place place) {
    return Place(entry.shell, entry.block) < place;
  };
  const nestor_format_BlockWeights *found =
      std::lower_bound(begin, end, Place(shell, block), before);
  return found != end && found->shell == shell && found->block == block ? found : nullptr;
}

namespace {

class BlockChecker {
public:
  explicit BlockChecker(const Manifest &manifest)
      : manifest_(manifest), blocks_(block_count(manifest)) {}

  Status check() const;

private:
  Status check_present() const;
  Status check_weights() const;
  Status check_capacity(const nestor_format_Capacity &capacity) const;
  Status check_step_counts(const nestor_format_Capacity &capacity) const;
  Status check_live(const nestor_format_LiveTensor &live, uint64_t arenaBytes) const;
  Status spread_rows(const nestor_format_LiveTensor &live, uint64_t &bytes) const;
  Status check_step(const nestor_format_Step &step, uint32_t block) const;
  bool is_present(uint32_t block) const {
    return !manifest_.has_present ||
           (block >= manifest_.present.first && block < manifest_.present.end);
  }

  const Manifest &manifest_;
  uint32_t blocks_;
};

Status BlockChecker::check() const {
  if (blocks_ > kMaxBlocks)
    return error(StatusCode::corrupt, "manifest: blocks has %u entries, at most %u are allowed",
                 blocks_, kMaxBlocks);
  if (manifest_.cuts_count != (blocks_ ? blocks_ + 1 : 0))
    return error(StatusCode::corrupt, "manifest: cuts has %u entries for %u blocks",
                 manifest_.cuts_count, blocks_);
  NESTOR_RETURN_IF_ERROR(check_present());
  NESTOR_RETURN_IF_ERROR(check_weights());
  for (pb_size_t i = 0; i < manifest_.capacities_count; ++i)
    if (Status status = check_capacity(manifest_.capacities[i]); !status.ok())
      return error(status.code(), "manifest: capacities[%u].%s", i, status.message().c_str());
  return Status();
}

Status BlockChecker::check_present() const {
  if (!manifest_.has_present)
    return Status();
  const nestor_format_BlockRange &present = manifest_.present;
  if (present.first >= present.end || present.end > blocks_)
    return error(StatusCode::corrupt, "manifest: present is blocks %u:%u of %u", present.first,
                 present.end, blocks_);
  return Status();
}

/// Ranges ascend in their shell, so none overlaps another.
Status BlockChecker::check_weights() const {
  const nestor_format_BlockWeights *previous = nullptr;
  for (pb_size_t i = 0; i < manifest_.block_weights_count; ++i) {
    const nestor_format_BlockWeights &entry = manifest_.block_weights[i];
    const nestor_format_Section *shell =
        find_section(manifest_, nestor_format_SectionKind_WEIGHTS, entry.shell);
    bool goesOn = previous && previous->shell == entry.shell;
    uint64_t start = goesOn ? previous->offset + previous->size : 0;
    bool isKnown = entry.block == blocks_ || (entry.block < blocks_ && is_present(entry.block));
    if (!shell || !isKnown)
      return error(StatusCode::corrupt, "manifest: block_weights[%u]: there is no shell %u with "
                   "block %u", i, entry.shell, entry.block);
    if (previous && (goesOn ? previous->block >= entry.block : previous->shell > entry.shell))
      return error(StatusCode::corrupt, "manifest: block_weights[%u] is out of order", i);
    if (entry.offset % format::kBufferAlignment != 0 || entry.offset < start ||
        !fits(entry.offset, entry.size, shell->size))
      return error(StatusCode::corrupt,
                   "manifest: block_weights[%u]: %llu bytes at %llu are not allowed in shell %u", i,
                   ull(entry.size), ull(entry.offset), entry.shell);
    previous = &entry;
  }
  return Status();
}

Status BlockChecker::check_capacity(const nestor_format_Capacity &capacity) const {
  if (capacity.blocks_count != blocks_)
    return error(StatusCode::corrupt, "blocks has %u entries, the first capacity has %u",
                 capacity.blocks_count, blocks_);
  if (capacity.cuts_count != (blocks_ ? blocks_ + 1 : 0))
    return error(StatusCode::corrupt, "cuts has %u entries for %u blocks", capacity.cuts_count,
                 blocks_);
  if (blocks_ == 0)
    return Status();
  NESTOR_RETURN_IF_ERROR(check_step_counts(capacity));
  for (pb_size_t i = 0; i < capacity.cuts_count; ++i)
    for (pb_size_t j = 0; j < capacity.cuts[i].live_count; ++j)
      if (Status status = check_live(capacity.cuts[i].live[j], capacity.arena_bytes); !status.ok())
        return error(status.code(), "cuts[%u].live[%u]: %s", i, j, status.message().c_str());
  if (manifest_.block_weights_count == 0)
    return Status();
  pb_size_t step = 0;
  for (uint32_t block = 0; block < blocks_; ++block)
    for (uint32_t end = step + capacity.blocks[block].steps; step < end; ++step)
      if (Status status = check_step(capacity.steps[step], block); !status.ok())
        return error(status.code(), "steps[%u].%s", step, status.message().c_str());
  return Status();
}

Status BlockChecker::check_step_counts(const nestor_format_Capacity &capacity) const {
  uint64_t steps = 0, macs = 0;
  for (uint32_t block = 0; block < blocks_; ++block) {
    const nestor_format_Block &entry = capacity.blocks[block];
    steps += entry.steps;
    if (entry.steps != 0 && !is_present(block))
      return error(StatusCode::corrupt, "blocks[%u].steps: the file is said to lack this block",
                   block);
    for (pb_size_t i = 0; i < entry.work_count; ++i)
      if (!checked_add(macs, entry.work[i].macs, macs))
        return error(StatusCode::corrupt, "blocks[%u].work: the MACs overflow", block);
  }
  if (steps != capacity.steps_count)
    return error(StatusCode::corrupt, "blocks have %llu steps, steps has %u entries", ull(steps),
                 capacity.steps_count);
  return Status();
}

/// A tensor of the plan's memory, or a whole input or output.
Status BlockChecker::check_live(const nestor_format_LiveTensor &live, uint64_t arenaBytes) const {
  nestor_format_Tensor tensor = nestor_format_Tensor_init_zero;
  // Not an assignment, since the file may hold a value that is no enumerator.
  std::memcpy(&tensor.dtype, &live.dtype, sizeof tensor.dtype);
  tensor.dims = live.dims;
  tensor.dims_count = live.dims_count;
  uint64_t bytes = 0, room = arenaBytes;
  NESTOR_RETURN_IF_ERROR(tensor_bytes(tensor, bytes));
  const uint32_t space = raw(live.space);
  const bool isRows = space == nestor_format_Space_ARENA_ROWS;
  if (isRows)
    NESTOR_RETURN_IF_ERROR(spread_rows(live, bytes));
  if (space != nestor_format_Space_ARENA && !isRows) {
    bool isInput = space == nestor_format_Space_MODEL_INPUT;
    if (!isInput && space != nestor_format_Space_MODEL_OUTPUT)
      return error(StatusCode::corrupt, "space %u is not allowed", space);
    pb_size_t count = isInput ? manifest_.inputs_count : manifest_.outputs_count;
    if (live.index >= count)
      return error(StatusCode::corrupt, "index: there are %u %s", count,
                   isInput ? "inputs" : "outputs");
    NESTOR_RETURN_IF_ERROR(
        tensor_bytes((isInput ? manifest_.inputs : manifest_.outputs)[live.index], room));
    if (live.offset != 0 || bytes != room)
      return error(StatusCode::corrupt, "%llu bytes at %llu are not the whole tensor of %llu",
                   ull(bytes), ull(live.offset), ull(room));
    return Status();
  }
  uint64_t align = isRows ? size_of(static_cast<DType>(raw(live.dtype))) : format::kBufferAlignment;
  if (live.index != 0 || live.offset % align != 0 || !fits(live.offset, bytes, room))
    return error(StatusCode::corrupt, "%llu bytes at %llu are not allowed in an arena of %llu",
                 ull(bytes), ull(live.offset), ull(room));
  return Status();
}

/// Replaces the bytes of a tensor by those that its rows reach over.
Status BlockChecker::spread_rows(const nestor_format_LiveTensor &live, uint64_t &bytes) const {
  const uint64_t size = size_of(static_cast<DType>(raw(live.dtype))), row = row_bytes(live);
  uint64_t spread = 0;
  if (bytes == 0 || live.dims_count == 0 || live.pitch < row || live.pitch % size != 0 ||
      !checked_mul(bytes / row - 1, live.pitch, spread) || !checked_add(spread, row, bytes))
    return error(StatusCode::corrupt, "pitch: rows of %llu bytes cannot be %llu apart", ull(row),
                 ull(live.pitch));
  return Status();
}

/// Whether the weights that a step reads belong to its block, or to several.
/// What else may be wrong with the step, plans find out.
Status BlockChecker::check_step(const nestor_format_Step &step, uint32_t block) const {
  if (step.kernel >= manifest_.kernels_count)
    return Status();
  const nestor_format_Kernel &kernel = manifest_.kernels[step.kernel];
  if (step.args_count != kernel.args_count || step.params_count != kernel.params_count)
    return Status();
  for (pb_size_t i = 0; i < step.args_count; ++i) {
    const nestor_format_StepArg &arg = step.args[i];
    int64_t extent = 0;
    if (raw(arg.space) != nestor_format_Space_WEIGHT_SHELL ||
        !evaluate(kernel.args[i].bytes, step.params, extent) || extent <= 0)
      continue;
    auto isIn = [&](const nestor_format_BlockWeights *range) {
      return range && arg.offset >= range->offset &&
             fits(arg.offset - range->offset, static_cast<uint64_t>(extent), range->size);
    };
    if (!isIn(find_block_weights(manifest_, block, arg.index)) &&
        !isIn(find_block_weights(manifest_, blocks_, arg.index)))
      return error(StatusCode::corrupt,
                   "args[%u]: %llu bytes at %llu of shell %u are not weights of block %u", i,
                   ull(static_cast<uint64_t>(extent)), ull(arg.offset), arg.index, block);
  }
  return Status();
}

} // namespace

Status check_blocks(const Manifest &manifest) { return BlockChecker(manifest).check(); }

} // namespace nestor::detail

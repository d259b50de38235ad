//===- Trim.cpp - A smaller artifact out of an artifact -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Trim.h"

#include "compiler/package/FileLayout.h"
#include "runtime/format/header.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

#include <cstring>
#include <map>
#include <vector>

using namespace llvm;

namespace nestor::package {

/// What is trimmed has one precision: variants are artifacts of their own.
static void dropVariants(format::Manifest &manifest) {
  auto &sections = *manifest.mutable_sections();
  auto isVariant = [](const format::Section &section) {
    return section.kind() == format::VARIANT;
  };
  sections.erase(llvm::remove_if(sections, isVariant), sections.end());
}

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
  auto &ranges = *manifest.mutable_block_weights();
  auto isLarger = [&](const format::BlockWeights &range) { return range.shell() >= shells; };
  ranges.erase(llvm::remove_if(ranges, isLarger), ranges.end());
  auto &pairs = *manifest.mutable_mixed();
  auto isGone = [&](const format::MixedPair &pair) {
    return std::max(pair.head(), pair.tail()) >= count;
  };
  pairs.erase(llvm::remove_if(pairs, isGone), pairs.end());
}

namespace {

/// Leaves blocks out of a manifest and moves what is left of the shells
/// together.
class BlockTrimmer {
public:
  BlockTrimmer(format::Manifest &manifest, uint32_t first, uint32_t end)
      : manifest(manifest), first(first), end(end), blocks(manifest.cuts_size() - 1) {}

  void run() {
    dropGraph();
    moveWeights();
    for (format::Capacity &capacity : *manifest.mutable_capacities())
      trim(capacity);
    manifest.mutable_present()->set_first(first);
    manifest.mutable_present()->set_end(end);
  }

  /// What is left of a shell, as ranges of the old one in the order of the new.
  ArrayRef<std::pair<uint64_t, uint64_t>> rangesOf(uint32_t shell) { return kept[shell]; }

private:
  void dropGraph();
  void moveWeights();
  void trim(format::Capacity &capacity);
  void move(format::StepArg &arg) const;

  format::Manifest &manifest;
  uint32_t first, end, blocks;
  std::vector<format::BlockWeights> before; ///< The ranges that are kept, as they were.
  std::map<uint32_t, std::vector<std::pair<uint64_t, uint64_t>>> kept; ///< Offset and size.
};

void BlockTrimmer::dropGraph() {
  auto &sections = *manifest.mutable_sections();
  auto isGraph = [](const format::Section &section) { return section.kind() == format::GRAPH; };
  sections.erase(llvm::remove_if(sections, isGraph), sections.end());
}

void BlockTrimmer::moveWeights() {
  auto &ranges = *manifest.mutable_block_weights();
  auto isGone = [&](const format::BlockWeights &range) {
    return range.block() != blocks && (range.block() < first || range.block() >= end);
  };
  ranges.erase(llvm::remove_if(ranges, isGone), ranges.end());
  std::map<uint32_t, uint64_t> sizes;
  for (format::BlockWeights &range : ranges) {
    before.push_back(range);
    kept[range.shell()].push_back({range.offset(), range.size()});
    uint64_t &size = sizes[range.shell()];
    range.set_offset(alignTo(size, format::kBufferAlignment));
    size = range.offset() + range.size();
  }
  for (format::Section &section : *manifest.mutable_sections())
    if (section.kind() == format::WEIGHTS)
      section.set_size(sizes[section.index()]);
}

/// The argument lies in a range that is kept: the runtime has checked that.
void BlockTrimmer::move(format::StepArg &arg) const {
  for (auto [old, range] : zip_equal(before, manifest.block_weights()))
    if (old.shell() == arg.index() && arg.offset() >= old.offset() &&
        arg.offset() - old.offset() < old.size())
      return arg.set_offset(arg.offset() - old.offset() + range.offset());
}

void BlockTrimmer::trim(format::Capacity &capacity) {
  uint32_t from = 0, count = 0;
  for (auto [number, block] : llvm::enumerate(*capacity.mutable_blocks())) {
    if (number >= first && number < end) {
      count += block.steps();
      continue;
    }
    from += number < first ? block.steps() : 0;
    block.set_steps(0);
  }
  auto &steps = *capacity.mutable_steps();
  steps.DeleteSubrange(from + count, steps.size() - from - count);
  steps.DeleteSubrange(0, from);
  for (format::Step &step : steps)
    for (format::StepArg &arg : *step.mutable_args())
      if (arg.space() == format::WEIGHT_SHELL)
        move(arg);
}

} // namespace

Error trimArtifact(StringRef file, const TrimOptions &options, StringRef path) {
  format::FileHeader header;
  std::memcpy(&header, file.data(), sizeof(header));
  format::Manifest manifest;
  if (!manifest.ParseFromArray(file.data() + header.manifestOffset, int(header.manifestSize)))
    return createStringError("its manifest cannot be decoded");
  dropVariants(manifest);
  keepCapacities(manifest, options.capacities);
  std::optional<BlockTrimmer> trimmer;
  if (options.blocks) {
    trimmer.emplace(manifest, options.blocks->first, options.blocks->second);
    trimmer->run();
  }
  std::vector<uint64_t> sources;
  for (const format::Section &section : manifest.sections())
    sources.push_back(section.offset());

  uint64_t size = layOutSections(manifest);
  std::vector<uint8_t> contents(size);
  MutableArrayRef<uint8_t> out(contents);
  for (auto [section, source] : zip_equal(*manifest.mutable_sections(), sources)) {
    MutableArrayRef<uint8_t> bytes = out.slice(section.offset(), section.size());
    if (!trimmer || section.kind() != format::WEIGHTS) {
      llvm::copy(file.substr(source, section.size()), bytes.begin());
      continue;
    }
    uint64_t end = 0;
    for (auto [offset, length] : trimmer->rangesOf(section.index())) {
      end = alignTo(end, format::kBufferAlignment);
      llvm::copy(file.substr(source + offset, length), bytes.begin() + end);
      end += length;
    }
    section.set_hash(xxh3_64bits(bytes));
  }
  writeHead(manifest, out);
  return writeWhole(out, path);
}

} // namespace nestor::package

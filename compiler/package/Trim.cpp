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

using Bytes = std::vector<uint8_t>;

static Error error(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
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

static Expected<format::Manifest> readManifest(StringRef file) {
  format::FileHeader header;
  std::memcpy(&header, file.data(), sizeof(header));
  format::Manifest manifest;
  if (!manifest.ParseFromArray(file.data() + header.manifestOffset, int(header.manifestSize)))
    return error("its manifest cannot be decoded");
  return manifest;
}

namespace {

/// One artifact out of one artifact: a whole file, or a variant in it.
class Trimmer {
public:
  Trimmer(StringRef file, const TrimOptions &options) : file(file), options(options) {}
  Expected<Bytes> run();

private:
  Error trimVariants();
  Expected<Bytes> trimVariant(const format::Section &section, unsigned capacities) const;
  Bytes bytesOf(const format::Section &section, uint64_t source);

  StringRef file;
  const TrimOptions &options;
  format::Manifest manifest;
  std::optional<BlockTrimmer> blocks;
  std::map<std::string, Bytes> variants; ///< What is left of those that stay.
};

/// A head that computes on bytes must end where a tail of floats begins.
Expected<Bytes> Trimmer::trimVariant(const format::Section &section, unsigned capacities) const {
  StringRef artifact = file.substr(section.offset(), section.size());
  Expected<format::Manifest> own = readManifest(artifact);
  if (!own)
    return own.takeError();
  if (options.blocks && own->cuts_size() != manifest.cuts_size())
    return error("it is cut into " + Twine(own->cuts_size() - 1) + " blocks where f32 is cut into " +
                 Twine(manifest.cuts_size() - 1));
  TrimOptions same = options;
  same.capacities = capacities;
  same.variants.clear();
  return Trimmer(artifact, same).run();
}

Error Trimmer::trimVariants() {
  auto &sections = *manifest.mutable_sections();
  unsigned count = 0;
  for (int i = 0; i < sections.size();) {
    format::Section &section = sections[i];
    auto kept = options.variants.find(section.name());
    if (section.kind() != format::VARIANT) {
      ++i;
    } else if (kept == options.variants.end()) {
      sections.DeleteSubrange(i, 1);
    } else {
      Expected<Bytes> bytes = trimVariant(section, kept->second);
      if (!bytes)
        return error("its variant " + section.name() + ": " + toString(bytes.takeError()));
      variants[section.name()] = std::move(*bytes);
      section.set_index(count++);
      ++i;
    }
  }
  return Error::success();
}

/// What lies in `section`, which began at `source`.
Bytes Trimmer::bytesOf(const format::Section &section, uint64_t source) {
  if (section.kind() == format::VARIANT)
    return std::move(variants[section.name()]);
  if (!blocks || section.kind() != format::WEIGHTS) {
    StringRef bytes = file.substr(source, section.size());
    return Bytes(bytes.bytes_begin(), bytes.bytes_end());
  }
  Bytes bytes;
  for (auto [offset, length] : blocks->rangesOf(section.index())) {
    bytes.resize(alignTo(bytes.size(), format::kBufferAlignment));
    StringRef range = file.substr(source + offset, length);
    bytes.insert(bytes.end(), range.bytes_begin(), range.bytes_end());
  }
  return bytes;
}

Expected<Bytes> Trimmer::run() {
  Expected<format::Manifest> whole = readManifest(file);
  if (!whole)
    return whole.takeError();
  manifest = std::move(*whole);
  if (Error problem = trimVariants())
    return std::move(problem);
  keepCapacities(manifest, options.capacities);
  if (options.blocks) {
    blocks.emplace(manifest, options.blocks->first, options.blocks->second);
    blocks->run();
  }
  std::vector<Bytes> contents;
  for (format::Section &section : *manifest.mutable_sections()) {
    contents.push_back(bytesOf(section, section.offset()));
    section.set_size(contents.back().size());
    section.set_hash(xxh3_64bits(contents.back()));
  }
  Bytes out(layOutSections(manifest));
  for (auto [section, bytes] : zip_equal(manifest.sections(), contents))
    llvm::copy(bytes, out.begin() + section.offset());
  writeHead(manifest, out);
  return out;
}

} // namespace

Error trimArtifact(StringRef file, const TrimOptions &options, StringRef path) {
  Expected<Bytes> bytes = Trimmer(file, options).run();
  return bytes ? writeWhole(*bytes, path) : bytes.takeError();
}

} // namespace nestor::package

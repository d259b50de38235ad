//===- stream_division.cpp - Cutting a plan into pieces -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "stream_division.h"
#include "blocks.h"
#include "runtime/format/header.h"

#include <algorithm>

namespace nestor::detail {

/// Steps of more grains are not cut: a bound on what a hostile file can cost.
static constexpr int64_t kMaxGrains = 1 << 16;
/// Ranges this near each other are read at once.
static constexpr uint64_t kNear = 512;

static uint64_t align_down(uint64_t value) { return value & ~(format::kBufferAlignment - 1); }
/// Of sizes that lie in a file.
static uint64_t align_up(uint64_t value) { return align_down(value + format::kBufferAlignment - 1); }

namespace {

/// What a call, or a part of it, reads through one argument: bytes [from, to)
/// behind the argument's address.
struct Need {
  const WeightUse *use;
  const nestor_format_BlockWeights *entry; ///< Null where nothing is read.
  uint64_t from, to;
};

/// Bytes of a shell, in one entry.
struct Span {
  const nestor_format_BlockWeights *entry;
  uint64_t start, end;
};

class Divider {
public:
  Divider(const Model &model, BlockRange blocks, const Plan &plan, const PlanWeights &weights,
          uint64_t target)
      : manifest_(*model.manifest), blocks_(blocks), plan_(plan), weights_(weights),
        target_(target) {}

  Division run();

private:
  void add_block(uint32_t block);
  bool add_whole(uint32_t first, uint32_t end);
  void add_call(uint32_t index);
  void add_parts(uint32_t index);
  void close_piece();
  void add_piece(const std::vector<Span> &spans);

  /// Adds what the grains [begin, end) of a call need.
  void collect(uint32_t call, int64_t begin, int64_t end, std::vector<Need> &needs) const;
  const nestor_format_BlockWeights *entry_of(const WeightUse &use) const;
  std::vector<Span> spans_of(const std::vector<Need> &needs, bool wholeEntries) const;
  static uint64_t size_of(const std::vector<Span> &spans);
  bool can_be_cut(uint32_t call) const;

  const Manifest &manifest_;
  BlockRange blocks_;
  const Plan &plan_;
  const PlanWeights &weights_;
  uint64_t target_;
  Division division_;

  uint32_t block_ = 0;
  size_t use_ = 0; ///< The first one of the call at hand.
  // The piece that is being filled; its calls are the last ones of the division.
  std::vector<Need> needs_;
  uint32_t firstCall_ = 0;
  float ns_ = 0;
};

Division Divider::run() {
  std::vector<uint32_t> &starts = division_.stream.blockPieces;
  for (block_ = blocks_.first; block_ < blocks_.end; ++block_) {
    starts.push_back(static_cast<uint32_t>(division_.stream.pieces.size()));
    add_block(block_ - blocks_.first);
  }
  starts.push_back(static_cast<uint32_t>(division_.stream.pieces.size()));
  division_.calls.shrink_to_fit();
  division_.stream.pieces.shrink_to_fit();
  division_.stream.ranges.shrink_to_fit();
  division_.stream.patches.shrink_to_fit();
  starts.shrink_to_fit();
  return std::move(division_);
}

void Divider::add_block(uint32_t block) {
  uint32_t first = plan_.blockCalls[block], end = plan_.blockCalls[block + 1];
  if (first == end || add_whole(first, end))
    return;
  for (uint32_t call = first; call < end; ++call)
    add_call(call);
  close_piece();
}

/// The whole block as one piece, if it fits: then its hashes are those of what
/// is read.
bool Divider::add_whole(uint32_t first, uint32_t end) {
  size_t before = use_;
  std::vector<Need> needs;
  for (uint32_t call = first; call < end; ++call) {
    collect(call, 0, plan_.calls[call].grains, needs);
    while (use_ < weights_.uses.size() && weights_.uses[use_].call == call)
      ++use_;
  }
  std::vector<Span> spans = spans_of(needs, /*wholeEntries=*/true);
  if (size_of(spans) > target_) {
    use_ = before;
    return false;
  }
  needs_ = std::move(needs);
  for (uint32_t call = first; call < end; ++call) {
    division_.calls.push_back(plan_.calls[call]);
    ns_ += weights_.ns[call];
  }
  add_piece(spans);
  return true;
}

void Divider::add_call(uint32_t index) {
  std::vector<Need> alone, together = needs_;
  collect(index, 0, plan_.calls[index].grains, alone);
  bool fits = size_of(spans_of(alone, false)) <= target_;
  together.insert(together.end(), alone.begin(), alone.end());
  if (!fits || size_of(spans_of(together, false)) > target_)
    close_piece();
  if (!fits && can_be_cut(index)) {
    add_parts(index);
  } else {
    needs_.insert(needs_.end(), alone.begin(), alone.end());
    division_.calls.push_back(plan_.calls[index]);
    ns_ += weights_.ns[index];
  }
  while (use_ < weights_.uses.size() && weights_.uses[use_].call == index)
    ++use_;
}

/// Parts of whole tiles, each as large as fits.
void Divider::add_parts(uint32_t index) {
  const Call &call = plan_.calls[index];
  const int64_t tile = weights_.tiles[index];
  for (int64_t begin = 0; begin < call.grains;) {
    int64_t end = std::min(begin + tile, call.grains);
    auto fits = [&](int64_t to) {
      std::vector<Need> needs;
      collect(index, begin, to, needs);
      return size_of(spans_of(needs, false)) <= target_;
    };
    while (end < call.grains && fits(std::min(end + tile, call.grains)))
      end = std::min(end + tile, call.grains);
    collect(index, begin, end, needs_);
    Call part = call;
    part.firstGrain = begin;
    part.grains = end - begin;
    part.parts = static_cast<uint32_t>(std::min<int64_t>(part.parts, part.grains));
    division_.calls.push_back(part);
    ns_ = weights_.ns[index] * static_cast<float>(end - begin) / static_cast<float>(call.grains);
    close_piece();
    begin = end;
  }
}

bool Divider::can_be_cut(uint32_t call) const {
  bool shared = false;
  for (size_t i = use_; i < weights_.uses.size() && weights_.uses[i].call == call; ++i)
    shared |= weights_.uses[i].firstRun != weights_.uses[i].endRun;
  int64_t grains = plan_.calls[call].grains, tile = weights_.tiles[call];
  return shared && tile != 0 && grains > tile && grains <= kMaxGrains;
}

const nestor_format_BlockWeights *Divider::entry_of(const WeightUse &use) const {
  if (use.bytes == 0)
    return nullptr;
  const nestor_format_BlockWeights *own = find_block_weights(manifest_, block_, use.shell);
  // The manifest was checked: a use lies in one of the two.
  return own && use.offset >= own->offset && use.offset < own->offset + own->size
             ? own
             : find_block_weights(manifest_, block_count(manifest_), use.shell);
}

void Divider::collect(uint32_t call, int64_t begin, int64_t end,
                      std::vector<Need> &needs) const {
  for (size_t i = use_; i < weights_.uses.size() && weights_.uses[i].call <= call; ++i) {
    const WeightUse &use = weights_.uses[i];
    if (use.call != call)
      continue;
    Need need = {&use, entry_of(use), 0, use.bytes};
    if (use.firstRun != use.endRun) {
      auto bytes_before = [&](int64_t grain) {
        uint64_t bytes = 0;
        for (uint32_t r = use.firstRun; r < use.endRun && grain > 0; ++r) {
          bytes += weights_.runs[r].bytes *
                   static_cast<uint64_t>(std::min(grain, weights_.runs[r].grains));
          grain -= weights_.runs[r].grains;
        }
        return bytes;
      };
      need.from = bytes_before(begin);
      need.to = bytes_before(end);
    }
    if (need.from == need.to)
      need.entry = nullptr;
    needs.push_back(need);
  }
}

/// The ranges that cover `needs`, ascending in each entry.
std::vector<Span> Divider::spans_of(const std::vector<Need> &needs, bool wholeEntries) const {
  std::vector<Span> spans;
  for (const Need &need : needs) {
    if (!need.entry)
      continue;
    if (wholeEntries && need.entry->block == block_)
      spans.push_back({need.entry, need.entry->offset, need.entry->offset + need.entry->size});
    else
      spans.push_back({need.entry, align_down(need.use->offset + need.from),
                       need.use->offset + need.to});
  }
  std::sort(spans.begin(), spans.end(), [](const Span &a, const Span &b) {
    return a.entry != b.entry ? a.entry < b.entry : a.start < b.start;
  });
  size_t count = 0;
  for (const Span &span : spans) {
    Span *last = count ? &spans[count - 1] : nullptr;
    if (last && last->entry == span.entry && span.start <= last->end + kNear)
      last->end = std::max(last->end, span.end);
    else
      spans[count++] = span;
  }
  spans.resize(count);
  return spans;
}

uint64_t Divider::size_of(const std::vector<Span> &spans) {
  uint64_t bytes = 0;
  for (const Span &span : spans)
    bytes += align_up(span.end - span.start);
  return bytes;
}

void Divider::close_piece() {
  if (firstCall_ != division_.calls.size())
    add_piece(spans_of(needs_, false));
}

void Divider::add_piece(const std::vector<Span> &spans) {
  StreamPlan &stream = division_.stream;
  Piece piece = {};
  piece.firstCall = firstCall_;
  piece.endCall = firstCall_ = static_cast<uint32_t>(division_.calls.size());
  piece.firstRange = static_cast<uint32_t>(stream.ranges.size());
  piece.firstPatch = static_cast<uint32_t>(stream.patches.size());
  piece.computeNs = ns_;
  piece.after = kNoPiece;
  for (const Span &span : spans) {
    const nestor_format_Section *shell =
        find_section(manifest_, nestor_format_SectionKind_WEIGHTS, span.entry->shell);
    uint64_t bytes = span.end - span.start;
    stream.ranges.push_back({shell->offset + span.start, bytes, piece.bytes,
                             static_cast<uint32_t>(span.entry - manifest_.block_weights),
                             span.start == span.entry->offset && bytes == span.entry->size});
    piece.bytes += align_up(bytes);
  }
  for (const Need &need : needs_) {
    // Through an argument that reads nothing any address will do.
    WeightPatch patch = {need.use->arg, 0};
    for (size_t i = 0; i < spans.size() && need.entry; ++i)
      if (spans[i].entry == need.entry && need.use->offset + need.from >= spans[i].start &&
          need.use->offset + need.to <= spans[i].end)
        patch.place = stream.ranges[piece.firstRange + i].place + need.use->offset - spans[i].start;
    stream.patches.push_back(patch);
  }
  piece.endRange = static_cast<uint32_t>(stream.ranges.size());
  piece.endPatch = static_cast<uint32_t>(stream.patches.size());
  division_.largest = std::max(division_.largest, piece.bytes);
  stream.pieces.push_back(piece);
  needs_.clear();
  ns_ = 0;
}

} // namespace

Division divide(const Model &model, BlockRange blocks, const Plan &plan,
                const PlanWeights &weights, uint64_t target) {
  return Divider(model, blocks, plan, weights, target).run();
}

} // namespace nestor::detail

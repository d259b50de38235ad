//===- stream_plan.cpp - Running within a memory budget -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "stream_plan.h"
#include "blocks.h"
#include "checked.h"
#include "error.h"
#include "runtime/format/header.h"
#include "stream_division.h"

#include <algorithm>

namespace nestor::detail {

/// Reading a file that the system has in memory, with another core: bytes a
/// nanosecond, and what a piece costs besides.
static constexpr float kReadBytesPerNs = 5, kPieceNs = 5000;
/// Pieces are pinned in about so many rounds.
static constexpr size_t kPinRounds = 32;
/// Smaller pieces are not worth their hand-over.
static constexpr uint64_t kSmallPiece = 64 << 10;
/// What the objects of a session and the heap's own bookkeeping take beside the
/// arrays that are counted.
static constexpr uint64_t kFixedHeapBytes = 16 << 10;

static unsigned long long ull(uint64_t value) { return value; }
static uint64_t align_up(uint64_t value) {
  return (value + format::kBufferAlignment - 1) & ~(format::kBufferAlignment - 1);
}

uint64_t StreamPlan::heap_bytes() const {
  return pieces.size() * sizeof(Piece) + ranges.size() * sizeof(StreamRange) +
         patches.size() * sizeof(WeightPatch) + blockPieces.size() * sizeof(uint32_t) +
         pieces.size(); // Streamer: which are in memory.
}

Status budget_too_small(const Model &model, uint32_t capacity, uint64_t minimum, uint64_t budget) {
  return error(StatusCode::invalid_argument,
               "session: a memory budget of %llu bytes is too small: capacity %g needs at least "
               "%llu", ull(budget), static_cast<double>(model.capacities[capacity].capacity),
               ull(minimum));
}

namespace {

/// How pieces share `room` bytes: some are pinned at its start, the others take
/// turns in a ring behind them.
class Schedule {
public:
  Schedule(StreamPlan &stream, uint64_t room, uint64_t ring)
      : stream_(stream), room_(room), ring_(ring), stalls_(stream.pieces.size()),
        ends_(stream.pieces.size()) {}

  /// Pins what saves most waiting a byte as long as there is room. Returns the
  /// time of a run.
  float make();
  float stall() const { return stall_; }
  uint64_t pinned() const { return pinned_; }
  /// Bytes of room that are used.
  uint64_t used() const { return pinned_ + used_; }

private:
  void place_ring();
  void simulate();
  bool pin_some();

  StreamPlan &stream_;
  uint64_t room_, ring_, used_ = 0, pinned_ = 0;
  std::vector<float> stalls_, ends_; ///< By piece.
  float time_ = 0, stall_ = 0;
};

/// Pieces lie one behind the other and begin again at the start of the ring. A
/// place is free once every piece that had some of it has run.
void Schedule::place_ring() {
  uint64_t at = 0;
  used_ = 0;
  std::vector<Piece> &pieces = stream_.pieces;
  for (uint32_t i = 0; i < pieces.size(); ++i) {
    Piece &piece = pieces[i];
    if (piece.pinned || piece.bytes == 0)
      continue;
    if (at + piece.bytes > ring_)
      at = 0;
    piece.place = at;
    at += piece.bytes;
    used_ = std::max(used_, at);
    piece.after = kNoPiece;
    for (uint32_t j = i; j-- > 0 && piece.after == kNoPiece;)
      if (!pieces[j].pinned && pieces[j].place < at &&
          pieces[j].place + pieces[j].bytes > piece.place && pieces[j].bytes != 0)
        piece.after = j;
  }
}

void Schedule::simulate() {
  float loaded = 0, ran = 0;
  stall_ = 0;
  for (size_t i = 0; i < stream_.pieces.size(); ++i) {
    const Piece &piece = stream_.pieces[i];
    stalls_[i] = 0;
    if (!piece.pinned && piece.bytes != 0) {
      if (piece.after != kNoPiece)
        loaded = std::max(loaded, ends_[piece.after]);
      loaded += static_cast<float>(piece.bytes) / kReadBytesPerNs + kPieceNs;
      stalls_[i] = std::max(loaded - ran, 0.0f);
      stall_ += stalls_[i];
      ran = std::max(ran, loaded);
    }
    ran += piece.computeNs;
    ends_[i] = ran;
  }
  time_ = ran;
}

/// Pins the pieces that save most waiting a byte; a few at a time, since pinning
/// changes who waits. Where nothing waits, large ones: reading less leaves memory
/// bandwidth to others. False if there is no room for any.
bool Schedule::pin_some() {
  std::vector<std::pair<float, uint32_t>> order;
  for (uint32_t i = 0; i < stream_.pieces.size(); ++i) {
    const Piece &piece = stream_.pieces[i];
    if (piece.pinned || piece.bytes == 0 || piece.bytes > room_ - ring_ - pinned_)
      continue;
    float bytes = static_cast<float>(piece.bytes);
    order.emplace_back(stall_ > 0 ? -stalls_[i] / bytes : -bytes, i);
  }
  std::sort(order.begin(), order.end());
  size_t left = stream_.pieces.size() / kPinRounds + 1;
  for (auto [value, index] : order) {
    Piece &piece = stream_.pieces[index];
    if (left == 0 || piece.bytes > room_ - ring_ - pinned_)
      continue;
    piece.pinned = true;
    piece.place = pinned_;
    piece.after = kNoPiece;
    pinned_ += piece.bytes;
    --left;
  }
  return !order.empty();
}

float Schedule::make() {
  do
    place_ring();
  while (simulate(), pin_some());
  for (Piece &piece : stream_.pieces)
    piece.place += piece.pinned ? 0 : pinned_;
  return time_;
}

/// One capacity on its way to a streamed plan.
struct Draft {
  Plan plan;
  PlanWeights weights;
  uint64_t arena = 0;   ///< Where it ends: the weights begin there.
  uint64_t smallest = 0;    ///< What the plan is cut to for the smallest budget.
  uint64_t heap = 0;        ///< At most, of plan and stream.
};

class StreamPlanner {
public:
  StreamPlanner(const StreamSetup &setup, std::vector<uint32_t> &alignment)
      : setup_(setup), alignment_(alignment) {}

  Status draft();
  /// Of one capacity; drafts are there.
  Result<uint64_t> minimum(uint32_t capacity) const;
  Status fit(uint64_t budget, uint32_t capacity);
  StreamSet take() { return std::move(set_); }

private:
  Status draft(uint32_t capacity);
  void find_smallest(Draft &draft) const;
  void fit_capacity(uint32_t capacity, uint64_t end);
  void scale_to_latency(Draft &draft, float us) const;

  const StreamSetup &setup_;
  std::vector<uint32_t> &alignment_;
  std::vector<Draft> drafts_;
  uint64_t heap_ = kFixedHeapBytes;
  StreamSet set_;
};

Status StreamPlanner::draft() {
  const Manifest &manifest = *setup_.model.manifest;
  if (block_count(manifest) == 0 || manifest.block_weights_count == 0)
    return error(StatusCode::invalid_argument, "session: a memory budget needs a file with blocks; "
                 "compile the model again");
  heap_ += manifest.block_weights_count; // Streamer: which were checked.
  for (uint32_t i = 0; i < setup_.model.capacities.size(); ++i) {
    NESTOR_RETURN_IF_ERROR(draft(i));
    heap_ += drafts_.back().heap;
  }
  return Status();
}

Status StreamPlanner::draft(uint32_t capacity) {
  Draft &draft = drafts_.emplace_back();
  PlanContext context = {nullptr, setup_.threads, setup_.shareAboveNs, &alignment_, setup_.blocks,
                         &draft.weights};
  Result<Plan> plan = make_plan(setup_.model, capacity, context);
  if (!plan.ok())
    return plan.status();
  draft.plan = std::move(plan).value();
  draft.plan.shrink();
  const CapacityInfo &info = setup_.model.capacities[capacity];
  if (!checked_add(setup_.tensors, info.arena_bytes, draft.arena) ||
      !checked_align(draft.arena, format::kBufferAlignment, draft.arena))
    return error(StatusCode::invalid_argument, "session: an arena of %llu bytes fits no budget",
                 ull(info.arena_bytes));
  if (info.latency_us > 0)
    scale_to_latency(draft, info.latency_us);
  find_smallest(draft);
  return Status();
}

/// Pieces as small as can be take little room for weights and much to keep
/// account of them, so the least of both together.
void StreamPlanner::find_smallest(Draft &draft) const {
  auto cut = [&](uint64_t target) {
    return divide(setup_.model, setup_.blocks, draft.plan, draft.weights, target);
  };
  const uint64_t fixed = draft.plan.heap_bytes() - draft.plan.calls.size() * sizeof(Call);
  uint64_t target = cut(0).largest, least = UINT64_MAX;
  do {
    Division division = cut(target);
    uint64_t heap =
        fixed + division.calls.size() * sizeof(Call) + division.stream.heap_bytes();
    if (target + heap < least) {
      least = target + heap;
      draft.smallest = target;
      draft.heap = heap;
    }
    target = align_up(target + target / 2 + 1);
  } while (target < least);
}

/// The stored latency is that of one thread and of all blocks.
void StreamPlanner::scale_to_latency(Draft &draft, float us) const {
  float sum = 0;
  for (float ns : draft.weights.ns)
    sum += ns;
  bool whole = setup_.blocks.first == 0 && setup_.blocks.end == block_count(*setup_.model.manifest);
  if (!whole || sum <= 0)
    return;
  for (float &ns : draft.weights.ns)
    ns *= us * 1000 / sum / static_cast<float>(setup_.threads);
}

Result<uint64_t> StreamPlanner::minimum(uint32_t capacity) const {
  const Draft &draft = drafts_[capacity];
  uint64_t bytes = 0;
  if (!checked_add(draft.arena, draft.smallest, bytes) ||
      !checked_align(bytes + 1, page_size(), bytes) || !checked_add(bytes, heap_, bytes))
    return error(StatusCode::invalid_argument, "session: capacity %g fits no budget",
                 static_cast<double>(setup_.model.capacities[capacity].capacity));
  return bytes;
}

Status StreamPlanner::fit(uint64_t budget, uint32_t capacity) {
  Result<uint64_t> needed = minimum(capacity);
  if (!needed.ok())
    return needed.status();
  if (budget < needed.value())
    return budget_too_small(setup_.model, capacity, needed.value(), budget);
  uint64_t end = (budget - heap_) / page_size() * page_size();
  for (uint32_t i = 0; i < drafts_.size(); ++i) {
    Result<uint64_t> least = minimum(i);
    set_.streams.emplace_back();
    if (least.ok() && least.value() <= budget)
      fit_capacity(i, end);
    set_.streams.back().minimum = least.ok() ? least.value() : UINT64_MAX;
    set_.plans.push_back(std::move(drafts_[i].plan));
  }
  for (StreamPlan &stream : set_.streams)
    if (stream.fits)
      stream.prediction.peak_bytes = set_.bytes + heap_;
  set_.heapBytes = heap_;
  return Status();
}

/// The fastest of several ways to use `room` bytes for the weights of a capacity.
class RoomPlanner {
public:
  RoomPlanner(const StreamSetup &setup, const Draft &draft, uint64_t room)
      : setup_(setup), draft_(draft), room_(room / format::kBufferAlignment *
                                            format::kBufferAlignment) {}

  void run();
  Division take() { return std::move(best_); }
  uint64_t used() const { return used_; }

private:
  void consider(uint64_t ring, uint64_t target);

  const StreamSetup &setup_;
  const Draft &draft_;
  uint64_t room_, used_ = 0;
  bool found_ = false;
  float time_ = 0;
  Division best_;
};

/// Everything pinned if it fits; otherwise rings of several sizes, and pieces
/// that fit them several times over: more room for the ring reads further ahead,
/// more pinned pieces read less.
void RoomPlanner::run() {
  consider(0, room_);
  if (found_)
    return;
  for (uint64_t ring = std::max(draft_.smallest, align_up(room_ / 16));;
       ring = align_up(ring + ring / 2)) {
    ring = std::min(ring, room_);
    for (uint64_t parts : {1, 2, 3, 4, 8})
      consider(ring, std::max({align_up(ring / parts), draft_.smallest,
                               std::min(ring, kSmallPiece)}));
    if (ring == room_)
      return;
  }
}

void RoomPlanner::consider(uint64_t ring, uint64_t target) {
  Division division =
      divide(setup_.model, setup_.blocks, draft_.plan, draft_.weights, target);
  uint64_t total = 0;
  for (const Piece &piece : division.stream.pieces)
    total += piece.bytes;
  if (ring == 0 ? total > room_ : division.largest > ring)
    return;
  Schedule schedule(division.stream, room_, ring);
  float time = schedule.make();
  if (found_ && time >= time_)
    return;
  found_ = true;
  time_ = time;
  used_ = schedule.used();
  StreamPrediction &prediction = division.stream.prediction;
  prediction.pinned_bytes = schedule.pinned();
  prediction.streamed_bytes = total - schedule.pinned();
  prediction.buffer_bytes = schedule.used() - schedule.pinned();
  for (const Piece &piece : division.stream.pieces)
    prediction.reads += !piece.pinned && piece.bytes != 0;
  prediction.us = static_cast<double>(time) / 1e3;
  prediction.stall_us = static_cast<double>(schedule.stall()) / 1e3;
  best_ = std::move(division);
}

void StreamPlanner::fit_capacity(uint32_t capacity, uint64_t end) {
  Draft &draft = drafts_[capacity];
  RoomPlanner planner(setup_, draft, end - draft.arena);
  planner.run();
  Division chosen = planner.take();
  for (Piece &piece : chosen.stream.pieces)
    piece.place += draft.arena;
  chosen.stream.fits = true;
  draft.plan.calls = std::move(chosen.calls);
  uint64_t bytes = (draft.arena + planner.used() + page_size()) / page_size() * page_size();
  set_.bytes = std::max(set_.bytes, std::min(bytes, end));
  set_.streams.back() = std::move(chosen.stream);
}

} // namespace

Result<StreamSet> plan_streams(const StreamSetup &setup, uint64_t budget, uint32_t capacity,
                               std::vector<uint32_t> &alignment) {
  StreamPlanner planner(setup, alignment);
  NESTOR_RETURN_IF_ERROR(planner.draft());
  NESTOR_RETURN_IF_ERROR(planner.fit(budget, capacity));
  return planner.take();
}

Result<uint64_t> minimum_budget(const StreamSetup &setup, uint32_t capacity) {
  std::vector<uint32_t> alignment(setup.model.inputs.size() + setup.model.outputs.size() + 1, 1);
  StreamPlanner planner(setup, alignment);
  NESTOR_RETURN_IF_ERROR(planner.draft());
  return planner.minimum(capacity);
}

} // namespace nestor::detail

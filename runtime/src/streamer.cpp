//===- streamer.cpp - Weights on their way from the file ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "streamer.h"
#include "clock.h"
#include "error.h"
#include "hash.h"
#include "relax.h"

#include <algorithm>
#include <cstring>
#include <sched.h>

namespace nestor::detail {

/// How long a side looks at the other's counter before it sleeps.
static constexpr uint64_t kSpinNs = 100'000;
/// Looks before it offers its CPU to others: there may be just one.
static constexpr unsigned kSpinsBeforeYield = 200;

/// Its stack holds what `hash_file` reads; the rest of a default one would count
/// against limits on address space.
static constexpr size_t kStackBytes = 256 << 10;

Streamer::Streamer(const Model &model, uint8_t *memory, StreamSet &&set)
    : model_(model), memory_(memory), streams_(std::move(set.streams)),
      heapBytes_(set.heapBytes), verifyAlways_(model.options.verify() == Verify::all),
      checked_(model.manifest->block_weights_count) {
  size_t pieces = 0;
  for (const StreamPlan &stream : streams_)
    pieces = std::max(pieces, stream.pieces.size());
  resident_.assign(pieces, 0);
}

Status Streamer::start() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  (void)pthread_attr_setstacksize(&attributes, kStackBytes); // Only saves memory.
  int code = pthread_create(&thread_, &attributes, work, this);
  pthread_attr_destroy(&attributes);
  if (code)
    return error(StatusCode::out_of_memory, "cannot start the thread that reads weights: %s",
                 std::strerror(code));
  started_ = true;
  return Status();
}

Streamer::~Streamer() {
  stopping_.store(true);
  cancelled_.store(true);
  wake();
  if (started_)
    pthread_join(thread_, nullptr);
  pthread_cond_destroy(&changed_);
  pthread_mutex_destroy(&mutex_);
}

Status Streamer::check_fits(uint32_t capacity) const {
  if (streams_[capacity].fits)
    return Status();
  return error(StatusCode::invalid_argument,
               "capacity %g needs a memory budget of at least %llu bytes",
               static_cast<double>(model_.capacities[capacity].capacity),
               static_cast<unsigned long long>(streams_[capacity].minimum));
}

//===----------------------------------------------------------------------===//
// Waiting
//===----------------------------------------------------------------------===//

/// Sequentially consistent, as is `wake`: either the side that is about to sleep
/// sees what it waits for, or the other side sees it counted here.
template <typename Ready> void Streamer::wait_until(const Ready &ready) {
  if (ready())
    return;
  uint64_t start = now_ns();
  for (unsigned spins = 1; !ready(); ++spins) {
    relax();
    if (spins % kSpinsBeforeYield != 0)
      continue;
    sched_yield();
    if (now_ns() - start < kSpinNs)
      continue;
    pthread_mutex_lock(&mutex_);
    sleeping_.fetch_add(1);
    while (!ready())
      pthread_cond_wait(&changed_, &mutex_);
    sleeping_.fetch_sub(1);
    pthread_mutex_unlock(&mutex_);
  }
}

void Streamer::wake() {
  if (sleeping_.load() == 0)
    return;
  pthread_mutex_lock(&mutex_);
  pthread_cond_broadcast(&changed_);
  pthread_mutex_unlock(&mutex_);
}

//===----------------------------------------------------------------------===//
// The side that runs
//===----------------------------------------------------------------------===//

void Streamer::begin(uint32_t capacity, uint32_t first, uint32_t end) {
  capacity_ = capacity;
  first_ = first;
  end_ = end;
  // The arena of another capacity may lie where pinned pieces were.
  if (residentOf_ != capacity) {
    std::fill(resident_.begin(), resident_.end(), 0);
    residentOf_ = capacity;
  }
  status_ = runStatus_ = Status();
  taken_.store(first);
  loaded_.store(first);
  ran_.store(first);
  failed_.store(false);
  cancelled_.store(false);
  turn_.fetch_add(1);
  wake();
}

bool Streamer::fetch(uint32_t piece) {
  if (take(piece)) {
    runStatus_ = read_piece(piece);
    return runStatus_.ok();
  }
  wait_until([&] { return loaded_.load() > piece || failed_.load(); });
  return loaded_.load() > piece;
}

void Streamer::done(uint32_t piece) {
  ran_.store(piece + 1);
  wake();
}

Status Streamer::finish() {
  cancelled_.store(true);
  wake();
  wait_until([&] { return turn_.load() % 2 == 0; });
  return std::move(runStatus_.ok() ? status_ : runStatus_);
}

StreamRun::StreamRun(Streamer &streamer, Plan &plan, uint32_t capacity, uint32_t first,
                     uint32_t end)
    : streamer_(streamer), plan_(plan), stream_(streamer.stream(capacity)),
      at_(stream_.blockPieces[first]), end_(stream_.blockPieces[end]) {
  streamer.begin(capacity, at_, end_);
}

const Piece *StreamRun::next() {
  if (running_)
    streamer_.done(at_ - 1);
  running_ = false;
  if (at_ == end_ || !streamer_.fetch(at_))
    return nullptr;
  const Piece &piece = stream_.pieces[at_++];
  const uintptr_t start = reinterpret_cast<uintptr_t>(streamer_.memory()) + piece.place;
  for (uint32_t i = piece.firstPatch; i < piece.endPatch; ++i)
    plan_.args[stream_.patches[i].arg] = reinterpret_cast<void *>(start + stream_.patches[i].place);
  running_ = true;
  return &piece;
}

//===----------------------------------------------------------------------===//
// The side that reads
//===----------------------------------------------------------------------===//

void *Streamer::work(void *streamer) {
  static_cast<Streamer *>(streamer)->work();
  return nullptr;
}

void Streamer::work() {
  for (;;) {
    wait_until([&] { return turn_.load() % 2 != 0 || stopping_.load(); });
    if (stopping_.load())
      return;
    read_pieces();
    turn_.fetch_add(1);
    wake();
  }
}

/// Whether what was where the piece goes has run.
bool Streamer::is_free(const Piece &piece) const {
  return piece.after == kNoPiece || piece.after < first_ || ran_.load() > piece.after;
}

void Streamer::read_pieces() {
  const StreamPlan &stream = streams_[capacity_];
  for (uint32_t i = taken_.load(); i < end_; i = taken_.load()) {
    const Piece &piece = stream.pieces[i];
    wait_until([&] { return is_free(piece) || taken_.load() != i || cancelled_.load(); });
    if (cancelled_.load())
      return;
    if (!take(i))
      continue; // The run has.
    if (Status status = read_piece(i); !status.ok()) {
      status_ = std::move(status);
      failed_.store(true);
      wake();
      return;
    }
    loaded_.store(i + 1);
    wake();
  }
}

/// The run comes here only for a piece whose place is free, since it has run all
/// those before it.
Status Streamer::read_piece(uint32_t index) {
  const Piece &piece = streams_[capacity_].pieces[index];
  if (piece.bytes == 0 || resident_[index])
    return Status();
  std::vector<StreamRange> &ranges = streams_[capacity_].ranges;
  for (uint32_t i = piece.firstRange; i < piece.endRange; ++i)
    NESTOR_RETURN_IF_ERROR(
        read_range(ranges[i], memory_ + piece.place + ranges[i].place));
  resident_[index] = piece.pinned;
  return Status();
}

/// Weights are checked when they are read for the first time, and with
/// Verify::all always. The hash of a part of an entry is not in the file: there
/// the whole entry is checked first.
Status Streamer::read_range(StreamRange &range, uint8_t *target) {
  if (!range.whole && (!checked_[range.entry] || verifyAlways_))
    NESTOR_RETURN_IF_ERROR(check_entry(range.entry));
  NESTOR_RETURN_IF_ERROR(model_.file.read(range.offset, range.bytes, target));
  if (range.whole && (!checked_[range.entry] || verifyAlways_) &&
      hash(target, range.bytes) != model_.manifest->block_weights[range.entry].hash)
    return damaged(range.entry);
  checked_[range.entry] = 1;
  return Status();
}

Status Streamer::check_entry(uint32_t index) {
  const nestor_format_BlockWeights &entry = model_.manifest->block_weights[index];
  uint64_t at = find_section(*model_.manifest, nestor_format_SectionKind_WEIGHTS, entry.shell)
                    ->offset + entry.offset;
  uint64_t hash = 0;
  NESTOR_RETURN_IF_ERROR(hash_file(model_.file, at, entry.size, hash));
  if (hash != entry.hash)
    return damaged(index);
  return Status();
}

Status Streamer::damaged(uint32_t index) const {
  const nestor_format_BlockWeights &entry = model_.manifest->block_weights[index];
  return error(StatusCode::data_loss, "the weights of block %u in shell %u are damaged",
               entry.block, entry.shell + 1);
}

} // namespace nestor::detail

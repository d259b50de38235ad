//===- upgrade.cpp - Larger capacities in the background ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "upgrade.h"
#include "error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace nestor::detail {

/// How much is read before looking whether the upgrade is still wanted: about a
/// millisecond's worth of a fast disk.
static constexpr uint64_t kChunk = 1 << 20;

/// Reads one byte of every page, where the system cannot do it for us.
static void touch(const uint8_t *start, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes; at += page_size())
    (void)*static_cast<const volatile uint8_t *>(start + at);
}

/// Brings pages of a mapping in. False when they are not there any more.
static bool bring_in(const Mapping &file, const PageSpan &pages) {
#ifdef MADV_POPULATE_READ
  // Unlike touching, this is an error and no signal where the file has ended.
  if (madvise(pages.start, pages.bytes, MADV_POPULATE_READ) == 0)
    return true;
  if (errno != EINVAL)
    return false;
#endif
  if (!file.check().ok())
    return false;
  touch(static_cast<const uint8_t *>(pages.start), pages.bytes);
  return file.check_guard().ok();
}

Upgrade::~Upgrade() {
  stop();
  pthread_mutex_destroy(&mutex_);
}

void Upgrade::stop() {
  if (!started_)
    return;
  stopping_.store(true);
  pthread_join(thread_, nullptr);
  started_ = false;
}

/// Takes the place of the upgrade before.
void Upgrade::begin(uint32_t capacity) {
  stop();
  stopping_.store(false);
  capacity_ = capacity;
  ticket_ = selection_.ticket();
  total_ = 0;
  done_.store(0);
}

void Upgrade::select(uint32_t capacity) {
  pthread_mutex_lock(&mutex_);
  begin(capacity);
  selection_.set(capacity);
  state_.store(State::done);
  pthread_mutex_unlock(&mutex_);
}

Status Upgrade::start(uint32_t capacity, uint8_t *arena) {
  pthread_mutex_lock(&mutex_);
  begin(capacity);
  arena_ = arena;
  for (uint32_t i = 0; i <= capacity; ++i)
    total_ += model_.capacities[i].delta_bytes;
  state_.store(State::running);
  // Until it is selected, so that nobody drops the pages that come in.
  model_.use.add(capacity);
  int code = pthread_create(&thread_, nullptr, work, this);
  started_ = code == 0;
  if (!started_) {
    model_.use.remove(capacity);
    state_.store(State::failed);
  }
  pthread_mutex_unlock(&mutex_);
  return code == 0 ? Status()
                   : error(StatusCode::out_of_memory, "cannot start a thread: %s",
                           std::strerror(code));
}

UpgradeProgress Upgrade::progress() const {
  UpgradeProgress progress;
  pthread_mutex_lock(&mutex_);
  progress.state = state_.load();
  if (progress.state != State::none)
    progress.capacity = model_.capacities[capacity_].capacity;
  progress.bytes_done = done_.load();
  progress.bytes_total = total_;
  pthread_mutex_unlock(&mutex_);
  return progress;
}

void *Upgrade::work(void *upgrade) {
  auto *self = static_cast<Upgrade *>(upgrade);
  State state = self->work();
  self->model_.use.remove(self->capacity_);
  self->state_.store(state);
  return nullptr;
}

UpgradeProgress::State Upgrade::work() {
  for (uint32_t i = 0; i < model_.manifest->capacities[capacity_].shells; ++i) {
    State state =
        read_shell(*find_section(*model_.manifest, nestor_format_SectionKind_WEIGHTS, i));
    if (state != State::running)
      return state;
  }
#ifdef MADV_POPULATE_WRITE
  // Activations too. It keeps what is in the pages, so that a run may go on; where
  // the system cannot do it, the first run at the capacity takes a little longer.
  PageSpan pages(arena_, model_.capacities[capacity_].arena_bytes);
  (void)madvise(pages.start, pages.bytes, MADV_POPULATE_WRITE);
#endif
  return selection_.set_if_still(ticket_, capacity_) ? State::done : State::cancelled;
}

UpgradeProgress::State Upgrade::read_shell(const nestor_format_Section &shell) {
  const uint8_t *start = model_.file.data() + shell.offset;
  if (model_.file.shares_file()) {
    PageSpan pages(start, shell.size);
    (void)madvise(pages.start, pages.bytes, MADV_WILLNEED);
  }
  for (uint64_t at = 0; at < shell.size; at += kChunk) {
    if (cancelled())
      return State::cancelled;
    uint64_t bytes = std::min(kChunk, shell.size - at);
    if (!bring_in(model_.file, PageSpan(start + at, bytes)))
      return State::failed;
    done_.fetch_add(bytes);
  }
  return State::running;
}

} // namespace nestor::detail

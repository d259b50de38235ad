//===- streamer.h - Weights on their way from the file -------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_STREAMER_H
#define NESTOR_SRC_STREAMER_H

#include "stream_plan.h"

#include <atomic>
#include <pthread.h>

namespace nestor::detail {

/// A thread that reads the weights of pieces ahead of the run, in their order,
/// as soon as the memory that they go to is free.
///
/// The run does not wait for a piece that nobody reads yet: it reads it itself,
/// while the thread goes on with the next one. So a thread that gets no CPU, on a
/// busy device or one with a single core, costs no more than the reading does.
///
/// Three counters go up during a run: pieces that someone has taken to read, that
/// the thread has read, and that have run. Either side waits for the other one by
/// spinning for a while, since waking a thread takes longer than many pieces, and
/// then sleeps.
class Streamer {
public:
  Streamer(const Model &model, uint8_t *memory, StreamSet &&set);
  Streamer(const Streamer &) = delete;
  Streamer &operator=(const Streamer &) = delete;
  ~Streamer();

  Status start();

  const StreamPlan &stream(uint32_t capacity) const { return streams_[capacity]; }
  uint8_t *memory() const { return memory_; }
  Status check_fits(uint32_t capacity) const;
  uint64_t heap_bytes() const { return heapBytes_; }
  StreamPrediction predicted(uint32_t capacity) const { return streams_[capacity].prediction; }

  // One run at a time, of one thread.
  /// Starts to read pieces [first, end).
  void begin(uint32_t capacity, uint32_t first, uint32_t end);
  /// Brings a piece in, the next one of the run, or waits until the thread has;
  /// false if it cannot be read.
  bool fetch(uint32_t piece);
  /// The piece has run; its memory may be used again.
  void done(uint32_t piece);
  /// Ends the run, early if need be; afterwards nothing is being read. Says why
  /// `fetch` failed.
  Status finish();

private:
  static void *work(void *streamer);
  void work();
  void read_pieces();
  bool is_free(const Piece &piece) const;
  /// Whether the caller is the one that reads the piece.
  bool take(uint32_t piece) { return taken_.compare_exchange_strong(piece, piece + 1); }
  Status read_piece(uint32_t index);
  Status read_range(StreamRange &range, uint8_t *target);
  Status check_entry(uint32_t entry);
  Status damaged(uint32_t entry) const;
  template <typename Ready> void wait_until(const Ready &ready);
  void wake();

  const Model &model_;
  uint8_t *memory_;
  std::vector<StreamPlan> streams_;
  uint64_t heapBytes_;
  bool verifyAlways_; ///< Weights are checked whenever they are read.

  /// Which entries of Manifest::block_weights were found whole. Pieces on both
  /// sides may be of one.
  std::vector<std::atomic<uint8_t>> checked_;
  // The capacity whose pinned pieces are in memory, and which are; of a piece only
  // who has taken it asks and tells.
  std::vector<uint8_t> resident_;
  uint32_t residentOf_ = UINT32_MAX;

  // The run at hand. Written by `begin` while nothing is read.
  uint32_t capacity_ = 0, first_ = 0, end_ = 0;
  Status status_;    ///< Written by the reading thread before `failed_`.
  Status runStatus_; ///< Of what the run itself has read.
  alignas(64) std::atomic<uint32_t> taken_{0};  ///< The next piece that nobody has taken.
  /// Pieces before this one are there, apart from what the run reads itself.
  alignas(64) std::atomic<uint32_t> loaded_{0};
  std::atomic<bool> failed_{false};
  alignas(64) std::atomic<uint32_t> ran_{0};    ///< Pieces before this one have run.
  std::atomic<bool> cancelled_{false};
  /// Odd while a run is being read for; `begin` and the reading thread take turns.
  alignas(64) std::atomic<uint32_t> turn_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<unsigned> sleeping_{0};

  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed_ = PTHREAD_COND_INITIALIZER;
  pthread_t thread_ = {};
  bool started_ = false;
};

/// A run over the pieces of blocks [first, end) of the session.
class StreamRun {
public:
  StreamRun(Streamer &streamer, Plan &plan, uint32_t capacity, uint32_t first, uint32_t end);

  /// The next piece, with its weights in memory and in the plan's arguments;
  /// null behind the last one, or when one cannot be read.
  const Piece *next();
  Status finish() { return streamer_.finish(); }

private:
  Streamer &streamer_;
  Plan &plan_;
  const StreamPlan &stream_;
  uint32_t at_, end_;
  bool running_ = false; ///< Piece `at_ - 1` runs.
};

} // namespace nestor::detail

#endif // NESTOR_SRC_STREAMER_H

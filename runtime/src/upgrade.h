//===- upgrade.h - Larger capacities in the background -------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_UPGRADE_H
#define NESTOR_SRC_UPGRADE_H

#include "model.h"
#include "nestor/session.hpp"

#include <pthread.h>

namespace nestor::detail {

/// Brings the memory of a capacity in, on a thread of its own, and then selects
/// it. Any thread may call the functions at any moment.
class Upgrade {
public:
  Upgrade(const Model &model, Selection &selection) : model_(model), selection_(selection) {}
  Upgrade(const Upgrade &) = delete;
  Upgrade &operator=(const Upgrade &) = delete;
  ~Upgrade();

  /// Cancels what is going on. Not beside calls of other functions.
  void stop();

  /// `arena` is where the session's activations are.
  Status start(uint32_t capacity, uint8_t *arena);
  /// Selects a capacity for which there is nothing to bring in.
  void select(uint32_t capacity);
  UpgradeProgress progress() const;

private:
  using State = UpgradeProgress::State;

  static void *work(void *upgrade);
  State work();
  bool cancelled() const { return stopping_.load() || selection_.ticket() != ticket_; }
  State read_shell(const nestor_format_Section &shell);
  void begin(uint32_t capacity);

  const Model &model_;
  Selection &selection_;
  mutable pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER; ///< Of what a start changes.
  pthread_t thread_ = {};
  bool started_ = false; ///< `thread_` is to be joined.

  // Of the present upgrade. Written while there is no thread.
  uint32_t capacity_ = 0;
  uint8_t *arena_ = nullptr;
  uint64_t ticket_ = 0; ///< Of the selection when it began.
  uint64_t total_ = 0;

  std::atomic<bool> stopping_{false};
  std::atomic<State> state_{State::none};
  std::atomic<uint64_t> done_{0};
};

} // namespace nestor::detail

#endif // NESTOR_SRC_UPGRADE_H

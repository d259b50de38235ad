//===- session_state.h - What a session holds ----------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_SESSION_STATE_H
#define NESTOR_SRC_SESSION_STATE_H

#include "nestor/session.hpp"
#include "plan.h"
#include "streamer.h"
#include "thread_pool.h"
#include "upgrade.h"

namespace nestor::detail {

class SessionState {
public:
  explicit SessionState(std::shared_ptr<const Model> owner)
      : model(std::move(owner)), selected(model->use), upgrade(*model, selected) {}
  ~SessionState();

  Status prepare(const SessionOptions &options);
  Status select(float capacity);
  Status start_upgrade(float capacity);
  /// Gives back what the selected capacity does not use of the arena.
  void release_arena();
  Status bind(size_t slot, void *address);
  uint32_t current() const { return selected.get(); }

  /// Whether the session can run blocks [first, end), and if not, why.
  Status check_range(uint32_t first, uint32_t end) const;
  /// The whole model.
  Status run_all(uint32_t capacity, uint64_t *nanoseconds);
  /// Blocks [first, end) of a capacity, of the file while it is as it was opened;
  /// the caller has checked the range.
  Status run(uint32_t capacity, uint32_t first, uint32_t end, uint64_t *nanoseconds);

  // Split runs (split.cpp). `accept` brings tensors to where blocks from `cut`
  // on read them, and says at which capacity those are to run.
  LiveTensors live(uint32_t capacity, uint32_t cut);
  void *live_data(const nestor_format_LiveTensor &tensor) const;
  Status run_head(uint32_t cut, LiveTensors &live);
  Status accept(uint32_t cut, const LiveTensors &from, uint32_t &capacity);
  Status accept(uint32_t cut, const TensorSource &from, uint32_t &capacity);
  /// The capacity at which a tail goes on with tensors of capacity `head`.
  Result<uint32_t> tail_capacity(uint32_t cut, uint32_t head) const;
  Status write_stream(const LiveTensors &from, TensorSink &to);

  std::shared_ptr<const Model> model;
  BlockRange blocks; ///< That `plans` have; 0:0 where the file has no blocks.
  /// Parallel to the model's capacities. With a budget, those that do not fit
  /// have no calls.
  std::vector<Plan> plans;
  Selection selected;
  bool hasRun = false;
  uint32_t lastRun = 0; ///< The capacity of the last run that came to the end.
  /// 1 + the capacity of a head whose tail has not run yet; 0: there is none.
  uint32_t pendingHead = 0;
  /// By slot: the inputs, then the outputs.
  std::vector<void *> own, bound;
  std::vector<uint32_t> alignment;
  /// The arena, then the tensors; with a budget the tensors, the arena of the
  /// capacity at hand, and weights.
  uint8_t *memory = nullptr;
  uint64_t memoryBytes = 0;
  uint64_t arenaOffset = 0;
  uint64_t arenaBytes = 0; ///< Of the largest capacity; 0 with a budget.
  std::unique_ptr<Streamer> streamer; ///< With a memory budget.
  ThreadPool pool;
  Upgrade upgrade;

private:
  uint64_t checkedAt = 0; ///< The tick of the last look at the file's size.

  /// The index of a capacity that this session can run.
  Result<uint32_t> find(float capacity) const;
  Status choose_blocks(const SessionOptions &options);
  Status allocate(uint64_t bytes);
  Status prepare_resident(const SessionOptions &options, unsigned threads);
  Status prepare_streamed(const SessionOptions &options, unsigned threads);
  Status run_range(uint32_t capacity, uint32_t first, uint32_t end, uint64_t *nanoseconds);
  /// As `run_range`, but blocks count from the session's first.
  Status run_streamed(uint32_t capacity, uint32_t first, uint32_t end, uint64_t *nanoseconds);
  /// `data_loss` when the file has become shorter than it was.
  Status check_file();
  /// Runs calls [first, end) of a plan.
  void run_calls(const Plan &plan, uint32_t first, uint32_t end, uint64_t *nanoseconds);
};

/// The capacity within 1e-3 of `capacity`, as a fraction of the MACs or as it
/// was asked for at compile time.
Result<uint32_t> find_capacity(const Model &model, float capacity);

} // namespace nestor::detail

#endif // NESTOR_SRC_SESSION_STATE_H

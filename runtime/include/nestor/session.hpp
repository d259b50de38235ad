//===- nestor/session.hpp - Running an artifact -----------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SESSION_HPP
#define NESTOR_SESSION_HPP

#include "nestor/artifact.hpp"
#include "nestor/tensors.hpp"

#include <string_view>

namespace nestor {

namespace detail {
class SessionState;
}

/// Threads of the app that share the work of runs, instead of the session's own.
///
/// For each kernel call that is worth sharing, the thread that runs the session
/// calls `run(context, tasks, task, data)`. That calls `task(data)` up to `tasks`
/// times, on threads of its choice, at the same time or one after the other, and
/// returns once all of these calls have returned; it does not throw. The calls
/// take parts of the work until none is left, and what they leave the session
/// does itself: fewer calls make a run slower, not wrong. Who calls how often
/// does not change results.
///
/// The session calls `run` from one thread at a time and allocates nothing
/// around it; a run allocates nothing if `run` does not. Sessions that share an
/// executor call it at the same time if their runs overlap. `context` must be
/// there for as long as the session.
struct Executor {
  using Task = void (*)(void *data);
  void (*run)(void *context, unsigned tasks, Task task, void *data) = nullptr;
  void *context = nullptr;
};

class SessionOptions {
public:
  /// The capacity to start with, within 1e-3 of a stored one. Default: 1.
  SessionOptions &capacity(float value) { return capacity_ = value, *this; }
  /// Threads that share the work of a run, the caller's included; 0 means one
  /// for every CPU that this process may use. Default: 1.
  SessionOptions &threads(unsigned count) { return threads_ = count, *this; }
  /// The app's threads for the work of runs; `threads` then says how many they
  /// are, the caller's included. The session starts none but those that read
  /// weights (`memory_budget`, `Session::upgrade`). Default: its own threads.
  SessionOptions &executor(const Executor &own) { return executor_ = own, *this; }
  /// Keeps the session's own threads for the work of runs on these CPUs, numbered
  /// as the system does: the fast cores of a phone, say. The caller's thread and
  /// those that read weights stay as they are; an app that wants its thread there
  /// too moves it itself. Makes 0 threads one for each of these CPUs. Linux and
  /// Android only; a CPU that this process may not use is an error, and so are
  /// CPUs together with an executor. Default: none named, any may be used.
  SessionOptions &affinity(std::vector<unsigned> cpus) { return cpus_ = std::move(cpus), *this; }
  /// Kernel calls are shared among threads if one would take about this time for
  /// it, by the MACs and bytes of the call and a usual speed; and the session's own
  /// threads, once they sleep, are woken for runs that have ten times as much to
  /// share. For an executor that takes long to get its threads going, more may be
  /// better. 0 shares all that can be. It never changes results. Default: 5,000.
  SessionOptions &share_above_ns(uint32_t time) { return shareAboveNs_ = time, *this; }

  /// Blocks [first, end) only (see `Artifact::blocks`): the session checks them
  /// and touches no weights of others. Default: all that the file has.
  SessionOptions &blocks(uint32_t first, uint32_t end) {
    return blocks_ = {first, end}, hasBlocks_ = true, *this;
  }
  /// Runs within that much memory: activations, inputs and outputs, weights and
  /// what the session keeps in order to run, but not the stacks of its threads.
  /// Weights are read from the file block by block, ahead of the run, into
  /// memory that is used again and again; a part of them stays. At least
  /// `Artifact::minimum_budget`. Default: no bound, weights are mapped.
  SessionOptions &memory_budget(uint64_t bytes) {
    return budget_ = bytes, hasBudget_ = true, *this;
  }

  float capacity() const { return capacity_; }
  unsigned threads() const { return threads_; }
  const Executor &executor() const { return executor_; }
  const std::vector<unsigned> &affinity() const { return cpus_; }
  uint32_t share_above_ns() const { return shareAboveNs_; }
  bool has_blocks() const { return hasBlocks_; }
  BlockRange blocks() const { return blocks_; }
  bool has_memory_budget() const { return hasBudget_; }
  uint64_t memory_budget() const { return budget_; }

private:
  float capacity_ = 1;
  unsigned threads_ = 1;
  uint32_t shareAboveNs_ = 5'000;
  bool hasBlocks_ = false, hasBudget_ = false;
  BlockRange blocks_;
  uint64_t budget_ = 0;
  Executor executor_;
  std::vector<unsigned> cpus_;
};

/// How a session with a memory budget runs one capacity. Times are estimates,
/// made before the first run: of the stored latency, or of the MACs and a usual
/// speed, and of the speed of reading a file that the system has in memory.
struct StreamPrediction {
  uint64_t peak_bytes = 0;     ///< What the session holds; never above the budget.
  uint64_t pinned_bytes = 0;   ///< Weights that stay from run to run.
  uint64_t streamed_bytes = 0; ///< Weights that every run reads.
  uint64_t buffer_bytes = 0;   ///< Where they are read to.
  uint32_t reads = 0;          ///< Parts in which they are read.
  double us = 0;               ///< One run.
  double stall_us = 0;         ///< Of that, waiting for weights.
};

/// An input or output of a session. A small handle: copy it freely, use it no
/// longer than its session. `Session::input` of an unknown name or index gives
/// an invalid one, whose operations fail with `not_found`.
class NESTOR_API Tensor {
public:
  bool valid() const { return info_ != nullptr; }
  /// Name, type and shape. Valid tensors only.
  const TensorInfo &info() const { return *info_; }
  size_t bytes() const { return info_ ? info_->bytes : 0; }

  /// The session's buffer (64-byte aligned), or the one bound last; null for
  /// an invalid tensor. An output is valid until the next run.
  void *data() const;
  template <typename T> T *data_as() const { return static_cast<T *>(data()); }

  /// Copies exactly `bytes()` bytes in or out.
  Status copy_from(const void *source, size_t bytes) const;
  Status copy_to(void *target, size_t bytes) const;
  template <typename Range> Status copy_from(const Range &range) const {
    return copy_from(range.data(), range.size() * sizeof(*range.data()));
  }
  template <typename Range> Status copy_to(Range &range) const {
    return copy_to(range.data(), range.size() * sizeof(*range.data()));
  }

  /// Makes runs read or write the caller's memory, of `bytes()` bytes or more
  /// and aligned to `alignment()`. It stays alive until rebound; null goes back
  /// to the session's own buffer. Inputs and outputs must not overlap.
  Status bind(void *memory, size_t bytes) const;
  size_t alignment() const;

private:
  friend class Session;
  detail::SessionState *session_ = nullptr;
  const TensorInfo *info_ = nullptr;
  size_t slot_ = 0;
};

/// How far `Session::upgrade` is.
struct UpgradeProgress {
  enum class State : uint8_t {
    none,      ///< There was no upgrade yet.
    running,
    done,      ///< The capacity is selected.
    cancelled, ///< By another `set_capacity` or `upgrade`.
    failed,    ///< Weights cannot be read; the next run says why.
  };
  State state = State::none;
  float capacity = 0;       ///< That is upgraded to.
  uint64_t bytes_done = 0;  ///< Of weights, in memory.
  uint64_t bytes_total = 0;
};

/// Buffers and threads to run one artifact. One thread uses a session at a
/// time; only `set_capacity`, `capacity`, `upgrade` and `upgrade_progress` may
/// be called from any thread at any moment. (`bind` is not among them: it
/// changes what a run in progress reads.)
class NESTOR_API Session {
public:
  Session(Session &&) noexcept;
  Session &operator=(Session &&) noexcept;
  ~Session();

  Tensor input(size_t index) const;
  Tensor input(std::string_view name) const;
  Tensor output(size_t index) const;
  Tensor output(std::string_view name) const;

  /// Runs the model once. Allocates nothing.
  Status run();
  /// As `run`, and adds the time of step i to nanoseconds[i]; `count` is the
  /// number of steps in `Artifact::plan`.
  Status run_timed(uint64_t *nanoseconds, size_t count);

  /// Runs blocks [0, cut): `live` shows the tensors alive there, in place, or
  /// they are written to `sink`. Allocates nothing.
  Status run_head(uint32_t cut, LiveTensors &live);
  Status run_head(uint32_t cut, TensorSink &sink);
  /// Runs the other blocks from the tensors alive at the cut: of this session or
  /// another one of the same model, or from a stream. Tensors that are inputs of
  /// the model are copied to where the session has that input. Allocates nothing.
  ///
  /// The capacity is that of the head when this session ran it, whatever
  /// `set_capacity` was called since; otherwise the session's own. Where that is
  /// not the one of the tensors, the artifact must list the two as measured.
  Status run_tail(uint32_t cut, const LiveTensors &live);
  Status run_tail(uint32_t cut, const TensorSource &source);
  /// Runs blocks [first, end): a part in the middle.
  Status run_blocks(uint32_t first, uint32_t end, const LiveTensors &from, LiveTensors &to);
  Status run_blocks(uint32_t first, uint32_t end, const TensorSource &from, TensorSink &to);
  /// Where the session has the tensors alive at a cut at its capacity, so that
  /// a caller can write them itself and then call `run_tail`.
  Result<LiveTensors> live_tensors(uint32_t cut);

  /// Chooses the capacity of the runs that begin after this call, by its
  /// fraction of the MACs or by the one that was asked for at compile time.
  /// Copies nothing, takes no lock. Fails, and changes nothing, if there is
  /// none within 1e-3.
  Status set_capacity(float capacity);
  /// The capacity of the next run.
  float capacity() const;
  /// The capacity that computed the outputs: that of the last run that came to
  /// the end of the model, of a tail for example. Before, that of the next run.
  float last_capacity() const;

  /// As `set_capacity`, once the weights and activations of that capacity are in
  /// memory: a thread of its own reads them, so that no run waits for pages.
  /// Until then runs go on at the present capacity. Another `set_capacity` or
  /// `upgrade` cancels it. With a memory budget there is nothing to wait for, and
  /// the capacity is selected at once.
  Status upgrade(float capacity);
  UpgradeProgress upgrade_progress() const;
  /// Gives back memory that the selected capacity does not need, after a change
  /// to a smaller one: activations of this session, and weights that no session
  /// of the artifact uses (`Artifact::release_unused`). Outputs and the tensors of
  /// a head stay; what was written for `run_tail` at a larger capacity may not.
  /// With a memory budget the session keeps its memory. Like `run`, for the thread
  /// that uses the session; takes system calls.
  void release_unused();
  /// That share the work of a run, the caller's included.
  unsigned threads() const;
  /// Blocks that the session can run; `run` needs all.
  BlockRange blocks() const;
  /// Memory of this session: activations, scratch, inputs and outputs; with a
  /// budget also weights and bookkeeping.
  uint64_t memory_bytes() const;
  /// How the session runs its capacity; all 0 without a memory budget.
  StreamPrediction predicted() const;

private:
  friend class Artifact;
  explicit Session(std::unique_ptr<detail::SessionState> state);
  std::unique_ptr<detail::SessionState> state_;
};

} // namespace nestor

#endif // NESTOR_SESSION_HPP

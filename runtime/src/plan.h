//===- plan.h - A plan that is safe to run -------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_PLAN_H
#define NESTOR_SRC_PLAN_H

#include "model.h"

namespace nestor::detail {

/// A compiled kernel; the ABI is described at Kernel in artifact.proto.
using KernelFunction = void (*)(void *const *args, const int64_t *params, int64_t begin,
                                int64_t end);

struct Call {
  KernelFunction function;
  uint32_t firstArg;   ///< Into Plan::args.
  uint32_t firstParam; ///< Into Plan::params.
  int64_t grains;
  uint32_t parts; ///< How many pieces [0, grains) is cut into.
  uint32_t step = 0; ///< Of the capacity.
  /// Where a part of a step begins; with a memory budget one may be several calls.
  int64_t firstGrain = 0;
};

/// An argument that follows the memory of an input or output.
struct TensorUse {
  uint32_t arg;    ///< Into Plan::args.
  uint32_t slot;   ///< The inputs, then the outputs.
  uint64_t offset; ///< From the start of the tensor.
};

/// The kernel calls of one capacity with every address resolved, apart from
/// those in `uses` and, with a memory budget, those of weights.
struct Plan {
  std::vector<Call> calls;
  std::vector<void *> args;
  std::vector<int64_t> params;
  std::vector<TensorUse> uses;
  /// By block of the session, and the end: its first call.
  std::vector<uint32_t> blockCalls;
  /// Whether its calls have enough to share to wake threads for a run.
  bool wakes = false;

  /// Gives back what vectors have too much.
  void shrink();
  uint64_t heap_bytes() const;
};

/// Grains that touch the same number of bytes of an argument each.
struct GrainRun {
  int64_t grains;
  uint64_t bytes;
};

/// An argument that reads weights.
struct WeightUse {
  uint32_t call, arg; ///< Into Plan::calls and Plan::args.
  uint32_t shell;
  uint64_t offset, bytes;     ///< In the shell.
  uint32_t firstRun, endRun;  ///< Into Weights::runs; none: every part reads all.
};

/// What the calls of a plan read of the shells, for planning streams.
struct PlanWeights {
  std::vector<WeightUse> uses; ///< Ascending by call.
  std::vector<GrainRun> runs;
  std::vector<uint32_t> tiles; ///< By call: parts begin at multiples; 0: no parts.
  std::vector<float> ns;       ///< By call: how long it may take, on one thread.
};

/// What a plan is resolved for.
struct PlanContext {
  /// At least the capacity's `arena_bytes`, 64-byte aligned. Null: not known yet,
  /// its arguments become uses of the slot behind the last output.
  uint8_t *arena;
  unsigned threads; ///< Decides how fine work is cut.
  /// Calls that one thread is done with in less time are not cut.
  uint32_t shareAboveNs;
  /// Alignment that runs need of each slot; raised as needed.
  std::vector<uint32_t> *slotAlignment;
  BlockRange blocks;    ///< Only their steps; 0:0 where the file has none.
  PlanWeights *weights; ///< Null: weights are where the file is mapped.
};

/// Checks every step of a capacity against the contract of its kernel: the
/// extent of every argument, a polynomial over the step's parameters, lies in
/// its buffer, nothing but the arena and the outputs is written, parameters are
/// in range. Only what passes becomes a plan.
Result<Plan> make_plan(const Model &model, uint32_t capacity, const PlanContext &context);

} // namespace nestor::detail

#endif // NESTOR_SRC_PLAN_H

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
};

/// An argument that follows the memory of an input or output.
struct TensorUse {
  uint32_t arg;    ///< Into Plan::args.
  uint32_t slot;   ///< The inputs, then the outputs.
  uint64_t offset; ///< From the start of the tensor.
};

/// The kernel calls of one capacity with every address resolved, apart from
/// those in `uses`.
struct Plan {
  std::vector<Call> calls;
  std::vector<void *> args;
  std::vector<int64_t> params;
  std::vector<TensorUse> uses;
};

/// What a plan is resolved for.
struct PlanContext {
  uint8_t *arena;   ///< At least the capacity's `arena_bytes`, 64-byte aligned.
  unsigned threads; ///< Decides how fine work is cut.
  /// Alignment that runs need of each input and output; raised as needed.
  std::vector<uint32_t> *slotAlignment;
};

/// Checks every step of a capacity against the contract of its kernel: the
/// extent of every argument, a polynomial over the step's parameters, lies in
/// its buffer, nothing but the arena and the outputs is written, parameters are
/// in range. Only what passes becomes a plan.
Result<Plan> make_plan(const Model &model, uint32_t capacity, const PlanContext &context);

} // namespace nestor::detail

#endif // NESTOR_SRC_PLAN_H

//===- Executor.h - Runs a function while compiling -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Calibration and training run networks with the code that Nestor itself
// generates: a function is compiled into an artifact in memory, and a session
// of the runtime runs it.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_EXECUTOR_H
#define NESTOR_LEARN_EXECUTOR_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace nestor::learn {

/// A compiled function. One thread uses it at a time.
class Executor {
public:
  /// Compiles `func`, as the prepare pipeline leaves it (no `nest.weight`s),
  /// for this machine. `func` is not changed; arguments of other types than
  /// f32 are given as floats. The error says which operation could not be
  /// compiled.
  static llvm::Expected<Executor> compile(mlir::func::FuncOp func, unsigned threads);

  /// One that runs the same code, with buffers of its own, so that another
  /// thread can use it.
  llvm::Expected<Executor> another(unsigned threads) const;

  Executor(Executor &&) noexcept;
  Executor &operator=(Executor &&) noexcept;
  ~Executor();

  size_t inputs() const;
  size_t outputs() const;
  /// f32 arguments and results: the executor's own buffers, or those bound.
  llvm::MutableArrayRef<float> input(size_t index);
  llvm::ArrayRef<float> output(size_t index) const;
  /// Reads (writes) memory of the caller's instead, 64-byte aligned and as
  /// long as the tensor, from the next run on.
  void bindInput(size_t index, const float *memory);
  void bindOutput(size_t index, float *memory);

  void run();

  /// One kernel call of a run, for profiles.
  struct StepTime {
    std::string layer, kernel; ///< ONNX names; what the kernel computes.
    uint64_t nanoseconds, macs;
  };
  /// Runs once, timing each kernel call. The MACs are those of the whole layer,
  /// given to its longest call.
  std::vector<StepTime> runTimed();

private:
  struct State;
  explicit Executor(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

/// The same function for a batch of `batch` samples: its arguments' first
/// dimension becomes `batch`. Null where an operation mixes samples or has a
/// fixed batch in its attributes that cannot be rewritten; `reason` then says
/// which. A function whose batch is `batch` already is cloned.
mlir::OwningOpRef<mlir::func::FuncOp> withBatch(mlir::func::FuncOp func, int64_t batch,
                                                std::string &reason);

/// How many of `batch` samples a step of `func` should take at once, a divisor
/// of `batch`: as few as keep the largest of its tensors in a near cache, which
/// the next operation then reads from there, but eight at least.
int64_t samplesAtOnce(mlir::func::FuncOp func, int64_t batch);

} // namespace nestor::learn

#endif // NESTOR_LEARN_EXECUTOR_H

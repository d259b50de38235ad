//===- KernelRunner.h - Kernels against the reference evaluator -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_NUMERICS_KERNELRUNNER_H
#define NESTOR_TEST_NUMERICS_KERNELRUNNER_H

#include "compiler/kernels/Rows.h"
#include "compiler/reference/Evaluator.h"

#include "mlir/Pass/Pass.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace nestor::test {

/// A region of memory that ends where an inaccessible page begins, so that
/// reading or writing past its end is caught.
class GuardedBuffer {
public:
  GuardedBuffer(size_t bytes, size_t align);
  GuardedBuffer(GuardedBuffer &&other) noexcept;
  ~GuardedBuffer();
  char *data() const { return begin; }
  size_t size() const { return bytes; }

private:
  void *mapping = nullptr;
  size_t mapped = 0, bytes = 0;
  char *begin = nullptr;
};

/// How values for the inputs are drawn.
struct InputRange {
  double low = -1, high = 1;
  bool specials = false; ///< Floats begin with NaN, infinities, zeros and large numbers.
};

/// The calls of one operation, compiled for one target and loaded.
class CompiledCalls {
public:
  CompiledCalls(mlir::Operation *op, const kernels::TargetInfo &target);
  /// For tensors whose rows lie apart.
  CompiledCalls(mlir::Operation *op, const kernels::TargetInfo &target, const kernels::RowPitches &pitches);
  ~CompiledCalls();
  bool ok() const { return handle != nullptr; }
  llvm::ArrayRef<kernels::KernelCall> calls() const { return described; }
  int64_t grains(size_t call) const;

  /// Runs all calls, each over its grains cut at `cuts` (fractions, ascending).
  void run(llvm::ArrayRef<char *> operands, llvm::ArrayRef<char *> results, llvm::ArrayRef<double> cuts = {});

private:
  using Function = void (*)(void *const *, const int64_t *, int64_t, int64_t);
  llvm::SmallVector<kernels::KernelCall, 1> described;
  std::vector<Function> functions;
  std::vector<GuardedBuffer> scratch;
  /// By operand: blocks of what the operation shares with other capacities.
  std::vector<std::vector<GuardedBuffer>> blocks;
  void *handle = nullptr;
};

/// Parses `source` as `checkOperation` does, and compares what its kernels
/// compute of and write to rows that lie apart with what they do to dense ones,
/// bit for bit, on every runnable target. What lies between the rows of the
/// result must stay.
void checkRows(const std::string &source, uint64_t seed, std::unique_ptr<mlir::Pass> preparation = nullptr);

/// The targets whose code this machine can run.
std::vector<const kernels::TargetInfo *> runnableTargets();

/// Parses `source`, a module with one function that consists of one operation,
/// and compares what its kernels compute on seeded random inputs with the
/// reference evaluator, on every runnable target, whole and cut into parts.
/// Failures name the seed and the operation. `preparation` is the pass that the
/// operation goes through before it has kernels; what the pass puts before the
/// operation is evaluated.
void checkOperation(const std::string &source, uint64_t seed, double tolerance = 1e-5, InputRange range = {},
                    std::unique_ptr<mlir::Pass> preparation = nullptr);

} // namespace nestor::test

#endif // NESTOR_TEST_NUMERICS_KERNELRUNNER_H

//===- Kernel.h - What a kernel is, before it is code -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// After the passes, every operation except constants and reshapes is one
// kernel call. A kernel family (convolution, pooling, ...) describes the call
// as a `KernelCall`: which kernel, its contract, the values that it takes.
// Calls whose `KernelSpec::name` is equal share one kernel, emitted once per
// target; what differs between them are the parameters.
//
// A kernel is static in spatial sizes, kernel, strides, pads, epilogue and
// element types, and takes channel counts and leading dimensions as parameters
// at run time, so that one kernel serves every capacity.
//
// ABI of the compiled function (runtime/format/artifact.proto, Kernel):
//   void name(void *const *args, const int64_t *params,
//             int64_t begin, int64_t end)
// The grains of the work are counted the same way on every target. A kernel
// whose tile spans several grains rounds both ends of its range up to its
// tile, so that every cut of [0, grains) computes the same bytes.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_KERNEL_H
#define NESTOR_KERNELS_KERNEL_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Operation.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <functional>
#include <string>

namespace nestor::kernels {

/// What the code emitter knows about an instruction set.
struct TargetInfo {
  std::string name;          ///< x86-64-v2, x86-64-v3, x86-64-v4, aarch64+neon.
  std::string arch;          ///< x86_64 or aarch64.
  llvm::SmallVector<std::string> features; ///< LLVM spelling, no sign.
  int64_t vectorLanes;       ///< f32 lanes of the widest register: 4, 8, 16.
  int64_t vectorRegisters;   ///< 16 or 32.
  bool fma;                  ///< Otherwise multiply, then add.
  bool maskedMemory;         ///< Masked vector loads and stores are cheap.
};

/// The targets that `--target` accepts, and the best one for this host.
llvm::ArrayRef<TargetInfo> allTargets();
const TargetInfo *findTarget(llvm::StringRef name);
const TargetInfo &hostTarget();

/// coefficient * product of params[factor].
struct Term {
  int64_t coefficient;
  llvm::SmallVector<uint32_t, 2> factors;
};
/// A sum of terms over a call's parameters.
using Polynomial = llvm::SmallVector<Term, 2>;

/// The value of `polynomial` for the given parameters.
int64_t evaluatePolynomial(const Polynomial &polynomial, llvm::ArrayRef<int64_t> params);

/// A run of grains that touch an argument one after the other.
struct GrainRun {
  Polynomial grains, bytes; ///< How many there are, and what each touches.
};

struct ArgSpec {
  Polynomial bytes;    ///< Extent touched from the pointer on: never exceeded.
  bool written = false;
  uint32_t align = 1;  ///< Bytes that the pointer must be a multiple of.
  /// How the grains share it (KernelArg.runs in artifact.proto), where they do:
  /// weights that do not fit a memory budget are then read in parts.
  llvm::SmallVector<GrainRun, 0> runs = {};
};

struct ParamSpec {
  int64_t min, max;
};

struct KernelSpec {
  /// Identity: equal names mean equal code. A C identifier that ends in a
  /// hash of everything that shapes the code, apart from the target.
  std::string name;
  /// One line for people: `conv 3x3 s1 p1 56x56 +relu`.
  std::string signature;
  llvm::SmallVector<ArgSpec> args;
  llvm::SmallVector<ParamSpec> params;
  Polynomial grains;
  /// Where an argument has runs: the grains of a tile, at whose multiples parts
  /// begin and end.
  std::function<int64_t(const TargetInfo &)> tile;

  /// Emits the body into `func`, whose entry block has the arguments
  ///   !llvm.ptr args, !llvm.ptr params, i64 begin, i64 end
  /// as built by `KernelFunction` (KernelBuilder.h).
  std::function<mlir::LogicalResult(mlir::func::FuncOp func, const TargetInfo &)> emit;
};

/// Where a call's pointer argument comes from.
struct CallArg {
  enum Kind { Operand, Result, Scratch, Block } kind;
  unsigned index = 0;       ///< Of the operand, the result or the scratch buffer.
  int64_t offsetBytes = 0;  ///< Into that value's buffer.
  /// Scratch only: the buffer's size. It is 64-byte aligned and lives through
  /// all calls of one operation; calls that name the same index share it.
  int64_t scratchBytes = 0;
  /// Block only: which block (FilterBlocks.h) of the shared filter that operand
  /// `index`, a packed `nest.weight`, is.
  unsigned block = 0;
};

/// One step of the plan.
struct KernelCall {
  KernelSpec spec;
  llvm::SmallVector<CallArg> args;    ///< Parallel to spec.args.
  llvm::SmallVector<int64_t> params;  ///< Parallel to spec.params.
  uint64_t macs = 0;
};

/// Describes `op` as one or several kernel calls, in order (a recurrent layer
/// may be an input projection and a scan). Reports an error at `op` when no
/// family takes it.
///
/// Layout contract: every tensor is dense and row-major; `i1` takes one byte.
/// Result r of `op` may share its buffer with operand o only if
/// `canRunInPlace(op, o)`.
mlir::FailureOr<llvm::SmallVector<KernelCall, 1>> describeCalls(mlir::Operation *op);

/// Whether the first result may be written over operand `index`.
bool canRunInPlace(mlir::Operation *op, unsigned index);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_KERNEL_H

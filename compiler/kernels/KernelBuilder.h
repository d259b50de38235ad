//===- KernelBuilder.h - Emitting the body of a kernel ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What every kernel family builds its code with. A kernel body is `scf` loops
// over `i64`, `arith`, `math` and `vector` values, and memory accesses through
// `!llvm.ptr`.
//
// Memory is reached through pointers, not memrefs: a kernel's arguments are
// bare addresses whose extents depend on run-time parameters, so a memref
// would be a descriptor built only to be taken apart again. Nothing is marked
// noalias: buffers of one call may coincide (see `canRunInPlace`), and vector
// code that keeps its accumulators in loop-carried values does not need it.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_KERNELBUILDER_H
#define NESTOR_KERNELS_KERNELBUILDER_H

#include "compiler/kernels/Kernel.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Region.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace nestor::kernels {

/// Creates `void name(ptr args, ptr params, i64 begin, i64 end)` with an entry
/// block in `module` and has `spec` fill it. The operation that was described
/// must still exist.
mlir::FailureOr<mlir::func::FuncOp> emitKernel(mlir::ModuleOp module, const KernelSpec &spec,
                                               const TargetInfo &target);

/// How many elements one access handles. `count == 1` is a scalar; otherwise a
/// vector of `count`, of which `mask` (vector<count x i1>), where set, says
/// which lanes exist.
struct Lanes {
  int64_t count = 1;
  mlir::Value mask = nullptr;
};

/// The type an element has in registers: integers signless.
mlir::Type registerType(mlir::Type element);
/// Bytes an element takes in memory (i1: 1).
int64_t storageBytes(mlir::Type element);
/// `element` itself for one lane, otherwise a vector of it.
mlir::Type withLanes(mlir::Type element, int64_t lanes);

class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  KernelBuilder(mlir::func::FuncOp func, const TargetInfo &target);

  const TargetInfo &target;
  /// Lanes of a full register for elements of this type: 4-byte elements have
  /// `target.vectorLanes`, 8-byte half of them, narrower ones no more than
  /// 4-byte ones so that mixed computations have one width.
  int64_t lanesFor(mlir::Type element) const;

  // The kernel's inputs. Pointers and parameters are loaded in the entry block.
  mlir::Value arg(unsigned index);
  mlir::Value param(unsigned index);
  mlir::Value begin() { return func.getArgument(2); }
  mlir::Value end() { return func.getArgument(3); }

  // Integer arithmetic on i64, folded where the operands are constant. The
  // divisions are of non-negative numbers.
  mlir::Value i64(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value add(mlir::Value a, int64_t b) { return add(a, i64(b)); }
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, int64_t b) { return mul(a, i64(b)); }
  mlir::Value div(mlir::Value a, int64_t b);
  mlir::Value div(mlir::Value a, mlir::Value b);
  mlir::Value rem(mlir::Value a, int64_t b);
  mlir::Value rem(mlir::Value a, mlir::Value b);
  mlir::Value min(mlir::Value a, mlir::Value b);
  mlir::Value max(mlir::Value a, mlir::Value b);
  /// `a` rounded up to a multiple of `multiple`.
  mlir::Value roundUp(mlir::Value a, int64_t multiple);
  mlir::Value less(mlir::Value a, mlir::Value b); ///< Signed; i1.
  mlir::Value equal(mlir::Value a, mlir::Value b);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);

  /// A constant of `type` (float, integer or a vector of one).
  mlir::Value constant(mlir::Type type, double value);
  /// `scalar` in every lane; itself for one lane.
  mlir::Value broadcast(mlir::Value scalar, int64_t lanes);
  /// a * b + c on floats; on targets without FMA a multiplication and an addition.
  mlir::Value fma(mlir::Value a, mlir::Value b, mlir::Value c);
  /// Reduces a vector to a scalar by a tree of adds; a scalar is returned as is.
  mlir::Value sumLanes(mlir::Value value);

  /// `pointer` moved on by `index` elements.
  mlir::Value at(mlir::Value pointer, mlir::Value index, mlir::Type element);
  /// Uninitialised memory on the stack, 64-byte aligned, for the whole call.
  mlir::Value stack(mlir::Type element, int64_t count);
  /// Reads pointer[index], pointer[index + 1], ... as elements of type
  /// `element` (any signedness; i1 is a byte). Lanes that are masked off read
  /// as zero and touch no memory.
  mlir::Value load(mlir::Type element, mlir::Value pointer, mlir::Value index, Lanes lanes = {});
  void store(mlir::Value value, mlir::Value pointer, mlir::Value index, Lanes lanes = {});

  /// A pointer to constants that become part of the code image's read-only
  /// data: what is known at compile time but too long to be in the code.
  mlir::Value table(llvm::ArrayRef<int32_t> values);
  mlir::Value table(llvm::ArrayRef<float> values);

  /// for (i = lower; i < upper; i += step)
  void loop(mlir::Value lower, mlir::Value upper, int64_t step,
            llvm::function_ref<void(mlir::Value)> body);
  /// The same with loop-carried values: `body` maps them to the next ones.
  using CarriedBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)>;
  llvm::SmallVector<mlir::Value> loop(mlir::Value lower, mlir::Value upper, int64_t step,
                                      mlir::ValueRange carried, CarriedBody body);
  /// A step known at run time only.
  llvm::SmallVector<mlir::Value> loop(mlir::Value lower, mlir::Value upper, mlir::Value step,
                                      mlir::ValueRange carried, CarriedBody body);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> body);
  void ifThenElse(mlir::Value condition, llvm::function_ref<void()> thenBody,
                  llvm::function_ref<void()> elseBody);

  /// Covers [lower, upper) with steps of `lanes` elements and a tail that stays
  /// inside: one masked step on targets with masked memory, otherwise narrower
  /// vectors down to scalars. `body` is called once for each variant.
  using LanesBody = llvm::function_ref<void(mlir::Value index, Lanes lanes)>;
  void vectorLoop(mlir::Value lower, mlir::Value upper, int64_t lanes, LanesBody body);
  /// The tail alone: `count` in [0, lanes) elements from `lower` on.
  void vectorTail(mlir::Value lower, mlir::Value count, int64_t lanes, LanesBody body);
  /// vector<lanes x i1> whose first `count` lanes are set.
  mlir::Value maskOf(mlir::Value count, int64_t lanes);

  /// Inlines the single block of `region`, whose scalar arguments become
  /// `arguments` of `lanes` lanes each (vectors, or scalars for one lane), and
  /// returns the yielded value.
  mlir::Value inlineScalarRegion(mlir::Region &region, mlir::ValueRange arguments, int64_t lanes);

private:
  mlir::Value table(mlir::DenseElementsAttr values);

  mlir::func::FuncOp func;
  unsigned tables = 0;
};

/// A stable text of what a region computes, without locations or value names.
std::string fingerprint(mlir::Region &region);

/// `prefix` and a hash of `identity`: a C identifier for `KernelSpec::name`.
std::string kernelName(llvm::StringRef prefix, llvm::StringRef identity);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_KERNELBUILDER_H

//===- Walk.h - Several networks, layer by layer, on the same data -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Closed-form recovery goes through a network layer by layer, and what a layer
// sees depends on what was changed before it. A walk computes intermediate
// values of functions on all samples, from values that it has kept of an
// earlier layer rather than from the inputs.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_WALK_H
#define NESTOR_LEARN_WALK_H

#include "compiler/learn/AlignedFloats.h"
#include "compiler/learn/Options.h"
#include "compiler/learn/Parameters.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

namespace nestor::learn {

class Walk {
public:
  /// `functions` take the same arguments, samples of `data` (f32, batch 1).
  /// Where `parameters` are given, constants and weights that are parameters
  /// have their present values. Both are referred to.
  Walk(llvm::ArrayRef<mlir::func::FuncOp> functions, const Dataset &data, unsigned threads,
       const ParameterSet *parameters = nullptr);

  size_t samples() const { return count; }

  /// Called with consecutive samples, `first` .. `first + count`; `values[i]`
  /// holds the i-th wanted value of each, one sample after the other.
  using Visit =
      llvm::function_ref<void(size_t first, size_t count, llvm::ArrayRef<const float *> values)>;
  /// Computes the f32 values `wanted` of all samples.
  llvm::Error run(llvm::ArrayRef<mlir::Value> wanted, Visit visit) {
    return run(wanted, {}, visit);
  }

  /// As above, and, where the `frontier` takes no more than `memoryLimit`
  /// bytes, keeps it, forgets what was kept before, and starts from it in
  /// later runs: all that they want must follow from it.
  llvm::Error run(llvm::ArrayRef<mlir::Value> wanted, llvm::ArrayRef<mlir::Value> frontier,
                  Visit visit);

  /// For kept values, over all samples and functions.
  size_t memoryLimit = size_t(3) << 30;

private:
  struct Segment;
  using Kept = llvm::DenseMap<mlir::Value, AlignedFloats>;

  mlir::Value keyOf(mlir::Value value) const;
  bool isWorthKeeping(llvm::ArrayRef<mlir::Value> frontier) const;
  llvm::Expected<Segment> compile(llvm::ArrayRef<mlir::Value> results);
  mlir::Operation *cloneInto(mlir::OpBuilder &builder, mlir::Operation *op, mlir::IRMapping &map);
  void copyInputs(const Dataset &data);

  llvm::SmallVector<mlir::func::FuncOp> functions;
  unsigned threads;
  const ParameterSet *parameters;
  size_t count;
  Kept kept; ///< [sample][element]; arguments are those of the first function.
};

/// What `function` returns for all samples of `data`: [result][sample, element].
/// With `parameters`, as for a walk.
llvm::Expected<std::vector<std::vector<float>>>
outputsOf(mlir::func::FuncOp function, const Dataset &data, unsigned threads,
          const ParameterSet *parameters = nullptr);

/// The part of `whole`, a tensor of shape `shape`, that `weight` reads.
std::vector<float> keptPart(nest::WeightOp weight, llvm::ArrayRef<float> whole);

/// Elements of a value of static shape.
int64_t elementsOf(mlir::Value value);

} // namespace nestor::learn

#endif // NESTOR_LEARN_WALK_H

//===- Tuner.h - Chooses kernels by what they take here ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What tables per instruction set decide otherwise: which algorithm computes a
// convolution, and what the kernels of products keep in registers. Both are
// measured once for each kernel signature, with the channels of the full capacity,
// and hold for all capacities, which share the kernel.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TUNE_TUNER_H
#define NESTOR_TUNE_TUNER_H

#include "compiler/tune/Timer.h"
#include "compiler/tune/TuneCache.h"

#include "mlir/IR/BuiltinOps.h"

namespace nestor::tune {

/// What a tuner did so far.
struct TuneReport {
  unsigned measured = 0, found = 0; ///< Kernel signatures: timed now, and in the cache.
  unsigned changed = 0;             ///< Kernels that have another tile than the table's.
  /// Targets of which something is not in the cache and cannot be measured here.
  std::vector<std::string> byTable;
};

/// The candidate to take: the first, which the table names, unless others are
/// faster by 3 % in the median as well as at their best.
size_t chooseFastest(const Times &times);

class AlgorithmSubjects;

class Tuner {
public:
  /// Both are the caller's.
  Tuner(TuneCache &cache, Timer &timer) : cache(cache), timer(timer) {}

  using Targets = llvm::ArrayRef<const kernels::TargetInfo *>;
  /// Before `nest-choose-winograd`: tells the pass what each convolution of the
  /// full capacity takes by each algorithm (kMeasuredAttr).
  llvm::Error measureAlgorithms(mlir::ModuleOp module, Targets targets);
  /// The same before `nest-choose-strassen`.
  llvm::Error measureProducts(mlir::ModuleOp module, Targets targets);
  /// On a module that is ready to be planned: gives operations the tiles of their
  /// kernels (TileChoice.h) where others than the table's are faster.
  llvm::Error chooseTiles(mlir::ModuleOp module, Targets targets);

  const TuneReport &report() const { return counts; }

private:
  /// The entries of `subjects`, which are for `target`, those that are not in the
  /// cache measured; null where that cannot be done here.
  llvm::Expected<std::vector<const TuneEntry *>>
  lookUp(std::vector<Subject> &subjects, const kernels::TargetInfo &target, bool chooses);
  llvm::Error measure(std::vector<Subject> &subjects, bool chooses);
  llvm::Error tell(AlgorithmSubjects all, Targets targets);

  TuneCache &cache;
  Timer &timer;
  TuneReport counts;
};

} // namespace nestor::tune

#endif // NESTOR_TUNE_TUNER_H

//===- BlockPlan.h - The blocks of all capacities ---------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_BLOCKPLAN_H
#define NESTOR_PACKAGE_BLOCKPLAN_H

#include "compiler/ir/Blocks.h"

#include <string>
#include <vector>

namespace nestor::package {

/// What `nest-find-cuts` wrote into the functions of all capacities, without
/// the cuts inside of what one of them has fused: those are lost to all.
class BlockPlan {
public:
  /// Takes the numbers off the operations: attributes tell kernels apart.
  /// Reports an error where a function has more blocks than artifacts may.
  static mlir::FailureOr<BlockPlan> take(llvm::ArrayRef<mlir::func::FuncOp> capacities);

  /// 0 where the functions are not cut.
  unsigned count() const { return blockCount; }
  /// 0 also where they are not cut.
  unsigned blockOf(mlir::Operation *op) const { return blocks.lookup(op); }
  unsigned lostCuts() const { return lost; }
  /// Names of the operations of the full capacity that are fused across cuts.
  llvm::ArrayRef<std::string> fusedAcrossCuts() const { return fused; }

private:
  void add(mlir::func::FuncOp func, std::vector<bool> &isLost);

  void number(const std::vector<bool> &isLost);

  nest::BlockNumbers blocks;
  unsigned blockCount = 0, lost = 0;
  std::vector<std::string> fused;
};

} // namespace nestor::package

#endif // NESTOR_PACKAGE_BLOCKPLAN_H

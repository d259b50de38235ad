//===- Nest.h - From one network to nested capacities -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_NEST_H
#define NESTOR_LEARN_NEST_H

#include "compiler/learn/Recover.h"

namespace nestor::learn {

/// What was done to a model, for tables and reports.
struct NestReport {
  struct Capacity {
    double requested;  ///< As in the options.
    double fraction;   ///< MACs over the full model's.
    uint64_t macs;
    std::vector<std::string> skipped; ///< Residual blocks left out, by node.
    llvm::SmallVector<int64_t> extents; ///< What the input is scaled to; empty: nothing.
  };
  struct Group {
    std::string name;
    int64_t channels;
    bool stream;
    std::vector<int64_t> widths; ///< By capacity.
  };
  struct Whole {
    std::string node, reason;
  };
  std::vector<Capacity> capacities; ///< Ascending; equal ones are merged.
  std::vector<Group> groups;
  std::vector<Whole> whole;
  Recovery recovery;
  std::vector<std::string> warnings;

  /// What capacity number `capacity` scales the input to; empty: nothing, or the
  /// capacities came with the model.
  llvm::ArrayRef<int64_t> extentsOf(size_t capacity) const {
    return capacity < capacities.size() ? llvm::ArrayRef<int64_t>(capacities[capacity].extents)
                                        : llvm::ArrayRef<int64_t>();
  }
};

/// Forms groups, orders channels, plans widths, nests and recovers: `module`,
/// as the prepare pipeline leaves it, becomes a nested module (with one
/// capacity, it stays as it is). An error is about data or options.
llvm::Expected<NestReport> nestModel(mlir::ModuleOp module, const NestOptions &options);

} // namespace nestor::learn

#endif // NESTOR_LEARN_NEST_H

//===- WeightPlan.h - Where weights lie in the shells -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Capacities are planned from the smallest to the full one. A weight lies in
// the shell of the first capacity that reads it, so that capacity k reads nothing
// behind shell k. Inside of a shell lie the weights of one block after those of
// another, in the order of the plans, so that a block of a capacity is one range
// of each shell; behind them lie weights that several blocks read.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_WEIGHTPLAN_H
#define NESTOR_PACKAGE_WEIGHTPLAN_H

#include "compiler/kernels/FilterBlocks.h"

#include "llvm/ADT/DenseMap.h"

#include <map>
#include <string>
#include <vector>

namespace nestor::package {

/// Who reads a weight.
struct WeightReader {
  unsigned capacity, block;
  bool operator==(const WeightReader &other) const {
    return capacity == other.capacity && block == other.block;
  }
};

/// Bytes in a shell: a constant, or a block of a filter.
struct Weight {
  unsigned shell = 0;
  uint64_t offset = 0, size = 0;
  bool isBlock = false;
  llvm::SmallVector<WeightReader, 1> readers; ///< Each once.
  bool isReadBy(unsigned capacity) const;

  /// A constant's bytes, which its attribute owns, or `expanded` where the
  /// attribute does not store them as kernels read them.
  llvm::StringRef bytes;
  std::optional<std::string> expanded;
  llvm::StringRef contents() const { return expanded ? llvm::StringRef(*expanded) : bytes; }
};

/// A filter, or a matrix of a recurrent layer, that capacities share.
struct StoredFilter {
  nest::GlobalOp global;
  kernels::FilterBlocks blocks;
  /// By block: its number in `WeightPlan::weights`; none before it is read.
  llvm::SmallVector<std::optional<unsigned>> weights;
};

/// The weights in a shell that one block reads; those that several do have the
/// number of blocks for theirs.
struct WeightRange {
  unsigned block, shell;
  uint64_t offset, size;
};

class WeightPlan {
public:
  explicit WeightPlan(unsigned capacities = 1) : capacities(capacities), bytesOfShell(capacities, 0) {}

  /// Weights by number, and filters, in the order in which they are first read.
  llvm::ArrayRef<Weight> weights() const { return list; }
  llvm::ArrayRef<StoredFilter> filters() const { return filterList; }
  llvm::ArrayRef<uint64_t> shellBytes() const { return bytesOfShell; }

  /// The number of the weight that `reader` reads as `value`, a `nest.const`,
  /// `nest.weight` or a packing of one.
  mlir::FailureOr<unsigned> read(mlir::Value value, WeightReader reader);
  /// The same for a block of a filter that lies in shells.
  unsigned readBlock(const kernels::SharedFilter &filter, unsigned block, WeightReader reader);

  /// Gives all weights their offsets, once every plan has read its own. Returns
  /// the ranges of `blocks` blocks, by shell, then by block.
  std::vector<WeightRange> layOut(unsigned blocks);

  /// Bytes of filters and of constants that other capacities read too; bytes
  /// that only `capacity` reads. With one capacity nothing is private.
  uint64_t sharedBytes(unsigned capacity) const;
  uint64_t privateBytes(unsigned capacity) const;

  /// Fills shell `shell`, which is zeroed.
  void write(unsigned shell, llvm::MutableArrayRef<uint8_t> out) const;

private:
  unsigned readConstant(mlir::ElementsAttr value, WeightReader reader);
  StoredFilter &stored(const kernels::SharedFilter &filter);
  unsigned add(Weight weight, WeightReader reader);
  bool isPrivate(const Weight &weight) const;

  unsigned capacities;
  std::vector<Weight> list;
  std::vector<StoredFilter> filterList;
  std::vector<uint64_t> bytesOfShell;
  /// Filters by global, number of shells (groups may read one as a whole) and
  /// gates.
  std::map<std::tuple<mlir::Operation *, unsigned, int64_t>, unsigned> filterNumbers;
  /// Constants by hash, so that equal ones are stored once.
  std::map<uint64_t, llvm::SmallVector<unsigned, 1>> constants;
};

} // namespace nestor::package

#endif // NESTOR_PACKAGE_WEIGHTPLAN_H

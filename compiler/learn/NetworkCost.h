//===- NetworkCost.h - Work and time by width -------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_NETWORKCOST_H
#define NESTOR_LEARN_NETWORKCOST_H

#include "passes/ChannelGroups.h"
#include "passes/SharedWeights.h"

namespace nestor::learn {

/// How long kernels take on a class of processors, roughly: enough to rank
/// widths, checked in so that plans do not depend on the machine's mood.
struct KernelSpeed {
  double macsPerMicrosecond; ///< Of convolutions, whole panels of 16 outputs.
  double depthwiseMacsPerMicrosecond;
  double bytesPerMicrosecond; ///< Of whatever merely moves tensors.
  double microsecondsPerCall;
};

/// The numbers for the widest vectors that this machine has.
const KernelSpeed &hostSpeed();

/// Multiply-accumulates and microseconds of a network as functions of the
/// widths that its groups keep. Much faster than `macsAt`, with which it agrees.
class NetworkCost {
public:
  NetworkCost(mlir::func::FuncOp main, const ChannelGroups &groups,
              llvm::ArrayRef<ResidualBlock> blocks, const KernelSpeed &speed);

  /// `skipped[i]`: block number i is left out.
  uint64_t macs(llvm::ArrayRef<int64_t> widths, const std::vector<bool> &skipped) const;
  double microseconds(llvm::ArrayRef<int64_t> widths, const std::vector<bool> &skipped) const;

  /// The groups that nobody reads once block number `block` is left out.
  llvm::ArrayRef<int64_t> groupsInside(size_t block) const { return inside[block]; }

private:
  /// The kept indices of a dimension by width.
  struct Extent {
    int64_t fixed = 0;
    /// Group, and how many indices its first channels have, by their number.
    std::vector<std::pair<int32_t, std::vector<int64_t>>> parts;

    int64_t at(llvm::ArrayRef<int64_t> widths) const {
      int64_t sum = fixed;
      for (const auto &[group, counts] : parts)
        sum += counts[widths[group]];
      return sum;
    }
  };
  struct Item {
    enum Kind { Product, Depthwise, Movement } kind;
    double perPair;             ///< MACs for each pair of an input and an output channel.
    double perInput, perOutput; ///< Elements.
    Extent input, output;
    std::vector<size_t> blocks; ///< Gone when one of them is skipped.
  };
  Extent extentOf(mlir::Value value, unsigned dim) const;
  void addItem(mlir::Operation *op);
  void addRecurrent(const RecurrentOperands &layer);
  bool isSkipped(const Item &item, const std::vector<bool> &skipped) const;

  const ChannelGroups &groups;
  KernelSpeed speed;
  std::vector<Item> items;
  std::vector<std::vector<int64_t>> inside;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_NETWORKCOST_H

//===- ChannelGroups.h - Which channels shrink together ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A channel is an index of a tensor's dimension that can be left out. Residual
// adds, depthwise convolutions, element-wise work and the filters around them
// tie indices of many tensors into one channel: all are left out or none. The
// analysis is a union-find over indices, so that concatenation, slices, channel
// shuffles and zero-padded shortcuts need no special case: an operation states
// which index of its result is which index of its operand (DepGraph, Fang et
// al., CVPR 2023, section 3, has the same idea for whole dimensions).
//
// A group is a set of channels that occur in the same dimensions: any prefix of
// a group's order can be kept independently of the other groups.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_CHANNELGROUPS_H
#define NESTOR_PASSES_CHANNELGROUPS_H

#include "compiler/ir/NestDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <memory>
#include <string>
#include <vector>

namespace nestor {

class ChannelFlow;

struct ChannelGroup {
  std::string name; ///< The ONNX node of the first producer.
  int64_t channels; ///< Number of channels; widths count these.
  bool stream;      ///< On a residual connection; otherwise inside a block.
  /// Convolutions whose outputs (inputs) the channels are, in program order.
  /// A depthwise one is neither: its filter merely has one entry a channel.
  llvm::SmallVector<nest::ConvOp> producers, consumers;
  /// Recurrent layers whose hidden units (inputs) the channels are.
  llvm::SmallVector<mlir::Operation *> recurrences, recurrentReaders;
};

/// Consecutive indices of a dimension: channels first, first + 1, ... of
/// `group`, or, with group -1, indices that are always kept.
struct ChannelRun {
  int32_t group;
  int64_t first, length;
  bool operator==(const ChannelRun &other) const {
    return group == other.group && first == other.first && length == other.length;
  }
};

/// Why the channels of an operation do not shrink.
struct WholeChannels {
  mlir::Operation *op;
  std::string reason; ///< For people: "the model's output".
};

/// The groups of a function between the prepare and the finish pipeline
/// (Passes.h). Refers to its operations; invalid once they change.
class ChannelGroups {
public:
  explicit ChannelGroups(mlir::func::FuncOp func);

  llvm::ArrayRef<ChannelGroup> groups() const { return groupList; }
  /// One entry for each operation with channels that stay whole, with the
  /// operation that is the cause.
  llvm::ArrayRef<WholeChannels> whole() const { return wholeList; }

  /// The indices of dimension `dim` of `value` as runs that cover them all;
  /// empty if the dimension never shrinks.
  llvm::ArrayRef<ChannelRun> runs(mlir::Value value, unsigned dim) const;

  /// How indices correspond (passes/ChannelFlow.h), and the runs of its axes.
  const ChannelFlow &flow() const { return *flowOfIndices; }
  llvm::ArrayRef<ChannelRun> runs(unsigned axis) const;

private:
  friend class GroupBuilder;

  std::shared_ptr<const ChannelFlow> flowOfIndices;
  std::vector<ChannelGroup> groupList;
  std::vector<WholeChannels> wholeList;
  std::vector<std::vector<ChannelRun>> axisRuns;
};

/// For each group, a permutation: the new channel i is the old one order[i].
using ChannelOrder = std::vector<llvm::SmallVector<int64_t>>;

/// Rewrites constants (and pads whose place changes) so that the channels of
/// each group come in `order`. The function computes the same as before, up to
/// the order of summation. Indices of one group that a dimension holds in
/// several runs (a zero-padded shortcut) are brought together where nothing
/// but constants fixes their place. `groups` must be computed anew afterwards.
void permuteChannels(mlir::func::FuncOp func, const ChannelGroups &groups,
                     const ChannelOrder &order);

/// What each capacity keeps.
struct CapacityPlan {
  /// widths[capacity][group]: channels kept. Capacities ascend, widths do not
  /// descend along them, and the last capacity keeps everything.
  std::vector<llvm::SmallVector<int64_t>> widths;
  /// skipped[capacity]: residual blocks, by their number in `skippableBlocks`,
  /// whose branch the capacity leaves out. What a capacity skips, smaller ones
  /// skip too.
  std::vector<llvm::SmallVector<int64_t>> skipped;
  /// extents[capacity]: what the input is scaled to (passes/ScaleInput.h); empty:
  /// nothing. Shorter than `widths`: so are all that are missing.
  std::vector<llvm::SmallVector<int64_t>> extents;
};

/// Reorders channels once more so that what each capacity keeps of a filter's
/// outputs comes first, where they belong to several groups (the stream of a
/// zero-padded shortcut). Between planning and `nestCapacities`, before copies
/// are made that nested functions are compared with. `groups` must be computed
/// anew afterwards; the numbers of groups and of `skippableBlocks` stay.
void sortByCapacity(mlir::func::FuncOp func, const ChannelGroups &groups, const CapacityPlan &plan);

/// A residual block: `add` adds the result of a branch to the branch's own
/// input, of the same type, so that leaving the branch out leaves a network.
struct ResidualBlock {
  mlir::Operation *add;      ///< A `nest.map`.
  unsigned branch, shortcut; ///< Operands of `add`.
};
std::vector<ResidualBlock> skippableBlocks(mlir::func::FuncOp func);

/// Multiply-accumulates of one run when the groups keep `widths` and the
/// branches of the blocks `skipped` (by number) are left out.
uint64_t macsAt(mlir::func::FuncOp func, const ChannelGroups &groups,
                llvm::ArrayRef<int64_t> widths, llvm::ArrayRef<int64_t> skipped);

/// Turns a module with `@main` into a nested module (compiler/ir/Nested.h):
/// f32 convolutions and recurrent layers with constant weights read these as
/// `nest.weight`s, and such a convolution has a scale and a bias vector of its own
/// in each capacity (ones and zeros where it had none). With one capacity no scales or biases are
/// added. Capacities may differ in the extents of what they compute on, never in
/// their arguments and results.
mlir::LogicalResult nestCapacities(mlir::ModuleOp module, const ChannelGroups &groups,
                                   const CapacityPlan &plan);

} // namespace nestor

#endif // NESTOR_PASSES_CHANNELGROUPS_H

//===- Cuts.h - What a plan says about its blocks and cuts ------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_CUTS_H
#define NESTOR_PACKAGE_CUTS_H

#include "compiler/package/MemoryPlan.h"
#include "compiler/package/artifact.pb.h"

#include <optional>
#include <vector>

namespace nestor::package {

/// A tensor at its place in a capacity's memory. Layer number t runs at time t.
struct HeldTensor {
  format::LiveTensor tensor;
  unsigned buffer = 0; ///< In the arena: where it lies, or what it is a part of.
  uint64_t bytes = 0;
  unsigned first = 0; ///< The first time before which it is there: 0 for inputs.
  unsigned last = 0;  ///< Time of the last layer that reads it; for outputs, the end.
};

/// Adds the cuts, and what activations take in blocks, to a capacity that has
/// its blocks. Layers of block b run at the times from starts[b] up to
/// starts[b + 1]; `buffers` are those of the arena, packed. Inputs come first in
/// `tensors`, which are in the order in which they are computed. Returns the live
/// bytes at each cut; nothing where tensors of a cut overlap, which lifetimes
/// that are right never make them do.
std::optional<std::vector<uint64_t>> describeCuts(format::Capacity &capacity,
                                                  llvm::ArrayRef<HeldTensor> tensors,
                                                  llvm::ArrayRef<Buffer> buffers,
                                                  llvm::ArrayRef<unsigned> starts);

/// For each cut, whether an earlier one has no more live bytes. The last one
/// never counts as dominated: there all of the network runs here.
std::vector<bool> dominatedCuts(llvm::ArrayRef<uint64_t> liveBytes);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_CUTS_H

//===- Mixed.h - Heads and tails of different capacities --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_MIXED_H
#define NESTORC_MIXED_H

#include "compiler/learn/Nest.h"
#include "compiler/package/artifact.pb.h"
#include "nestor/artifact.hpp"

#include "llvm/ADT/ArrayRef.h"

#include <vector>

namespace nestorc {

/// The cuts at which `compile --mixed` measures without being told where, those
/// that an app would choose for a split: where one tensor is alive, which is
/// smaller than at all such cuts before, the one in front of the model apart.
std::vector<uint32_t> chooseMixedCuts(const nestor::format::Manifest &manifest);

/// Lists all pairs of different capacities at the cuts, ascending, whose tensors
/// differ in their channels at most, in order of cut, head and tail. A cut may have
/// none.
void addMixedPairs(llvm::ArrayRef<uint32_t> cuts, const nestor::learn::NestReport &report,
                   nestor::format::Manifest &manifest);

/// A line below the table of capacities; none where there are no pairs.
void printMixed(llvm::ArrayRef<nestor::MixedInfo> pairs);

} // namespace nestorc

#endif // NESTORC_MIXED_H

//===- InspectCuts.h - Blocks and cuts for nestor inspect ----- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_NESTOR_INSPECTCUTS_H
#define NESTOR_TOOLS_NESTOR_INSPECTCUTS_H

#include "Support.h"

namespace nestor::tool {

/// Those of `capacities()[index]`.
Json describeBlocks(const Artifact &artifact, size_t index);
Json describeCuts(const Artifact &artifact, size_t index);

/// The cuts of the full capacity and the blocks between them.
void printCuts(const Artifact &artifact);

/// Head and tail of different capacities.
Json describeMixed(const Artifact &artifact);
void printMixed(const Artifact &artifact);

/// The layers of the full capacity by block, with the tensors that flow between
/// them and the cuts, as a graph for Graphviz's dot.
void printDot(const Artifact &artifact);

} // namespace nestor::tool

#endif // NESTOR_TOOLS_NESTOR_INSPECTCUTS_H

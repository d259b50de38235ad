//===- GraphSection.h - The bytes of a graph section ------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Private to compiler/package; the interface for others is Graph.h.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_GRAPHSECTION_H
#define NESTOR_PACKAGE_GRAPHSECTION_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>

namespace nestor::package {

/// Where a constant's bytes lie: array<i64: shell, offset>.
inline constexpr llvm::StringLiteral kStoredAttr = "nest.stored";
/// Where a packed filter's blocks lie: array<i64: form, then shell and offset of
/// each block (FilterBlocks.h)>. The form is the outputs of a group, or 0 for
/// blocks in shells; for a recurrent layer's matrix, the gates, negated. Beside it
/// the algorithm (compiler/ir/FilterForm.h) that the blocks are transformed for, if any.
inline constexpr llvm::StringLiteral kBlocksAttr = "nest.blocks";
/// Instead of a shell: behind the text.
inline constexpr int64_t kInSection = -1;
/// Instead of a shell: nowhere, because no capacity reads the block.
inline constexpr int64_t kNowhere = -2;

/// What a section holds once it is decompressed.
struct GraphContents {
  std::string text, constants;
};

std::string encodeGraph(const GraphContents &contents);
/// Fails with a sentence where the bytes are no graph section.
llvm::Expected<GraphContents> decodeGraph(llvm::StringRef section);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_GRAPHSECTION_H

//===- Trim.h - A smaller artifact out of an artifact -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_TRIM_H
#define NESTOR_PACKAGE_TRIM_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace nestor::package {

/// What to keep of an artifact.
struct TrimOptions {
  unsigned capacities = 0; ///< The smallest so many.
  /// From the first one up to, and without, the second one; all where it is
  /// none. Others lose their steps and weights, and the file its graph, which
  /// tells where all weights are.
  std::optional<std::pair<uint32_t, uint32_t>> blocks;
  /// The variants to keep, by precision, with how many of their smallest
  /// capacities; of blocks they keep the same.
  std::map<std::string, unsigned> variants;
};

/// Writes a part of an artifact to `path`. `file` and the variants that stay were
/// opened by the runtime, with every hash checked, and have what `options` keep;
/// a variant with other blocks than f32 is an error. No failure leaves anything
/// behind.
llvm::Error trimArtifact(llvm::StringRef file, const TrimOptions &options, llvm::StringRef path);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_TRIM_H

//===- Trim.h - A smaller artifact out of an artifact -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_TRIM_H
#define NESTOR_PACKAGE_TRIM_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace nestor::package {

/// Writes the `capacities` smallest capacities of an artifact to `path`: the
/// shells of larger ones are left out, all else is copied. `file` was opened by
/// the runtime, with every hash checked, and has that many capacities. No
/// failure leaves anything behind.
llvm::Error trimArtifact(llvm::StringRef file, unsigned capacities, llvm::StringRef path);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_TRIM_H

//===- FileLayout.h - Header, manifest and sections of a file ---*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_FILELAYOUT_H
#define NESTOR_PACKAGE_FILELAYOUT_H

#include "compiler/package/artifact.pb.h"

#include "llvm/ADT/ArrayRef.h"

namespace nestor::package {

/// Gives the sections, which have their sizes and a hash that is not 0, their
/// places behind the manifest. Returns the size of the file.
uint64_t layOutSections(format::Manifest &manifest);

/// Writes header and manifest to the beginning of `file`, which has its size.
void writeHead(const format::Manifest &manifest, llvm::MutableArrayRef<uint8_t> file);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_FILELAYOUT_H

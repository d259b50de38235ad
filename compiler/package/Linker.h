//===- Linker.h - Object files to a mappable image --------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_LINKER_H
#define NESTOR_PACKAGE_LINKER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace nestor::package {

/// Links relocatable ELF objects into a shared object with lld, in-process.
/// Safe to call from several threads, which take turns: lld has global state.
llvm::Expected<std::string> linkShared(llvm::ArrayRef<llvm::StringRef> objects);

/// Checks that `elf` is what the runtime maps: self-contained, no relocations
/// but RELATIVE, no thread-local storage, nothing writable and executable.
/// Returns the addresses of `symbols`, in order.
llvm::Expected<std::vector<uint64_t>> readEntries(llvm::StringRef elf,
                                                  llvm::ArrayRef<llvm::StringRef> symbols);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_LINKER_H

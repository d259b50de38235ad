//===- Writer.h - Plan and code as a .nest artifact -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The same plan and images give the same bytes.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_WRITER_H
#define NESTOR_PACKAGE_WRITER_H

#include "compiler/package/CodeImage.h"
#include "compiler/package/Plan.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>

namespace nestor::package {

/// The same model in another precision (VARIANT in runtime/format/artifact.proto).
struct Variant {
  std::string precision;
  llvm::StringRef artifact; ///< Whole.
};

/// A .nest file that is laid out and can be written. Refers to `plan`, `images`
/// and `variants`, and adds targets, sections and entry points to the manifest.
class ArtifactWriter {
public:
  ArtifactWriter(Plan &plan, llvm::ArrayRef<CodeImage> images,
                 llvm::ArrayRef<Variant> variants = {});

  uint64_t size() const { return fileSize; }
  /// Where the first section begins: header and manifest lie before it.
  uint64_t codeBytes() const;

  /// Fills `out`, which is zeroed and has `size()` bytes.
  void write(llvm::MutableArrayRef<uint8_t> out);

  /// Writes the file under a temporary name beside `path` and renames it; no
  /// failure leaves anything behind.
  llvm::Error writeFile(llvm::StringRef path);

private:
  void addSection(format::SectionKind kind, const std::string &name, unsigned index,
                  uint64_t size);

  Plan &plan;
  llvm::ArrayRef<CodeImage> images;
  llvm::ArrayRef<Variant> variants;
  uint64_t fileSize = 0;
};

/// The artifact in memory, aligned so that the runtime opens it in place.
std::unique_ptr<llvm::MemoryBuffer> toMemory(Plan &plan, llvm::ArrayRef<CodeImage> images,
                                             llvm::ArrayRef<Variant> variants = {});

} // namespace nestor::package

#endif // NESTOR_PACKAGE_WRITER_H

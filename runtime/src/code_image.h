//===- code_image.h - Machine code from an ELF image ---------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_CODE_IMAGE_H
#define NESTOR_SRC_CODE_IMAGE_H

#include "nestor/embedded.h"
#include "nestor/status.hpp"

#include <cstddef>
#include <cstdint>
#include <elf.h>
#include <vector>

namespace nestor::detail {

/// The code section of an artifact, mapped and ready to call.
///
/// A section is a position-independent ELF64 shared object that needs nothing:
/// no libraries, symbols, thread-local storage or constructors, and no
/// relocations but RELATIVE. So this is all of a dynamic linker that it takes.
/// No page is ever writable and executable at once.
class CodeImage {
public:
  CodeImage() = default;
  CodeImage(const CodeImage &) = delete;
  CodeImage &operator=(const CodeImage &) = delete;
  ~CodeImage();

  /// Maps the image in `bytes`. When the bytes are also at `fileOffset` of the
  /// file `fd` (-1: they are not), read-only pages are mapped from there, so
  /// that processes share them.
  Status load(const uint8_t *bytes, uint64_t size, int fd, uint64_t fileOffset);

  /// Takes code that is part of the program in the place of an image; the
  /// array stays the caller's.
  void link(const nestor_kernel *kernels, uint32_t count);
  bool linked() const { return kernels_ != nullptr; }

  /// The function at `entry`, an offset from the load address or an index of
  /// linked code; null when that lies outside the executable segments or array.
  void *function(uint64_t entry) const;

  uint64_t mapped_bytes() const { return reservedSize_; }

private:
  Status read_headers();
  Status check_segments() const;
  Status reserve();
  Status map_segment(const Elf64_Phdr &segment, int fd, uint64_t fileOffset);
  Status relocate();
  Status read_dynamic(const Elf64_Phdr &dynamic, uint64_t &table, uint64_t &tableSize) const;
  Status protect();
  /// The loadable segment that [address, +size) lies in, or null.
  const Elf64_Phdr *segment_of(uint64_t address, uint64_t size) const;

  const uint8_t *bytes_ = nullptr;
  uint64_t size_ = 0;
  std::vector<Elf64_Phdr> loads_; ///< PT_LOAD, ascending, disjoint in pages.
  Elf64_Phdr dynamic_ = {};
  uint8_t *base_ = nullptr;
  void *reserved_ = nullptr;
  uint64_t reservedSize_ = 0;
  const nestor_kernel *kernels_ = nullptr;
  uint32_t kernelCount_ = 0;
};

} // namespace nestor::detail

#endif // NESTOR_SRC_CODE_IMAGE_H

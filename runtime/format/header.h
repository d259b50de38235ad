//===- header.h - The fixed header of a .nest file --------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The first 64 bytes of every .nest file, little-endian. Shared by the writer
// (compiler/package) and the reader (runtime/src), so it includes nothing but
// <cstdint>.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_FORMAT_HEADER_H
#define NESTOR_FORMAT_HEADER_H

#include <cstdint>

namespace nestor::format {

inline constexpr char kMagic[8] = {'\x7f', 'N', 'E', 'S', 'T', 'O', 'R', '\n'};

/// A reader accepts exactly its own major version (see artifact.proto).
inline constexpr uint16_t kMajorVersion = 1;
inline constexpr uint16_t kMinorVersion = 0;

/// Alignment of sections in the file: the largest page size in use, so that a
/// section can be mapped on every platform.
inline constexpr uint64_t kSectionAlignment = 64 * 1024;

/// Alignment of every constant inside a weight shell and of every buffer in
/// the arena.
inline constexpr uint64_t kBufferAlignment = 64;

struct FileHeader {
  char magic[8];
  uint16_t major;
  uint16_t minor;
  uint32_t headerSize;      ///< 64; larger in later minor versions.
  uint64_t manifestOffset;
  uint64_t manifestSize;
  uint64_t manifestHash;    ///< XXH3-64 of the manifest's bytes.
  uint64_t fileSize;        ///< Of the complete file; a shorter one is partial.
  uint64_t reserved;        ///< 0.
  uint64_t headerHash;      ///< XXH3-64 of the 56 bytes before it.
};
static_assert(sizeof(FileHeader) == 64, "the header is part of the format");

} // namespace nestor::format

#endif // NESTOR_FORMAT_HEADER_H

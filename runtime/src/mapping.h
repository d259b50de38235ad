//===- mapping.h - The bytes of an artifact ------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_MAPPING_H
#define NESTOR_SRC_MAPPING_H

#include "nestor/artifact.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace nestor::detail {

struct GuardedRange;

/// Read-only bytes: a range of a file, mapped or copied, or memory of the caller.
class Mapping {
public:
  Mapping() = default;
  Mapping(Mapping &&other) noexcept { swap(other); }
  Mapping &operator=(Mapping &&other) noexcept { return swap(other), *this; }
  ~Mapping();

  /// As `options.load()` and `options.guard()` say.
  static Result<Mapping> file(const char *path, const ArtifactOptions &options);
  static Result<Mapping> range(int fd, uint64_t offset, uint64_t length,
                               const ArtifactOptions &options);
  static Mapping memory(const void *data, size_t size);

  /// Gives back the pages of a mapped file behind the first `bytes` bytes. Does
  /// nothing to other memory.
  void keep_front(uint64_t bytes);

  /// Reads bytes of the file, also where they are not mapped.
  Status read(uint64_t offset, uint64_t bytes, uint8_t *target) const;

  const uint8_t *data() const { return data_; }
  /// How much of it is there; the rest can be read only.
  uint64_t front() const { return std::min(front_, size_); }
  uint64_t size() const { return size_; }

  /// The file that the bytes are from, open until the end; -1 for memory.
  int fd() const { return fd_; }
  uint64_t file_offset() const { return fileOffset_; }
  /// Whether the bytes are pages of the file, which come back when dropped.
  bool shares_file() const { return sharesFile_; }
  bool guarded() const { return guard_ != nullptr; }

  /// `data_loss` when the file has become shorter than it was, or pages of
  /// it were missed before. One system call for mapped files, none for others.
  Status check() const;
  /// `data_loss` when pages were missed, as far as a guard noticed. No system call.
  Status check_guard() const;

private:
  void swap(Mapping &other) noexcept;
  Status load(int fd, uint64_t offset, uint64_t length, const ArtifactOptions &options);
  Status map(int fd, uint64_t offset, uint64_t length);
  Status copy(int fd, uint64_t offset, uint64_t length);
  Status keep_file(int fd);

  const uint8_t *data_ = nullptr;
  uint64_t size_ = 0;
  void *mapped_ = nullptr; ///< Page-aligned; null when the memory is not ours.
  uint64_t mappedSize_ = 0;
  int fd_ = -1;
  bool ownPosition_ = false; ///< Nobody else reads through the open file behind `fd_`.
  bool sharesFile_ = false;
  uint64_t fileOffset_ = 0;
  uint64_t front_ = UINT64_MAX; ///< Set for files that are mapped in part.
  GuardedRange *guard_ = nullptr;
};

/// The size of a regular file; any other kind is an error.
Result<uint64_t> regular_file_size(int fd);

/// Bytes in a page of this system.
uint64_t page_size();

/// The whole pages that some bytes lie in, for advice to the system.
struct PageSpan {
  PageSpan(const uint8_t *data, uint64_t size);
  void *start;
  uint64_t bytes;
};

} // namespace nestor::detail

#endif // NESTOR_SRC_MAPPING_H

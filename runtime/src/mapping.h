//===- mapping.h - The bytes of an artifact ------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_MAPPING_H
#define NESTOR_SRC_MAPPING_H

#include "nestor/status.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace nestor::detail {

/// Read-only bytes: a mapped range of a file, or memory of the caller.
class Mapping {
public:
  Mapping() = default;
  Mapping(Mapping &&other) noexcept { swap(other); }
  Mapping &operator=(Mapping &&other) noexcept { return swap(other), *this; }
  ~Mapping();

  static Result<Mapping> file(const char *path);
  static Result<Mapping> range(int fd, uint64_t offset, uint64_t length);
  static Mapping memory(const void *data, size_t size);

  /// Gives back the pages of a mapped file behind the first `bytes` bytes.
  void keep_front(uint64_t bytes);

  /// Reads bytes of the file, also where they are not mapped.
  Status read(uint64_t offset, uint64_t bytes, uint8_t *target) const;

  const uint8_t *data() const { return data_; }
  /// How much of it is there; the rest can be read only.
  uint64_t front() const { return mapped_ ? std::min(front_, size_) : size_; }
  uint64_t size() const { return size_; }

  /// The file behind the bytes, for mapping parts of it executable; -1 for
  /// memory, and after `close_file`.
  int fd() const { return fd_; }
  uint64_t file_offset() const { return fileOffset_; }
  void close_file();

private:
  void swap(Mapping &other) noexcept;
  Status map(int fd, uint64_t offset, uint64_t length);

  const uint8_t *data_ = nullptr;
  uint64_t size_ = 0;
  void *mapped_ = nullptr; ///< Page-aligned; null when the memory is not ours.
  uint64_t mappedSize_ = 0;
  int fd_ = -1;
  uint64_t fileOffset_ = 0;
  uint64_t front_ = UINT64_MAX;
};

/// Bytes in a page of this system.
uint64_t page_size();

} // namespace nestor::detail

#endif // NESTOR_SRC_MAPPING_H

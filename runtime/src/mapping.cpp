//===- mapping.cpp - The bytes of an artifact -----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "mapping.h"
#include "checked.h"
#include "error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace nestor::detail {

uint64_t page_size() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

/// The size of a regular file; mapping anything else is an error.
static Result<uint64_t> regular_file_size(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0)
    return error(StatusCode::io_error, "fstat: %s", std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return error(StatusCode::invalid_argument, "not a regular file");
  return static_cast<uint64_t>(info.st_size);
}

Result<Mapping> Mapping::file(const char *path) {
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    bool missing = errno == ENOENT || errno == ENOTDIR;
    return error(missing ? StatusCode::not_found : StatusCode::io_error, "cannot open: %s",
                 std::strerror(errno));
  }
  Result<uint64_t> size = regular_file_size(fd);
  Result<Mapping> mapping = size.ok() ? range(fd, 0, size.value()) : size.status();
  ::close(fd);
  return mapping;
}

Result<Mapping> Mapping::range(int fd, uint64_t offset, uint64_t length) {
  Result<uint64_t> size = regular_file_size(fd);
  if (!size.ok())
    return size.status();
  // Pages beyond the end of a file cannot be touched.
  if (!fits(offset, length, size.value()))
    return error(StatusCode::invalid_argument,
                 "range [%llu, +%llu) does not lie in the file's %llu bytes",
                 static_cast<unsigned long long>(offset), static_cast<unsigned long long>(length),
                 static_cast<unsigned long long>(size.value()));
  Mapping mapping;
  NESTOR_RETURN_IF_ERROR(mapping.map(fd, offset, length));
  return mapping;
}

Status Mapping::map(int fd, uint64_t offset, uint64_t length) {
  if (length == 0)
    return error(StatusCode::corrupt, "empty file");
  uint64_t slack = offset % page_size();
  mappedSize_ = length + slack;
  void *address = mmap(nullptr, mappedSize_, PROT_READ, MAP_PRIVATE, fd,
                       static_cast<off_t>(offset - slack));
  if (address == MAP_FAILED)
    return error(StatusCode::io_error, "mmap: %s", std::strerror(errno));
  mapped_ = address;
  data_ = static_cast<const uint8_t *>(address) + slack;
  size_ = length;
  fileOffset_ = offset;
  fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (fd_ < 0)
    return error(StatusCode::io_error, "dup: %s", std::strerror(errno));
  return Status();
}

Mapping Mapping::memory(const void *data, size_t size) {
  Mapping mapping;
  mapping.data_ = static_cast<const uint8_t *>(data);
  mapping.size_ = size;
  return mapping;
}

void Mapping::keep_front(uint64_t bytes) {
  uint64_t slack = fileOffset_ % page_size();
  uint64_t kept = (slack + bytes + page_size() - 1) / page_size() * page_size();
  front_ = bytes;
  if (!mapped_ || fd_ < 0 || kept >= mappedSize_)
    return;
  munmap(static_cast<uint8_t *>(mapped_) + kept, mappedSize_ - kept);
  mappedSize_ = kept;
}

Status Mapping::read(uint64_t offset, uint64_t bytes, uint8_t *target) const {
  if (fd_ < 0) { // Memory of the caller.
    std::memcpy(target, data_ + offset, bytes);
    return Status();
  }
  while (bytes != 0) {
    ssize_t count = pread(fd_, target, bytes, static_cast<off_t>(fileOffset_ + offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return error(StatusCode::io_error, "cannot read weights: %s", std::strerror(errno));
    if (count == 0)
      return error(StatusCode::data_loss, "the file has become shorter: it ends at %llu, where "
                   "weights were", static_cast<unsigned long long>(fileOffset_ + offset));
    offset += static_cast<uint64_t>(count);
    bytes -= static_cast<uint64_t>(count);
    target += count;
  }
  return Status();
}

void Mapping::close_file() {
  if (fd_ >= 0)
    ::close(fd_);
  fd_ = -1;
}

void Mapping::swap(Mapping &other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  std::swap(mappedSize_, other.mappedSize_);
  std::swap(fd_, other.fd_);
  std::swap(fileOffset_, other.fileOffset_);
  std::swap(front_, other.front_);
}

Mapping::~Mapping() {
  close_file();
  if (mapped_)
    munmap(mapped_, mappedSize_);
}

} // namespace nestor::detail

//===- mapping.cpp - The bytes of an artifact -----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "mapping.h"
#include "checked.h"
#include "error.h"
#include "guard.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace nestor::detail {

static Status truncated(const char *how) {
  return error(StatusCode::data_loss, "the file was truncated %s; write a new file and rename it "
               "over the old one, then open it", how);
}

uint64_t page_size() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

PageSpan::PageSpan(const uint8_t *data, uint64_t size) {
  uint64_t slack = reinterpret_cast<uintptr_t>(data) % page_size();
  start = const_cast<uint8_t *>(data - slack);
  bytes = size == 0 ? 0 : (size + slack + page_size() - 1) / page_size() * page_size();
}

Result<uint64_t> regular_file_size(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0)
    return error(StatusCode::io_error, "fstat: %s", std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return error(StatusCode::invalid_argument, "not a regular file");
  return static_cast<uint64_t>(info.st_size);
}

Result<Mapping> Mapping::file(const char *path, const ArtifactOptions &options) {
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    bool missing = errno == ENOENT || errno == ENOTDIR;
    return error(missing ? StatusCode::not_found : StatusCode::io_error, "cannot open: %s",
                 std::strerror(errno));
  }
  Result<uint64_t> size = regular_file_size(fd);
  Result<Mapping> mapping = size.ok() ? range(fd, 0, size.value(), options) : size.status();
  ::close(fd);
  return mapping;
}

Result<Mapping> Mapping::range(int fd, uint64_t offset, uint64_t length,
                               const ArtifactOptions &options) {
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
  NESTOR_RETURN_IF_ERROR(mapping.load(fd, offset, length, options));
  return mapping;
}

Status Mapping::load(int fd, uint64_t offset, uint64_t length, const ArtifactOptions &options) {
  if (length == 0)
    return error(StatusCode::corrupt, "empty file");
  size_ = length;
  fileOffset_ = offset;
  NESTOR_RETURN_IF_ERROR(keep_file(fd));
  if (options.load() == Load::copy)
    return copy(fd, offset, length);
  NESTOR_RETURN_IF_ERROR(map(fd, offset, length));
  if (!options.guard())
    return Status();
  Result<GuardedRange *> guard = guard_range(mapped_, mappedSize_);
  if (!guard.ok())
    return guard.status();
  guard_ = guard.value();
  return Status();
}

Status Mapping::map(int fd, uint64_t offset, uint64_t length) {
  uint64_t slack = offset % page_size();
  mappedSize_ = length + slack;
  void *address = mmap(nullptr, mappedSize_, PROT_READ, MAP_PRIVATE, fd,
                       static_cast<off_t>(offset - slack));
  if (address == MAP_FAILED)
    return error(StatusCode::io_error, "mmap: %s", std::strerror(errno));
  mapped_ = address;
  data_ = static_cast<const uint8_t *>(address) + slack;
  sharesFile_ = true;
  return Status();
}

Status Mapping::copy(int fd, uint64_t offset, uint64_t length) {
  void *address =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    return error(StatusCode::out_of_memory, "cannot allocate %llu bytes: %s",
                 static_cast<unsigned long long>(length), std::strerror(errno));
  mapped_ = address;
  mappedSize_ = length;
  uint8_t *target = static_cast<uint8_t *>(address);
  data_ = target;
  for (uint64_t done = 0; done < length;) {
    ssize_t count = pread(fd, target + done, length - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return error(StatusCode::io_error, "cannot read: %s", std::strerror(errno));
    if (count == 0)
      return error(StatusCode::data_loss, "the file became shorter while it was read");
    done += static_cast<uint64_t>(count);
  }
  if (mprotect(address, length, PROT_READ) != 0)
    return error(StatusCode::out_of_memory, "mprotect: %s", std::strerror(errno));
  return Status();
}

/// `lseek` tells a file's size in less than half the time of `fstat`, but moves
/// the position of everyone who shares the open file. So it is opened anew.
Status Mapping::keep_file(int fd) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  fd_ = ::open(path, O_RDONLY | O_CLOEXEC);
  ownPosition_ = fd_ >= 0;
  if (fd_ < 0) // No /proc here, or no right to open the file once more.
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
  if (!sharesFile_) // What is gone could not be read again.
    return;
  uint64_t slack = fileOffset_ % page_size();
  uint64_t kept = (slack + bytes + page_size() - 1) / page_size() * page_size();
  front_ = bytes;
  if (kept >= mappedSize_)
    return;
  if (guard_) // Others may soon use the addresses.
    shrink_guard(guard_, kept);
  munmap(static_cast<uint8_t *>(mapped_) + kept, mappedSize_ - kept);
  mappedSize_ = kept;
}

Status Mapping::read(uint64_t offset, uint64_t bytes, uint8_t *target) const {
  if (!sharesFile_) { // Memory of the caller, or a copy.
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
      return truncated("before its weights were read");
    offset += static_cast<uint64_t>(count);
    bytes -= static_cast<uint64_t>(count);
    target += count;
  }
  return Status();
}

Status Mapping::check_guard() const {
  if (!guard_ || !guard_->lost())
    return Status();
  return truncated("while it was mapped");
}

Status Mapping::check() const {
  if (!sharesFile_)
    return Status();
  NESTOR_RETURN_IF_ERROR(check_guard());
  struct stat info;
  off_t size = ownPosition_ ? lseek(fd_, 0, SEEK_END) : fstat(fd_, &info) == 0 ? info.st_size : -1;
  if (size < 0)
    return error(StatusCode::io_error, "cannot tell its size: %s", std::strerror(errno));
  if (static_cast<uint64_t>(size) >= fileOffset_ + size_)
    return Status();
  char change[96];
  std::snprintf(change, sizeof change, "to %llu bytes after it was opened with %llu",
                static_cast<unsigned long long>(size),
                static_cast<unsigned long long>(fileOffset_ + size_));
  return truncated(change);
}

void Mapping::swap(Mapping &other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  std::swap(mappedSize_, other.mappedSize_);
  std::swap(fd_, other.fd_);
  std::swap(ownPosition_, other.ownPosition_);
  std::swap(sharesFile_, other.sharesFile_);
  std::swap(fileOffset_, other.fileOffset_);
  std::swap(front_, other.front_);
  std::swap(guard_, other.guard_);
}

Mapping::~Mapping() {
  if (guard_)
    unguard_range(guard_);
  if (mapped_)
    munmap(mapped_, mappedSize_);
  if (fd_ >= 0)
    ::close(fd_);
}

} // namespace nestor::detail

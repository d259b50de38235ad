//===- code_image.cpp - Machine code from an ELF image --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "code_image.h"
#include "checked.h"
#include "cpu.h"
#include "error.h"
#include "mapping.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace nestor::detail {

/// Largest page size in use, and so the alignment of segments.
static constexpr uint64_t kMaxPageSize = 64 * 1024;
/// Far above any real image; keeps address arithmetic away from overflow.
static constexpr uint64_t kMaxImageSize = 1ull << 31;
static constexpr unsigned kMaxSegments = 64;

static unsigned long long ull(uint64_t value) { return value; }
static uint64_t page_down(uint64_t value) { return value & ~(page_size() - 1); }
static uint64_t page_up(uint64_t value) { return page_down(value + page_size() - 1); }

static Status refused(const char *what) {
  return error(StatusCode::corrupt, "code: %s", what);
}

Status CodeImage::load(const uint8_t *bytes, uint64_t size, int fd, uint64_t fileOffset) {
  bytes_ = bytes;
  size_ = size;
  NESTOR_RETURN_IF_ERROR(read_headers());
  NESTOR_RETURN_IF_ERROR(check_segments());
  NESTOR_RETURN_IF_ERROR(reserve());
  for (const Elf64_Phdr &segment : loads_)
    NESTOR_RETURN_IF_ERROR(map_segment(segment, fd, fileOffset));
  NESTOR_RETURN_IF_ERROR(relocate());
  return protect();
}

Status CodeImage::read_headers() {
  Elf64_Ehdr header;
  if (size_ < sizeof header)
    return refused("too small for an ELF header");
  std::memcpy(&header, bytes_, sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_type != ET_DYN)
    return refused("not a little-endian ELF64 shared object");
  if (header.e_machine != kElfMachine)
    return error(StatusCode::corrupt, "code: e_machine is %u, this is %s (%u)", header.e_machine,
                 kHostArch, kElfMachine);
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMaxSegments ||
      !fits(header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr), size_))
    return refused("program headers are out of bounds");
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, bytes_ + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_LOAD)
      loads_.push_back(segment);
    else if (segment.p_type == PT_DYNAMIC)
      dynamic_ = segment;
    else if (segment.p_type == PT_TLS)
      return refused("thread-local storage (PT_TLS) is not supported");
    else if (segment.p_type == PT_INTERP)
      return refused("an interpreter (PT_INTERP) is not supported");
  }
  return Status();
}

Status CodeImage::check_segments() const {
  if (loads_.empty())
    return refused("no loadable segment");
  uint64_t end = 0; // Of the pages of the segment before.
  for (const Elf64_Phdr &segment : loads_) {
    if (!fits(segment.p_offset, segment.p_filesz, size_) || segment.p_filesz > segment.p_memsz ||
        !fits(segment.p_vaddr, segment.p_memsz, kMaxImageSize))
      return refused("a segment is out of bounds");
    if ((segment.p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
      return refused("a segment is writable and executable");
    if (page_down(segment.p_vaddr) < end)
      return refused("segments share a page; link with 64 KiB pages");
    end = page_up(segment.p_vaddr + segment.p_memsz);
  }
  return Status();
}

Status CodeImage::reserve() {
  uint64_t extent = page_up(loads_.back().p_vaddr + loads_.back().p_memsz);
  reservedSize_ = extent + kMaxPageSize;
  void *address =
      mmap(nullptr, reservedSize_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    return error(StatusCode::out_of_memory, "code: cannot reserve %llu bytes: %s",
                 ull(reservedSize_), std::strerror(errno));
  reserved_ = address;
  uintptr_t start = reinterpret_cast<uintptr_t>(address);
  base_ = reinterpret_cast<uint8_t *>((start + kMaxPageSize - 1) & ~(kMaxPageSize - 1));
  return Status();
}

CodeImage::~CodeImage() {
  if (reserved_)
    munmap(reserved_, reservedSize_);
}

static int protection(const Elf64_Phdr &segment) {
  return (segment.p_flags & PF_R ? PROT_READ : 0) | (segment.p_flags & PF_W ? PROT_WRITE : 0) |
         (segment.p_flags & PF_X ? PROT_EXEC : 0);
}

/// Executable pages may be forbidden by policy (SELinux, iOS, a noexec mount).
static Status map_error(const Elf64_Phdr &segment) {
  if ((segment.p_flags & PF_X) && (errno == EACCES || errno == EPERM))
    return error(StatusCode::exec_refused,
                 "code: this platform refuses executable mappings (%s); "
                 "compile with --emit object and link the code into the app",
                 std::strerror(errno));
  return error(StatusCode::out_of_memory, "code: cannot map a segment: %s", std::strerror(errno));
}

Status CodeImage::map_segment(const Elf64_Phdr &segment, int fd, uint64_t fileOffset) {
  if (segment.p_memsz == 0)
    return Status();
  uint64_t start = page_down(segment.p_vaddr);
  uint64_t length = page_up(segment.p_vaddr + segment.p_memsz) - start;
  uint64_t slack = segment.p_vaddr - start;
  uint64_t fileStart = fileOffset + segment.p_offset - slack;
  bool shareable = fd >= 0 && !(segment.p_flags & PF_W) && segment.p_filesz == segment.p_memsz &&
                   segment.p_offset >= slack && fileStart % page_size() == 0;
  if (shareable) {
    void *address = mmap(base_ + start, length, protection(segment), MAP_PRIVATE | MAP_FIXED, fd,
                         static_cast<off_t>(fileStart));
    return address == MAP_FAILED ? map_error(segment) : Status();
  }
  void *address = mmap(base_ + start, length, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    return map_error(segment);
  std::memcpy(base_ + segment.p_vaddr, bytes_ + segment.p_offset, segment.p_filesz);
  if (segment.p_flags & PF_W)
    return Status(); // Until `protect`: relocations write here.
  char *code = reinterpret_cast<char *>(base_ + segment.p_vaddr);
  __builtin___clear_cache(code, code + segment.p_memsz);
  return mprotect(base_ + start, length, protection(segment)) == 0 ? Status()
                                                                   : map_error(segment);
}

const Elf64_Phdr *CodeImage::segment_of(uint64_t address, uint64_t size) const {
  for (const Elf64_Phdr &segment : loads_)
    if (address >= segment.p_vaddr && fits(address - segment.p_vaddr, size, segment.p_memsz))
      return &segment;
  return nullptr;
}

Status CodeImage::read_dynamic(const Elf64_Phdr &dynamic, uint64_t &table,
                               uint64_t &tableSize) const {
  if (!fits(dynamic.p_offset, dynamic.p_filesz, size_))
    return refused("the dynamic section is out of bounds");
  for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic.p_filesz; at += sizeof(Elf64_Dyn)) {
    Elf64_Dyn entry;
    std::memcpy(&entry, bytes_ + dynamic.p_offset + at, sizeof entry);
    switch (entry.d_tag) {
    case DT_NULL: return Status();
    case DT_RELA: table = entry.d_un.d_ptr; break;
    case DT_RELASZ: tableSize = entry.d_un.d_val; break;
    case DT_RELAENT:
      if (entry.d_un.d_val != sizeof(Elf64_Rela))
        return refused("DT_RELAENT is not the size of a relocation");
      break;
    case DT_NEEDED: return refused("it needs a library (DT_NEEDED)");
    case DT_TEXTREL: return refused("relocations in code (DT_TEXTREL) are not supported");
    case DT_JMPREL:
    case DT_PLTRELSZ: return refused("it calls through a PLT (DT_JMPREL)");
    case DT_REL:
    case DT_RELR: return refused("only RELA relocations are supported");
    case DT_INIT:
    case DT_FINI:
    case DT_INIT_ARRAY:
    case DT_FINI_ARRAY:
    case DT_PREINIT_ARRAY: return refused("constructors and destructors are not supported");
    default: break;
    }
  }
  return Status();
}

Status CodeImage::relocate() {
  uint64_t table = 0, tableSize = 0;
  NESTOR_RETURN_IF_ERROR(read_dynamic(dynamic_, table, tableSize));
  if (tableSize == 0)
    return Status();
  const Elf64_Phdr *source = segment_of(table, tableSize);
  if (!source || !(source->p_flags & PF_R))
    return refused("the relocation table is out of bounds");
  for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= tableSize; at += sizeof(Elf64_Rela)) {
    Elf64_Rela relocation;
    std::memcpy(&relocation, base_ + table + at, sizeof relocation);
    if (ELF64_R_TYPE(relocation.r_info) != kElfRelative)
      return error(StatusCode::corrupt, "code: relocation %llu has type %llu, not RELATIVE",
                   ull(at / sizeof relocation), ull(ELF64_R_TYPE(relocation.r_info)));
    const Elf64_Phdr *target = segment_of(relocation.r_offset, sizeof(uint64_t));
    uint64_t addend = static_cast<uint64_t>(relocation.r_addend);
    if (!target || !(target->p_flags & PF_W) || !segment_of(addend, 0))
      return error(StatusCode::corrupt, "code: relocation %llu is out of bounds",
                   ull(at / sizeof relocation));
    uint64_t value = reinterpret_cast<uintptr_t>(base_) + addend;
    std::memcpy(base_ + relocation.r_offset, &value, sizeof value);
  }
  return Status();
}

/// Kernels keep no state, so what was writable for relocation is constant now.
Status CodeImage::protect() {
  for (const Elf64_Phdr &segment : loads_) {
    uint64_t start = page_down(segment.p_vaddr);
    uint64_t length = page_up(segment.p_vaddr + segment.p_memsz) - start;
    if ((segment.p_flags & PF_W) && length != 0 && mprotect(base_ + start, length, PROT_READ) != 0)
      return error(StatusCode::out_of_memory, "code: mprotect: %s", std::strerror(errno));
  }
  return Status();
}

void CodeImage::link(const nestor_kernel *kernels, uint32_t count) {
  kernels_ = kernels;
  kernelCount_ = count;
}

void *CodeImage::function(uint64_t entry) const {
  if (linked())
    return entry < kernelCount_ ? reinterpret_cast<void *>(kernels_[entry]) : nullptr;
  const Elf64_Phdr *segment = segment_of(entry, 1);
  return segment && (segment->p_flags & PF_X) ? base_ + entry : nullptr;
}

} // namespace nestor::detail

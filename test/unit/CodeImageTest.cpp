//===- CodeImageTest.cpp - The loader refuses what it cannot map ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "runtime/src/code_image.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <random>
#include <sys/mman.h>

using namespace nestor;
using namespace nestor::detail;
using namespace nestor::test;

namespace {

Status load(const std::vector<uint8_t> &image) {
  CodeImage code;
  return code.load(image.data(), image.size(), -1, 0);
}

Elf64_Ehdr *header(std::vector<uint8_t> &image) {
  return reinterpret_cast<Elf64_Ehdr *>(image.data());
}

/// The n-th program header of a type.
Elf64_Phdr *segment(std::vector<uint8_t> &image, uint32_t type, unsigned n = 0) {
  auto *headers = reinterpret_cast<Elf64_Phdr *>(image.data() + header(image)->e_phoff);
  for (unsigned i = 0; i < header(image)->e_phnum; ++i)
    if (headers[i].p_type == type && n-- == 0)
      return &headers[i];
  return nullptr;
}

Elf64_Dyn *dynamicEntry(std::vector<uint8_t> &image, int64_t tag) {
  Elf64_Phdr *dynamic = segment(image, PT_DYNAMIC);
  auto *entries = reinterpret_cast<Elf64_Dyn *>(image.data() + dynamic->p_offset);
  for (uint64_t i = 0; i < dynamic->p_filesz / sizeof *entries; ++i)
    if (entries[i].d_tag == tag)
      return &entries[i];
  return nullptr;
}

/// The first relocation; segments before it have equal offsets and addresses.
Elf64_Rela *relocation(std::vector<uint8_t> &image) {
  return reinterpret_cast<Elf64_Rela *>(image.data() + dynamicEntry(image, DT_RELA)->d_un.d_ptr);
}

TEST(CodeImage, MapsCodeAndAppliesRelocations) {
  const std::vector<uint8_t> &image = kernelImage();
  CodeImage code;
  Status status = code.load(image.data(), image.size(), -1, 0);
  ASSERT_TRUE(status.ok()) << status.message();
  using Shift = void (*)(void *const *, const int64_t *, int64_t, int64_t);
  auto shift = reinterpret_cast<Shift>(code.function(symbolOffset(image, "shift")));
  ASSERT_NE(shift, nullptr);
  float x[4] = {1, 2, 3, 4}, y[4];
  void *args[] = {x, y};
  int64_t params[] = {2, 2};
  shift(args, params, 1, 2);
  EXPECT_FLOAT_EQ(y[2], 3.5f);
  EXPECT_FLOAT_EQ(y[3], 4.75f);
  EXPECT_EQ(code.function(0), nullptr) << "the ELF header is not code";
  EXPECT_EQ(code.function(~0ull), nullptr);
}

struct Refusal {
  const char *name;
  std::function<void(std::vector<uint8_t> &)> edit;
  const char *message;
};

const Refusal kRefusals[] = {
    {"empty", [](auto &i) { i.clear(); }, "too small"},
    {"magic", [](auto &i) { i[1] = 'F'; }, "not a little-endian ELF64"},
    {"32 bit", [](auto &i) { i[EI_CLASS] = ELFCLASS32; }, "not a little-endian ELF64"},
    {"executable", [](auto &i) { header(i)->e_type = ET_EXEC; }, "not a little-endian ELF64"},
    {"machine", [](auto &i) { header(i)->e_machine = EM_RISCV; }, "e_machine is 243"},
    {"headers", [](auto &i) { header(i)->e_phoff = ~0ull; }, "program headers are out of bounds"},
    {"header count", [](auto &i) { header(i)->e_phnum = 9999; }, "program headers"},
    {"no segments", [](auto &i) { header(i)->e_phnum = 0; }, "no loadable segment"},
    {"thread-local", [](auto &i) { segment(i, PT_DYNAMIC)->p_type = PT_TLS; }, "PT_TLS"},
    {"interpreter", [](auto &i) { segment(i, PT_DYNAMIC)->p_type = PT_INTERP; }, "PT_INTERP"},
    {"file range", [](auto &i) { segment(i, PT_LOAD, 1)->p_offset = ~0ull - 8; }, "out of bounds"},
    {"file size", [](auto &i) { segment(i, PT_LOAD, 1)->p_filesz += 1; }, "out of bounds"},
    {"address", [](auto &i) { segment(i, PT_LOAD, 1)->p_vaddr = ~0ull - 64; }, "out of bounds"},
    {"memory size", [](auto &i) { segment(i, PT_LOAD, 1)->p_memsz = ~0ull; }, "out of bounds"},
    {"overlap", [](auto &i) { segment(i, PT_LOAD, 1)->p_vaddr = 64; }, "share a page"},
    {"writable code", [](auto &i) { segment(i, PT_LOAD, 1)->p_flags |= PF_W; },
     "writable and executable"},
    {"dynamic range", [](auto &i) { segment(i, PT_DYNAMIC)->p_offset = ~0ull; },
     "dynamic section is out of bounds"},
    {"library", [](auto &i) { dynamicEntry(i, DT_STRTAB)->d_tag = DT_NEEDED; }, "DT_NEEDED"},
    {"text relocations", [](auto &i) { dynamicEntry(i, DT_STRTAB)->d_tag = DT_TEXTREL; },
     "DT_TEXTREL"},
    {"PLT", [](auto &i) { dynamicEntry(i, DT_STRTAB)->d_tag = DT_JMPREL; }, "DT_JMPREL"},
    {"constructor", [](auto &i) { dynamicEntry(i, DT_STRTAB)->d_tag = DT_INIT_ARRAY; },
     "constructors"},
    {"relocation table", [](auto &i) { dynamicEntry(i, DT_RELA)->d_un.d_ptr = ~0ull; },
     "relocation table is out of bounds"},
    {"relocation size", [](auto &i) { dynamicEntry(i, DT_RELAENT)->d_un.d_val = 8; },
     "DT_RELAENT"},
    {"undefined symbol",
     [](auto &i) { relocation(i)->r_info = ELF64_R_INFO(1, R_X86_64_GLOB_DAT); },
     "relocation 0 has type 6, not RELATIVE"},
    {"relocation in code",
     [](auto &i) { relocation(i)->r_offset = segment(i, PT_LOAD, 1)->p_vaddr; },
     "relocation 0 is out of bounds"},
    {"relocation nowhere", [](auto &i) { relocation(i)->r_offset = ~0ull; },
     "relocation 0 is out of bounds"},
    {"addend", [](auto &i) { relocation(i)->r_addend = INT64_MIN; },
     "relocation 0 is out of bounds"},
};

class CodeImageRefusal : public testing::TestWithParam<size_t> {};

TEST_P(CodeImageRefusal, SaysWhy) {
  const Refusal &refusal = kRefusals[GetParam()];
  SCOPED_TRACE(refusal.name);
  std::vector<uint8_t> image = kernelImage();
  refusal.edit(image);
  Status status = load(image);
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  EXPECT_NE(status.message().find(refusal.message), std::string::npos) << status.message();
}

INSTANTIATE_TEST_SUITE_P(All, CodeImageRefusal,
                         testing::Range<size_t>(0, sizeof kRefusals / sizeof *kRefusals));

TEST(CodeImage, TruncationNeverCrashes) {
  for (size_t size = 0; size < kernelImage().size(); size += size < 2048 ? 1 : 61)
    (void)load(std::vector<uint8_t>(kernelImage().begin(),
                                    kernelImage().begin() + static_cast<ptrdiff_t>(size)));
}

TEST(CodeImage, RandomEditsNeverCrash) {
  constexpr unsigned seed = 11;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<uint8_t> original = kernelImage();
  Elf64_Phdr *dynamic = segment(original, PT_DYNAMIC);
  for (int round = 0; round < 3000; ++round) {
    std::vector<uint8_t> image = original;
    for (unsigned edits = 1 + random() % 4; edits-- > 0;) {
      // The headers, the relocations or the dynamic section.
      size_t start = random() % 3 == 0 ? dynamic->p_offset : 0;
      size_t at = start + random() % 700;
      if (at < image.size())
        image[at] = static_cast<uint8_t>(random());
    }
    (void)load(image);
  }
}

} // namespace

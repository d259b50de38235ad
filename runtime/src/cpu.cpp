//===- cpu.cpp - What this CPU can run ------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "cpu.h"

#include <elf.h>
#include <sched.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace nestor::detail {

#if defined(__x86_64__)

const char *const kHostArch = "x86_64";
const uint16_t kElfMachine = EM_X86_64;
const uint32_t kElfRelative = R_X86_64_RELATIVE;

namespace {
/// Which cpuid leaf and register hold a feature's bit.
enum Word : uint8_t {
  leaf1Ecx,
  leaf1Edx,
  leaf7Ebx,
  leaf7Ecx,
  leaf7Edx,
  leaf7Sub1Eax,
  ext1Ecx,
  saved
};
/// Registers that the operating system must save for the feature to be usable:
/// a bit of the word `saved`.
enum State : uint8_t { general, ymm, zmm };

struct Feature {
  const char *name;
  Word word;
  uint8_t bit;
  State state;
};

// Spelled as in LLVM's X86.td. Bits: Intel SDM volume 2A, CPUID.
constexpr Feature kFeatures[] = {
    {"cx8", leaf1Edx, 8, general},        {"cmov", leaf1Edx, 15, general},
    {"mmx", leaf1Edx, 23, general},       {"fxsr", leaf1Edx, 24, general},
    {"sse", leaf1Edx, 25, general},       {"sse2", leaf1Edx, 26, general},
    {"sse3", leaf1Ecx, 0, general},       {"pclmul", leaf1Ecx, 1, general},
    {"ssse3", leaf1Ecx, 9, general},      {"fma", leaf1Ecx, 12, ymm},
    {"cx16", leaf1Ecx, 13, general},      {"sse4.1", leaf1Ecx, 19, general},
    {"sse4.2", leaf1Ecx, 20, general},    {"crc32", leaf1Ecx, 20, general},
    {"movbe", leaf1Ecx, 22, general},     {"popcnt", leaf1Ecx, 23, general},
    {"aes", leaf1Ecx, 25, general},       {"xsave", leaf1Ecx, 27, general},
    {"avx", leaf1Ecx, 28, ymm},           {"f16c", leaf1Ecx, 29, ymm},
    {"bmi", leaf7Ebx, 3, general},        {"avx2", leaf7Ebx, 5, ymm},
    {"bmi2", leaf7Ebx, 8, general},       {"avx512f", leaf7Ebx, 16, zmm},
    {"avx512dq", leaf7Ebx, 17, zmm},      {"adx", leaf7Ebx, 19, general},
    {"avx512ifma", leaf7Ebx, 21, zmm},    {"avx512cd", leaf7Ebx, 28, zmm},
    {"avx512bw", leaf7Ebx, 30, zmm},      {"avx512vl", leaf7Ebx, 31, zmm},
    {"avx512vbmi", leaf7Ecx, 1, zmm},     {"avx512vbmi2", leaf7Ecx, 6, zmm},
    {"gfni", leaf7Ecx, 8, general},       {"vaes", leaf7Ecx, 9, ymm},
    {"vpclmulqdq", leaf7Ecx, 10, ymm},    {"avx512vnni", leaf7Ecx, 11, zmm},
    {"avx512bitalg", leaf7Ecx, 12, zmm},  {"avx512vpopcntdq", leaf7Ecx, 14, zmm},
    {"avx512fp16", leaf7Edx, 23, zmm},    {"avxvnni", leaf7Sub1Eax, 4, ymm},
    {"avx512bf16", leaf7Sub1Eax, 5, zmm}, {"sahf", ext1Ecx, 0, general},
    {"lzcnt", ext1Ecx, 5, general},       {"sse4a", ext1Ecx, 6, general},
};

} // namespace

Cpu::Cpu() {
  uint32_t a, b, c, d;
  words_[saved] = 1u << general;
  const uint32_t leaves = __get_cpuid_max(0, nullptr);
  if (leaves >= 1) {
    __cpuid(1, a, b, c, d);
    words_[leaf1Ecx] = c;
    words_[leaf1Edx] = d;
    constexpr uint32_t osxsave = 1u << 27;
    if (c & osxsave) {
      uint32_t low, high;
      __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
      constexpr uint32_t xmmAndYmm = 0x06, opmaskAndZmm = 0xe0;
      if ((low & xmmAndYmm) == xmmAndYmm)
        words_[saved] |= 1u << ymm | ((low & opmaskAndZmm) == opmaskAndZmm ? 1u << zmm : 0u);
    }
  }
  if (leaves >= 7) {
    uint32_t subleaves;
    __cpuid_count(7, 0, subleaves, b, c, d);
    words_[leaf7Ebx] = b;
    words_[leaf7Ecx] = c;
    words_[leaf7Edx] = d;
    if (subleaves >= 1) {
      __cpuid_count(7, 1, a, b, c, d);
      words_[leaf7Sub1Eax] = a;
    }
  }
  if (__get_cpuid(0x80000001, &a, &b, &c, &d))
    words_[ext1Ecx] = c;
}

bool Cpu::has(const std::string &feature) const {
  if (feature == "64bit")
    return true;
  for (const Feature &known : kFeatures)
    if (feature == known.name)
      return (words_[saved] >> known.state & 1) != 0 && (words_[known.word] >> known.bit & 1) != 0;
  return false;
}

#elif defined(__aarch64__)

const char *const kHostArch = "aarch64";
const uint16_t kElfMachine = EM_AARCH64;
const uint32_t kElfRelative = R_AARCH64_RELATIVE;

namespace {
enum Word : uint8_t { hwcap, hwcap2 };
} // namespace

Cpu::Cpu() {
  words_[hwcap] = getauxval(AT_HWCAP);
  words_[hwcap2] = getauxval(AT_HWCAP2);
}

bool Cpu::has(const std::string &feature) const {
  struct Feature {
    const char *name;
    Word word;
    uint64_t mask; ///< All bits of the mask must be set.
  };
  // Bits: Linux, arch/arm64/include/uapi/asm/hwcap.h.
  constexpr Feature features[] = {
      {"fp-armv8", hwcap, 1ul << 0},
      {"neon", hwcap, 1ul << 1},
      {"crc", hwcap, 1ul << 7},
      {"lse", hwcap, 1ul << 8},
      {"fullfp16", hwcap, 1ul << 9 | 1ul << 10},
      {"rdm", hwcap, 1ul << 12},
      {"dotprod", hwcap, 1ul << 20},
      {"sve", hwcap, 1ul << 22},
      {"sve2", hwcap2, 1ul << 1},
      {"i8mm", hwcap2, 1ul << 13},
      {"bf16", hwcap2, 1ul << 14},
  };
  for (const Feature &known : features)
    if (feature == known.name)
      return (words_[known.word] & known.mask) == known.mask;
  return false;
}

#else

const char *const kHostArch = "unknown";
const uint16_t kElfMachine = EM_NONE;
const uint32_t kElfRelative = 0;
Cpu::Cpu() {}
bool Cpu::has(const std::string &) const { return false; }

#endif

std::string Cpu::missing(const std::vector<std::string> &features) const {
  std::string missing;
  for (const std::string &feature : features)
    if (!has(feature))
      missing += (missing.empty() ? "" : ", ") + feature;
  return missing;
}

unsigned cpu_count() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return 1;
  int count = CPU_COUNT(&set);
  return count > 0 ? static_cast<unsigned>(count) : 1;
}

} // namespace nestor::detail

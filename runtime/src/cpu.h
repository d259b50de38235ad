//===- cpu.h - What this CPU can run -------------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_CPU_H
#define NESTOR_SRC_CPU_H

#include <cstdint>
#include <string>
#include <vector>

namespace nestor::detail {

/// The architecture that this library was built for: x86_64, aarch64.
extern const char *const kHostArch;
/// Its e_machine in ELF files, and the type of its RELATIVE relocations.
extern const uint16_t kElfMachine;
extern const uint32_t kElfRelative;

/// The features of this CPU, read when it is made: under virtualisation every
/// cpuid instruction costs microseconds.
class Cpu {
public:
  Cpu();

  /// Whether the CPU has a feature, named as LLVM does (avx2, neon, ...), and
  /// the operating system saves the registers that it needs. Unknown names are
  /// absent features.
  bool has(const std::string &feature) const;

  /// The features among `features` that this CPU lacks, separated by commas.
  std::string missing(const std::vector<std::string> &features) const;

private:
  uint64_t words_[8] = {}; ///< What the architecture reports, in cpu.cpp's order.
};

/// CPUs that this process may use; at least 1.
unsigned cpu_count();

} // namespace nestor::detail

#endif // NESTOR_SRC_CPU_H

//===- Target.cpp - Instruction sets that kernels are emitted for ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Kernel.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

using namespace nestor::kernels;

using FeatureList = llvm::SmallVector<std::string>;

static FeatureList extend(FeatureList features, std::initializer_list<const char *> more) {
  features.append(more.begin(), more.end());
  return features;
}

/// Ordered from the least to the most capable within an architecture.
static llvm::SmallVector<TargetInfo, 4> buildTargets() {
  FeatureList v2 = extend({}, {"sse", "sse2", "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16",
                               "sahf"});
  FeatureList v3 = extend(v2, {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"});
  FeatureList v4 = extend(v3, {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  return {
      {"aarch64+neon", "aarch64", {"neon", "fp-armv8"}, /*vectorLanes=*/4, /*vectorRegisters=*/32,
       /*fma=*/true, /*maskedMemory=*/false},
      {"x86-64-v2", "x86_64", v2, 4, 16, /*fma=*/false, /*maskedMemory=*/false},
      // AVX2 has masked moves, but its masked stores are microcoded on AMD.
      {"x86-64-v3", "x86_64", v3, 8, 16, /*fma=*/true, /*maskedMemory=*/false},
      {"x86-64-v4", "x86_64", v4, 16, 32, /*fma=*/true, /*maskedMemory=*/true},
  };
}

llvm::ArrayRef<TargetInfo> nestor::kernels::allTargets() {
  static const llvm::SmallVector<TargetInfo, 4> targets = buildTargets();
  return targets;
}

const TargetInfo *nestor::kernels::findTarget(llvm::StringRef name) {
  const TargetInfo *found = llvm::find_if(allTargets(), [&](const TargetInfo &t) { return t.name == name; });
  return found == allTargets().end() ? nullptr : found;
}

const TargetInfo &nestor::kernels::hostTarget() {
#if defined(__aarch64__)
  return *findTarget("aarch64+neon");
#else
  // sahf is not in cpuid's list under that name on every LLVM; every CPU that
  // has SSE4.2 has it in 64-bit mode, so it does not decide.
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  const TargetInfo *best = findTarget("x86-64-v2");
  for (const TargetInfo &target : allTargets())
    if (target.arch == "x86_64" &&
        llvm::all_of(target.features, [&](const std::string &f) { return f == "sahf" || host.lookup(f); }))
      best = &target;
  return *best;
#endif
}

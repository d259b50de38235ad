//===- Commands.h - The commands of the nestor tool ----------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_NESTOR_COMMANDS_H
#define NESTOR_TOOLS_NESTOR_COMMANDS_H

#include "tools/support/Samples.h"

#include <string>
#include <vector>

namespace nestor::tool {

/// Exit codes of nestor and nestorc.
enum ExitStatus : int {
  exitOk = 0,
  exitCheckFailed = 1,
  exitUsage = 2,
  exitCorrupt = 4, ///< Or incompatible with this runtime or CPU.
  exitInternal = 5,
};

/// Flags that most commands share.
struct CommonArguments {
  std::string file;
  std::string target;    ///< Empty: the best one for this CPU.
  std::string precision = "f32";
  std::string capacity;  ///< A number; `eval` also takes `all`.
  unsigned threads = 1;
  std::vector<unsigned> cpus; ///< Where all of these threads stay; none: anywhere.
  std::string memoryBudget; ///< Bytes, also as 8MiB or 8MB; empty: weights are mapped.
  bool json = false;
};

/// Where a run is split and what becomes of the tensors there.
struct SplitArguments {
  int cut = -1;             ///< Head and tail in this process.
  int head = -1, tail = -1; ///< Only one of them.
  std::string liveDtype = "f32";
  std::string tailCapacity; ///< Of --cut; empty: that of the head.
  std::string liveOut, liveIn; ///< Files, or - for the standard streams.
};

struct RunArguments : CommonArguments {
  std::vector<std::string> inputs; ///< NAME=@FILE or NAME=random:SEED.
  std::string output, expect;
  double atol = 1e-4, rtol = 1e-4;
  SplitArguments split;
};

struct BenchArguments : CommonArguments {
  double seconds = 1;
  bool profile = false;
  SplitArguments split;
};

struct EvalArguments : CommonArguments {
  std::string data;
  support::NormalizationFlags normalization;
};

struct CalibrateArguments : CommonArguments {
  double seconds = 0.2;
};

struct PackArguments : CommonArguments {
  std::string base;  ///< A capacity, or empty.
  std::string delta; ///< FROM:TO, or empty.
  std::string output;
};

struct InspectArguments : CommonArguments {
  bool plan = false, dot = false;
};

ExitStatus runInspect(const InspectArguments &arguments);
ExitStatus runRun(const RunArguments &arguments);
ExitStatus runBench(const BenchArguments &arguments);
ExitStatus runEval(const EvalArguments &arguments);
ExitStatus runCalibrate(const CalibrateArguments &arguments);
ExitStatus runPack(const PackArguments &arguments);
ExitStatus runVerify(const CommonArguments &arguments);

} // namespace nestor::tool

#endif // NESTOR_TOOLS_NESTOR_COMMANDS_H

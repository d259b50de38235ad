//===- Arguments.h - The command line of nestorc ----------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_ARGUMENTS_H
#define NESTORC_ARGUMENTS_H

#include "compiler/driver/Compile.h"
#include "compiler/learn/Options.h"

#include "llvm/TargetParser/Triple.h"

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace nestorc {

/// How to read the model, for every command that does.
struct ModelArguments {
  std::string path;
  std::map<std::string, std::vector<int64_t>> shapes;
  std::map<std::string, std::string> bindings; ///< Input name to file.
};

/// What the user says about capacities. What depends on the model and its data
/// is decided when they are known (Defaults.h).
struct NestArguments {
  std::vector<double> capacities{0.25, 0.5, 0.75, 1};        ///< Ascending; the last is 1.
  std::string data, eval;                                    ///< Empty: none.
  std::optional<nestor::learn::Normalization> normalization; ///< Of uint8 samples.
  std::optional<nestor::learn::OrderMethod> order;
  std::optional<nestor::learn::RecoverLevel> recover;
  std::optional<nestor::learn::TopRule> top;
  nestor::learn::Budget budget = nestor::learn::Budget::Macs;
  nestor::learn::TrainOptions train; ///< minutes 0: not given.
  bool allowSkips = false;           ///< Residual blocks may be left out.
  std::optional<bool> shrinkInput;   ///< Capacities may compute on a smaller input.
  bool int8 = false;                 ///< A variant of bytes besides f32.
  uint64_t seed = 0;
  unsigned threads = 2;
};

struct CompileArguments {
  ModelArguments model;
  NestArguments nest;
  std::string output;
  std::string report; ///< Empty: none.
  /// How much room weights may take to be faster: size, balanced or latency.
  std::string optimize = "balanced";
  bool winograd = true;
  std::string weights = "f32"; ///< What filters are stored in: f32, f16 or bf16.
  std::string tune; ///< The file of what was measured; empty: nothing is.
  bool fuseAcrossCuts = false;
  std::vector<const nestor::kernels::TargetInfo *> targets;
  std::vector<nestor::driver::CameraInput> cameraInputs;
  nestor::driver::Stage emit = nestor::driver::Stage::Artifact;
  bool json = false;
  bool storeLatency = false;
  llvm::Triple triple; ///< Of Stage::Object.
  bool mixed = false;              ///< Measure heads and tails of different capacities,
  std::vector<uint32_t> mixedCuts; ///< at these cuts; empty: at those that are chosen.
};

struct CheckArguments {
  ModelArguments model;
  bool json = false;
};

struct OpsArguments {
  bool json = false;
};

struct VerifyArguments {
  std::string artifact;
  ModelArguments model;
  std::string data; ///< Empty: random inputs.
  size_t samples = 8;
  uint64_t seed = 0;
  std::optional<double> tolerance; ///< None: depends on the algorithms in the artifact.
  std::string target; ///< Empty: the best one for this CPU.
  std::string precision = "f32";
  bool json = false;
};

struct ExportArguments {
  std::string artifact, output;
  double capacity = 1;
};

struct TrimArguments {
  std::string artifact, output;
  double maxCapacity = 1;
  std::optional<std::pair<uint32_t, uint32_t>> blocks; ///< First and end.
};

/// What to run, or the status to exit with: help was printed or the usage was
/// wrong, which has been said.
using Arguments = std::variant<nestor::driver::ExitStatus, CompileArguments, CheckArguments,
                               OpsArguments, VerifyArguments, ExportArguments, TrimArguments>;

Arguments parseArguments(int argc, char **argv);

} // namespace nestorc

#endif // NESTORC_ARGUMENTS_H

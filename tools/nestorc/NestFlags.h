//===- NestFlags.h - Flags of compile that make capacities ------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_NESTFLAGS_H
#define NESTORC_NESTFLAGS_H

#include "Arguments.h"

namespace CLI {
class App;
}

namespace nestorc {

/// The flags of one run, before they are checked; unset where not given.
struct NestFlags {
  std::vector<double> capacities;
  std::string data, eval;
  std::optional<float> scale;
  std::vector<float> mean, std;
  std::optional<std::string> order, recover, top, budget, inputSize, optimizer;
  std::optional<double> minutes, learningRate;
  std::optional<int64_t> epochs, batch;
  std::vector<int64_t> steps;
  std::vector<std::string> augment;
  std::string checkpoint;
  uint64_t seed = 0;
  unsigned threads = 2;
  bool skips = false, batchNorm = false;
};

void addNestFlags(CLI::App &command, NestFlags &flags);

/// Throws a CLI::ParseError, a sentence with the cure, where a flag has no
/// meaning or contradicts another one. `hasCamera`: some input is uint8.
void finishNestFlags(const NestFlags &flags, bool hasCamera, NestArguments &nest);

/// Throws an error at a flag.
[[noreturn]] void fail(const std::string &flag, const std::string &reason);

} // namespace nestorc

#endif // NESTORC_NESTFLAGS_H

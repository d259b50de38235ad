//===- Split.h - Runs in two parts ---------------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_NESTOR_SPLIT_H
#define NESTOR_TOOLS_NESTOR_SPLIT_H

#include "Support.h"

namespace nestor::tool {

TensorEncoding parseEncoding(const std::string &name);

/// Runs heads and tails of one session, with the tensors between them as a
/// stream in memory.
class SplitRunner {
public:
  /// Fails if there is no such cut.
  static Expected<SplitRunner> create(const Artifact &artifact, uint32_t cut,
                                      TensorEncoding encoding);

  Status run(Session &session);
  /// Bytes of the last stream.
  size_t liveBytes() const { return used; }

private:
  uint32_t cut = 0;
  TensorEncoding encoding = TensorEncoding::exact;
  std::vector<uint8_t> stream;
  size_t used = 0;
};

/// Runs what `--cut`, `--head` or `--tail` say, or the whole; adds "cut" and
/// "live_bytes" to the report of a split run.
ExitStatus runParts(Session &session, const Artifact &artifact, const SplitArguments &split,
                    Json &report);

} // namespace nestor::tool

#endif // NESTOR_TOOLS_NESTOR_SPLIT_H

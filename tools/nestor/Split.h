//===- Split.h - Runs in two parts ---------------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_NESTOR_SPLIT_H
#define NESTOR_TOOLS_NESTOR_SPLIT_H

#include "Support.h"

namespace nestor::tool {

/// A session for tails with `--tail-capacity`; none without it.
Expected<std::optional<Session>> openTail(const Artifact &artifact, CommonArguments arguments,
                                          const SplitArguments &split);

TensorEncoding parseEncoding(const std::string &name);

/// Runs heads and tails, with the tensors between them as a stream in memory.
class SplitRunner {
public:
  /// Fails if there is no such cut.
  static Expected<SplitRunner> create(const Artifact &artifact, uint32_t cut,
                                      TensorEncoding encoding);

  /// The two may be one session.
  Status run(Session &head, Session &tail);
  /// Bytes of the last stream.
  size_t liveBytes() const { return used; }

private:
  uint32_t cut = 0;
  TensorEncoding encoding = TensorEncoding::exact;
  std::vector<uint8_t> stream;
  size_t used = 0;
};

/// Runs what `--cut`, `--head` or `--tail` say, or the whole; adds "cut" and
/// "live_bytes" to the report of a split run. `tail` is where the tail of a `--cut`
/// runs, most often `session` too.
ExitStatus runParts(Session &session, Session &tail, const Artifact &artifact, const SplitArguments &split,
                    Json &report);

} // namespace nestor::tool

#endif // NESTOR_TOOLS_NESTOR_SPLIT_H

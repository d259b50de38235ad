//===- Verify.cpp - nestor verify -----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Support.h"

#include <cstdio>

namespace nestor::tool {

/// Hashes of all sections, then what a session checks: that no kernel call of
/// any capacity leaves its buffers.
ExitStatus runVerify(const CommonArguments &arguments) {
  Expected<Artifact> artifact = openArtifact(arguments);
  if (!artifact)
    return artifact.exitStatus();
  if (Status status = artifact->verify(); !status.ok())
    return Failure(status).exitStatus();
  bool runnable = false;
  for (const CodeTarget &target : artifact->targets())
    runnable |= target.selected;
  if (runnable) {
    float smallest = artifact->capacities().front().capacity;
    Result<Session> session = artifact->session(SessionOptions().capacity(smallest));
    if (!session.ok())
      return Failure(session.status()).exitStatus();
  }
  if (arguments.json) {
    printJson({{"ok", true},
               {"complete", artifact->complete()},
               {"sections", artifact->sections().size()},
               {"plans_checked", runnable ? artifact->capacities().size() : 0}});
    return exitOk;
  }
  std::string plans = runnable ? "every call of every plan stays in its buffers"
                               : "plans were not checked, since no code here runs on this CPU";
  std::printf("%s: ok: %zu sections match their hashes; %s\n", arguments.file.c_str(),
              artifact->sections().size(), plans.c_str());
  return exitOk;
}

} // namespace nestor::tool

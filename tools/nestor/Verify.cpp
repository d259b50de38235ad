//===- Verify.cpp - nestor verify -----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Support.h"

#include <cstdio>

namespace nestor::tool {
namespace {

/// All output bytes of one run on the same random inputs.
Expected<std::vector<uint8_t>> runOnce(const Artifact &artifact, float capacity, unsigned threads) {
  Result<Session> session =
      artifact.session(SessionOptions().capacity(capacity).threads(threads));
  if (!session.ok())
    return Failure(session.status());
  for (size_t i = 0; i < artifact.inputs().size(); ++i)
    fillRandom(session.value().input(i), i);
  if (Status status = session.value().run(); !status.ok())
    return Failure(status);
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < artifact.outputs().size(); ++i) {
    Tensor output = session.value().output(i);
    const uint8_t *data = output.data_as<uint8_t>();
    bytes.insert(bytes.end(), data, data + output.bytes());
  }
  return bytes;
}

/// Whether the capacity computes the same bytes with one thread and with two.
ExitStatus verifyRuns(const Artifact &artifact, float capacity) {
  Expected<std::vector<uint8_t>> alone = runOnce(artifact, capacity, 1);
  if (!alone)
    return alone.exitStatus();
  Expected<std::vector<uint8_t>> shared = runOnce(artifact, capacity, 2);
  if (!shared)
    return shared.exitStatus();
  if (*alone == *shared)
    return exitOk;
  return Failure(exitCheckFailed, format("capacity %g computes something else with two threads",
                                    static_cast<double>(capacity)))
      .exitStatus();
}

} // namespace

/// Hashes of all sections; what a session checks, that no kernel call of any
/// capacity leaves its buffers or reads a shell of a larger one; and that every
/// capacity runs, and does not depend on the number of threads.
ExitStatus runVerify(const CommonArguments &arguments) {
  Expected<Artifact> artifact = openArtifact(arguments);
  if (!artifact)
    return artifact.exitStatus();
  if (Status status = artifact->verify(); !status.ok())
    return Failure(status).exitStatus();
  bool runnable = false;
  for (const CodeTarget &target : artifact->targets())
    runnable |= target.selected;
  if (runnable)
    for (const CapacityInfo &info : artifact->capacities())
      if (ExitStatus status = verifyRuns(*artifact, info.capacity); status != exitOk)
        return status;
  size_t verified = runnable ? artifact->capacities().size() : 0;
  if (arguments.json) {
    printJson({{"ok", true},
               {"complete", artifact->complete()},
               {"sections", artifact->sections().size()},
               {"plans_checked", verified},
               {"capacities_run", verified}});
    return exitOk;
  }
  std::string plans =
      runnable ? format("every capacity of %zu runs, inside its buffers and shells, and computes "
                        "the same with one thread and two",
                        verified)
               : "nothing was run, since no code here runs on this CPU";
  std::printf("%s: ok: %zu sections match their hashes; %s\n", arguments.file.c_str(),
              artifact->sections().size(), plans.c_str());
  return exitOk;
}

} // namespace nestor::tool

//===- Verify.cpp - nestor verify -----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Support.h"

#include <cstdio>
#include <cstring>

namespace nestor::tool {
namespace {

using Bytes = std::vector<uint8_t>;

Expected<Session> sessionOf(const Artifact &artifact, float capacity, unsigned threads = 1) {
  // Everything that can be is shared, as small as it may be.
  Result<Session> session = artifact.session(
      SessionOptions().capacity(capacity).threads(threads).share_above_ns(0));
  if (!session.ok())
    return Failure(session.status());
  return std::move(session).value();
}

/// The same random inputs for every session.
void fillInputs(Session &session, const Artifact &artifact) {
  for (size_t i = 0; i < artifact.inputs().size(); ++i)
    fillRandom(session.input(i), i);
}

Bytes outputsOf(const Session &session, const Artifact &artifact) {
  Bytes bytes;
  for (size_t i = 0; i < artifact.outputs().size(); ++i) {
    Tensor output = session.output(i);
    const uint8_t *data = output.data_as<uint8_t>();
    bytes.insert(bytes.end(), data, data + output.bytes());
  }
  return bytes;
}

/// All output bytes of one run.
Expected<Bytes> runOnce(const Artifact &artifact, float capacity, unsigned threads) {
  Expected<Session> session = sessionOf(artifact, capacity, threads);
  if (!session)
    return session.failure();
  fillInputs(*session, artifact);
  if (Status status = session->run(); !status.ok())
    return Failure(status);
  return outputsOf(*session, artifact);
}

/// What a tail does not get it must not need.
void clearTensors(Session &session, const Artifact &artifact) {
  auto clear = [](const Tensor &tensor) { std::memset(tensor.data(), 0, tensor.bytes()); };
  for (size_t i = 0; i < artifact.inputs().size(); ++i)
    clear(session.input(i));
  for (size_t i = 0; i < artifact.outputs().size(); ++i)
    clear(session.output(i));
}

/// Whether head and tail at every cut compute the bytes of the whole, in two
/// sessions with a stream between them. From the last cut to the first, so that
/// no tail finds in its memory what an earlier one has computed in front of it.
ExitStatus verifyCuts(const Artifact &artifact, size_t index, const Bytes &whole) {
  const float capacity = artifact.capacities()[index].capacity;
  Expected<Session> head = sessionOf(artifact, capacity), tail = sessionOf(artifact, capacity);
  if (!head || !tail)
    return (head ? tail : head).exitStatus();
  const std::vector<CutInfo> cuts = artifact.cuts(index);
  for (auto at = cuts.rbegin(); at != cuts.rend(); ++at) {
    const CutInfo &cut = *at;
    Result<uint64_t> room = artifact.stream_bytes(cut.index, TensorEncoding::exact);
    if (!room.ok())
      return Failure(room.status()).exitStatus();
    Bytes stream(room.value());
    TensorSink sink(stream.data(), stream.size());
    fillInputs(*head, artifact);
    if (Status status = head->run_head(cut.index, sink); !status.ok())
      return Failure(status).exitStatus();
    clearTensors(*tail, artifact);
    if (Status status = tail->run_tail(cut.index, TensorSource(stream.data(), sink.size()));
        !status.ok())
      return Failure(status).exitStatus();
    if (outputsOf(*tail, artifact) != whole)
      return Failure(exitCheckFailed,
                     format("capacity %g computes something else when it is split at cut %u",
                            static_cast<double>(capacity), cut.index))
          .exitStatus();
  }
  return exitOk;
}

/// Whether the capacity computes the same bytes with one thread and with two, and
/// in two parts.
ExitStatus verifyRuns(const Artifact &artifact, size_t index) {
  const float capacity = artifact.capacities()[index].capacity;
  Expected<Bytes> alone = runOnce(artifact, capacity, 1);
  if (!alone)
    return alone.exitStatus();
  Expected<Bytes> shared = runOnce(artifact, capacity, 2);
  if (!shared)
    return shared.exitStatus();
  if (*alone == *shared)
    return verifyCuts(artifact, index, *alone);
  return Failure(exitCheckFailed, format("capacity %g computes something else with two threads",
                                    static_cast<double>(capacity)))
      .exitStatus();
}

} // namespace

/// Hashes of all sections; what a session checks, that no kernel call of any
/// capacity leaves its buffers or reads a shell of a larger one; and that every
/// capacity runs, and depends neither on the number of threads nor on a cut. What
/// was trimmed to some blocks is not run.
ExitStatus runVerify(const CommonArguments &arguments) {
  Expected<Artifact> artifact = openArtifact(arguments);
  if (!artifact)
    return artifact.exitStatus();
  if (Status status = artifact->verify(); !status.ok())
    return Failure(status).exitStatus();
  bool runnable = false;
  for (const CodeTarget &target : artifact->targets())
    runnable |= target.selected;
  BlockRange present = artifact->present_blocks();
  size_t capacities = artifact->capacities().size(), cuts = artifact->cuts(0).size();
  bool whole = cuts == 0 || (present.first == 0 && present.end + 1 == cuts);
  if (runnable && !whole) // A session checks the plans of what is there.
    if (Expected<Session> session = sessionOf(*artifact, artifact->capacities().back().capacity); !session)
      return session.exitStatus();
  for (size_t i = 0; i < capacities && runnable && whole; ++i)
    if (ExitStatus status = verifyRuns(*artifact, i); status != exitOk)
      return status;
  size_t run = runnable && whole ? capacities : 0;
  if (arguments.json) {
    printJson({{"ok", true},
               {"complete", artifact->complete()},
               {"sections", artifact->sections().size()},
               {"plans_checked", runnable ? capacities : 0},
               {"capacities_run", run},
               {"cuts_run", run ? cuts : 0}});
    return exitOk;
  }
  std::string plans =
      run ? format("every capacity of %zu runs, inside its buffers and shells, and computes the "
                   "same with one thread and two and when split at any of %zu cuts", run, cuts)
      : runnable ? format("the plans of blocks %u:%u are sound; the others were trimmed",
                          present.first, present.end)
                 : "nothing was run, since no code here runs on this CPU";
  std::printf("%s: ok: %zu sections match their hashes; %s\n", arguments.file.c_str(),
              artifact->sections().size(), plans.c_str());
  return exitOk;
}

} // namespace nestor::tool

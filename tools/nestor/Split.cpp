//===- Split.cpp - Runs in two parts --------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Split.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace nestor::tool {
namespace {

/// A file, or a standard stream for "-".
class Stream {
public:
  Stream(const std::string &path, bool write)
      : file(path != "-" ? std::fopen(path.c_str(), write ? "wb" : "rb") : write ? stdout : stdin),
        owned(path != "-") {}
  ~Stream() {
    if (file && owned)
      std::fclose(file);
  }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;

  explicit operator bool() const { return file; }
  /// False when not all bytes are written.
  bool write(const std::vector<uint8_t> &bytes) {
    return std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size() &&
           std::fflush(file) == 0;
  }
  /// Fewer at the end of the file.
  size_t read(uint8_t *to, size_t bytes) { return std::fread(to, 1, bytes, file); }

private:
  FILE *file;
  bool owned;
};

Failure cannot(const char *what, const std::string &path) {
  return Failure(exitUsage, path + ": cannot " + what + ": " + std::strerror(errno));
}

ExitStatus runHead(Session &session, const Artifact &artifact, const SplitArguments &split,
                   size_t &bytes) {
  uint32_t cut = static_cast<uint32_t>(split.head);
  TensorEncoding encoding = parseEncoding(split.liveDtype);
  Result<uint64_t> room = artifact.stream_bytes(cut, encoding);
  if (!room.ok())
    return Failure(room.status()).exitStatus();
  std::vector<uint8_t> stream(room.value());
  TensorSink sink(stream.data(), stream.size(), encoding);
  if (Status status = session.run_head(cut, sink); !status.ok())
    return Failure(status).exitStatus();
  bytes = sink.size();
  stream.resize(bytes);
  Stream out(split.liveOut, /*write=*/true);
  return out && out.write(stream) ? exitOk : cannot("write", split.liveOut).exitStatus();
}

/// The header says how much follows, so that a pipe need not be closed. Reads one
/// byte more than fits, for the session to refuse.
Expected<std::vector<uint8_t>> readStream(const std::string &path, uint64_t most) {
  Stream in(path, /*write=*/false);
  if (!in)
    return cannot("read", path);
  std::vector<uint8_t> stream(kStreamHeaderBytes);
  stream.resize(in.read(stream.data(), stream.size()));
  Result<uint64_t> size = stream_size(stream.data(), stream.size());
  if (!size.ok())
    return Failure(size.status());
  stream.resize(std::min<uint64_t>(size.value(), most + 1));
  size_t rest = in.read(stream.data() + kStreamHeaderBytes, stream.size() - kStreamHeaderBytes);
  stream.resize(kStreamHeaderBytes + rest);
  return stream;
}

ExitStatus runTail(Session &session, const Artifact &artifact, const SplitArguments &split,
                   size_t &bytes) {
  uint32_t cut = static_cast<uint32_t>(split.tail);
  Result<uint64_t> most = artifact.stream_bytes(cut, TensorEncoding::exact);
  if (!most.ok())
    return Failure(most.status()).exitStatus();
  Expected<std::vector<uint8_t>> stream = readStream(split.liveIn, most.value());
  if (!stream)
    return stream.exitStatus();
  bytes = stream->size();
  Status status = session.run_tail(cut, TensorSource(stream->data(), stream->size()));
  return status.ok() ? exitOk : Failure(status).exitStatus();
}

} // namespace

TensorEncoding parseEncoding(const std::string &name) {
  for (TensorEncoding encoding : {TensorEncoding::f16, TensorEncoding::int8})
    if (name == to_string(encoding))
      return encoding;
  return TensorEncoding::exact;
}

Expected<SplitRunner> SplitRunner::create(const Artifact &artifact, uint32_t cut,
                                          TensorEncoding encoding) {
  Result<uint64_t> room = artifact.stream_bytes(cut, encoding);
  if (!room.ok())
    return Failure(room.status());
  SplitRunner runner;
  runner.cut = cut;
  runner.encoding = encoding;
  runner.stream.resize(room.value());
  return runner;
}

Status SplitRunner::run(Session &head, Session &tail) {
  TensorSink sink(stream.data(), stream.size(), encoding);
  if (Status status = head.run_head(cut, sink); !status.ok())
    return status;
  used = sink.size();
  return tail.run_tail(cut, TensorSource(stream.data(), used));
}

Expected<std::optional<Session>> openTail(const Artifact &artifact, CommonArguments arguments,
                                          const SplitArguments &split) {
  if (split.tailCapacity.empty())
    return std::optional<Session>();
  arguments.capacity = split.tailCapacity;
  Expected<Session> session = openSession(artifact, arguments);
  if (!session)
    return session.failure();
  return std::optional<Session>(std::move(*session));
}

ExitStatus runParts(Session &session, Session &tail, const Artifact &artifact, const SplitArguments &split,
                    Json &report) {
  int cut = std::max({split.cut, split.head, split.tail});
  if (cut < 0) {
    Status status = session.run();
    return status.ok() ? exitOk : Failure(status).exitStatus();
  }
  size_t bytes = 0;
  ExitStatus result = exitOk;
  if (split.head >= 0) {
    result = runHead(session, artifact, split, bytes);
  } else if (split.tail >= 0) {
    result = runTail(session, artifact, split, bytes);
  } else {
    Expected<SplitRunner> runner = SplitRunner::create(artifact, static_cast<uint32_t>(cut),
                                                       parseEncoding(split.liveDtype));
    if (!runner)
      return runner.exitStatus();
    Status status = runner->run(session, tail);
    result = status.ok() ? exitOk : Failure(status).exitStatus();
    bytes = runner->liveBytes();
  }
  report["cut"] = cut;
  report["live_bytes"] = bytes;
  return result;
}

} // namespace nestor::tool

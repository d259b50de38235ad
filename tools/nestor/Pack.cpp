//===- Pack.cpp - nestor pack ---------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// An artifact is delivered in pieces by cutting it: every piece is a range of
// the file's bytes, and what has arrived opens as long as it is a prefix.
//
//===----------------------------------------------------------------------===//
#include "Support.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

namespace nestor::tool {
namespace {

struct Range {
  uint64_t begin = 0, end = 0;
};

/// Where the file may end for a capacity, by its own fraction or by the one
/// that was asked for.
Expected<uint64_t> endOf(const Artifact &artifact, const std::string &text, const char *flag) {
  constexpr float tolerance = 1e-3f;
  Expected<float> wanted = parseCapacity(text, flag);
  if (!wanted)
    return wanted.failure();
  std::string known;
  for (const CapacityInfo &info : artifact.capacities()) {
    if (std::fabs(info.capacity - *wanted) <= tolerance ||
        std::fabs(info.requested - *wanted) <= tolerance)
      return info.file_bytes;
    known += format(" %g", static_cast<double>(info.requested));
  }
  return Failure(exitUsage, format("%s: there is no capacity %s; there are:%s", flag, text.c_str(),
                                   known.c_str()));
}

Expected<Range> chooseRange(const Artifact &artifact, const PackArguments &arguments) {
  if (arguments.base.empty() == arguments.delta.empty())
    return Failure(exitUsage, "pack: give --base C, or --delta FROM:TO");
  if (!arguments.base.empty()) {
    Expected<uint64_t> end = endOf(artifact, arguments.base, "--base");
    return end ? Expected<Range>(Range{0, *end}) : end.failure();
  }
  size_t colon = arguments.delta.find(':');
  if (colon == std::string::npos)
    return Failure(exitUsage, "--delta: '" + arguments.delta + "' is not FROM:TO");
  Expected<uint64_t> begin = endOf(artifact, arguments.delta.substr(0, colon), "--delta");
  if (!begin)
    return begin.failure();
  Expected<uint64_t> end = endOf(artifact, arguments.delta.substr(colon + 1), "--delta");
  if (!end)
    return end.failure();
  if (*begin >= *end)
    return Failure(exitUsage, "--delta " + arguments.delta + ": TO has nothing that FROM lacks");
  return Range{*begin, *end};
}

using File = std::unique_ptr<FILE, int (*)(FILE *)>;

bool copyBytes(FILE *from, FILE *to, uint64_t bytes) {
  char chunk[1 << 16];
  while (bytes != 0) {
    size_t size = std::min<uint64_t>(bytes, sizeof chunk);
    if (std::fread(chunk, 1, size, from) != size || std::fwrite(chunk, 1, size, to) != size)
      return false;
    bytes -= size;
  }
  return true;
}

/// Under another name first, so that a piece that is there is whole.
bool writePiece(const std::string &source, Range range, const std::string &path) {
  std::string temporary = path + ".tmp";
  File from(std::fopen(source.c_str(), "rb"), std::fclose);
  FILE *to = std::fopen(temporary.c_str(), "wb");
  bool ok = from && to && fseeko(from.get(), static_cast<off_t>(range.begin), SEEK_SET) == 0 &&
            copyBytes(from.get(), to, range.end - range.begin);
  ok = (!to || std::fclose(to) == 0) && ok;
  ok = ok && std::rename(temporary.c_str(), path.c_str()) == 0;
  int reason = errno;
  if (!ok)
    std::remove(temporary.c_str());
  errno = reason;
  return ok;
}

} // namespace

ExitStatus runPack(const PackArguments &arguments) {
  Expected<Artifact> artifact = openArtifact(arguments);
  if (!artifact)
    return artifact.exitStatus();
  if (Status status = artifact->verify(); !status.ok())
    return Failure(status).exitStatus();
  Expected<Range> range = chooseRange(*artifact, arguments);
  if (!range)
    return range.exitStatus();
  errno = 0;
  if (!writePiece(arguments.file, *range, arguments.output))
    return Failure(exitUsage, arguments.output + ": cannot write: " +
                                  (errno ? std::strerror(errno) : "the artifact became shorter"))
        .exitStatus();
  if (arguments.json)
    printJson({{"offset", range->begin}, {"bytes", range->end - range->begin}});
  else
    std::printf("%s: %s, from byte %llu on\n", arguments.output.c_str(),
                humanBytes(range->end - range->begin).c_str(),
                static_cast<unsigned long long>(range->begin));
  return exitOk;
}

} // namespace nestor::tool

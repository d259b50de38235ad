//===- Checkpoint.cpp - Training that goes on later -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Checkpoint.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

#include <cstring>

using namespace llvm;

namespace nestor::learn {
namespace {

/// Precedes the bytes of the state.
struct Header {
  char magic[8] = {'N', 'E', 'S', 'T', 'C', 'K', 'P', 'T'};
  uint64_t version = 4;
  uint64_t key = 0;
  uint64_t hash = 0; ///< Of what follows.
};

/// Appends values as bytes.
class Writer {
public:
  template <typename T> void number(const T &value) { raw(&value, sizeof value); }
  void floats(const AlignedFloats &values) {
    number(values.size());
    raw(values.data(), values.size() * sizeof(float));
  }
  template <typename T> void numbers(const std::vector<T> &values) {
    number(values.size());
    raw(values.data(), values.size() * sizeof(T));
  }
  void text(const std::string &value) {
    number(value.size());
    raw(value.data(), value.size());
  }
  void progress(const std::vector<Progress> &entries) {
    number(entries.size());
    for (const Progress &entry : entries)
      transfer(*this, const_cast<Progress &>(entry));
  }

  template <typename Archive> static void transfer(Archive &archive, Progress &entry) {
    archive.text(entry.stage);
    archive.number(entry.done);
    archive.number(entry.secondsLeft);
    archive.number(entry.step);
    archive.number(entry.loss);
    archive.numbers(entry.scores);
  }

  std::string bytes;

private:
  void raw(const void *from, size_t size) { bytes.append(static_cast<const char *>(from), size); }
};

/// Takes them off again, in the same order; zeros once the bytes have ended.
class Reader {
public:
  explicit Reader(StringRef bytes) : bytes(bytes) {}
  template <typename T> void number(T &value) { raw(&value, sizeof value); }
  void floats(AlignedFloats &values) {
    values = AlignedFloats(count(sizeof(float)));
    raw(values.data(), values.size() * sizeof(float));
  }
  template <typename T> void numbers(std::vector<T> &values) {
    values.resize(count(sizeof(T)));
    raw(values.data(), values.size() * sizeof(T));
  }
  void text(std::string &value) {
    value.resize(count(1));
    raw(value.data(), value.size());
  }
  void progress(std::vector<Progress> &entries) {
    entries.resize(count(1));
    for (Progress &entry : entries)
      Writer::transfer(*this, entry);
  }
  bool ended() const { return whole && bytes.empty(); }

private:
  size_t count(size_t itemSize) {
    size_t value = 0;
    number(value);
    return value <= bytes.size() / itemSize ? value : 0;
  }
  void raw(void *to, size_t size) {
    whole &= size <= bytes.size();
    size = std::min(size, bytes.size());
    std::memcpy(to, bytes.data(), size);
    bytes = bytes.drop_front(size);
  }

  StringRef bytes;
  bool whole = true;
};

/// One description of the order for both ways.
template <typename Archive, typename State> void transfer(Archive &archive, State &state) {
  archive.number(state.stage);
  archive.number(state.step);
  archive.number(state.steps);
  archive.number(state.seconds);
  archive.number(state.rate);
  archive.floats(state.values);
  archive.floats(state.mean);
  archive.floats(state.optimizer.first);
  archive.floats(state.optimizer.second);
  archive.number(state.optimizer.updates);
  archive.floats(state.best);
  archive.numbers(state.bestScores);
  archive.number(state.bestStage);
  archive.numbers(state.made);
  archive.number(state.cutShort);
  archive.progress(state.history);
}

uint64_t hashOf(StringRef bytes) {
  return xxh3_64bits(ArrayRef(bytes.bytes_begin(), bytes.size()));
}

} // namespace

std::string Checkpoint::path() const {
  SmallString<128> path(directory);
  sys::path::append(path, "recover.ckpt");
  return path.str().str();
}

Error Checkpoint::save(const TrainingState &state) const {
  if (std::error_code code = sys::fs::create_directories(directory))
    return createStringError(code, "--checkpoint " + directory + ": " + code.message());
  Writer writer;
  transfer(writer, state);
  Header header;
  header.key = key;
  header.hash = hashOf(writer.bytes);
  return writeToOutput(path(), [&](raw_ostream &out) -> Error {
    out.write(reinterpret_cast<const char *>(&header), sizeof header);
    out << writer.bytes;
    return Error::success();
  });
}

Expected<std::optional<TrainingState>> Checkpoint::load() const {
  auto fail = [&](const Twine &what) { return createStringError(path() + ": " + what); };
  if (!sys::fs::exists(path()))
    return std::nullopt;
  auto buffer = MemoryBuffer::getFile(path(), /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail(buffer.getError().message());
  StringRef bytes = (*buffer)->getBuffer();
  Header header, expected;
  if (bytes.size() < sizeof header)
    return fail("is no checkpoint of nestorc");
  std::memcpy(&header, bytes.data(), sizeof header);
  bytes = bytes.drop_front(sizeof header);
  if (std::memcmp(header.magic, expected.magic, sizeof header.magic) != 0)
    return fail("is no checkpoint of nestorc");
  if (header.version != expected.version)
    return fail("is a checkpoint of version " + Twine(header.version) + ", this nestorc reads " +
                Twine(expected.version));
  if (header.key != key)
    return fail("belongs to another model, other data or other options; name another directory, "
                "or remove it to start anew");
  Reader reader(bytes);
  TrainingState state;
  transfer(reader, state);
  if (header.hash != hashOf(bytes) || !reader.ended())
    return fail("is damaged; remove it to start anew");
  return std::optional(std::move(state));
}

} // namespace nestor::learn

//===- Npz.cpp - Archives of arrays ---------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A .npz file is a zip archive with one .npy file for each array. Only what
// numpy writes is read: stored and deflated entries, zip64 sizes included.
//
//===----------------------------------------------------------------------===//
#include "Npz.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <zlib.h>

namespace nestor::support {
namespace {

constexpr uint32_t kEndSignature = 0x06054b50, kCentralSignature = 0x02014b50,
                   kLocalSignature = 0x04034b50, kZip64EndSignature = 0x06064b50,
                   kZip64LocatorSignature = 0x07064b50;
constexpr size_t kEndSize = 22, kCentralSize = 46, kLocalSize = 30, kZip64LocatorSize = 20,
                 kZip64EndSize = 56;
/// Deflate cannot do better, so an entry that claims more is a lie.
constexpr uint64_t kMaxDeflateRatio = 1032;

/// Little-endian numbers at positions that the caller has checked.
uint64_t number(const uint8_t *at, unsigned bytes) {
  uint64_t value = 0;
  for (unsigned i = bytes; i-- > 0;)
    value = value << 8 | at[i];
  return value;
}
uint32_t u16(const uint8_t *at) { return static_cast<uint32_t>(number(at, 2)); }
uint32_t u32(const uint8_t *at) { return static_cast<uint32_t>(number(at, 4)); }

bool fits(uint64_t offset, uint64_t length, uint64_t size) {
  return offset <= size && length <= size - offset;
}

struct Entry {
  std::string name;
  uint32_t method, crc;
  uint64_t packedSize, size, localHeader;
};

class Reader {
public:
  Reader(const uint8_t *bytes, size_t size) : bytes(bytes), size(size) {}

  /// Reads the central directory. Each function returns what is wrong, or null.
  const char *readDirectory(std::vector<Entry> &entries) const;
  const char *extract(const Entry &entry, std::vector<uint8_t> &data) const;

private:
  const char *findDirectory(uint64_t &offset, uint64_t &count) const;
  static bool readZip64(const uint8_t *extra, size_t length, Entry &entry);
  static const char *inflateAll(const uint8_t *packed, const Entry &entry,
                                std::vector<uint8_t> &data);

  const uint8_t *bytes;
  size_t size;
};

const char *Reader::findDirectory(uint64_t &offset, uint64_t &count) const {
  if (size < kEndSize)
    return "not a .npz archive";
  // The end record is followed by a comment of at most 64 KiB.
  size_t last = size - kEndSize, first = last > 0xffff ? last - 0xffff : 0;
  size_t end = last;
  while (u32(bytes + end) != kEndSignature)
    if (end-- == first)
      return "not a .npz archive, or truncated";
  count = u16(bytes + end + 10);
  offset = u32(bytes + end + 16);
  if (offset != 0xffffffff && count != 0xffff)
    return nullptr;
  if (end < kZip64LocatorSize || u32(bytes + end - kZip64LocatorSize) != kZip64LocatorSignature)
    return "its zip64 directory is missing";
  uint64_t zip64 = number(bytes + end - kZip64LocatorSize + 8, 8);
  if (!fits(zip64, kZip64EndSize, size) || u32(bytes + zip64) != kZip64EndSignature)
    return "its zip64 directory is out of bounds";
  count = number(bytes + zip64 + 32, 8);
  offset = number(bytes + zip64 + 48, 8);
  return nullptr;
}

/// Takes the 64-bit sizes for those that are 0xffffffff in the entry itself.
bool Reader::readZip64(const uint8_t *extra, size_t length, Entry &entry) {
  while (length >= 4) {
    size_t fieldSize = u16(extra + 2);
    if (fieldSize > length - 4)
      return false;
    if (u16(extra) == 1) {
      const uint8_t *at = extra + 4, *end = at + fieldSize;
      for (uint64_t *value : {&entry.size, &entry.packedSize, &entry.localHeader}) {
        if (*value != 0xffffffff)
          continue;
        if (end - at < 8)
          return false;
        *value = number(at, 8);
        at += 8;
      }
      return true;
    }
    extra += 4 + fieldSize;
    length -= 4 + fieldSize;
  }
  return true;
}

const char *Reader::readDirectory(std::vector<Entry> &entries) const {
  uint64_t at = 0, count = 0;
  if (const char *error = findDirectory(at, count))
    return error;
  for (uint64_t i = 0; i < count; ++i) {
    if (!fits(at, kCentralSize, size) || u32(bytes + at) != kCentralSignature)
      return "its directory is damaged";
    const uint8_t *record = bytes + at;
    uint64_t nameSize = u16(record + 28), extraSize = u16(record + 30);
    uint64_t total = kCentralSize + nameSize + extraSize + u16(record + 32);
    if (!fits(at, total, size))
      return "its directory is truncated";
    Entry entry;
    entry.name.assign(reinterpret_cast<const char *>(record) + kCentralSize, nameSize);
    entry.method = u16(record + 10);
    entry.crc = u32(record + 16);
    entry.packedSize = u32(record + 20);
    entry.size = u32(record + 24);
    entry.localHeader = u32(record + 42);
    if (!readZip64(record + kCentralSize + nameSize, extraSize, entry))
      return "its directory is damaged";
    entries.push_back(std::move(entry));
    at += total;
  }
  return nullptr;
}

const char *Reader::inflateAll(const uint8_t *packed, const Entry &entry,
                               std::vector<uint8_t> &data) {
  if (entry.size / kMaxDeflateRatio > entry.packedSize || entry.size > 0xffffffff ||
      entry.packedSize > 0xffffffff)
    return "an entry claims an impossible size";
  data.resize(entry.size);
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return "zlib failed";
  stream.next_in = const_cast<Bytef *>(packed);
  stream.avail_in = static_cast<uInt>(entry.packedSize);
  stream.next_out = data.data();
  stream.avail_out = static_cast<uInt>(entry.size);
  int code = inflate(&stream, Z_FINISH);
  bool whole = code == Z_STREAM_END && stream.total_out == entry.size;
  inflateEnd(&stream);
  return whole ? nullptr : "an entry is damaged";
}

const char *Reader::extract(const Entry &entry, std::vector<uint8_t> &data) const {
  if (!fits(entry.localHeader, kLocalSize, size) ||
      u32(bytes + entry.localHeader) != kLocalSignature)
    return "an entry is out of bounds";
  const uint8_t *local = bytes + entry.localHeader;
  uint64_t start = entry.localHeader + kLocalSize + u16(local + 26) + u16(local + 28);
  if (!fits(start, entry.packedSize, size))
    return "truncated";
  if (entry.method == 8) {
    if (const char *error = inflateAll(bytes + start, entry, data))
      return error;
  } else if (entry.method == 0 && entry.size == entry.packedSize) {
    data.assign(bytes + start, bytes + start + entry.size);
  } else {
    return "an entry is neither stored nor deflated";
  }
  return crc32_z(0, data.data(), data.size()) == entry.crc ? nullptr
                                                           : "an entry's checksum is wrong";
}

/// Appends little-endian numbers and text to the bytes of a file.
struct Writer {
  std::string bytes;
  Writer &put(uint64_t value, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
      bytes.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }
  Writer &put(const std::string &text) { return bytes += text, *this; }
};

std::string npyHeader(const NpyArray &array) {
  std::string shape;
  for (int64_t extent : array.shape)
    shape += std::to_string(extent) + ", ";
  std::string header = "{'descr': '" + std::string(array.itemSize() == 1 ? "|" : "<") +
                       array.dtype + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  // numpy aligns the data to 64 bytes and ends the header with a newline.
  header.append(63 - (10 + header.size()) % 64, ' ').push_back('\n');
  Writer writer;
  writer.put("\x93NUMPY").put(1, 1).put(0, 1).put(header.size(), 2).put(header);
  return writer.bytes;
}

/// The fields that a local header and a directory entry share.
void putCommon(Writer &writer, const std::string &name, uint32_t crc, uint64_t size) {
  constexpr uint32_t date1980 = 0x21; // A fixed date: equal arrays give equal files.
  writer.put(20, 2).put(0, 2).put(0, 2).put(0, 2).put(date1980, 2);
  writer.put(crc, 4).put(size, 4).put(size, 4).put(name.size(), 2).put(0, 2);
}

std::string readFile(const std::string &path, std::vector<uint8_t> &bytes) {
  std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file)
    return path + ": cannot open: " + std::strerror(errno);
  uint8_t chunk[1 << 16];
  size_t count;
  while ((count = std::fread(chunk, 1, sizeof chunk, file.get())) > 0)
    bytes.insert(bytes.end(), chunk, chunk + count);
  return std::ferror(file.get()) ? path + ": cannot read: " + std::strerror(errno) : "";
}

std::string writeFile(const std::string &path, const std::string &bytes) {
  std::string temporary = path + ".tmp";
  FILE *file = std::fopen(temporary.c_str(), "wb");
  bool ok = file && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  ok = (!file || std::fclose(file) == 0) && ok;
  ok = ok && std::rename(temporary.c_str(), path.c_str()) == 0;
  if (ok)
    return {};
  std::string reason = std::strerror(errno);
  std::remove(temporary.c_str());
  return path + ": cannot write: " + reason;
}

} // namespace

const NpyArray *findArray(const NpzArchive &archive, const std::string &name) {
  for (const auto &[key, array] : archive)
    if (key == name)
      return &array;
  return nullptr;
}

std::string parseNpz(const std::string &name, const uint8_t *bytes, size_t size,
                     NpzArchive &archive) {
  archive.clear();
  Reader reader(bytes, size);
  std::vector<Entry> entries;
  if (const char *error = reader.readDirectory(entries))
    return name + ": " + error;
  for (Entry &entry : entries) {
    std::vector<uint8_t> data;
    if (const char *error = reader.extract(entry, data))
      return name + ": " + entry.name + ": " + error;
    std::string key = entry.name;
    if (key.size() > 4 && key.compare(key.size() - 4, 4, ".npy") == 0)
      key.resize(key.size() - 4);
    NpyArray array;
    if (std::string error = parseNpy(name + ": " + key, data.data(), data.size(), array);
        !error.empty())
      return error;
    archive.emplace_back(std::move(key), std::move(array));
  }
  return {};
}

std::string readNpy(const std::string &path, NpyArray &array) {
  std::vector<uint8_t> bytes;
  std::string error = readFile(path, bytes);
  return error.empty() ? parseNpy(path, bytes.data(), bytes.size(), array) : error;
}

std::string readNpz(const std::string &path, NpzArchive &archive) {
  std::vector<uint8_t> bytes;
  std::string error = readFile(path, bytes);
  return error.empty() ? parseNpz(path, bytes.data(), bytes.size(), archive) : error;
}

std::string writeNpz(const std::string &path, const NpzArchive &archive) {
  Writer file, directory;
  for (const auto &[key, array] : archive) {
    std::string name = key + ".npy";
    std::string content = npyHeader(array);
    content.append(reinterpret_cast<const char *>(array.data.data()), array.data.size());
    uint32_t crc = static_cast<uint32_t>(
        crc32_z(0, reinterpret_cast<const Bytef *>(content.data()), content.size()));
    directory.put(kCentralSignature, 4).put(20, 2);
    putCommon(directory, name, crc, content.size());
    directory.put(0, 2).put(0, 2).put(0, 2).put(0, 4).put(file.bytes.size(), 4).put(name);
    file.put(kLocalSignature, 4);
    putCommon(file, name, crc, content.size());
    file.put(name).put(content);
    if (file.bytes.size() > 0xffffffff || archive.size() >= 0xffff)
      return path + ": cannot write: more than 4 GiB";
  }
  size_t start = file.bytes.size();
  file.put(directory.bytes).put(kEndSignature, 4).put(0, 4);
  file.put(archive.size(), 2).put(archive.size(), 2);
  file.put(directory.bytes.size(), 4).put(start, 4).put(0, 2);
  return writeFile(path, file.bytes);
}

} // namespace nestor::support

//===- GraphSection.cpp - The bytes of a graph section --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/GraphSection.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Compression.h"

#include <cstring>

using namespace llvm;

namespace nestor::package {
namespace {

constexpr char kMagic[8] = {'n', 'e', 's', 't', 'g', 'r', 'p', '1'};

/// zlib makes no more than this of a byte.
constexpr uint64_t kLargestExpansion = 1032;

struct SectionHeader {
  char magic[8];
  uint32_t compressed; ///< 1: with zlib; 0: not.
  uint32_t reserved;
  uint64_t textBytes, constantBytes;
};
static_assert(sizeof(SectionHeader) == 32, "the header is part of the format");

Error error(const char *message) { return createStringError(inconvertibleErrorCode(), message); }

} // namespace

std::string encodeGraph(const GraphContents &contents) {
  SectionHeader header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.textBytes = contents.text.size();
  header.constantBytes = contents.constants.size();
  std::string payload = contents.text + contents.constants;
  if (compression::zlib::isAvailable()) {
    SmallVector<uint8_t> compressed;
    compression::zlib::compress(arrayRefFromStringRef(payload), compressed,
                                compression::zlib::BestSizeCompression);
    payload.assign(compressed.begin(), compressed.end());
    header.compressed = 1;
  }
  return std::string(reinterpret_cast<const char *>(&header), sizeof(header)) + payload;
}

Expected<GraphContents> decodeGraph(StringRef section) {
  SectionHeader header;
  if (section.size() < sizeof(header))
    return error("the graph section is too short");
  std::memcpy(&header, section.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 || header.compressed > 1)
    return error("the graph section is not in a format that this nestorc knows");
  StringRef payload = section.drop_front(sizeof(header));
  uint64_t limit = header.compressed ? payload.size() * kLargestExpansion : payload.size();
  if (header.textBytes > limit || header.constantBytes > limit - header.textBytes)
    return error("the graph section gives sizes that it cannot have");
  uint64_t size = header.textBytes + header.constantBytes;

  std::string bytes(payload);
  if (header.compressed) {
    SmallVector<uint8_t> decompressed;
    if (!compression::zlib::isAvailable())
      return error("the graph section is compressed, and this nestorc was built without zlib");
    if (Error problem =
            compression::zlib::decompress(arrayRefFromStringRef(payload), decompressed, size)) {
      consumeError(std::move(problem));
      return error("the graph section cannot be decompressed");
    }
    bytes.assign(decompressed.begin(), decompressed.end());
  }
  if (bytes.size() != size)
    return error("the graph section gives sizes that it does not have");
  return GraphContents{bytes.substr(0, header.textBytes), bytes.substr(header.textBytes)};
}

} // namespace nestor::package

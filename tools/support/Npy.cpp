//===- Npy.cpp - One array as numpy writes it -----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Npz.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace nestor::support {

static constexpr char kMagic[] = "\x93NUMPY";
static constexpr size_t kMagicSize = sizeof kMagic - 1;
static constexpr size_t kMaxRank = 32; // numpy's own limit

size_t NpyArray::itemSize() const {
  static constexpr const char *known[] = {"f2", "f4", "f8", "i1", "i2", "i4",
                                          "i8", "u1", "u2", "u4", "u8", "b1"};
  for (const char *name : known)
    if (dtype == name)
      return static_cast<size_t>(name[1] - '0');
  return 0;
}

int64_t NpyArray::elements() const {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

namespace {

/// The value of `'key':` in the dictionary that a header is.
std::string_view findValue(std::string_view header, std::string_view key) {
  size_t at = header.find("'" + std::string(key) + "'");
  if (at == std::string_view::npos)
    return {};
  at = header.find(':', at);
  if (at == std::string_view::npos)
    return {};
  at = header.find_first_not_of(' ', at + 1);
  return at == std::string_view::npos ? std::string_view() : header.substr(at);
}

bool parseDtype(std::string_view value, NpyArray &array, bool &swapped) {
  if (value.size() < 5 || value[0] != '\'' || value[4] != '\'')
    return false; // Structured types and strings among others.
  array.dtype = std::string(value.substr(2, 2));
  swapped = value[1] == '>';
  return std::string_view("<>|=").find(value[1]) != std::string_view::npos && array.itemSize() != 0;
}

/// A tuple such as (3, 4), (3,) or (); false also when the product overflows.
bool parseShape(std::string_view value, NpyArray &array, int64_t &bytes) {
  if (value.empty() || value[0] != '(')
    return false;
  bytes = static_cast<int64_t>(array.itemSize());
  for (size_t at = 1; at < value.size();) {
    char c = value[at];
    if (c == ')')
      return true;
    if (c == ' ' || c == ',') {
      ++at;
      continue;
    }
    int64_t extent = 0;
    size_t start = at;
    for (; at < value.size() && value[at] >= '0' && value[at] <= '9'; ++at)
      if (__builtin_mul_overflow(extent, int64_t{10}, &extent) ||
          __builtin_add_overflow(extent, int64_t{value[at] - '0'}, &extent))
        return false;
    if (at == start || array.shape.size() == kMaxRank ||
        __builtin_mul_overflow(bytes, extent, &bytes))
      return false;
    array.shape.push_back(extent);
  }
  return false;
}

/// Column-major to row-major.
void transpose(NpyArray &array) {
  size_t item = array.itemSize(), rank = array.shape.size();
  std::vector<uint8_t> result(array.data.size());
  std::vector<int64_t> index(rank, 0), stride(rank, 1);
  for (size_t i = 1; i < rank; ++i)
    stride[i] = stride[i - 1] * array.shape[i - 1];
  for (size_t to = 0; to < result.size(); to += item) {
    int64_t from = 0;
    for (size_t i = 0; i < rank; ++i)
      from += index[i] * stride[i];
    std::memcpy(&result[to], &array.data[static_cast<size_t>(from) * item], item);
    for (size_t i = rank; i-- > 0 && ++index[i] == array.shape[i];)
      index[i] = 0;
  }
  array.data = std::move(result);
}

} // namespace

std::string parseNpy(const std::string &name, const uint8_t *bytes, size_t size, NpyArray &array) {
  array = NpyArray();
  auto bad = [&](const char *what) { return name + ": " + what; };
  if (size < kMagicSize + 4 || std::memcmp(bytes, kMagic, kMagicSize) != 0)
    return bad("not a .npy array");
  bool wide = bytes[kMagicSize] >= 2; // Version 1 has a 16-bit header length.
  size_t start = kMagicSize + 2 + (wide ? 4 : 2);
  if (size < start)
    return bad("truncated in its header");
  size_t length = bytes[8] | bytes[9] << 8;
  if (wide)
    length |= static_cast<size_t>(bytes[10]) << 16 | static_cast<size_t>(bytes[11]) << 24;
  if (length > size - start)
    return bad("truncated in its header");
  std::string_view header(reinterpret_cast<const char *>(bytes) + start, length);
  bool swapped = false;
  if (!parseDtype(findValue(header, "descr"), array, swapped))
    return bad("its type ('descr') is not a number of 1, 2, 4 or 8 bytes");
  int64_t total = 0;
  if (!parseShape(findValue(header, "shape"), array, total))
    return bad("its 'shape' is not a tuple of extents");
  const uint8_t *values = bytes + start + length;
  if (static_cast<uint64_t>(total) != size - start - length)
    return bad("its data are not as long as its shape says");
  array.data.assign(values, values + total);
  if (size_t item = array.itemSize(); swapped && item > 1)
    for (auto at = array.data.begin(); at != array.data.end(); at += item)
      std::reverse(at, at + item);
  if (findValue(header, "fortran_order").substr(0, 4) == "True" && array.shape.size() > 1)
    transpose(array);
  return {};
}

} // namespace nestor::support

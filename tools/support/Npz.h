//===- Npz.h - Reading and writing .npy and .npz files -------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Shared by the tools of the runtime and of the compiler, so it depends on
// nothing but zlib, and reports errors as values: files are untrusted.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_SUPPORT_NPZ_H
#define NESTOR_TOOLS_SUPPORT_NPZ_H

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nestor::support {

/// A dense array in row-major order and this machine's (little) byte order.
struct NpyArray {
  /// As numpy writes it, without byte order: f4, f2, i8, u1, b1, ...
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<uint8_t> data;

  /// Bytes of one element; 0 if `dtype` is none of those above.
  size_t itemSize() const;
  /// Product of the shape.
  int64_t elements() const;
};

/// Named arrays, in the order of the file.
using NpzArchive = std::vector<std::pair<std::string, NpyArray>>;

/// The array with that name, or null.
const NpyArray *findArray(const NpzArchive &archive, const std::string &name);

/// Each returns an empty string on success, and otherwise one sentence that
/// names the file and what is wrong with it.
std::string readNpy(const std::string &path, NpyArray &array);
std::string readNpz(const std::string &path, NpzArchive &archive);
/// Writes through a temporary file, so that a failure leaves nothing behind.
std::string writeNpz(const std::string &path, const NpzArchive &archive);

/// The same on bytes; `name` is what messages call them.
std::string parseNpy(const std::string &name, const uint8_t *bytes, size_t size, NpyArray &array);
std::string parseNpz(const std::string &name, const uint8_t *bytes, size_t size,
                     NpzArchive &archive);

} // namespace nestor::support

#endif // NESTOR_TOOLS_SUPPORT_NPZ_H

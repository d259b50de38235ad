//===- sha256.h - SHA-256 ------------------------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_SHA256_H
#define NESTOR_SRC_SHA256_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace nestor::detail {

using Sha256 = std::array<uint8_t, 32>;

/// FIPS 180-4. For pins alone: what is in the file is hashed with XXH3.
Sha256 sha256(const uint8_t *data, size_t size);

/// 64 hexadecimal digits, in lower case.
std::string to_hex(const Sha256 &digest);
/// False unless `text` is 64 hexadecimal digits, of either case.
bool from_hex(const std::string &text, Sha256 &digest);

} // namespace nestor::detail

#endif // NESTOR_SRC_SHA256_H

//===- hash.h - XXH3-64, inlined ------------------------------ -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_HASH_H
#define NESTOR_SRC_HASH_H

#include "nestor/status.hpp"

#include <cstddef>
#include <cstdint>

namespace nestor::detail {

/// XXH3-64 of `size` bytes: what every hash in a .nest file is.
uint64_t hash(const void *data, size_t size);

class Mapping;

/// The same of bytes of a file, which need not be mapped.
Status hash_file(const Mapping &file, uint64_t offset, uint64_t bytes, uint64_t &result);

/// The same of bytes that come one part after the other. Allocates nothing.
class HashStream {
public:
  HashStream();
  void add(const void *data, size_t size);
  uint64_t result() const;

private:
  alignas(64) unsigned char state_[640];
};

} // namespace nestor::detail

#endif // NESTOR_SRC_HASH_H

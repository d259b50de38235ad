//===- hash.cpp - XXH3-64, inlined ----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "hash.h"
#include "error.h"
#include "mapping.h"

#include <new>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace nestor::detail {

uint64_t hash(const void *data, size_t size) { return XXH3_64bits(data, size); }

// The state is opaque, so that xxhash's header stays out of ours.
static_assert(sizeof(XXH3_state_t) <= sizeof(HashStream) && alignof(XXH3_state_t) <= 64,
              "the state has room");

HashStream::HashStream() {
  XXH3_state_t *state = new (state_) XXH3_state_t;
  XXH3_64bits_reset(state);
}

void HashStream::add(const void *data, size_t size) {
  XXH3_64bits_update(reinterpret_cast<XXH3_state_t *>(state_), data, size);
}

uint64_t HashStream::result() const {
  return XXH3_64bits_digest(reinterpret_cast<const XXH3_state_t *>(state_));
}

Status hash_file(const Mapping &file, uint64_t offset, uint64_t bytes, uint64_t &result) {
  alignas(64) uint8_t chunk[32 << 10];
  HashStream stream;
  while (bytes != 0) {
    uint64_t count = bytes < sizeof chunk ? bytes : sizeof chunk;
    NESTOR_RETURN_IF_ERROR(file.read(offset, count, chunk));
    stream.add(chunk, count);
    offset += count;
    bytes -= count;
  }
  result = stream.result();
  return Status();
}

} // namespace nestor::detail

//===- hash.cpp - XXH3-64, inlined ----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "hash.h"

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

} // namespace nestor::detail

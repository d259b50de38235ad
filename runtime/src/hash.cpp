//===- hash.cpp - XXH3-64, inlined ----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace nestor::detail {

uint64_t hash(const void *data, size_t size) { return XXH3_64bits(data, size); }

} // namespace nestor::detail

//===- blocks.h - Blocks and cuts of a manifest --------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_BLOCKS_H
#define NESTOR_SRC_BLOCKS_H

#include "manifest.h"
#include "nestor/artifact.hpp"

namespace nestor::detail {

/// Blocks of every capacity; 0 where the file cannot be cut.
inline uint32_t block_count(const Manifest &manifest) {
  return manifest.capacities[0].blocks_count;
}

/// Where `shell` has the weights of `block`, or with `block_count` those that
/// several blocks read; null where it has none.
const nestor_format_BlockWeights *find_block_weights(const Manifest &manifest, uint32_t block,
                                                     uint32_t shell);

LiveTensorInfo describe_live(const nestor_format_LiveTensor &live);
/// Bytes of a live tensor, whose shape was checked.
uint64_t live_bytes(const nestor_format_LiveTensor &live);
/// Of its elements along the last dimension; of a scalar, its own.
uint64_t row_bytes(const nestor_format_LiveTensor &live);
/// From one row to the next.
uint64_t row_pitch(const nestor_format_LiveTensor &live);
/// Whether streams may keep its elements as something else.
bool is_float(DType type);

/// Checks everything that a manifest says about blocks and cuts, whose other
/// indices, counts and sections are checked already: afterwards steps lie in
/// blocks, live tensors in their buffers, and weights in the ranges of the
/// blocks that read them.
Status check_blocks(const Manifest &manifest);

} // namespace nestor::detail

#endif // NESTOR_SRC_BLOCKS_H

//===- tensor_stream.h - Live tensors as bytes ---------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// All numbers are little-endian.
//
//   header      kStreamHeaderBytes   magic "NESTORTS", u16 major, u16 minor,
//                                    u32 size of the header, u64 bytes of the
//                                    whole, u64 identity of the artifact,
//                                    u32 capacity, u32 cut, u32 tensors, u32 0
//   descriptor  16 + 8 * rank        u8 dtype, u8 encoding, u16 rank, f32 scale,
//   (a tensor)                       u64 bytes of the elements, i64 dims
//   elements    of all tensors, one after the other, without padding
//
// A reader refuses another major version and skips what a later minor one has
// added to the header.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_TENSOR_STREAM_H
#define NESTOR_SRC_TENSOR_STREAM_H

#include "model.h"
#include "nestor/tensors.hpp"

namespace nestor::detail {

struct StreamHeader {
  uint64_t bytes = 0;    ///< Of the whole stream.
  uint64_t identity = 0; ///< Of the artifact, see Manifest.identity.
  uint32_t capacity = 0; ///< Index.
  uint32_t cut = 0;
  uint32_t tensors = 0;
  uint32_t headerBytes = kStreamHeaderBytes;
};

/// Reads the header of a stream and checks what needs no artifact.
Status read_header(const void *data, size_t size, StreamHeader &header);
/// Whether a stream of `size` bytes with that header is for `cut` of the model.
Status check_header(const StreamHeader &header, const Model &model, uint32_t cut, size_t size);

/// Size of the stream of a cut's tensors.
uint64_t stream_bytes(const nestor_format_Cut &cut, TensorEncoding encoding);
/// Whether a tail can go on with the tensors of a head: they have the same types
/// and shapes, or such of different capacities, which differ in one dimension,
/// their channels.
bool can_follow(const nestor_format_Cut &head, const nestor_format_Cut &tail);
/// Writes a tensor of the head to where the tail has it. A tail with fewer channels
/// gets the first ones, one with more gets zeros for those that the head lacks:
/// smaller capacities are the first channels of larger ones. For tensors of cuts
/// that `can_follow` each other.
void copy_live(const nestor_format_LiveTensor &head, void *from,
               const nestor_format_LiveTensor &tail, void *to);

/// Writes into memory of `stream_bytes`.
class StreamWriter {
public:
  StreamWriter(void *target, const StreamHeader &header);
  /// Call once, then `encode` for each tensor in turn.
  void describe(const nestor_format_Cut &cut, TensorEncoding encoding);
  void encode(const nestor_format_LiveTensor &tensor, TensorEncoding encoding, void *data);

private:
  uint8_t *base_, *descriptor_, *at_;
};

class StreamReader {
public:
  StreamReader(const void *data, size_t size, const StreamHeader &header);
  /// Whether the stream is exactly the tensors of the cut. Reads descriptors only.
  Status check(const nestor_format_Cut &cut);
  /// After a successful `check`, for each tensor in turn; written as `copy_live`
  /// does, to where the tail has it.
  void decode(const nestor_format_LiveTensor &head, const nestor_format_LiveTensor &tail,
              void *data);

private:
  Status check_tensor(const nestor_format_LiveTensor &tensor, const uint8_t *from,
                      uint64_t &bytes) const;

  const uint8_t *start_, *end_;
  uint32_t tensors_;
  const uint8_t *descriptor_ = nullptr, *at_ = nullptr;
};

} // namespace nestor::detail

#endif // NESTOR_SRC_TENSOR_STREAM_H

//===- nestor/tensors.hpp - Live tensors between devices --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What passes from the head of a split run to its tail, as it lies in memory
// and as bytes for another process or device:
//
//   uint64_t room = artifact.stream_bytes(cut, TensorEncoding::f16).value();
//   std::vector<uint8_t> wire(room);
//   TensorSink sink(wire.data(), wire.size(), TensorEncoding::f16);
//   phone.run_head(cut, sink);                            // sink.size() bytes
//   server.run_tail(cut, TensorSource(wire.data(), sink.size()));
//
// A stream is little-endian and describes itself: a header of
// `kStreamHeaderBytes` (version, artifact, cut, capacity, size of the whole),
// a descriptor for each tensor, then their elements without padding.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TENSORS_HPP
#define NESTOR_TENSORS_HPP

#include "nestor/artifact.hpp"

namespace nestor {

namespace detail {
class SessionState;
}

/// A stream begins with this many bytes, from which `stream_size` tells how
/// many follow.
inline constexpr size_t kStreamHeaderBytes = 48;

/// The tensors alive at a cut, in the memory of a session. A small handle that
/// allocates nothing: copy it freely, use it no longer than its session. What
/// it shows is valid until the session runs something else.
class NESTOR_API LiveTensors {
public:
  bool valid() const { return session_ != nullptr; }
  // What follows is for valid ones.
  uint32_t cut() const { return cut_; }
  /// Of the run that they belong to.
  float capacity() const;
  size_t count() const;
  /// Name, type and shape. Makes a copy, so it allocates.
  LiveTensorInfo info(size_t index) const;
  /// The elements, row-major, rows along the last dimension `pitch` bytes apart.
  /// Whoever runs the tail may write them, and nothing between the rows.
  void *data(size_t index) const;
  /// What a row takes; more where the tensor is a part of a larger one.
  size_t pitch(size_t index) const;
  size_t bytes(size_t index) const; ///< Of the elements alone.
  uint64_t bytes() const; ///< Of all.

private:
  friend class Session;
  friend class detail::SessionState;
  detail::SessionState *session_ = nullptr;
  uint32_t capacity_ = 0; ///< Index into the artifact's capacities.
  uint32_t cut_ = 0;
};

/// Where the elements of a stream's floating-point tensors are kept as;
/// integers and booleans always stay as they are.
enum class TensorEncoding : uint8_t {
  exact = 1, ///< As they are: head and tail together compute what the whole does.
  f16 = 2,   ///< Halves, rounded to nearest; types of two bytes stay as they are.
  /// One byte and a scale for each tensor, symmetric. NaN stays NaN, infinities
  /// become the largest finite value.
  int8 = 3,
};

/// "f32", "f16", "int8".
NESTOR_API const char *to_string(TensorEncoding encoding);

/// Memory of the caller that `run_head` writes a stream to.
class TensorSink {
public:
  TensorSink(void *memory, size_t bytes, TensorEncoding encoding = TensorEncoding::exact)
      : memory_(memory), room_(bytes), encoding_(encoding) {}

  const void *data() const { return memory_; }
  /// Bytes of the stream that was written last; 0 after a failure.
  size_t size() const { return size_; }
  TensorEncoding encoding() const { return encoding_; }

private:
  friend class detail::SessionState;
  void *memory_;
  size_t room_, size_ = 0;
  TensorEncoding encoding_;
};

/// A stream in memory of the caller, for `run_tail`. Nothing in it is trusted:
/// one of another artifact, cut or version, one that is cut off or goes on too
/// long is refused before anything is run.
class TensorSource {
public:
  TensorSource(const void *data, size_t bytes) : data_(data), size_(bytes) {}

private:
  friend class detail::SessionState;
  const void *data_;
  size_t size_;
};

/// The size of the whole stream that begins with these bytes, for readers of
/// pipes and sockets; `bytes` is at least `kStreamHeaderBytes`. It is what the
/// header says: compare it with `Artifact::stream_bytes` before allocating.
NESTOR_API Result<uint64_t> stream_size(const void *header, size_t bytes);

} // namespace nestor

#endif // NESTOR_TENSORS_HPP

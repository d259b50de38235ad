//===- tensor_stream.cpp - Live tensors as bytes --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "tensor_stream.h"
#include "blocks.h"
#include "checked.h"
#include "error.h"
#include "half.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace nestor {

const char *to_string(TensorEncoding encoding) {
  switch (encoding) {
  case TensorEncoding::exact: return "f32";
  case TensorEncoding::f16: return "f16";
  case TensorEncoding::int8: return "int8";
  }
  return "";
}

Result<uint64_t> stream_size(const void *header, size_t bytes) {
  detail::StreamHeader parsed;
  NESTOR_RETURN_IF_ERROR(detail::read_header(header, bytes, parsed));
  return parsed.bytes;
}

namespace detail {

static constexpr char kMagic[8] = {'N', 'E', 'S', 'T', 'O', 'R', 'T', 'S'};
static constexpr uint16_t kMajor = 1, kMinor = 0;
/// Of a descriptor, apart from the dimensions.
static constexpr uint64_t kDescriptorBytes = 16;
/// Numbers go as they lie in memory.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "streams are little-endian");

static unsigned long long ull(uint64_t value) { return value; }

template <typename T> static T get(const uint8_t *from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T> static void put(uint8_t *to, T value) {
  std::memcpy(to, &value, sizeof value);
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

static DType dtype_of(const nestor_format_LiveTensor &tensor) {
  return static_cast<DType>(raw(tensor.dtype));
}

/// What is used for a tensor where `wanted` is asked for.
static TensorEncoding encoding_of(DType type, TensorEncoding wanted) {
  bool changes = is_float(type) && (wanted == TensorEncoding::int8 || size_of(type) > 2);
  return changes ? wanted : TensorEncoding::exact;
}

static uint64_t elements_of(const nestor_format_LiveTensor &tensor) {
  return live_bytes(tensor) / size_of(dtype_of(tensor));
}

static uint64_t encoded_bytes(const nestor_format_LiveTensor &tensor, TensorEncoding encoding) {
  switch (encoding) {
  case TensorEncoding::f16: return 2 * elements_of(tensor);
  case TensorEncoding::int8: return elements_of(tensor);
  case TensorEncoding::exact: break;
  }
  return live_bytes(tensor);
}

static uint64_t descriptor_bytes(const nestor_format_LiveTensor &tensor) {
  return kDescriptorBytes + 8 * uint64_t{tensor.dims_count};
}

uint64_t stream_bytes(const nestor_format_Cut &cut, TensorEncoding encoding) {
  uint64_t bytes = kStreamHeaderBytes;
  for (pb_size_t i = 0; i < cut.live_count; ++i)
    bytes += descriptor_bytes(cut.live[i]) +
             encoded_bytes(cut.live[i], encoding_of(dtype_of(cut.live[i]), encoding));
  return bytes;
}

//===----------------------------------------------------------------------===//
// Tensors in memory
//===----------------------------------------------------------------------===//

namespace {

/// The elements of a tensor, of which those of a row lie side by side, or all.
class Elements {
public:
  Elements(const nestor_format_LiveTensor &tensor, void *data)
      : data_(static_cast<uint8_t *>(data)), size_(size_of(dtype_of(tensor))),
        pitch_(row_pitch(tensor)),
        row_((pitch_ == row_bytes(tensor) ? live_bytes(tensor) : row_bytes(tensor)) / size_) {}

  /// Calls `body` with pointer and length of the runs that `count` elements from
  /// `first` on are.
  template <typename Body>
  void for_runs(uint64_t first, uint64_t count, const Body &body) const {
    while (count != 0) {
      const uint64_t column = first % row_, run = std::min(count, row_ - column);
      body(data_ + first / row_ * pitch_ + column * size_, run);
      first += run;
      count -= run;
    }
  }

private:
  uint8_t *data_;
  uint64_t size_, pitch_, row_;
};

} // namespace

//===----------------------------------------------------------------------===//
// Tensors of different capacities
//===----------------------------------------------------------------------===//

namespace {

/// How the elements of one tensor lie in another one that has more or fewer
/// channels: as rows that begin alike.
struct Rows {
  uint64_t count = 1;
  uint64_t from = 0, to = 0; ///< Elements of a row.
};

} // namespace

/// Elements of dimensions [first, end).
static uint64_t product(const nestor_format_LiveTensor &tensor, pb_size_t first, pb_size_t end) {
  uint64_t elements = 1;
  for (pb_size_t i = first; i < end; ++i)
    elements *= static_cast<uint64_t>(tensor.dims[i]); // Checked with the manifest.
  return elements;
}

/// False where the types differ, or more than one dimension.
static bool find_rows(const nestor_format_LiveTensor &head, const nestor_format_LiveTensor &tail,
                      Rows &rows) {
  if (raw(head.dtype) != raw(tail.dtype) || head.dims_count != tail.dims_count)
    return false;
  const pb_size_t rank = head.dims_count;
  pb_size_t first = 0; // That differs.
  while (first < rank && head.dims[first] == tail.dims[first])
    ++first;
  if (first == rank)
    first = 0; // One row: all of it.
  else if (!std::equal(head.dims + first + 1, head.dims + rank, tail.dims + first + 1))
    return false;
  rows.count = product(head, 0, first);
  rows.from = product(head, first, rank);
  rows.to = product(tail, first, rank);
  return true;
}

bool can_follow(const nestor_format_Cut &head, const nestor_format_Cut &tail) {
  auto follows = [](const nestor_format_LiveTensor &a, const nestor_format_LiveTensor &b) {
    Rows rows;
    return find_rows(a, b, rows);
  };
  return std::equal(head.live, head.live + head.live_count, tail.live,
                    tail.live + tail.live_count, follows);
}

//===----------------------------------------------------------------------===//
// Header
//===----------------------------------------------------------------------===//

Status read_header(const void *data, size_t size, StreamHeader &header) {
  const uint8_t *from = static_cast<const uint8_t *>(data);
  if (size < kStreamHeaderBytes)
    return error(StatusCode::corrupt, "tensors: truncated: %zu bytes are less than a header", size);
  if (std::memcmp(from, kMagic, sizeof kMagic) != 0)
    return error(StatusCode::corrupt, "tensors: magic: these are not tensors of a nestor session");
  if (uint16_t major = get<uint16_t>(from + 8); major != kMajor)
    return error(StatusCode::incompatible,
                 "tensors: they have format version %u.%u, this runtime reads %u.%u", major,
                 get<uint16_t>(from + 10), kMajor, kMinor);
  header.headerBytes = get<uint32_t>(from + 12);
  header.bytes = get<uint64_t>(from + 16);
  header.identity = get<uint64_t>(from + 24);
  header.capacity = get<uint32_t>(from + 32);
  header.cut = get<uint32_t>(from + 36);
  header.tensors = get<uint32_t>(from + 40);
  if (header.headerBytes < kStreamHeaderBytes || header.bytes < header.headerBytes)
    return error(StatusCode::corrupt, "tensors: a header of %u bytes in a stream of %llu",
                 header.headerBytes, ull(header.bytes));
  return Status();
}

Status check_header(const StreamHeader &header, const Model &model, uint32_t cut, size_t size) {
  if (header.identity != model.manifest.identity())
    return error(StatusCode::invalid_argument,
                 "tensors: they are of another artifact (%016llx), this one is %016llx",
                 ull(header.identity), ull(model.manifest.identity()));
  if (header.cut != cut)
    return error(StatusCode::invalid_argument, "tensors: they are of cut %u, not of cut %u",
                 header.cut, cut);
  if (header.capacity >= model.capacities.size())
    return error(StatusCode::invalid_argument,
                 "tensors: they are of capacity number %u, this file has %zu", header.capacity,
                 model.capacities.size());
  if (size < header.bytes)
    return error(StatusCode::corrupt, "tensors: truncated: %zu of %llu bytes", size,
                 ull(header.bytes));
  if (size > header.bytes)
    return error(StatusCode::corrupt, "tensors: %llu bytes follow the last tensor",
                 ull(size - header.bytes));
  return Status();
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

/// A float of any type as a float.
template <typename T> static float to_float(T value) { return static_cast<float>(value); }
static float to_float(Half value) { return half_to_float(value.bits); }
static float to_float(BFloat value) { return bfloat_to_float(value.bits); }

static void from_float(float value, float &out) { out = value; }
static void from_float(float value, double &out) { out = value; }
static void from_float(float value, Half &out) { out.bits = float_to_half(value); }
static void from_float(float value, BFloat &out) { out.bits = float_to_bfloat(value); }

/// Calls `body` with a value of the type's C++ type.
template <typename Body> static void with_float_type(DType type, const Body &body) {
  switch (type) {
  case DType::float32: return body(float());
  case DType::float64: return body(double());
  case DType::float16: return body(Half());
  case DType::bfloat16: return body(BFloat());
  default: return;
  }
}

template <typename T> static void encode_f16(const uint8_t *from, uint64_t count, uint8_t *to) {
  for (uint64_t i = 0; i < count; ++i)
    put(to + 2 * i, float_to_half(to_float(get<T>(from + sizeof(T) * i))));
}

template <typename T> static void decode_f16(const uint8_t *from, uint64_t count, uint8_t *to) {
  for (uint64_t i = 0; i < count; ++i) {
    T value;
    from_float(half_to_float(get<uint16_t>(from + 2 * i)), value);
    put(to + sizeof(T) * i, value);
  }
}

/// Stands for NaN; numbers take [-127, 127].
static constexpr int8_t kNan = -128;

/// The larger of `largest` and the finite magnitudes among the elements.
template <typename T>
static float largest_magnitude(const uint8_t *from, uint64_t count, float largest) {
  for (uint64_t i = 0; i < count; ++i) {
    float value = std::fabs(to_float(get<T>(from + sizeof(T) * i)));
    if (std::isfinite(value))
      largest = std::max(largest, value);
  }
  return largest;
}

template <typename T>
static void encode_int8(const uint8_t *from, uint64_t count, float inverse, uint8_t *to) {
  for (uint64_t i = 0; i < count; ++i) {
    float value = to_float(get<T>(from + sizeof(T) * i));
    float steps = std::isinf(value) ? std::copysign(127.0f, value) : value * inverse;
    steps = std::min(std::max(steps, -127.0f), 127.0f);
    put(to + i, std::isnan(value) ? kNan : static_cast<int8_t>(std::nearbyint(steps)));
  }
}

/// Returns the scale.
template <typename T>
static float encode_int8(const Elements &elements, uint64_t count, uint8_t *to) {
  float largest = 0;
  elements.for_runs(0, count, [&](const uint8_t *from, uint64_t run) {
    largest = largest_magnitude<T>(from, run, largest);
  });
  float scale = largest / 127, inverse = scale > 0 ? 1 / scale : 0;
  // The inverse of a tiny scale overflows: then all are as good as zero.
  if (!std::isfinite(inverse))
    inverse = scale = 0;
  elements.for_runs(0, count, [&](const uint8_t *from, uint64_t run) {
    encode_int8<T>(from, run, inverse, to);
    to += run;
  });
  return scale;
}

template <typename T>
static void decode_int8(const uint8_t *from, uint64_t count, float scale, uint8_t *to) {
  for (uint64_t i = 0; i < count; ++i) {
    int8_t steps = get<int8_t>(from + i);
    T value;
    from_float(steps == kNan ? NAN : static_cast<float>(steps) * scale, value);
    put(to + sizeof(T) * i, value);
  }
}

//===----------------------------------------------------------------------===//
// StreamWriter
//===----------------------------------------------------------------------===//

StreamWriter::StreamWriter(void *target, const StreamHeader &header)
    : base_(static_cast<uint8_t *>(target)), descriptor_(base_ + kStreamHeaderBytes),
      at_(descriptor_) {
  std::memcpy(base_, kMagic, sizeof kMagic);
  put(base_ + 8, kMajor);
  put(base_ + 10, kMinor);
  put(base_ + 12, header.headerBytes);
  put(base_ + 16, header.bytes);
  put(base_ + 24, header.identity);
  put(base_ + 32, header.capacity);
  put(base_ + 36, header.cut);
  put(base_ + 40, header.tensors);
  put(base_ + 44, uint32_t{0});
}

void StreamWriter::describe(const nestor_format_Cut &cut, TensorEncoding encoding) {
  for (pb_size_t i = 0; i < cut.live_count; ++i) {
    const nestor_format_LiveTensor &tensor = cut.live[i];
    TensorEncoding used = encoding_of(dtype_of(tensor), encoding);
    put(at_, static_cast<uint8_t>(raw(tensor.dtype)));
    put(at_ + 1, static_cast<uint8_t>(used));
    put(at_ + 2, static_cast<uint16_t>(tensor.dims_count));
    put(at_ + 4, 1.0f);
    put(at_ + 8, encoded_bytes(tensor, used));
    if (tensor.dims_count)
      std::memcpy(at_ + kDescriptorBytes, tensor.dims, 8 * size_t{tensor.dims_count});
    at_ += descriptor_bytes(tensor);
  }
}

void StreamWriter::encode(const nestor_format_LiveTensor &tensor, TensorEncoding encoding,
                          void *data) {
  const Elements elements(tensor, data);
  DType type = dtype_of(tensor);
  TensorEncoding used = encoding_of(type, encoding);
  uint64_t count = elements_of(tensor);
  uint8_t *to = at_;
  if (used == TensorEncoding::exact)
    elements.for_runs(0, count, [&](const uint8_t *from, uint64_t run) {
      std::memcpy(to, from, run * size_of(type));
      to += run * size_of(type);
    });
  if (used == TensorEncoding::f16)
    with_float_type(type, [&](auto t) {
      elements.for_runs(0, count, [&](const uint8_t *from, uint64_t run) {
        encode_f16<decltype(t)>(from, run, to);
        to += 2 * run;
      });
    });
  if (used == TensorEncoding::int8)
    with_float_type(type, [&](auto t) {
      put(descriptor_ + 4, encode_int8<decltype(t)>(elements, count, to));
    });
  at_ += encoded_bytes(tensor, used);
  descriptor_ += descriptor_bytes(tensor);
}

//===----------------------------------------------------------------------===//
// StreamReader
//===----------------------------------------------------------------------===//

StreamReader::StreamReader(const void *data, size_t size, const StreamHeader &header)
    : start_(static_cast<const uint8_t *>(data) + header.headerBytes),
      end_(static_cast<const uint8_t *>(data) + size), tensors_(header.tensors) {}

Status StreamReader::check_tensor(const nestor_format_LiveTensor &tensor, const uint8_t *from,
                                  uint64_t &bytes) const {
  DType type = dtype_of(tensor);
  if (from[0] != static_cast<uint8_t>(type) || get<uint16_t>(from + 2) != tensor.dims_count ||
      (tensor.dims_count &&
       std::memcmp(from + kDescriptorBytes, tensor.dims, 8 * size_t{tensor.dims_count}) != 0))
    return error(StatusCode::invalid_argument, "it has another type or shape than '%.100s'",
                 text(tensor.name));
  TensorEncoding encoding = static_cast<TensorEncoding>(from[1]);
  if (encoding != TensorEncoding::exact &&
      (encoding > TensorEncoding::int8 || encoding_of(type, encoding) != encoding))
    return error(StatusCode::corrupt, "encoding %u is unknown or does not go with %s", from[1],
                 to_string(type));
  bytes = encoded_bytes(tensor, encoding);
  if (get<uint64_t>(from + 8) != bytes)
    return error(StatusCode::corrupt, "it is said to have %llu bytes, not %llu",
                 ull(get<uint64_t>(from + 8)), ull(bytes));
  return Status();
}

Status StreamReader::check(const nestor_format_Cut &cut) {
  if (tensors_ != cut.live_count)
    return error(StatusCode::invalid_argument, "tensors: there are %u, the cut has %u", tensors_,
                 cut.live_count);
  const uint8_t *from = start_;
  uint64_t elements = 0;
  for (pb_size_t i = 0; i < cut.live_count; ++i) {
    uint64_t bytes = 0, size = descriptor_bytes(cut.live[i]);
    if (size > static_cast<uint64_t>(end_ - from))
      return error(StatusCode::corrupt, "tensors: truncated: the stream ends in descriptor %u", i);
    if (Status status = check_tensor(cut.live[i], from, bytes); !status.ok())
      return error(status.code(), "tensors[%u]: %s", i, status.message().c_str());
    if (!checked_add(elements, bytes, elements))
      return error(StatusCode::corrupt, "tensors[%u]: its size overflows", i);
    from += size;
  }
  if (elements != static_cast<uint64_t>(end_ - from))
    return error(StatusCode::corrupt, "tensors: their elements take %llu bytes, the stream has %llu",
                 ull(elements), ull(static_cast<uint64_t>(end_ - from)));
  descriptor_ = start_;
  at_ = from;
  return Status();
}

static void decode_elements(DType type, TensorEncoding encoding, float scale, const uint8_t *from,
                            uint64_t count, uint8_t *to) {
  if (encoding == TensorEncoding::exact && count != 0)
    std::memcpy(to, from, count * size_of(type));
  if (encoding == TensorEncoding::f16)
    with_float_type(type, [&](auto t) { decode_f16<decltype(t)>(from, count, to); });
  if (encoding == TensorEncoding::int8)
    with_float_type(type, [&](auto t) { decode_int8<decltype(t)>(from, count, scale, to); });
}

/// Has `read(first, count, to)` bring the elements that both tensors have, by
/// their number in the head, and writes zeros for what only the tail has.
template <typename Read>
static void fill_tail(const nestor_format_LiveTensor &head, const nestor_format_LiveTensor &tail,
                      void *data, const Read &read) {
  Rows rows;
  (void)find_rows(head, tail, rows); // `can_follow` has said so.
  const Elements elements(tail, data);
  const uint64_t size = size_of(dtype_of(tail)), kept = std::min(rows.from, rows.to);
  for (uint64_t row = 0; row < rows.count; ++row) {
    uint64_t first = row * rows.from;
    elements.for_runs(row * rows.to, kept, [&](uint8_t *to, uint64_t run) {
      read(first, run, to);
      first += run;
    });
    elements.for_runs(row * rows.to + kept, rows.to - kept,
                      [&](uint8_t *to, uint64_t run) { std::memset(to, 0, run * size); });
  }
}

void copy_live(const nestor_format_LiveTensor &head, void *from,
               const nestor_format_LiveTensor &tail, void *to) {
  const Elements elements(head, from);
  const uint64_t size = size_of(dtype_of(head));
  fill_tail(head, tail, to, [&](uint64_t first, uint64_t count, uint8_t *target) {
    elements.for_runs(first, count, [&](const uint8_t *source, uint64_t run) {
      std::memcpy(target, source, run * size);
      target += run * size;
    });
  });
}

void StreamReader::decode(const nestor_format_LiveTensor &head,
                          const nestor_format_LiveTensor &tail, void *data) {
  TensorEncoding encoding = static_cast<TensorEncoding>(descriptor_[1]);
  const float scale = get<float>(descriptor_ + 4);
  const DType type = dtype_of(head);
  const uint64_t bytes = encoding == TensorEncoding::f16    ? 2
                         : encoding == TensorEncoding::int8 ? 1
                                                            : size_of(type);
  fill_tail(head, tail, data, [&](uint64_t first, uint64_t count, uint8_t *to) {
    decode_elements(type, encoding, scale, at_ + first * bytes, count, to);
  });
  at_ += encoded_bytes(head, encoding);
  descriptor_ += descriptor_bytes(head);
}

} // namespace detail
} // namespace nestor

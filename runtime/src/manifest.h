//===- manifest.h - Reading and checking a manifest ----------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_MANIFEST_H
#define NESTOR_SRC_MANIFEST_H

#include "nestor/status.hpp"
#include "runtime/format/artifact.pb.h"

#include <cstring>

namespace nestor::detail {

using Manifest = nestor_format_Manifest;

/// A decoded manifest and its memory.
class ManifestOwner {
public:
  ManifestOwner() = default;
  ManifestOwner(const ManifestOwner &) = delete;
  ManifestOwner &operator=(const ManifestOwner &) = delete;
  ~ManifestOwner();

  /// Checks the header at the start of the `size` bytes of a file, then
  /// decodes and checks the manifest: afterwards every index, count, offset
  /// and name in it may be used, except for what belongs to plans. Those are
  /// checked when a session is made (plan.h).
  Status read(const uint8_t *file, uint64_t size);

  const Manifest &operator*() const { return manifest_; }
  const Manifest *operator->() const { return &manifest_; }

  /// The size of the complete file; `size` is smaller when it is cut.
  uint64_t file_size() const { return fileSize_; }
  /// Of the manifest, as the header says and `read` has checked.
  uint64_t hash() const { return hash_; }
  /// What files whose heads and tails fit each other have in common.
  uint64_t identity() const { return manifest_.identity ? manifest_.identity : hash_; }
  /// Shells that lie in the file as a whole, counted from the first.
  uint32_t shells() const { return shells_; }
  /// Capacities whose shells are all there.
  uint32_t capacities() const { return capacities_; }

private:
  Status check(uint64_t size);
  Status check_sections(uint64_t size);
  Status check_kernels() const;
  Status check_capacities(uint64_t size);

  Manifest manifest_ = nestor_format_Manifest_init_zero;
  uint64_t fileSize_ = 0;
  uint64_t hash_ = 0;
  uint64_t dataStart_ = 0; ///< End of the manifest: where sections may begin.
  uint32_t shells_ = 0;
  uint32_t capacities_ = 0;
};

/// Bytes of a tensor with a valid type and shape.
Status tensor_bytes(const nestor_format_Tensor &tensor, uint64_t &bytes);

/// The section of that kind and index that lies in the file as a whole.
const nestor_format_Section *find_section(const Manifest &manifest, nestor_format_SectionKind kind,
                                          uint32_t index);

/// An absent string of a message is null.
inline const char *text(const char *string) { return string ? string : ""; }

/// The number in an enum field, which may be none of its enumerators.
template <typename Enum> uint32_t raw(const Enum &field) {
  static_assert(sizeof(Enum) == sizeof(uint32_t), "nanopb enums are ints");
  uint32_t number;
  std::memcpy(&number, &field, sizeof number);
  return number;
}

} // namespace nestor::detail

#endif // NESTOR_SRC_MANIFEST_H

//===- c_api.h - What the files of the C interface share ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_C_API_H
#define NESTOR_SRC_C_API_H

#include "nestor/nestor.h"
#include "error.h"
#include "nestor/nestor.hpp"

#include <algorithm>
#include <cstring>

struct nestor_error {
  nestor::Status status;
};

struct nestor_artifact {
  explicit nestor_artifact(nestor::Artifact opened) : artifact(std::move(opened)) {
    for (size_t i = 0; i < artifact.capacities().size(); ++i)
      cuts.push_back(artifact.cuts(i));
  }

  nestor::Artifact artifact;
  /// By capacity: the caller gets pointers into it.
  std::vector<std::vector<nestor::CutInfo>> cuts;
};

struct nestor_calibration {
  explicit nestor_calibration(nestor::Calibration made)
      : calibration(std::move(made)), text(calibration.to_string()) {}

  nestor::Calibration calibration;
  std::string text;
};

struct nestor_tensor {
  nestor::Tensor tensor;
};

struct nestor_session {
  explicit nestor_session(nestor::Session made) : session(std::move(made)) {}

  nestor::Session session;
  std::vector<nestor_tensor> inputs, outputs; ///< What the caller gets pointers to.
};

namespace nestor::detail {

/// What every function that can fail returns.
inline nestor_code finish(Status status, nestor_error **error) {
  auto code = static_cast<nestor_code>(status.code());
  if (error)
    *error = status.ok() ? nullptr : new nestor_error{std::move(status)};
  return code;
}

/// Of a function that yields a number.
template <typename T> nestor_code finish_value(Result<T> result, T *out, nestor_error **error) {
  if (result.ok())
    *out = result.value();
  return finish(result.status(), error);
}

/// Of a function that yields an object, which `Handle` holds.
template <typename Handle, typename T>
nestor_code finish_new(Result<T> result, Handle **out, nestor_error **error) {
  if (!result.ok())
    return finish(result.status(), error);
  *out = new Handle(std::move(result).value());
  return finish(Status(), error);
}

inline Status null_argument(const char *function, const char *argument) {
  return error(StatusCode::invalid_argument, "%s: %s is null", function, argument);
}

/// Names the C function, so that the message fits what the caller wrote.
#define NESTOR_REQUIRE(argument)                                               \
  do {                                                                         \
    if (!(argument))                                                           \
      return finish(null_argument(__func__, #argument), error);                \
  } while (false)

/// No struct will have more bytes: a larger size was never initialised, and is
/// not to be believed.
inline constexpr size_t kMaxStructSize = 4096;

/// `first` is the size that the struct had in its first API version.
inline Status check_size(const char *what, size_t size, size_t first) {
  if (size >= first && size <= kMaxStructSize)
    return Status();
  return error(StatusCode::invalid_argument,
               "%s: struct_size is %zu, not %zu or a little more: initialise the struct "
               "with its _INIT macro",
               what, size, first);
}

/// Copies what the app knows of an options struct over the defaults in
/// `options`.
template <typename Options>
Status read_options(const Options *given, size_t first, Options &options) {
  if (!given)
    return Status();
  size_t size = given->struct_size;
  NESTOR_RETURN_IF_ERROR(check_size("options", size, first));
  // An app that is newer than this library may only ask for what both know.
  const auto *bytes = reinterpret_cast<const unsigned char *>(given);
  for (size_t i = sizeof(Options); i < size; ++i)
    if (bytes[i] != 0)
      return error(StatusCode::invalid_argument,
                   "options: the app sets an option that this library, API version %d, "
                   "does not know: update libnestor",
                   NESTOR_API_VERSION);
  std::memcpy(&options, given, std::min(size, sizeof(Options)));
  return Status();
}

/// Writes as much of `info` as the app knows, and zeros to what only it knows.
template <typename Info> Status write_info(Info info, size_t first, Info *out) {
  size_t size = out->struct_size;
  NESTOR_RETURN_IF_ERROR(check_size("info", size, first));
  info.struct_size = std::min(size, sizeof(Info));
  if (size > sizeof(Info))
    std::memset(reinterpret_cast<unsigned char *>(out) + sizeof(Info), 0, size - sizeof(Info));
  std::memcpy(out, &info, info.struct_size);
  return Status();
}

// Sizes in the API version that brought the struct. They never change.
inline constexpr size_t kTensorInfoSize = offsetof(nestor_tensor_info, reserved) + 4;
inline constexpr size_t kCapacityInfoSize = offsetof(nestor_capacity_info, skipped) + 4;
inline constexpr size_t kTargetInfoSize = offsetof(nestor_target_info, selected) + 4;
inline constexpr size_t kOpenOptionsSize = offsetof(nestor_open_options, reserved) + 4;
inline constexpr size_t kSessionOptionsSize = offsetof(nestor_session_options, threads) + 4;
inline constexpr size_t kCutInfoSize = offsetof(nestor_cut_info, dominated) + 4;
inline constexpr size_t kMixedInfoSize = offsetof(nestor_mixed_info, cut) + 4;
inline constexpr size_t kUpgradeInfoSize = offsetof(nestor_upgrade_info, state) + 4;
inline constexpr size_t kCapacityGoalSize = offsetof(nestor_capacity_goal, accuracy) + 4;

inline Status write_tensor(const TensorInfo &tensor, nestor_tensor_info *out) {
  nestor_tensor_info info = NESTOR_TENSOR_INFO_INIT;
  info.name = tensor.name.c_str();
  info.dims = tensor.dims.data();
  info.rank = tensor.dims.size();
  info.bytes = tensor.bytes;
  info.dtype = static_cast<uint32_t>(tensor.dtype);
  return write_info(info, kTensorInfoSize, out);
}

inline Status check_option(const char *name, uint32_t value, uint32_t most) {
  if (value <= most)
    return Status();
  return error(StatusCode::invalid_argument, "options: %s is %u, at most %u", name, value,
               most);
}

inline Status check_encoding(uint32_t encoding) {
  if (encoding >= NESTOR_ENCODING_EXACT && encoding <= NESTOR_ENCODING_INT8)
    return Status();
  return error(StatusCode::invalid_argument, "encoding is %u, not %d to %d", encoding,
               NESTOR_ENCODING_EXACT, NESTOR_ENCODING_INT8);
}

} // namespace nestor::detail

#endif // NESTOR_SRC_C_API_H

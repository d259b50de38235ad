//===- c_api.cpp - The C interface ----------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "nestor/nestor.h"
#include "error.h"
#include "nestor/nestor.hpp"

#include <algorithm>
#include <cstring>

using namespace nestor;

struct nestor_error {
  Status status;
};

struct nestor_artifact {
  Artifact artifact;
};

struct nestor_tensor {
  Tensor tensor;
};

struct nestor_session {
  explicit nestor_session(Session made) : session(std::move(made)) {}

  Session session;
  std::vector<nestor_tensor> inputs, outputs; ///< What the caller gets pointers to.
};

// The enumerations of both languages are one.
template <typename C, typename Cpp> static constexpr bool same(C c, Cpp cpp) {
  return static_cast<int>(c) == static_cast<int>(cpp);
}
static_assert(same(NESTOR_OK, StatusCode::ok) &&
              same(NESTOR_INVALID_ARGUMENT, StatusCode::invalid_argument) &&
              same(NESTOR_NOT_FOUND, StatusCode::not_found) &&
              same(NESTOR_IO_ERROR, StatusCode::io_error) &&
              same(NESTOR_CORRUPT, StatusCode::corrupt) &&
              same(NESTOR_INCOMPATIBLE, StatusCode::incompatible) &&
              same(NESTOR_UNSUPPORTED_CPU, StatusCode::unsupported_cpu) &&
              same(NESTOR_EXEC_REFUSED, StatusCode::exec_refused) &&
              same(NESTOR_OUT_OF_MEMORY, StatusCode::out_of_memory));
static_assert(same(NESTOR_FLOAT32, DType::float32) && same(NESTOR_FLOAT64, DType::float64) &&
              same(NESTOR_FLOAT16, DType::float16) && same(NESTOR_BFLOAT16, DType::bfloat16) &&
              same(NESTOR_INT8, DType::int8) && same(NESTOR_INT16, DType::int16) &&
              same(NESTOR_INT32, DType::int32) && same(NESTOR_INT64, DType::int64) &&
              same(NESTOR_UINT8, DType::uint8) && same(NESTOR_UINT16, DType::uint16) &&
              same(NESTOR_UINT32, DType::uint32) && same(NESTOR_UINT64, DType::uint64) &&
              same(NESTOR_BOOL, DType::boolean));
static_assert(same(NESTOR_VERIFY_CODE, Verify::code) && same(NESTOR_VERIFY_ALL, Verify::all));

// Padding at the end of a struct would hide a field that is added there later:
// struct_size would not grow.
#define NESTOR_ENDS_WITH(type, field)                                          \
  static_assert(sizeof(type) == offsetof(type, field) + sizeof(type::field))
NESTOR_ENDS_WITH(nestor_tensor_info, reserved);
NESTOR_ENDS_WITH(nestor_capacity_info, skipped);
NESTOR_ENDS_WITH(nestor_target_info, selected);
NESTOR_ENDS_WITH(nestor_open_options, reserved);
NESTOR_ENDS_WITH(nestor_session_options, threads);

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

/// What every function that can fail returns.
static nestor_code finish(Status status, nestor_error **error) {
  auto code = static_cast<nestor_code>(status.code());
  if (error)
    *error = status.ok() ? nullptr : new nestor_error{std::move(status)};
  return code;
}

static Status null_argument(const char *function, const char *argument) {
  return detail::error(StatusCode::invalid_argument, "%s: %s is null", function, argument);
}

/// Names the C function, so that the message fits what the caller wrote.
#define NESTOR_REQUIRE(argument)                                               \
  do {                                                                         \
    if (!(argument))                                                           \
      return finish(null_argument(__func__, #argument), error);                \
  } while (false)

extern "C" {

uint32_t nestor_api_version(void) { return NESTOR_API_VERSION; }

const char *nestor_code_name(nestor_code code) {
  // StatusCode has one byte: other values would wrap.
  bool known = code >= NESTOR_OK && code <= NESTOR_OUT_OF_MEMORY;
  return known ? to_string(static_cast<StatusCode>(code)) : "unknown";
}

nestor_code nestor_error_code(const nestor_error *error) {
  return error ? static_cast<nestor_code>(error->status.code()) : NESTOR_OK;
}

const char *nestor_error_message(const nestor_error *error) {
  return error ? error->status.message().c_str() : "";
}

void nestor_error_free(nestor_error *error) { delete error; }

size_t nestor_dtype_size(nestor_dtype dtype) {
  bool known = dtype >= NESTOR_FLOAT32 && dtype <= NESTOR_BOOL;
  return known ? size_of(static_cast<DType>(dtype)) : 0;
}

const char *nestor_dtype_name(nestor_dtype dtype) {
  bool known = dtype >= NESTOR_FLOAT32 && dtype <= NESTOR_BOOL;
  return known ? to_string(static_cast<DType>(dtype)) : "";
}

} // extern "C"

//===----------------------------------------------------------------------===//
// Structs with a size
//===----------------------------------------------------------------------===//

/// No struct will have more bytes: a larger size was never initialised, and is
/// not to be believed.
static constexpr size_t kMaxStructSize = 4096;

/// `first` is the size that the struct had in API version 1.
static Status check_size(const char *what, size_t size, size_t first) {
  if (size >= first && size <= kMaxStructSize)
    return Status();
  return detail::error(StatusCode::invalid_argument,
                       "%s: struct_size is %zu, not %zu or a little more: initialise the struct "
                       "with its _INIT macro",
                       what, size, first);
}

/// Copies what the app knows of an options struct over the defaults in
/// `options`.
template <typename Options>
static Status read_options(const Options *given, size_t first, Options &options) {
  if (!given)
    return Status();
  size_t size = given->struct_size;
  NESTOR_RETURN_IF_ERROR(check_size("options", size, first));
  // An app that is newer than this library may only ask for what both know.
  const auto *bytes = reinterpret_cast<const unsigned char *>(given);
  for (size_t i = sizeof(Options); i < size; ++i)
    if (bytes[i] != 0)
      return detail::error(StatusCode::invalid_argument,
                           "options: the app sets an option that this library, API version %d, "
                           "does not know: update libnestor",
                           NESTOR_API_VERSION);
  std::memcpy(&options, given, std::min(size, sizeof(Options)));
  return Status();
}

/// Writes as much of `info` as the app knows, and zeros to what only it knows.
template <typename Info> static Status write_info(Info info, size_t first, Info *out) {
  size_t size = out->struct_size;
  NESTOR_RETURN_IF_ERROR(check_size("info", size, first));
  info.struct_size = std::min(size, sizeof(Info));
  if (size > sizeof(Info))
    std::memset(reinterpret_cast<unsigned char *>(out) + sizeof(Info), 0, size - sizeof(Info));
  std::memcpy(out, &info, info.struct_size);
  return Status();
}

// Sizes in API version 1. They never change.
static constexpr size_t kTensorInfoSize = offsetof(nestor_tensor_info, reserved) + 4;
static constexpr size_t kCapacityInfoSize = offsetof(nestor_capacity_info, skipped) + 4;
static constexpr size_t kTargetInfoSize = offsetof(nestor_target_info, selected) + 4;
static constexpr size_t kOpenOptionsSize = offsetof(nestor_open_options, reserved) + 4;
static constexpr size_t kSessionOptionsSize = offsetof(nestor_session_options, threads) + 4;

static Status write_tensor(const TensorInfo &tensor, nestor_tensor_info *out) {
  nestor_tensor_info info = NESTOR_TENSOR_INFO_INIT;
  info.name = tensor.name.c_str();
  info.dims = tensor.dims.data();
  info.rank = tensor.dims.size();
  info.bytes = tensor.bytes;
  info.dtype = static_cast<uint32_t>(tensor.dtype);
  return write_info(info, kTensorInfoSize, out);
}

static Status write_capacity(const CapacityInfo &capacity, nestor_capacity_info *out) {
  nestor_capacity_info info = NESTOR_CAPACITY_INFO_INIT;
  info.macs = capacity.macs;
  info.weight_bytes = capacity.weight_bytes;
  info.private_bytes = capacity.private_bytes;
  info.delta_bytes = capacity.delta_bytes;
  info.arena_bytes = capacity.arena_bytes;
  info.capacity = capacity.capacity;
  info.requested = capacity.requested;
  info.accuracy = capacity.has_accuracy ? capacity.accuracy : -1;
  info.agreement = capacity.has_agreement ? capacity.agreement : -1;
  info.latency_us = capacity.latency_us;
  info.skipped = static_cast<uint32_t>(capacity.skipped.size());
  return write_info(info, kCapacityInfoSize, out);
}

static Status write_target(const CodeTarget &target, nestor_target_info *out) {
  nestor_target_info info = NESTOR_TARGET_INFO_INIT;
  info.name = target.name.c_str();
  info.arch = target.arch.c_str();
  info.runnable = target.runnable;
  info.selected = target.selected;
  return write_info(info, kTargetInfoSize, out);
}

//===----------------------------------------------------------------------===//
// Artifacts
//===----------------------------------------------------------------------===//

static Status read_open_options(const nestor_open_options *given, ArtifactOptions &options) {
  nestor_open_options read = NESTOR_OPEN_OPTIONS_INIT;
  NESTOR_RETURN_IF_ERROR(read_options(given, kOpenOptionsSize, read));
  if (read.reserved != 0)
    return detail::error(StatusCode::invalid_argument, "options: reserved is %u, not 0",
                         read.reserved);
  if (read.verify > NESTOR_VERIFY_ALL)
    return detail::error(StatusCode::invalid_argument, "options: verify is %u, at most %d",
                         read.verify, NESTOR_VERIFY_ALL);
  options.verify(static_cast<Verify>(read.verify));
  if (read.target)
    options.target(read.target);
  return Status();
}

/// `open` makes a Result<Artifact> from options.
template <typename Open>
static nestor_code open_artifact(const nestor_open_options *given, Open open,
                                 nestor_artifact **artifact, nestor_error **error) {
  ArtifactOptions options;
  if (Status status = read_open_options(given, options); !status.ok())
    return finish(std::move(status), error);
  Result<Artifact> opened = open(options);
  if (opened.ok())
    *artifact = new nestor_artifact{std::move(opened).value()};
  return finish(opened.status(), error);
}

/// The element at `index` of a list of an artifact, written to `info`.
template <typename T, typename Info>
static Status write_element(const std::vector<T> &list, const char *what, size_t index,
                            Status (*write)(const T &, Info *), Info *info) {
  if (index < list.size())
    return write(list[index], info);
  return detail::error(StatusCode::not_found, "there is no %s %zu: the artifact has %zu", what,
                       index, list.size());
}

extern "C" {

nestor_code nestor_artifact_open(const char *path, const nestor_open_options *options,
                                 nestor_artifact **artifact, nestor_error **error) {
  NESTOR_REQUIRE(path);
  NESTOR_REQUIRE(artifact);
  auto open = [&](const ArtifactOptions &read) { return Artifact::open(path, read); };
  return open_artifact(options, open, artifact, error);
}

nestor_code nestor_artifact_open_fd(int fd, uint64_t offset, uint64_t length,
                                    const nestor_open_options *options,
                                    nestor_artifact **artifact, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  auto open = [&](const ArtifactOptions &read) { return Artifact::open(fd, offset, length, read); };
  return open_artifact(options, open, artifact, error);
}

nestor_code nestor_artifact_open_memory(const void *data, size_t size,
                                        const nestor_open_options *options,
                                        nestor_artifact **artifact, nestor_error **error) {
  NESTOR_REQUIRE(data);
  NESTOR_REQUIRE(artifact);
  auto open = [&](const ArtifactOptions &read) { return Artifact::open(data, size, read); };
  return open_artifact(options, open, artifact, error);
}

void nestor_artifact_free(nestor_artifact *artifact) { delete artifact; }

nestor_code nestor_artifact_verify(const nestor_artifact *artifact, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  return finish(artifact->artifact.verify(), error);
}

const char *nestor_artifact_model_name(const nestor_artifact *artifact) {
  return artifact ? artifact->artifact.model_name().c_str() : "";
}

const char *nestor_artifact_producer(const nestor_artifact *artifact) {
  return artifact ? artifact->artifact.producer().c_str() : "";
}

uint64_t nestor_artifact_file_bytes(const nestor_artifact *artifact) {
  return artifact ? artifact->artifact.file_bytes() : 0;
}

uint64_t nestor_artifact_mapped_bytes(const nestor_artifact *artifact) {
  return artifact ? artifact->artifact.mapped_bytes() : 0;
}

int nestor_artifact_complete(const nestor_artifact *artifact) {
  return artifact && artifact->artifact.complete();
}

size_t nestor_artifact_input_count(const nestor_artifact *artifact) {
  return artifact ? artifact->artifact.inputs().size() : 0;
}

size_t nestor_artifact_output_count(const nestor_artifact *artifact) {
  return artifact ? artifact->artifact.outputs().size() : 0;
}

size_t nestor_artifact_capacity_count(const nestor_artifact *artifact) {
  return artifact ? artifact->artifact.capacities().size() : 0;
}

size_t nestor_artifact_target_count(const nestor_artifact *artifact) {
  return artifact ? artifact->artifact.targets().size() : 0;
}

nestor_code nestor_artifact_input(const nestor_artifact *artifact, size_t index,
                                  nestor_tensor_info *info, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(info);
  return finish(write_element(artifact->artifact.inputs(), "input", index, write_tensor, info),
                error);
}

nestor_code nestor_artifact_output(const nestor_artifact *artifact, size_t index,
                                   nestor_tensor_info *info, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(info);
  return finish(write_element(artifact->artifact.outputs(), "output", index, write_tensor, info),
                error);
}

nestor_code nestor_artifact_capacity(const nestor_artifact *artifact, size_t index,
                                     nestor_capacity_info *info, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(info);
  return finish(
      write_element(artifact->artifact.capacities(), "capacity", index, write_capacity, info),
      error);
}

nestor_code nestor_artifact_target(const nestor_artifact *artifact, size_t index,
                                   nestor_target_info *info, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(info);
  return finish(write_element(artifact->artifact.targets(), "target", index, write_target, info),
                error);
}

} // extern "C"

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

static Status make_session(const Artifact &artifact, const nestor_session_options *given,
                           nestor_session **session) {
  nestor_session_options options = NESTOR_SESSION_OPTIONS_INIT;
  NESTOR_RETURN_IF_ERROR(read_options(given, kSessionOptionsSize, options));
  Result<Session> made = artifact.session(
      SessionOptions().capacity(options.capacity).threads(options.threads));
  if (!made.ok())
    return made.status();
  auto *handle = new nestor_session(std::move(made).value());
  for (size_t i = 0; i < artifact.inputs().size(); ++i)
    handle->inputs.push_back({handle->session.input(i)});
  for (size_t i = 0; i < artifact.outputs().size(); ++i)
    handle->outputs.push_back({handle->session.output(i)});
  *session = handle;
  return Status();
}

static nestor_tensor *at(std::vector<nestor_tensor> &tensors, size_t index) {
  return index < tensors.size() ? &tensors[index] : nullptr;
}

static nestor_tensor *named(std::vector<nestor_tensor> &tensors, const char *name) {
  for (nestor_tensor &tensor : tensors)
    if (name && tensor.tensor.info().name == name)
      return &tensor;
  return nullptr;
}

/// An invalid tensor for null, whose operations say what is wrong.
static Tensor tensor_of(const nestor_tensor *tensor) { return tensor ? tensor->tensor : Tensor(); }

extern "C" {

nestor_code nestor_session_create(const nestor_artifact *artifact,
                                  const nestor_session_options *options,
                                  nestor_session **session, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(session);
  return finish(make_session(artifact->artifact, options, session), error);
}

void nestor_session_free(nestor_session *session) { delete session; }

nestor_code nestor_session_run(nestor_session *session, nestor_error **error) {
  NESTOR_REQUIRE(session);
  return finish(session->session.run(), error);
}

nestor_code nestor_session_set_capacity(nestor_session *session, float capacity,
                                        nestor_error **error) {
  NESTOR_REQUIRE(session);
  return finish(session->session.set_capacity(capacity), error);
}

float nestor_session_capacity(const nestor_session *session) {
  return session ? session->session.capacity() : 0;
}

uint32_t nestor_session_threads(const nestor_session *session) {
  return session ? session->session.threads() : 0;
}

uint64_t nestor_session_memory_bytes(const nestor_session *session) {
  return session ? session->session.memory_bytes() : 0;
}

nestor_tensor *nestor_session_input(nestor_session *session, size_t index) {
  return session ? at(session->inputs, index) : nullptr;
}

nestor_tensor *nestor_session_output(nestor_session *session, size_t index) {
  return session ? at(session->outputs, index) : nullptr;
}

nestor_tensor *nestor_session_find_input(nestor_session *session, const char *name) {
  return session ? named(session->inputs, name) : nullptr;
}

nestor_tensor *nestor_session_find_output(nestor_session *session, const char *name) {
  return session ? named(session->outputs, name) : nullptr;
}

nestor_code nestor_tensor_get_info(const nestor_tensor *tensor, nestor_tensor_info *info,
                                   nestor_error **error) {
  NESTOR_REQUIRE(info);
  if (!tensor) // Its operations say what is wrong.
    return finish(Tensor().copy_to(nullptr, 0), error);
  return finish(write_tensor(tensor->tensor.info(), info), error);
}

size_t nestor_tensor_bytes(const nestor_tensor *tensor) { return tensor_of(tensor).bytes(); }

void *nestor_tensor_data(const nestor_tensor *tensor) { return tensor_of(tensor).data(); }

nestor_code nestor_tensor_copy_from(nestor_tensor *tensor, const void *source, size_t bytes,
                                    nestor_error **error) {
  if (tensor && bytes != 0)
    NESTOR_REQUIRE(source);
  return finish(tensor_of(tensor).copy_from(source, bytes), error);
}

nestor_code nestor_tensor_copy_to(const nestor_tensor *tensor, void *target, size_t bytes,
                                  nestor_error **error) {
  if (tensor && bytes != 0)
    NESTOR_REQUIRE(target);
  return finish(tensor_of(tensor).copy_to(target, bytes), error);
}

nestor_code nestor_tensor_bind(nestor_tensor *tensor, void *memory, size_t bytes,
                               nestor_error **error) {
  return finish(tensor_of(tensor).bind(memory, bytes), error);
}

size_t nestor_tensor_alignment(const nestor_tensor *tensor) {
  return tensor ? tensor->tensor.alignment() : 0;
}

} // extern "C"

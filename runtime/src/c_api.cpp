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
  explicit nestor_artifact(Artifact opened) : artifact(std::move(opened)) {
    for (size_t i = 0; i < artifact.capacities().size(); ++i)
      cuts.push_back(artifact.cuts(i));
  }

  Artifact artifact;
  std::vector<std::vector<CutInfo>> cuts; ///< By capacity: the caller gets pointers into it.
};

struct nestor_calibration {
  explicit nestor_calibration(Calibration made)
      : calibration(std::move(made)), text(calibration.to_string()) {}

  Calibration calibration;
  std::string text;
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
              same(NESTOR_OUT_OF_MEMORY, StatusCode::out_of_memory) &&
              same(NESTOR_DATA_LOSS, StatusCode::data_loss));
static_assert(same(NESTOR_FLOAT32, DType::float32) && same(NESTOR_FLOAT64, DType::float64) &&
              same(NESTOR_FLOAT16, DType::float16) && same(NESTOR_BFLOAT16, DType::bfloat16) &&
              same(NESTOR_INT8, DType::int8) && same(NESTOR_INT16, DType::int16) &&
              same(NESTOR_INT32, DType::int32) && same(NESTOR_INT64, DType::int64) &&
              same(NESTOR_UINT8, DType::uint8) && same(NESTOR_UINT16, DType::uint16) &&
              same(NESTOR_UINT32, DType::uint32) && same(NESTOR_UINT64, DType::uint64) &&
              same(NESTOR_BOOL, DType::boolean));
static_assert(same(NESTOR_VERIFY_CODE, Verify::code) && same(NESTOR_VERIFY_ALL, Verify::all));
static_assert(same(NESTOR_LOAD_MAP, Load::map) && same(NESTOR_LOAD_COPY, Load::copy));
static_assert(same(NESTOR_UPGRADE_NONE, UpgradeProgress::State::none) &&
              same(NESTOR_UPGRADE_RUNNING, UpgradeProgress::State::running) &&
              same(NESTOR_UPGRADE_DONE, UpgradeProgress::State::done) &&
              same(NESTOR_UPGRADE_CANCELLED, UpgradeProgress::State::cancelled) &&
              same(NESTOR_UPGRADE_FAILED, UpgradeProgress::State::failed));
static_assert(same(NESTOR_ENCODING_EXACT, TensorEncoding::exact) &&
              same(NESTOR_ENCODING_F16, TensorEncoding::f16) &&
              same(NESTOR_ENCODING_INT8, TensorEncoding::int8));
static_assert(NESTOR_STREAM_HEADER_BYTES == kStreamHeaderBytes);

// Padding at the end of a struct would hide a field that is added there later:
// struct_size would not grow.
#define NESTOR_ENDS_WITH(type, field)                                          \
  static_assert(sizeof(type) == offsetof(type, field) + sizeof(type::field))
NESTOR_ENDS_WITH(nestor_tensor_info, reserved);
NESTOR_ENDS_WITH(nestor_capacity_info, resident_bytes);
NESTOR_ENDS_WITH(nestor_target_info, selected);
NESTOR_ENDS_WITH(nestor_cut_info, dominated);
NESTOR_ENDS_WITH(nestor_mixed_info, cut);
NESTOR_ENDS_WITH(nestor_upgrade_info, state);
NESTOR_ENDS_WITH(nestor_open_options, reserved2);
NESTOR_ENDS_WITH(nestor_session_options, reserved);
NESTOR_ENDS_WITH(nestor_capacity_goal, accuracy);

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

/// Of a function that yields a number.
template <typename T> static nestor_code finish_value(Result<T> result, T *out, nestor_error **error) {
  if (result.ok())
    *out = result.value();
  return finish(result.status(), error);
}

/// Of a function that yields an object, which `Handle` holds.
template <typename Handle, typename T>
static nestor_code finish_new(Result<T> result, Handle **out, nestor_error **error) {
  if (!result.ok())
    return finish(result.status(), error);
  *out = new Handle(std::move(result).value());
  return finish(Status(), error);
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
  bool known = code >= NESTOR_OK && code <= NESTOR_DATA_LOSS;
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

/// `first` is the size that the struct had in its first API version.
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

// Sizes in the API version that brought the struct. They never change.
static constexpr size_t kTensorInfoSize = offsetof(nestor_tensor_info, reserved) + 4;
static constexpr size_t kCapacityInfoSize = offsetof(nestor_capacity_info, skipped) + 4;
static constexpr size_t kTargetInfoSize = offsetof(nestor_target_info, selected) + 4;
static constexpr size_t kOpenOptionsSize = offsetof(nestor_open_options, reserved) + 4;
static constexpr size_t kSessionOptionsSize = offsetof(nestor_session_options, threads) + 4;
static constexpr size_t kCutInfoSize = offsetof(nestor_cut_info, dominated) + 4;
static constexpr size_t kMixedInfoSize = offsetof(nestor_mixed_info, cut) + 4;
static constexpr size_t kUpgradeInfoSize = offsetof(nestor_upgrade_info, state) + 4;
static constexpr size_t kCapacityGoalSize = offsetof(nestor_capacity_goal, accuracy) + 4;

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
  info.file_bytes = capacity.file_bytes;
  info.resident_bytes = capacity.resident_bytes;
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

static Status write_mixed(const MixedInfo &pair, nestor_mixed_info *out) {
  nestor_mixed_info info = NESTOR_MIXED_INFO_INIT;
  info.head = pair.head;
  info.tail = pair.tail;
  info.accuracy = pair.accuracy;
  info.cut = pair.cut;
  return write_info(info, kMixedInfoSize, out);
}

static Status write_cut(const CutInfo &cut, nestor_cut_info *out) {
  nestor_cut_info info = NESTOR_CUT_INFO_INIT;
  info.name = cut.name.c_str();
  info.live_bytes = cut.live_bytes;
  info.live_bytes_f16 = cut.live_bytes_f16;
  info.live_bytes_int8 = cut.live_bytes_int8;
  info.macs_before = cut.macs_before;
  info.macs_after = cut.macs_after;
  info.front_bytes = cut.front_bytes;
  info.back_bytes = cut.back_bytes;
  info.tensors = static_cast<uint32_t>(cut.live.size());
  info.dominated = cut.dominated;
  return write_info(info, kCutInfoSize, out);
}

//===----------------------------------------------------------------------===//
// Artifacts
//===----------------------------------------------------------------------===//

static Status check_option(const char *name, uint32_t value, uint32_t most) {
  if (value <= most)
    return Status();
  return detail::error(StatusCode::invalid_argument, "options: %s is %u, at most %u", name, value,
                       most);
}

static Status read_open_options(const nestor_open_options *given, ArtifactOptions &options) {
  nestor_open_options read = NESTOR_OPEN_OPTIONS_INIT;
  NESTOR_RETURN_IF_ERROR(read_options(given, kOpenOptionsSize, read));
  NESTOR_RETURN_IF_ERROR(check_option("reserved", read.reserved, 0));
  NESTOR_RETURN_IF_ERROR(check_option("verify", read.verify, NESTOR_VERIFY_ALL));
  NESTOR_RETURN_IF_ERROR(check_option("load", read.load, NESTOR_LOAD_COPY));
  NESTOR_RETURN_IF_ERROR(check_option("guard", read.guard, 1));
  NESTOR_RETURN_IF_ERROR(check_option("no_weights", read.no_weights, 1));
  NESTOR_RETURN_IF_ERROR(check_option("reserved2", read.reserved2, 0));
  options.verify(static_cast<Verify>(read.verify)).load(static_cast<Load>(read.load));
  options.guard(read.guard == 1).map_weights(read.no_weights == 0);
  if (read.sha256)
    options.sha256(read.sha256);
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
  return finish_new(open(options), artifact, error);
}

static Status no_such(const char *what, size_t index, size_t count) {
  return detail::error(StatusCode::not_found, "there is no %s %zu: the artifact has %zu", what,
                       index, count);
}

/// The element at `index` of a list of an artifact, written to `info`.
template <typename T, typename Info>
static Status write_element(const std::vector<T> &list, const char *what, size_t index,
                            Status (*write)(const T &, Info *), Info *info) {
  return index < list.size() ? write(list[index], info) : no_such(what, index, list.size());
}

static Status check_encoding(uint32_t encoding) {
  if (encoding >= NESTOR_ENCODING_EXACT && encoding <= NESTOR_ENCODING_INT8)
    return Status();
  return detail::error(StatusCode::invalid_argument, "encoding is %u, not %d to %d", encoding,
                       NESTOR_ENCODING_EXACT, NESTOR_ENCODING_INT8);
}

static Status read_goal(const nestor_capacity_goal *given, CapacityGoal &goal) {
  nestor_capacity_goal read = NESTOR_CAPACITY_GOAL_INIT;
  NESTOR_RETURN_IF_ERROR(read_options(given, kCapacityGoalSize, read));
  if (read.memory_bytes != 0)
    goal.memory_bytes = read.memory_bytes;
  if (read.latency_us != 0)
    goal.latency_us = read.latency_us;
  if (read.accuracy != 0)
    goal.accuracy = read.accuracy;
  return Status();
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

nestor_code nestor_artifact_open_embedded(const nestor_embedded *model,
                                          const nestor_open_options *options,
                                          nestor_artifact **artifact, nestor_error **error) {
  NESTOR_REQUIRE(model);
  NESTOR_REQUIRE(artifact);
  auto open = [&](const ArtifactOptions &read) { return Artifact::open(*model, read); };
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

size_t nestor_artifact_cut_count(const nestor_artifact *artifact) {
  return artifact ? artifact->cuts.front().size() : 0;
}

nestor_code nestor_artifact_cut(const nestor_artifact *artifact, size_t capacity, size_t index,
                                nestor_cut_info *info, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(info);
  if (capacity >= artifact->cuts.size())
    return finish(no_such("capacity", capacity, artifact->cuts.size()), error);
  return finish(write_element(artifact->cuts[capacity], "cut", index, write_cut, info), error);
}

size_t nestor_artifact_mixed_count(const nestor_artifact *artifact) {
  return artifact ? artifact->artifact.mixed().size() : 0;
}

nestor_code nestor_artifact_mixed(const nestor_artifact *artifact, size_t index,
                                  nestor_mixed_info *info, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(info);
  return finish(
      write_element(artifact->artifact.mixed(), "mixed pair", index, write_mixed, info), error);
}

nestor_code nestor_artifact_variant(const nestor_artifact *artifact, const char *precision,
                                    nestor_artifact **variant, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(precision);
  NESTOR_REQUIRE(variant);
  return finish_new(artifact->artifact.variant(precision), variant, error);
}

nestor_code nestor_artifact_refresh(const nestor_artifact *artifact, nestor_artifact **refreshed,
                                    nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(refreshed);
  return finish_new(artifact->artifact.refresh(), refreshed, error);
}

void nestor_artifact_release_unused(const nestor_artifact *artifact) {
  if (artifact)
    artifact->artifact.release_unused();
}

nestor_code nestor_artifact_minimum_budget(const nestor_artifact *artifact, float capacity,
                                           uint64_t *bytes, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(bytes);
  return finish_value(artifact->artifact.minimum_budget(capacity), bytes, error);
}

nestor_code nestor_artifact_stream_bytes(const nestor_artifact *artifact, uint32_t cut,
                                         uint32_t encoding, uint64_t *bytes,
                                         nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(bytes);
  if (Status status = check_encoding(encoding); !status.ok())
    return finish(std::move(status), error);
  auto kept = static_cast<TensorEncoding>(encoding);
  return finish_value(artifact->artifact.stream_bytes(cut, kept), bytes, error);
}

nestor_code nestor_artifact_calibrate(const nestor_artifact *artifact, uint32_t threads,
                                      double seconds, nestor_calibration **calibration,
                                      nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(calibration);
  CalibrationOptions options = CalibrationOptions().threads(threads).seconds(seconds);
  return finish_new(artifact->artifact.calibrate(options), calibration, error);
}

const char *nestor_calibration_text(const nestor_calibration *calibration) {
  return calibration ? calibration->text.c_str() : "";
}

nestor_code nestor_calibration_parse(const char *text, nestor_calibration **calibration,
                                     nestor_error **error) {
  NESTOR_REQUIRE(text);
  NESTOR_REQUIRE(calibration);
  return finish_new(Calibration::parse(text), calibration, error);
}

void nestor_calibration_free(nestor_calibration *calibration) { delete calibration; }

nestor_code nestor_artifact_choose_capacity(const nestor_artifact *artifact,
                                            const nestor_capacity_goal *goal,
                                            const nestor_calibration *calibration,
                                            float *capacity, nestor_error **error) {
  NESTOR_REQUIRE(artifact);
  NESTOR_REQUIRE(capacity);
  CapacityGoal wanted;
  if (Status status = read_goal(goal, wanted); !status.ok())
    return finish(std::move(status), error);
  const Artifact &of = artifact->artifact;
  return finish_value(calibration ? of.choose_capacity(wanted, calibration->calibration)
                                  : of.choose_capacity(wanted),
                      capacity, error);
}

} // extern "C"

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

static Status read_session_options(const nestor_session_options *given, SessionOptions &how) {
  nestor_session_options options = NESTOR_SESSION_OPTIONS_INIT;
  NESTOR_RETURN_IF_ERROR(read_options(given, kSessionOptionsSize, options));
  NESTOR_RETURN_IF_ERROR(check_option("reserved", options.reserved, 0));
  how.capacity(options.capacity).threads(options.threads);
  if (options.memory_budget != 0)
    how.memory_budget(options.memory_budget);
  if (options.first_block != 0 || options.end_block != 0)
    how.blocks(options.first_block, options.end_block);
  how.executor({options.executor, options.executor_context});
  how.share_above_ns(options.share_above_ns);
  if (options.cpu_count == 0)
    return Status();
  if (!options.cpus)
    return detail::error(StatusCode::invalid_argument, "options: cpus is null, but cpu_count is %zu",
                         options.cpu_count);
  how.affinity({options.cpus, options.cpus + options.cpu_count});
  return Status();
}

static Status make_session(const Artifact &artifact, const nestor_session_options *given,
                           nestor_session **session) {
  SessionOptions how;
  NESTOR_RETURN_IF_ERROR(read_session_options(given, how));
  Result<Session> made = artifact.session(how);
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

float nestor_session_last_capacity(const nestor_session *session) {
  return session ? session->session.last_capacity() : 0;
}

nestor_code nestor_session_upgrade(nestor_session *session, float capacity,
                                   nestor_error **error) {
  NESTOR_REQUIRE(session);
  return finish(session->session.upgrade(capacity), error);
}

nestor_code nestor_session_upgrade_progress(const nestor_session *session,
                                            nestor_upgrade_info *info, nestor_error **error) {
  NESTOR_REQUIRE(session);
  NESTOR_REQUIRE(info);
  UpgradeProgress progress = session->session.upgrade_progress();
  nestor_upgrade_info now = NESTOR_UPGRADE_INFO_INIT;
  now.bytes_done = progress.bytes_done;
  now.bytes_total = progress.bytes_total;
  now.capacity = progress.capacity;
  now.state = static_cast<uint32_t>(progress.state);
  return finish(write_info(now, kUpgradeInfoSize, info), error);
}

void nestor_session_release_unused(nestor_session *session) {
  if (session)
    session->session.release_unused();
}

nestor_code nestor_stream_size(const void *header, size_t bytes, uint64_t *size,
                               nestor_error **error) {
  NESTOR_REQUIRE(header);
  NESTOR_REQUIRE(size);
  return finish_value(stream_size(header, bytes), size, error);
}

nestor_code nestor_session_run_head(nestor_session *session, uint32_t cut, uint32_t encoding,
                                    void *stream, size_t room, size_t *bytes,
                                    nestor_error **error) {
  NESTOR_REQUIRE(session);
  NESTOR_REQUIRE(stream);
  NESTOR_REQUIRE(bytes);
  if (Status status = check_encoding(encoding); !status.ok())
    return finish(std::move(status), error);
  TensorSink sink(stream, room, static_cast<TensorEncoding>(encoding));
  Status status = session->session.run_head(cut, sink);
  if (status.ok())
    *bytes = sink.size();
  return finish(std::move(status), error);
}

nestor_code nestor_session_run_tail(nestor_session *session, uint32_t cut, const void *stream,
                                    size_t bytes, nestor_error **error) {
  NESTOR_REQUIRE(session);
  NESTOR_REQUIRE(stream);
  return finish(session->session.run_tail(cut, TensorSource(stream, bytes)), error);
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

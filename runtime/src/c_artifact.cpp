//===- c_artifact.cpp - The C interface: artifacts ------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "c_api.h"

using namespace nestor;
using namespace nestor::detail;

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
  info.input_extent_count = capacity.input_extents.size();
  info.input_extents = capacity.input_extents.empty() ? nullptr : capacity.input_extents.data();
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
  return error(StatusCode::not_found, "there is no %s %zu: the artifact has %zu", what,
               index, count);
}

/// The element at `index` of a list of an artifact, written to `info`.
template <typename T, typename Info>
static Status write_element(const std::vector<T> &list, const char *what, size_t index,
                            Status (*write)(const T &, Info *), Info *info) {
  return index < list.size() ? write(list[index], info) : no_such(what, index, list.size());
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

//===- c_session.cpp - The C interface: sessions --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "c_api.h"

using namespace nestor;
using namespace nestor::detail;

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
    return error(StatusCode::invalid_argument, "options: cpus is null, but cpu_count is %zu",
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

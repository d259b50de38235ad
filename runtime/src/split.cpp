//===- split.cpp - Running the head or the tail of a model ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "session_state.h"
#include "blocks.h"
#include "error.h"
#include "tensor_stream.h"

namespace nestor {

using namespace detail;

//===----------------------------------------------------------------------===//
// LiveTensors
//===----------------------------------------------------------------------===//

static const nestor_format_Cut &cut_of(const Model &model, uint32_t capacity, uint32_t cut) {
  return model.manifest->capacities[capacity].cuts[cut];
}

float LiveTensors::capacity() const { return session_->model->capacities[capacity_].capacity; }

size_t LiveTensors::count() const {
  return cut_of(*session_->model, capacity_, cut_).live_count;
}

LiveTensorInfo LiveTensors::info(size_t index) const {
  return describe_live(cut_of(*session_->model, capacity_, cut_).live[index]);
}

void *LiveTensors::data(size_t index) const {
  return session_->live_data(cut_of(*session_->model, capacity_, cut_).live[index]);
}

size_t LiveTensors::bytes(size_t index) const {
  return live_bytes(cut_of(*session_->model, capacity_, cut_).live[index]);
}

size_t LiveTensors::pitch(size_t index) const {
  return row_pitch(cut_of(*session_->model, capacity_, cut_).live[index]);
}

uint64_t LiveTensors::bytes() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < count(); ++i)
    sum += bytes(i);
  return sum;
}

//===----------------------------------------------------------------------===//
// SessionState
//===----------------------------------------------------------------------===//

namespace detail {

LiveTensors SessionState::live(uint32_t capacity, uint32_t cut) {
  LiveTensors view;
  view.session_ = this;
  view.capacity_ = capacity;
  view.cut_ = cut;
  return view;
}

void *SessionState::live_data(const nestor_format_LiveTensor &tensor) const {
  switch (raw(tensor.space)) {
  case nestor_format_Space_MODEL_INPUT: return bound[tensor.index];
  case nestor_format_Space_MODEL_OUTPUT: return bound[model->inputs.size() + tensor.index];
  default: return memory + arenaOffset + tensor.offset;
  }
}

Status SessionState::run_head(uint32_t cut, LiveTensors &live) {
  NESTOR_RETURN_IF_ERROR(check_range(0, cut));
  uint32_t capacity = current();
  NESTOR_RETURN_IF_ERROR(run(capacity, 0, cut, nullptr));
  pendingHead = capacity + 1;
  live = this->live(capacity, cut);
  return Status();
}

Result<uint32_t> SessionState::tail_capacity(uint32_t cut, uint32_t head) const {
  if (pendingHead == head + 1)
    return head;
  uint32_t tail = current();
  if (tail == head)
    return tail;
  const Manifest &manifest = *model->manifest;
  for (pb_size_t i = 0; i < manifest.mixed_count; ++i)
    if (manifest.mixed[i].head == head && manifest.mixed[i].tail == tail &&
        manifest.mixed[i].cut == cut)
      return tail;
  return error(StatusCode::invalid_argument,
               "the tensors are of capacity %g, this session runs %g, and the artifact does not "
               "list the two as measured together at cut %u (nestorc compile --mixed)",
               static_cast<double>(model->capacities[head].capacity),
               static_cast<double>(model->capacities[tail].capacity), cut);
}

static Status check_follows(const nestor_format_Cut &head, const nestor_format_Cut &tail,
                            uint32_t cut) {
  if (can_follow(head, tail))
    return Status();
  return error(StatusCode::invalid_argument, "the tensors of cut %u have other types or shapes "
               "here, and not only other channels", cut);
}

Status SessionState::accept(uint32_t cut, const LiveTensors &from, uint32_t &capacity) {
  if (!from.valid() || from.cut() != cut)
    return error(StatusCode::invalid_argument, "these are tensors of cut %d, not of cut %u",
                 from.valid() ? static_cast<int>(from.cut()) : -1, cut);
  capacity = from.capacity_;
  if (from.session_ == this)
    return Status(); // They are where the plan reads them.
  const Model &other = *from.session_->model;
  if (other.manifest.identity() != model->manifest.identity() ||
      capacity >= model->capacities.size())
    return error(StatusCode::invalid_argument, "these are tensors of another artifact");
  Result<uint32_t> tail = tail_capacity(cut, capacity);
  if (!tail.ok())
    return tail.status();
  const nestor_format_Cut &there = cut_of(other, capacity, cut);
  const nestor_format_Cut &here = cut_of(*model, tail.value(), cut);
  NESTOR_RETURN_IF_ERROR(check_follows(there, here, cut));
  capacity = tail.value();
  for (pb_size_t i = 0; i < here.live_count; ++i)
    copy_live(there.live[i], from.session_->live_data(there.live[i]), here.live[i],
              live_data(here.live[i]));
  return Status();
}

Status SessionState::accept(uint32_t cut, const TensorSource &from, uint32_t &capacity) {
  StreamHeader header;
  NESTOR_RETURN_IF_ERROR(read_header(from.data_, from.size_, header));
  NESTOR_RETURN_IF_ERROR(check_header(header, *model, cut, from.size_));
  Result<uint32_t> tail = tail_capacity(cut, header.capacity);
  if (!tail.ok())
    return tail.status();
  capacity = tail.value();
  StreamReader reader(from.data_, from.size_, header);
  const nestor_format_Cut &there = cut_of(*model, header.capacity, cut);
  const nestor_format_Cut &here = cut_of(*model, capacity, cut);
  // Nothing is written before all of it was found to fit.
  NESTOR_RETURN_IF_ERROR(reader.check(there));
  NESTOR_RETURN_IF_ERROR(check_follows(there, here, cut));
  for (pb_size_t i = 0; i < here.live_count; ++i)
    reader.decode(there.live[i], here.live[i], live_data(here.live[i]));
  return Status();
}

Status SessionState::write_stream(const LiveTensors &from, TensorSink &to) {
  to.size_ = 0;
  const nestor_format_Cut &cut = cut_of(*model, from.capacity_, from.cut_);
  uint64_t bytes = detail::stream_bytes(cut, to.encoding_);
  if (bytes > to.room_)
    return error(StatusCode::invalid_argument,
                 "the tensors of cut %u take %llu bytes as %s, the sink has %zu", from.cut_,
                 static_cast<unsigned long long>(bytes), to_string(to.encoding_), to.room_);
  StreamHeader header = {bytes, model->manifest.identity(), from.capacity_, from.cut_,
                         cut.live_count};
  StreamWriter writer(to.memory_, header);
  writer.describe(cut, to.encoding_);
  for (pb_size_t i = 0; i < cut.live_count; ++i)
    writer.encode(cut.live[i], to.encoding_, live_data(cut.live[i]));
  to.size_ = bytes;
  return Status();
}

} // namespace detail

//===----------------------------------------------------------------------===//
// Session
//===----------------------------------------------------------------------===//

Result<LiveTensors> Session::live_tensors(uint32_t cut) {
  NESTOR_RETURN_IF_ERROR(state_->check_range(cut, cut));
  return state_->live(state_->current(), cut);
}

Status Session::run_head(uint32_t cut, LiveTensors &live) { return state_->run_head(cut, live); }

Status Session::run_head(uint32_t cut, TensorSink &sink) {
  LiveTensors live;
  NESTOR_RETURN_IF_ERROR(state_->run_head(cut, live));
  return state_->write_stream(live, sink);
}

/// Brings tensors in, then runs blocks [first, end) behind them.
template <typename Source>
static Status run_from(SessionState &state, uint32_t first, uint32_t end, const Source &source,
                       uint32_t &capacity) {
  NESTOR_RETURN_IF_ERROR(state.check_range(first, end));
  NESTOR_RETURN_IF_ERROR(state.accept(first, source, capacity));
  state.pendingHead = 0;
  return state.run(capacity, first, end, nullptr);
}

static uint32_t last_cut(const SessionState &state) { return block_count(*state.model->manifest); }

Status Session::run_tail(uint32_t cut, const LiveTensors &live) {
  uint32_t capacity = 0;
  return run_from(*state_, cut, last_cut(*state_), live, capacity);
}

Status Session::run_tail(uint32_t cut, const TensorSource &source) {
  uint32_t capacity = 0;
  return run_from(*state_, cut, last_cut(*state_), source, capacity);
}

Status Session::run_blocks(uint32_t first, uint32_t end, const LiveTensors &from,
                           LiveTensors &to) {
  uint32_t capacity = 0;
  NESTOR_RETURN_IF_ERROR(run_from(*state_, first, end, from, capacity));
  state_->pendingHead = capacity + 1;
  to = state_->live(capacity, end);
  return Status();
}

Status Session::run_blocks(uint32_t first, uint32_t end, const TensorSource &from,
                           TensorSink &to) {
  uint32_t capacity = 0;
  NESTOR_RETURN_IF_ERROR(run_from(*state_, first, end, from, capacity));
  state_->pendingHead = capacity + 1;
  return state_->write_stream(state_->live(capacity, end), to);
}

//===----------------------------------------------------------------------===//
// Artifact
//===----------------------------------------------------------------------===//

Result<uint64_t> Artifact::stream_bytes(uint32_t cut, TensorEncoding encoding) const {
  if (block_count(*model_->manifest) == 0 || cut > block_count(*model_->manifest))
    return error(StatusCode::invalid_argument, "%s: there is no cut %u", model_->name.c_str(), cut);
  uint64_t most = 0;
  for (uint32_t i = 0; i < model_->capacities.size(); ++i)
    most = std::max(most, detail::stream_bytes(cut_of(*model_, i, cut), encoding));
  return most;
}

} // namespace nestor

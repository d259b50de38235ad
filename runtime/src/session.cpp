//===- session.cpp - Running an artifact ----------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "nestor/session.hpp"
#include "checked.h"
#include "clock.h"
#include "cpu.h"
#include "error.h"
#include "plan.h"
#include "runtime/format/header.h"
#include "thread_pool.h"
#include "upgrade.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <sys/mman.h>

namespace nestor {

using namespace detail;

namespace detail {

/// Capacities match within this.
static constexpr float kCapacityTolerance = 1e-3f;
static constexpr unsigned kMaxThreads = 256;

class SessionState {
public:
  explicit SessionState(std::shared_ptr<const Model> owner)
      : model(std::move(owner)), selected(model->use), upgrade(*model, selected) {}
  ~SessionState();

  Status prepare(const SessionOptions &options);
  Status bind(size_t slot, void *address);
  /// A capacity of the model, of the file while it is as it was opened.
  Status run(uint32_t capacity, uint64_t *nanoseconds);
  void release_arena();

  std::shared_ptr<const Model> model;
  std::vector<Plan> plans; ///< Parallel to the model's capacities.
  Selection selected;
  bool hasRun = false;
  uint32_t lastRun = 0; ///< The capacity of the last run.
  /// By slot: the inputs, then the outputs.
  std::vector<void *> own, bound;
  std::vector<uint32_t> alignment;
  uint8_t *memory = nullptr; ///< The arena, then the tensors.
  uint64_t memoryBytes = 0, arenaBytes = 0;
  ThreadPool pool;
  Upgrade upgrade; ///< Last: it ends before what it writes to.

private:
  Status allocate();
  void run_calls(const Plan &plan, uint64_t *nanoseconds);
};

/// The capacity within 1e-3 of `capacity`, as a fraction of the MACs or as it
/// was asked for at compile time.
static Result<uint32_t> find_capacity(const Model &model, float capacity) {
  const std::vector<CapacityInfo> &known = model.capacities;
  for (float CapacityInfo::*fraction : {&CapacityInfo::capacity, &CapacityInfo::requested}) {
    uint32_t best = 0;
    auto distance = [&](uint32_t i) { return std::fabs(known[i].*fraction - capacity); };
    for (uint32_t i = 1; i < known.size(); ++i)
      if (distance(i) < distance(best))
        best = i;
    if (distance(best) <= kCapacityTolerance)
      return best;
  }
  return error(StatusCode::not_found, "there is no capacity %g%s", static_cast<double>(capacity),
               model.file.size() < model.manifest.file_size() ? "; the file is cut" : "");
}

SessionState::~SessionState() {
  if (memory)
    munmap(memory, memoryBytes);
}

/// One block for the arena, the inputs and the outputs. It is mapped, so pages
/// that a small capacity does not touch cost nothing.
Status SessionState::allocate() {
  uint64_t total = 0;
  for (const CapacityInfo &capacity : model->capacities)
    total = std::max(total, capacity.arena_bytes);
  arenaBytes = total;
  std::vector<uint64_t> offsets;
  bool fit = true;
  for (const auto *tensors : {&model->inputs, &model->outputs})
    for (const TensorInfo &tensor : *tensors) {
      fit = fit && checked_align(total, format::kBufferAlignment, total);
      offsets.push_back(total);
      fit = fit && checked_add<uint64_t>(total, tensor.bytes, total);
    }
  // A few bytes more, so that even a model without any has an address.
  fit = fit && checked_align(total + 1, page_size(), total);
  void *address = MAP_FAILED;
  errno = ENOMEM;
  if (fit)
    address = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#ifdef MADV_HUGEPAGE
  // Faulting in a few megabytes page by page takes as long as a small model's
  // run. Only advice: where it is not taken, nothing is lost.
  if (address != MAP_FAILED)
    (void)madvise(address, total, MADV_HUGEPAGE);
#endif
  if (address == MAP_FAILED)
    return error(StatusCode::out_of_memory, "session: cannot allocate %llu bytes: %s",
                 static_cast<unsigned long long>(total), std::strerror(errno));
  memory = static_cast<uint8_t *>(address);
  memoryBytes = total;
  for (uint64_t offset : offsets)
    own.push_back(memory + offset);
  bound = own;
  alignment.assign(own.size(), 1);
  return Status();
}

Status SessionState::prepare(const SessionOptions &options) {
  NESTOR_RETURN_IF_ERROR(model->codeStatus);
  Result<uint32_t> capacity = find_capacity(*model, options.capacity());
  if (!capacity.ok())
    return capacity.status();
  selected.set(capacity.value());
  unsigned threads = options.threads() == 0 ? cpu_count() : options.threads();
  if (threads > kMaxThreads)
    return error(StatusCode::invalid_argument, "session: %u threads are more than %u", threads,
                 kMaxThreads);
  NESTOR_RETURN_IF_ERROR(allocate());
  PlanContext context = {memory, threads, &alignment};
  for (uint32_t i = 0; i < model->capacities.size(); ++i) {
    Result<Plan> plan = make_plan(*model, i, context);
    if (!plan.ok())
      return plan.status();
    plans.push_back(std::move(plan).value());
  }
  for (size_t slot = 0; slot < own.size(); ++slot)
    NESTOR_RETURN_IF_ERROR(bind(slot, own[slot]));
  return pool.start(threads - 1);
}

Status SessionState::bind(size_t slot, void *address) {
  if (reinterpret_cast<uintptr_t>(address) % alignment[slot] != 0)
    return error(StatusCode::invalid_argument, "bound memory must be aligned to %u bytes",
                 alignment[slot]);
  bound[slot] = address;
  for (Plan &plan : plans)
    for (const TensorUse &use : plan.uses)
      if (use.slot == slot)
        plan.args[use.arg] = static_cast<uint8_t *>(address) + use.offset;
  return Status();
}

Status SessionState::run(uint32_t capacity, uint64_t *nanoseconds) {
  Status status = model->file.check();
  if (status.ok()) {
    lastRun = capacity;
    hasRun = true;
    run_calls(plans[capacity], nanoseconds);
    status = model->file.check_guard();
  }
  return status.ok() ? Status() : with_prefix(model->name, std::move(status));
}

/// Pages of the arena that only larger capacities use. The tensors behind it
/// may begin in its last page.
void SessionState::release_arena() {
  uint64_t page = page_size();
  uint64_t begin = (model->capacities[selected.get()].arena_bytes + page - 1) / page * page;
  uint64_t end = arenaBytes / page * page;
  if (begin < end)
    (void)madvise(memory + begin, end - begin, MADV_DONTNEED);
}

void SessionState::run_calls(const Plan &plan, uint64_t *nanoseconds) {
  bool shared = pool.workers() != 0;
  if (shared)
    pool.begin();
  uint64_t last = nanoseconds ? now_ns() : 0;
  for (const Call &call : plan.calls) {
    void *const *args = plan.args.data() + call.firstArg;
    const int64_t *params = plan.params.data() + call.firstParam;
    if (call.parts > 1)
      pool.parallel(call, args, params);
    else
      call.function(args, params, 0, call.grains);
    if (nanoseconds) {
      uint64_t now = now_ns();
      *nanoseconds++ += now - last;
      last = now;
    }
  }
  if (shared)
    pool.end();
}

} // namespace detail

//===----------------------------------------------------------------------===//
// Tensor
//===----------------------------------------------------------------------===//

static Status no_such_tensor() {
  return error(StatusCode::not_found, "the model has no such input or output");
}

void *Tensor::data() const { return valid() ? session_->bound[slot_] : nullptr; }
size_t Tensor::alignment() const { return valid() ? session_->alignment[slot_] : 1; }

static Status check_size(const TensorInfo &info, size_t bytes) {
  if (bytes == info.bytes)
    return Status();
  return error(StatusCode::invalid_argument, "'%.100s' has %zu bytes, not %zu", info.name.c_str(),
               info.bytes, bytes);
}

Status Tensor::copy_from(const void *source, size_t bytes) const {
  if (!valid())
    return no_such_tensor();
  NESTOR_RETURN_IF_ERROR(check_size(*info_, bytes));
  if (bytes)
    std::memcpy(data(), source, bytes);
  return Status();
}

Status Tensor::copy_to(void *target, size_t bytes) const {
  if (!valid())
    return no_such_tensor();
  NESTOR_RETURN_IF_ERROR(check_size(*info_, bytes));
  if (bytes)
    std::memcpy(target, data(), bytes);
  return Status();
}

Status Tensor::bind(void *memory, size_t bytes) const {
  if (!valid())
    return no_such_tensor();
  if (!memory)
    return session_->bind(slot_, session_->own[slot_]);
  if (bytes < info_->bytes)
    return check_size(*info_, bytes);
  return with_prefix(info_->name, session_->bind(slot_, memory));
}

//===----------------------------------------------------------------------===//
// Session
//===----------------------------------------------------------------------===//

Result<Session> Artifact::session(const SessionOptions &options) const {
  auto state = std::make_unique<SessionState>(model_);
  NESTOR_RETURN_IF_ERROR(with_prefix(model_->name, state->prepare(options)));
  return Session(std::move(state));
}

Result<Session> Artifact::session() const { return session(SessionOptions()); }

Session::Session(std::unique_ptr<SessionState> state) : state_(std::move(state)) {}
Session::Session(Session &&) noexcept = default;
Session &Session::operator=(Session &&) noexcept = default;
Session::~Session() = default;

Tensor Session::input(size_t index) const {
  Tensor tensor;
  if (index < state_->model->inputs.size()) {
    tensor.session_ = state_.get();
    tensor.info_ = &state_->model->inputs[index];
    tensor.slot_ = index;
  }
  return tensor;
}

Tensor Session::output(size_t index) const {
  Tensor tensor;
  if (index < state_->model->outputs.size()) {
    tensor.session_ = state_.get();
    tensor.info_ = &state_->model->outputs[index];
    tensor.slot_ = state_->model->inputs.size() + index;
  }
  return tensor;
}

/// The index of the tensor with that name, or one beyond the last.
static size_t index_of(const std::vector<TensorInfo> &tensors, std::string_view name) {
  auto named = [&](const TensorInfo &tensor) { return tensor.name == name; };
  return std::find_if(tensors.begin(), tensors.end(), named) - tensors.begin();
}

Tensor Session::input(std::string_view name) const {
  return input(index_of(state_->model->inputs, name));
}

Tensor Session::output(std::string_view name) const {
  return output(index_of(state_->model->outputs, name));
}

Status Session::run() {
  return state_->run(state_->selected.get(), nullptr);
}

Status Session::run_timed(uint64_t *nanoseconds, size_t count) {
  uint32_t capacity = state_->selected.get();
  size_t steps = state_->plans[capacity].calls.size();
  if (count != steps)
    return error(StatusCode::invalid_argument, "the plan has %zu steps, not %zu", steps, count);
  return state_->run(capacity, nanoseconds);
}

Status Session::set_capacity(float capacity) {
  Result<uint32_t> index = find_capacity(*state_->model, capacity);
  if (!index.ok())
    return index.status();
  state_->selected.set(index.value());
  return Status();
}

float Session::capacity() const {
  return state_->model->capacities[state_->selected.get()].capacity;
}

float Session::last_capacity() const {
  return state_->hasRun ? state_->model->capacities[state_->lastRun].capacity : capacity();
}

Status Session::upgrade(float capacity) {
  Result<uint32_t> index = find_capacity(*state_->model, capacity);
  return index.ok() ? state_->upgrade.start(index.value(), state_->memory) : index.status();
}

UpgradeProgress Session::upgrade_progress() const { return state_->upgrade.progress(); }

void Session::release_unused() {
  state_->release_arena();
  state_->model->release_unused();
}

unsigned Session::threads() const { return state_->pool.workers() + 1; }
uint64_t Session::memory_bytes() const { return state_->memoryBytes; }

} // namespace nestor

//===- session.cpp - Running an artifact ----------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "session_state.h"
#include "affinity.h"
#include "blocks.h"
#include "checked.h"
#include "clock.h"
#include "cpu.h"
#include "error.h"
#include "runtime/format/header.h"

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

static Status cannot_allocate(uint64_t bytes) {
  return error(StatusCode::out_of_memory, "session: cannot allocate %llu bytes: %s",
               static_cast<unsigned long long>(bytes),
               std::strerror(bytes == UINT64_MAX ? ENOMEM : errno));
}

/// Tells a plan where a slot is.
static void place_slot(Plan &plan, uint32_t slot, uint8_t *address) {
  for (const TensorUse &use : plan.uses)
    if (use.slot == slot)
      plan.args[use.arg] = address + use.offset;
}

SessionState::~SessionState() {
  // Their threads write into the memory.
  upgrade.stop();
  streamer.reset();
  if (memory)
    munmap(memory, memoryBytes);
}

/// Where the tensors lie in the memory of a session, from `end` on, which moves
/// behind them. False if that does not fit an address.
static bool place_tensors(const Model &model, std::vector<uint64_t> &offsets, uint64_t &end) {
  bool fit = checked_align(end, format::kBufferAlignment, end);
  for (const auto *tensors : {&model.inputs, &model.outputs})
    for (const TensorInfo &tensor : *tensors) {
      offsets.push_back(end);
      fit = fit && checked_add<uint64_t>(end, tensor.bytes, end) &&
            checked_align(end, format::kBufferAlignment, end);
    }
  return fit;
}

/// It is mapped, so pages that a small capacity does not touch cost nothing.
Status SessionState::allocate(uint64_t bytes) {
  void *address =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    return cannot_allocate(bytes);
#ifdef MADV_HUGEPAGE
  // Faulting in a few megabytes page by page takes as long as a small model's
  // run. Only advice: where it is not taken, nothing is lost.
  (void)madvise(address, bytes, MADV_HUGEPAGE);
#endif
  memory = static_cast<uint8_t *>(address);
  memoryBytes = bytes;
  return Status();
}

Status SessionState::choose_blocks(const SessionOptions &options) {
  const Manifest &manifest = *model->manifest;
  uint32_t count = block_count(manifest);
  blocks = {0, count};
  if (manifest.has_present)
    blocks = {manifest.present.first, manifest.present.end};
  if (!options.has_blocks())
    return Status();
  BlockRange wanted = options.blocks();
  if (count == 0)
    return error(StatusCode::invalid_argument, "session: the file has no blocks");
  if (wanted.first >= wanted.end || wanted.end > count)
    return error(StatusCode::invalid_argument, "session: there are no blocks %u:%u, the model has "
                 "0:%u", wanted.first, wanted.end, count);
  if (wanted.first < blocks.first || wanted.end > blocks.end)
    return error(StatusCode::not_found, "session: the file was trimmed to blocks %u:%u and lacks "
                 "some of %u:%u", blocks.first, blocks.end, wanted.first, wanted.end);
  blocks = wanted;
  return Status();
}

/// How many threads share a run, and whether they can.
static Result<unsigned> choose_threads(const SessionOptions &options) {
  const std::vector<unsigned> &cpus = options.affinity();
  if (!cpus.empty() && options.executor().run)
    return error(StatusCode::invalid_argument, "session: affinity is for threads of the session's "
                 "own, and an executor brings the app's: leave one of the two out");
  Result<unsigned> usable = cpus.empty() ? cpu_count() : check_cpus(cpus);
  if (!usable.ok())
    return with_prefix("session", usable.status());
  unsigned threads = options.threads() == 0 ? usable.value() : options.threads();
  if (threads > kMaxThreads)
    return error(StatusCode::invalid_argument, "session: %u threads are more than %u", threads,
                 kMaxThreads);
  return threads;
}

Status SessionState::prepare(const SessionOptions &options) {
  NESTOR_RETURN_IF_ERROR(model->codeStatus);
  NESTOR_RETURN_IF_ERROR(choose_blocks(options));
  Result<uint32_t> capacity = find_capacity(*model, options.capacity());
  if (!capacity.ok())
    return capacity.status();
  selected.set(capacity.value());
  Result<unsigned> threads = choose_threads(options);
  if (!threads.ok())
    return threads.status();
  alignment.assign(model->inputs.size() + model->outputs.size() + 1, 1);
  NESTOR_RETURN_IF_ERROR(options.has_memory_budget()
                             ? prepare_streamed(options, threads.value())
                             : prepare_resident(options, threads.value()));
  for (size_t slot = 0; slot < own.size(); ++slot)
    NESTOR_RETURN_IF_ERROR(bind(slot, own[slot]));
  if (!options.executor().run)
    return pool.start(threads.value() - 1, options.affinity());
  pool.use(options.executor(), threads.value());
  return Status();
}

Status SessionState::prepare_resident(const SessionOptions &options, unsigned threads) {
  if (model->file.front() < model->file.size())
    return error(StatusCode::invalid_argument, "session: the artifact was opened without its "
                 "weights: a session needs a memory budget");
  std::vector<uint64_t> offsets;
  uint64_t total = 0;
  for (const CapacityInfo &capacity : model->capacities)
    total = std::max(total, capacity.arena_bytes);
  arenaBytes = total;
  // A few bytes more, so that even a model without any has an address.
  if (!place_tensors(*model, offsets, total) || !checked_align(total + 1, page_size(), total))
    return cannot_allocate(UINT64_MAX);
  NESTOR_RETURN_IF_ERROR(allocate(total));
  for (uint64_t offset : offsets)
    own.push_back(memory + offset);
  bound = own;
  PlanContext context = {memory, threads, options.share_above_ns(), &alignment, blocks, nullptr};
  for (uint32_t i = 0; i < model->capacities.size(); ++i) {
    Result<Plan> plan = make_plan(*model, i, context);
    if (!plan.ok())
      return plan.status();
    plans.push_back(std::move(plan).value());
  }
  return Status();
}

Status SessionState::prepare_streamed(const SessionOptions &options, unsigned threads) {
  std::vector<uint64_t> offsets;
  uint64_t tensors = 0;
  if (!place_tensors(*model, offsets, tensors))
    return cannot_allocate(UINT64_MAX);
  StreamSetup setup = {*model, blocks, threads, options.share_above_ns(), tensors};
  Result<StreamSet> made = plan_streams(setup, options.memory_budget(), current(), alignment);
  if (!made.ok())
    return made.status();
  StreamSet &set = made.value();
  NESTOR_RETURN_IF_ERROR(allocate(set.bytes));
  for (uint64_t offset : offsets)
    own.push_back(memory + offset);
  bound = own;
  arenaOffset = tensors;
  plans = std::move(set.plans);
  for (Plan &plan : plans)
    place_slot(plan, static_cast<uint32_t>(own.size()), memory + tensors);
  streamer = std::make_unique<Streamer>(*model, memory, std::move(set));
  return streamer->start();
}

Result<uint32_t> find_capacity(const Model &model, float capacity) {
  const std::vector<CapacityInfo> &known = model.capacities;
  // By its own fraction, then by the one that was asked for at compile time.
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

Result<uint32_t> SessionState::find(float capacity) const {
  Result<uint32_t> found = find_capacity(*model, capacity);
  if (found.ok() && streamer)
    NESTOR_RETURN_IF_ERROR(streamer->check_fits(found.value()));
  return found;
}

Status SessionState::select(float capacity) {
  Result<uint32_t> found = find(capacity);
  if (found.ok())
    selected.set(found.value());
  return found.status();
}

Status SessionState::start_upgrade(float capacity) {
  Result<uint32_t> found = find(capacity);
  if (!found.ok())
    return found.status();
  if (!streamer)
    return upgrade.start(found.value(), memory + arenaOffset);
  upgrade.select(found.value()); // Every run reads weights: there is nothing to wait for.
  return Status();
}

Status SessionState::bind(size_t slot, void *address) {
  if (reinterpret_cast<uintptr_t>(address) % alignment[slot] != 0)
    return error(StatusCode::invalid_argument, "bound memory must be aligned to %u bytes",
                 alignment[slot]);
  bound[slot] = address;
  for (Plan &plan : plans)
    place_slot(plan, static_cast<uint32_t>(slot), static_cast<uint8_t *>(address));
  return Status();
}

Status SessionState::check_range(uint32_t first, uint32_t end) const {
  uint32_t count = block_count(*model->manifest);
  if (count == 0)
    return error(StatusCode::invalid_argument, "the file has no cuts");
  if (first > end || end > count)
    return error(StatusCode::invalid_argument, "there are no blocks %u:%u: cuts are 0 to %u", first,
                 end, count);
  if (first != end && (first < blocks.first || end > blocks.end))
    return error(StatusCode::invalid_argument, "this session has blocks %u:%u of %u, not %u:%u",
                 blocks.first, blocks.end, count, first, end);
  return Status();
}

Status SessionState::run_all(uint32_t capacity, uint64_t *nanoseconds) {
  uint32_t count = block_count(*model->manifest);
  if (blocks.first != 0 || blocks.end != count)
    return error(StatusCode::invalid_argument, "this session has blocks %u:%u of %u: call run_head, "
                 "run_tail or run_blocks", blocks.first, blocks.end, count);
  pendingHead = 0;
  return run(capacity, 0, count, nanoseconds);
}

/// A look at its size takes a quarter of a microsecond, more than all else that a
/// run does between kernels. So runs that begin within one tick share a look.
Status SessionState::check_file() {
  uint64_t now = clock_tick();
  if (now == checkedAt)
    return model->file.check_guard();
  checkedAt = now;
  return model->file.check();
}

Status SessionState::run(uint32_t capacity, uint32_t first, uint32_t end, uint64_t *nanoseconds) {
  Status status = check_file();
  if (status.ok())
    status = run_range(capacity, first, end, nanoseconds);
  if (status.ok())
    status = model->file.check_guard();
  if (!status.ok()) {
    checkedAt = 0; // What went wrong may be the file.
    return with_prefix(model->name, std::move(status));
  }
  if (end == block_count(*model->manifest)) {
    lastRun = capacity;
    hasRun = true;
  }
  return Status();
}

Status SessionState::run_range(uint32_t capacity, uint32_t first, uint32_t end,
                               uint64_t *nanoseconds) {
  const Plan &plan = plans[capacity];
  if (first == end && !plan.blockCalls.empty())
    return Status();
  if (streamer)
    return run_streamed(capacity, first - blocks.first, end - blocks.first, nanoseconds);
  bool whole = plan.blockCalls.empty(); // The file has no blocks.
  run_calls(plan, whole ? 0 : plan.blockCalls[first - blocks.first],
            whole ? static_cast<uint32_t>(plan.calls.size())
                  : plan.blockCalls[end - blocks.first], nanoseconds);
  return Status();
}

Status SessionState::run_streamed(uint32_t capacity, uint32_t first, uint32_t end,
                                  uint64_t *nanoseconds) {
  Plan &plan = plans[capacity];
  StreamRun run(*streamer, plan, capacity, first, end);
  while (const Piece *piece = run.next())
    run_calls(plan, piece->firstCall, piece->endCall, nanoseconds);
  return run.finish();
}

/// Pages of the arena that only larger capacities use. The tensors behind it
/// may begin in its last page.
void SessionState::release_arena() {
  // A budget bounds the memory anyway, and the streamer relies on what is in it.
  if (streamer)
    return;
  uint64_t used = model->capacities[selected.get()].arena_bytes;
  if (pendingHead != 0) // Its tensors stay for its tail.
    used = std::max(used, model->capacities[pendingHead - 1].arena_bytes);
  uint64_t page = page_size();
  uint64_t begin = (used + page - 1) / page * page;
  uint64_t end = arenaBytes / page * page;
  if (begin < end)
    (void)madvise(memory + begin, end - begin, MADV_DONTNEED);
}

void SessionState::run_calls(const Plan &plan, uint32_t first, uint32_t end,
                             uint64_t *nanoseconds) {
  bool asked = false, shared = false; // Who has nothing to share wakes nobody.
  uint64_t last = nanoseconds ? now_ns() : 0;
  for (uint32_t i = first; i < end; ++i) {
    const Call &call = plan.calls[i];
    void *const *args = plan.args.data() + call.firstArg;
    const int64_t *params = plan.params.data() + call.firstParam;
    if (call.parts > 1 && !asked) {
      shared = pool.begin(plan.wakes);
      asked = true;
    }
    if (call.parts > 1 && shared)
      pool.parallel(call, args, params);
    else
      call.function(args, params, call.firstGrain, call.firstGrain + call.grains);
    if (nanoseconds) {
      uint64_t now = now_ns();
      nanoseconds[call.step] += now - last;
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

Result<uint64_t> Artifact::minimum_budget(float capacity) const {
  NESTOR_RETURN_IF_ERROR(with_prefix(model_->name, model_->codeStatus));
  Result<uint32_t> index = find_capacity(*model_, capacity);
  if (!index.ok())
    return with_prefix(model_->name, index.status());
  std::vector<uint64_t> offsets;
  uint64_t tensors = 0;
  if (!place_tensors(*model_, offsets, tensors))
    return cannot_allocate(UINT64_MAX);
  StreamSetup setup = {*model_, present_blocks(), 1, 0, tensors};
  Result<uint64_t> bytes = detail::minimum_budget(setup, index.value());
  return bytes.ok() ? bytes : with_prefix(model_->name, bytes.status());
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

Status Session::run() { return state_->run_all(state_->current(), nullptr); }

Status Session::run_timed(uint64_t *nanoseconds, size_t count) {
  uint32_t capacity = state_->current();
  size_t steps = state_->model->manifest->capacities[capacity].steps_count;
  if (count != steps)
    return error(StatusCode::invalid_argument, "the plan has %zu steps, not %zu", steps, count);
  return state_->run_all(capacity, nanoseconds);
}

Status Session::set_capacity(float capacity) { return state_->select(capacity);
}

float Session::capacity() const {
  return state_->model->capacities[state_->current()].capacity;
}

float Session::last_capacity() const {
  return state_->hasRun ? state_->model->capacities[state_->lastRun].capacity : capacity();
}

Status Session::upgrade(float capacity) {
  return state_->start_upgrade(capacity);
}

UpgradeProgress Session::upgrade_progress() const { return state_->upgrade.progress(); }

void Session::release_unused() {
  state_->release_arena();
  state_->model->release_unused();
}

unsigned Session::threads() const { return state_->pool.threads(); }
BlockRange Session::blocks() const { return state_->blocks; }

uint64_t Session::memory_bytes() const {
  return state_->memoryBytes + (state_->streamer ? state_->streamer->heap_bytes() : 0);
}

StreamPrediction Session::predicted() const {
  return state_->streamer ? state_->streamer->predicted(state_->current()) : StreamPrediction();
}

} // namespace nestor

//===- artifact.cpp - Opening a .nest file --------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "nestor/artifact.hpp"
#include "cpu.h"
#include "error.h"
#include "hash.h"
#include "model.h"
#include "runtime/format/header.h"
#include "sha256.h"

#include <algorithm>

namespace nestor {

using namespace detail;

size_t size_of(DType type) {
  switch (type) {
  case DType::int8:
  case DType::uint8:
  case DType::boolean: return 1;
  case DType::float16:
  case DType::bfloat16:
  case DType::int16:
  case DType::uint16: return 2;
  case DType::float32:
  case DType::int32:
  case DType::uint32: return 4;
  case DType::float64:
  case DType::int64:
  case DType::uint64: return 8;
  }
  return 0;
}

const char *to_string(DType type) {
  constexpr const char *names[] = {"",      "float32", "float64", "float16", "bfloat16",
                                   "int8",  "int16",   "int32",   "int64",   "uint8",
                                   "uint16", "uint32", "uint64",  "bool"};
  size_t index = static_cast<size_t>(type);
  return index < sizeof names / sizeof *names ? names[index] : "";
}

//===----------------------------------------------------------------------===//
// Model
//===----------------------------------------------------------------------===//

Status Model::open(Mapping mapping, const ArtifactOptions &how, std::string fileName) {
  file = std::move(mapping);
  options = how;
  name = std::move(fileName);
  // The file stays open: sessions with a memory budget read weights from it.
  Status status = open_named();
  // What a guard has replaced looks like damage.
  if (Status lost = file.check_guard(); !lost.ok())
    status = std::move(lost);
  return with_prefix(name, std::move(status));
}

Status Model::check_pin() {
  if (options.sha256().empty())
    return Status();
  Sha256 pin;
  if (!from_hex(options.sha256(), pin))
    return error(StatusCode::invalid_argument, "the SHA-256 pin is not 64 hexadecimal digits");
  if (pinnedBytes == 0)
    pinnedBytes = file.size();
  Sha256 actual = sha256(file.data(), pinnedBytes);
  if (actual == pin)
    return Status();
  return error(StatusCode::corrupt, "its SHA-256 is %s, not %s as pinned", to_hex(actual).c_str(),
               to_hex(pin).c_str());
}

Status Model::open_named() {
  if (reinterpret_cast<uintptr_t>(file.data()) % format::kBufferAlignment != 0)
    return error(StatusCode::invalid_argument, "the artifact does not start at a multiple of %llu",
                 static_cast<unsigned long long>(format::kBufferAlignment));
  NESTOR_RETURN_IF_ERROR(check_pin());
  NESTOR_RETURN_IF_ERROR(manifest.read(file.data(), file.size()));
  describe();
  use.resize(capacities.size());
  if (!options.map_weights())
    drop_weights();
  if (options.verify() == Verify::all)
    NESTOR_RETURN_IF_ERROR(verify_sections());
  codeStatus = load_code(options.target());
  describe_memory();
  // What only keeps this machine from running the file does not keep tools
  // from reading it; sessions report it.
  bool readable = codeStatus.ok() || codeStatus.code() == StatusCode::unsupported_cpu ||
                  codeStatus.code() == StatusCode::exec_refused;
  return readable ? Status() : codeStatus;
}

/// Code comes before weights; where a file has it otherwise, more stays.
void Model::drop_weights() {
  const format::FileHeader *header = reinterpret_cast<const format::FileHeader *>(file.data());
  uint64_t end = header->manifestOffset + header->manifestSize;
  for (pb_size_t i = 0; i < manifest->sections_count; ++i)
    if (raw(manifest->sections[i].kind) == nestor_format_SectionKind_CODE)
      end = std::max(end, manifest->sections[i].offset + manifest->sections[i].size);
  file.keep_front(end);
}

static Normalization describe_normalization(const nestor_format_Normalization &norm) {
  Normalization info;
  info.scale = norm.scale;
  info.mean.assign(norm.mean, norm.mean + norm.mean_count);
  info.std.assign(norm.std, norm.std + norm.std_count);
  return info;
}

static TensorInfo describe_tensor(const nestor_format_Tensor &tensor) {
  TensorInfo info;
  info.name = text(tensor.name);
  info.dtype = static_cast<DType>(raw(tensor.dtype));
  info.dims.assign(tensor.dims, tensor.dims + tensor.dims_count);
  uint64_t bytes = 0;
  (void)tensor_bytes(tensor, bytes); // The manifest was checked.
  info.bytes = bytes;
  if (tensor.has_normalization) {
    info.has_normalization = true;
    info.normalization = describe_normalization(tensor.normalization);
  }
  return info;
}

static CapacityInfo describe_capacity(const nestor_format_Capacity &capacity) {
  CapacityInfo info;
  info.capacity = capacity.capacity;
  info.macs = capacity.macs;
  info.weight_bytes = capacity.weight_bytes;
  info.private_bytes = capacity.private_bytes;
  info.arena_bytes = capacity.arena_bytes;
  info.has_accuracy = capacity.has_accuracy;
  info.accuracy = capacity.accuracy;
  info.has_agreement = capacity.has_agreement;
  info.agreement = capacity.agreement;
  info.requested = capacity.requested != 0 ? capacity.requested : capacity.capacity;
  info.latency_us = capacity.latency_us;
  for (pb_size_t i = 0; i < capacity.skipped_count; ++i)
    info.skipped.push_back(text(capacity.skipped[i]));
  info.input_extents.assign(capacity.input_extents,
                            capacity.input_extents + capacity.input_extents_count);
  return info;
}

/// Bytes of the shells that a capacity reads and the one before does not.
static uint64_t delta_bytes(const Manifest &manifest, uint32_t capacity) {
  uint64_t bytes = 0;
  uint32_t shell = capacity == 0 ? 0 : manifest.capacities[capacity - 1].shells;
  for (; shell < manifest.capacities[capacity].shells; ++shell)
    bytes += find_section(manifest, nestor_format_SectionKind_WEIGHTS, shell)->size;
  return bytes;
}

void Model::describe_groups() {
  for (pb_size_t i = 0; i < manifest->groups_count; ++i) {
    const nestor_format_Group &group = manifest->groups[i];
    groups.push_back({text(group.name), group.channels, group.stream,
                      std::vector<uint32_t>(group.widths, group.widths + group.widths_count)});
  }
  for (pb_size_t i = 0; i < manifest->whole_count; ++i)
    whole.push_back({text(manifest->whole[i].node), text(manifest->whole[i].reason)});
  if (manifest->has_data_normalization)
    dataNormalization = describe_normalization(manifest->data_normalization);
}

void Model::describe() {
  modelName = text(manifest->model);
  producer = text(manifest->producer);
  for (pb_size_t i = 0; i < manifest->inputs_count; ++i)
    inputs.push_back(describe_tensor(manifest->inputs[i]));
  for (pb_size_t i = 0; i < manifest->outputs_count; ++i)
    outputs.push_back(describe_tensor(manifest->outputs[i]));
  for (uint32_t i = 0; i < manifest.capacities(); ++i) {
    capacities.push_back(describe_capacity(manifest->capacities[i]));
    capacities.back().delta_bytes = delta_bytes(*manifest, i);
  }
  for (pb_size_t i = 0; i < manifest->sections_count; ++i) {
    const nestor_format_Section &section = manifest->sections[i];
    sections.push_back({text(section.name), section.offset, section.size});
  }
  describe_groups();
  const Cpu cpu;
  for (pb_size_t i = 0; i < manifest->targets_count; ++i) {
    const nestor_format_Target &target = manifest->targets[i];
    CodeTarget info;
    info.name = text(target.name);
    info.arch = text(target.arch);
    for (pb_size_t j = 0; j < target.features_count; ++j)
      info.features.push_back(text(target.features[j]));
    info.runnable = info.arch == kHostArch && cpu.missing(info.features).empty();
    targets.push_back(std::move(info));
  }
}

/// Why this CPU runs none of the targets, or not the one that is asked for.
static Status cannot_run(const std::vector<CodeTarget> &targets, const std::string &wanted) {
  std::string reasons;
  for (const CodeTarget &target : targets) {
    if (!wanted.empty() && target.name != wanted)
      continue;
    reasons += (reasons.empty() ? "" : "; ") + target.name;
    reasons += target.arch != kHostArch ? " is for " + target.arch
                                        : " needs " + Cpu().missing(target.features);
  }
  if (reasons.empty())
    return wanted.empty() ? error(StatusCode::corrupt, "manifest: targets is empty")
                          : error(StatusCode::not_found, "no code for target '%s'", wanted.c_str());
  return error(StatusCode::unsupported_cpu, "no code for this %s CPU: %s", kHostArch,
               reasons.c_str());
}

/// The wanted target, or the runnable one that uses most of this CPU.
Status Model::select_target(const std::string &wanted) {
  const CodeTarget *best = nullptr;
  for (const CodeTarget &candidate : targets) {
    if (!candidate.runnable || (!wanted.empty() && candidate.name != wanted))
      continue;
    if (!best || candidate.features.size() > best->features.size())
      best = &candidate;
  }
  if (!best)
    return cannot_run(targets, wanted);
  target = static_cast<uint32_t>(best - targets.data());
  return Status();
}

Status Model::load_code(const std::string &wanted) {
  NESTOR_RETURN_IF_ERROR(select_target(wanted));
  if (code.linked()) {
    targets[target].selected = true;
    return Status();
  }
  const nestor_format_Section *section =
      find_section(*manifest, nestor_format_SectionKind_CODE, target);
  if (!section)
    return error(StatusCode::corrupt, "manifest: sections: no code for target %s",
                 targets[target].name.c_str());
  NESTOR_RETURN_IF_ERROR(verify_section(*section));
  // Zero pages are no code: what a guard may replace is not run.
  int fd = file.shares_file() && !file.guarded() ? file.fd() : -1;
  NESTOR_RETURN_IF_ERROR(code.load(file.data() + section->offset, section->size, fd,
                                   file.file_offset() + section->offset));
  targets[target].selected = true;
  return Status();
}

Status Model::verify_section(const nestor_format_Section &section) const {
  uint64_t actual = 0;
  if (section.offset + section.size <= file.front())
    actual = hash(file.data() + section.offset, section.size);
  else
    NESTOR_RETURN_IF_ERROR(hash_file(file, section.offset, section.size, actual));
  if (actual == section.hash)
    return Status();
  return error(StatusCode::corrupt, "section %s: hash: its %llu bytes at %llu are damaged",
               text(section.name), static_cast<unsigned long long>(section.size),
               static_cast<unsigned long long>(section.offset));
}

Status Model::verify_sections() const {
  for (pb_size_t i = 0; i < manifest->sections_count; ++i) {
    const nestor_format_Section &section = manifest->sections[i];
    // A cut file lacks its last shells; what is there can be checked.
    if (section.offset + section.size <= file.size())
      NESTOR_RETURN_IF_ERROR(verify_section(section));
  }
  return Status();
}

//===----------------------------------------------------------------------===//
// Artifact
//===----------------------------------------------------------------------===//

Artifact::Artifact(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

static Result<std::shared_ptr<const Model>> open_model(Result<Mapping> mapping, std::string name,
                                                       const ArtifactOptions &options,
                                                       bool byPath = false) {
  if (!mapping.ok())
    return with_prefix(name, mapping.status());
  auto model = std::make_shared<Model>();
  model->openedByPath = byPath;
  NESTOR_RETURN_IF_ERROR(model->open(std::move(mapping).value(), options, std::move(name)));
  return std::shared_ptr<const Model>(std::move(model));
}

Result<Artifact> Artifact::open(const std::string &path, const ArtifactOptions &options) {
  auto model = open_model(Mapping::file(path.c_str(), options), path, options, true);
  return model.ok() ? Result<Artifact>(Artifact(std::move(model).value())) : model.status();
}

Result<Artifact> Artifact::open(int fd, uint64_t offset, uint64_t length,
                                const ArtifactOptions &options) {
  auto model = open_model(Mapping::range(fd, offset, length, options),
                          "file " + std::to_string(fd), options);
  return model.ok() ? Result<Artifact>(Artifact(std::move(model).value())) : model.status();
}

Result<Artifact> Artifact::open(const void *data, size_t size, const ArtifactOptions &options) {
  auto model = open_model(Mapping::memory(data, size), "memory", options);
  return model.ok() ? Result<Artifact>(Artifact(std::move(model).value())) : model.status();
}

const std::string &Artifact::model_name() const { return model_->modelName; }
const std::string &Artifact::producer() const { return model_->producer; }
const std::vector<TensorInfo> &Artifact::inputs() const { return model_->inputs; }
const std::vector<TensorInfo> &Artifact::outputs() const { return model_->outputs; }
const std::vector<CapacityInfo> &Artifact::capacities() const { return model_->capacities; }
const std::vector<CodeTarget> &Artifact::targets() const { return model_->targets; }
const std::vector<SectionInfo> &Artifact::sections() const { return model_->sections; }
const std::vector<GroupInfo> &Artifact::groups() const { return model_->groups; }
const std::vector<WholeInfo> &Artifact::whole() const { return model_->whole; }
const Normalization *Artifact::data_normalization() const {
  return model_->manifest->has_data_normalization ? &model_->dataNormalization : nullptr;
}
uint64_t Artifact::file_bytes() const { return model_->file.size(); }
uint64_t Artifact::mapped_bytes() const {
  return model_->file.front() + model_->code.mapped_bytes();
}
bool Artifact::complete() const { return model_->file.size() == model_->manifest.file_size(); }

Status Artifact::verify() const { return with_prefix(model_->name, model_->verify_sections()); }

} // namespace nestor

//===- ArtifactBuilder.cpp - Artifacts made in memory ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"

#include <cstdio>
#include <cstring>
#include <elf.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace nestor::test {
namespace {

/// A protobuf message being written.
class Message {
public:
  Message &varint(unsigned field, uint64_t value) {
    tag(field, 0);
    return raw(value);
  }
  Message &zigzag(unsigned field, int64_t value) { return varint(field, zigzagged(value)); }
  Message &fixed32(unsigned field, float value) {
    tag(field, 5);
    bytes.append(reinterpret_cast<const char *>(&value), 4);
    return *this;
  }
  Message &fixed64(unsigned field, uint64_t value) {
    tag(field, 1);
    bytes.append(reinterpret_cast<const char *>(&value), 8);
    return *this;
  }
  Message &text(unsigned field, const std::string &value) {
    tag(field, 2);
    raw(value.size());
    bytes += value;
    return *this;
  }
  Message &message(unsigned field, const Message &value) { return text(field, value.bytes); }
  template <typename T> Message &packed(unsigned field, const std::vector<T> &values, bool zigzag) {
    Message content;
    for (T value : values)
      content.raw(zigzag ? zigzagged(static_cast<int64_t>(value)) : static_cast<uint64_t>(value));
    return message(field, content);
  }
  std::string bytes;

private:
  static uint64_t zigzagged(int64_t value) {
    return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
  }
  void tag(unsigned field, unsigned wire) { raw(field << 3 | wire); }
  Message &raw(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      bytes.push_back(static_cast<char>(value | 0x80));
    bytes.push_back(static_cast<char>(value));
    return *this;
  }
};

Message encode(const Polynomial &polynomial) {
  Message message;
  for (const Term &term : polynomial)
    message.message(1, Message().zigzag(1, term.coefficient).packed(2, term.factors, false));
  return message;
}

Message encode(const TensorSpec &tensor) {
  return Message().text(1, tensor.name).varint(2, tensor.dtype).packed(3, tensor.dims, false);
}

Message encode(const TargetSpec &target) {
  Message message;
  message.text(1, target.name).text(2, target.arch);
  for (const std::string &feature : target.features)
    message.text(3, feature);
  return message;
}

Message encode(const KernelSpec &kernel) {
  Message message;
  message.text(1, kernel.name).text(2, "test " + kernel.name);
  for (const ArgSpec &arg : kernel.args) {
    Message encoded;
    encoded.message(1, encode(arg.bytes)).varint(2, arg.written).varint(3, arg.align);
    for (const RunSpec &run : arg.runs)
      encoded.message(4, Message().message(1, encode(run.grains)).message(2, encode(run.bytes)));
    message.message(3, encoded);
  }
  for (auto [min, max] : kernel.params)
    message.message(4, Message().zigzag(1, min).zigzag(2, max));
  message.message(5, encode(kernel.grains)).packed(6, kernel.entry, false);
  return kernel.tile.empty() ? message : message.packed(7, kernel.tile, false);
}

Message encode(const StepSpec &step) {
  Message message;
  message.varint(1, step.kernel).varint(2, step.layer);
  for (const StepArgSpec &arg : step.args)
    message.message(3, Message().varint(1, arg.space).varint(2, arg.index).varint(3, arg.offset));
  return message.packed(4, step.params, true);
}

Message encode(const BlockSpec &block) {
  Message message;
  message.varint(1, block.steps).varint(3, block.weightBytes).varint(4, block.activationBytes);
  for (const WorkSpec &work : block.work)
    message.message(2, Message().varint(1, work.kind).varint(2, work.macs).varint(3, work.steps));
  return message;
}

Message encode(const CutSpec &cut) {
  Message message;
  for (const LiveSpec &live : cut.live)
    message.message(1, encode(live.tensor).varint(4, live.place.space).varint(5, live.place.index)
                           .varint(6, live.place.offset).varint(7, live.pitch));
  return message.varint(2, cut.frontBytes).varint(3, cut.backBytes);
}

Message encode(const CapacitySpec &capacity) {
  Message message;
  message.fixed32(1, capacity.capacity).varint(5, capacity.arenaBytes);
  message.varint(6, capacity.shells);
  for (const StepSpec &step : capacity.steps)
    message.message(7, encode(step));
  for (uint32_t i = 0; i < capacity.layers; ++i)
    message.message(8, Message().text(1, "layer" + std::to_string(i)).text(2, "Test")
                           .varint(3, capacity.layerMacs));
  if (capacity.requested != 0)
    message.fixed32(13, capacity.requested);
  if (capacity.accuracy >= 0)
    message.fixed32(9, capacity.accuracy).varint(10, 1);
  if (capacity.agreement >= 0)
    message.fixed32(11, capacity.agreement).varint(12, 1);
  if (capacity.latencyUs != 0)
    message.fixed32(14, capacity.latencyUs);
  for (const BlockSpec &block : capacity.blocks)
    message.message(16, encode(block));
  for (const CutSpec &cut : capacity.cuts)
    message.message(17, encode(cut));
  for (uint32_t extent : capacity.inputExtents)
    message.varint(18, extent);
  return message;
}

/// GCC 12 warns about vector::insert of a range here for no reason.
template <typename Bytes> void append(std::vector<uint8_t> &file, const Bytes &bytes) {
  size_t end = file.size();
  file.resize(end + bytes.size());
  if (!bytes.empty())
    std::memcpy(file.data() + end, bytes.data(), bytes.size());
}

uint64_t alignUp(uint64_t value) {
  return (value + format::kSectionAlignment - 1) / format::kSectionAlignment *
         format::kSectionAlignment;
}

/// The manifest of a file whose sections, of these hashes, begin at `start`.
Message encodeManifest(const ArtifactSpec &spec, const std::vector<uint64_t> &hashes,
                       uint64_t start) {
  Message manifest;
  manifest.text(2, "ArtifactBuilder").text(3, "example");
  for (const TensorSpec &tensor : spec.inputs)
    manifest.message(4, encode(tensor));
  for (const TensorSpec &tensor : spec.outputs)
    manifest.message(5, encode(tensor));
  for (size_t i = 0; i < spec.sections.size(); ++i) {
    const SectionSpec &section = spec.sections[i];
    manifest.message(6, Message().varint(1, section.kind).text(2, section.name)
                            .varint(3, section.index).varint(4, start)
                            .varint(5, section.bytes.size())
                            .fixed64(6, hashes[i]));
    start = alignUp(start + section.bytes.size());
  }
  for (const TargetSpec &target : spec.targets)
    manifest.message(7, encode(target));
  for (const KernelSpec &kernel : spec.kernels)
    manifest.message(8, encode(kernel));
  for (const CapacitySpec &capacity : spec.capacities)
    manifest.message(9, encode(capacity));
  for (const CutInfoSpec &cut : spec.cuts)
    manifest.message(14, Message().text(1, cut.name).varint(2, cut.dominated));
  for (const BlockWeightsSpec &weights : spec.blockWeights)
    manifest.message(15, Message().varint(1, weights.block).varint(2, weights.shell)
                             .varint(3, weights.offset).varint(4, weights.size)
                             .fixed64(5, weights.hash));
  if (!spec.present.empty())
    manifest.message(17, Message().varint(1, spec.present[0]).varint(2, spec.present[1]));
  for (const MixedSpec &pair : spec.mixed)
    manifest.message(16, Message().varint(1, pair.head).varint(2, pair.tail).varint(3, pair.cut)
                             .fixed32(4, pair.accuracy));
  if (spec.identity)
    manifest.fixed64(18, spec.identity);
  manifest.bytes += spec.extraManifestBytes;
  return manifest;
}

} // namespace

AlignedBytes::AlignedBytes(const std::vector<uint8_t> &bytes, size_t misalignment)
    : storage(bytes.size() + 128), length(bytes.size()) {
  start = (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64) % 64 + misalignment;
  if (!bytes.empty())
    std::memcpy(data(), bytes.data(), bytes.size());
}

std::vector<uint8_t> ArtifactSpec::build() const {
  std::vector<uint64_t> hashes; // Once: shells may be large.
  for (const SectionSpec &section : sections)
    hashes.push_back(hashOf(section.bytes));
  // Offsets are varints, so the manifest's size depends on where it ends.
  uint64_t start = format::kSectionAlignment;
  std::string manifest = encodeManifest(*this, hashes, start).bytes;
  while (alignUp(64 + manifest.size()) > start) {
    start = alignUp(64 + manifest.size());
    manifest = encodeManifest(*this, hashes, start).bytes;
  }
  std::vector<uint8_t> file(64);
  append(file, manifest);
  for (const SectionSpec &section : sections) {
    file.resize(alignUp(file.size()));
    append(file, section.bytes);
  }
  format::FileHeader header = {};
  std::memcpy(header.magic, format::kMagic, sizeof header.magic);
  header.major = major;
  header.minor = format::kMinorVersion;
  header.headerSize = sizeof header;
  header.manifestOffset = sizeof header;
  header.manifestSize = manifest.size();
  header.fileSize = file.size();
  std::memcpy(file.data(), &header, sizeof header);
  fixHashes(file);
  return file;
}

format::FileHeader readHeader(const std::vector<uint8_t> &file) {
  format::FileHeader header;
  std::memcpy(&header, file.data(), sizeof header);
  return header;
}

uint64_t hashOf(const std::vector<uint8_t> &bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

void fixHashes(std::vector<uint8_t> &file) {
  format::FileHeader header = readHeader(file);
  if (header.manifestOffset <= file.size() &&
      header.manifestSize <= file.size() - header.manifestOffset)
    header.manifestHash = XXH3_64bits(file.data() + header.manifestOffset, header.manifestSize);
  header.headerHash = XXH3_64bits(&header, offsetof(format::FileHeader, headerHash));
  std::memcpy(file.data(), &header, sizeof header);
}

std::vector<uint8_t> readBytes(const std::string &path) {
  std::vector<uint8_t> bytes;
  if (FILE *file = std::fopen(path.c_str(), "rb")) {
    uint8_t chunk[4096];
    while (size_t count = std::fread(chunk, 1, sizeof chunk, file))
      bytes.insert(bytes.end(), chunk, chunk + count);
    std::fclose(file);
  }
  return bytes;
}

void writeBytes(const std::string &path, const std::vector<uint8_t> &bytes) {
  FILE *file = std::fopen(path.c_str(), "wb");
  if (!bytes.empty()) // An empty vector's data may be null.
    std::fwrite(bytes.data(), 1, bytes.size(), file);
  std::fclose(file);
}

const std::vector<uint8_t> &kernelImage() {
  static const std::vector<uint8_t> image = readBytes(NESTOR_TEST_KERNELS);
  return image;
}

uint64_t symbolOffset(const std::vector<uint8_t> &image, const std::string &name) {
  auto at = [&](uint64_t offset) { return image.data() + offset; };
  Elf64_Ehdr header;
  std::memcpy(&header, image.data(), sizeof header);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), at(header.e_shoff), sections.size() * sizeof(Elf64_Shdr));
  for (const Elf64_Shdr &section : sections) {
    if (section.sh_type != SHT_DYNSYM)
      continue;
    for (uint64_t i = 0; i < section.sh_size; i += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, at(section.sh_offset + i), sizeof symbol);
      const uint8_t *text = at(sections[section.sh_link].sh_offset + symbol.st_name);
      if (name == reinterpret_cast<const char *>(text))
        return symbol.st_value;
    }
  }
  return ~0ull;
}

ArtifactSpec exampleArtifact(int64_t rows) {
  const int64_t columns = 16;
  ArtifactSpec spec;
  spec.inputs = {{"x", 1, {rows, columns}}};
  spec.outputs = {{"y", 1, {rows, columns}}};
#if defined(__x86_64__)
  spec.targets = {{"x86-64", "x86_64", {"sse2"}}};
#else
  spec.targets = {{"aarch64+neon", "aarch64", {"neon"}}};
#endif
  std::vector<uint8_t> weights(columns * sizeof(float));
  for (int64_t i = 0; i < columns; ++i) {
    float value = static_cast<float>(i + 1);
    std::memcpy(&weights[static_cast<size_t>(i) * sizeof value], &value, sizeof value);
  }
  spec.sections = {{kCode, 0, "code", kernelImage()}, {kWeights, 0, "shell1", weights}};
  Polynomial matrix = {{4, {0, 1}}}, row = {{4, {1}}}, count = {{1, {0}}};
  spec.kernels = {{"scale", {{matrix}, {row}, {matrix, true}}, {{1, 1 << 20}, {1, 64}}, count,
                   {symbolOffset(kernelImage(), "scale")}},
                  {"shift", {{matrix}, {matrix, true}}, {{1, 1 << 20}, {1, 64}}, count,
                   {symbolOffset(kernelImage(), "shift")}}};
  CapacitySpec capacity;
  capacity.arenaBytes = static_cast<uint64_t>(rows * columns) * sizeof(float);
  capacity.layers = 2;
  capacity.layerMacs = static_cast<uint64_t>(rows * columns);
  capacity.steps = {{0, 0, {{kInput}, {kShell}, {kArena}}, {rows, columns}},
                    {1, 1, {{kArena}, {kOutput}}, {rows, columns}}};
  spec.capacities = {capacity};
  return spec;
}

ArtifactSpec twoCapacities(int64_t rows) {
  ArtifactSpec spec = exampleArtifact(rows);
  CapacitySpec small = spec.capacities[0];
  small.capacity = 0.5f;
  for (StepSpec &step : small.steps)
    step.params[0] = rows / 2;
  spec.capacities.insert(spec.capacities.begin(), small);
  return spec;
}

ArtifactSpec exampleWithBlocks(int64_t rows) {
  ArtifactSpec spec = exampleArtifact(rows);
  CapacitySpec &capacity = spec.capacities[0];
  uint64_t bytes = capacity.arenaBytes;
  capacity.blocks = {{1, {{1, capacity.layerMacs, 1}}, 64, bytes},
                     {1, {{5, capacity.layerMacs, 1}}, 0, bytes}};
  TensorSpec scaled = {"layer0", 1, {rows, 16}};
  capacity.cuts = {{{{spec.inputs[0], {kInput}}}, 0, bytes},
                   {{{scaled, {kArena}}}, bytes, bytes},
                   {{{spec.outputs[0], {kOutput}}}, bytes, 0}};
  spec.cuts = {{"", false}, {"layer0", true}, {"layer1", true}};
  spec.blockWeights = {{0, 0, 0, 64, hashOf(spec.sections[1].bytes)}};
  return spec;
}

namespace {

/// Fills a streamedArtifact block by block.
class StreamedBuilder {
public:
  StreamedBuilder(uint32_t blocks, uint32_t layers, int64_t half)
      : blocks(blocks), layers(layers), half(half), bytes(static_cast<uint64_t>(half) * 4) {}
  ArtifactSpec build();

private:
  void addKernels();
  void addWeights();
  void addCapacity(uint32_t shells);
  uint64_t weightsOf(uint32_t layer) const { return layer * bytes; }

  uint32_t blocks, layers;
  int64_t half;
  uint64_t bytes; // Of half the columns.
  ArtifactSpec spec;
};

void StreamedBuilder::addKernels() {
  Polynomial matrix = {{4, {0, 1}}}, row = {{4, {1}}};
  std::vector<std::pair<int64_t, int64_t>> params = {{1, 1}, {1, 1 << 20}, {1, 1 << 16}};
  KernelSpec whole = {"scale", {{matrix}, {row, false, 64}, {matrix, true}}, params, {{1, {0}}},
                      {symbolOffset(kernelImage(), "scale")}};
  KernelSpec parts = whole;
  parts.name = "scale_panels";
  parts.args[1].runs = {{{{1, {2}}}, {{64, {}}}}};
  parts.grains = {{1, {2}}};
  parts.entry = {symbolOffset(kernelImage(), "scale_panels")};
  parts.tile = {2};
  spec.kernels = {whole, parts};
}

/// Shell 0 ends with the weights that blocks share.
void StreamedBuilder::addWeights() {
  for (uint32_t shell = 0; shell < 2; ++shell) {
    std::vector<uint8_t> data(blocks * layers * bytes + (shell == 0 ? 64 : 0));
    for (size_t i = 0; i < data.size() / 4; ++i) {
      float value = 0.75f + static_cast<float>((i * 2654435761u + shell * 97) % 1024) / 2048;
      std::memcpy(&data[4 * i], &value, 4);
    }
    for (uint32_t block = 0; block < blocks; ++block) {
      auto start = data.begin() + static_cast<ptrdiff_t>(block * layers * bytes);
      std::vector<uint8_t> own(start, start + static_cast<ptrdiff_t>(layers * bytes));
      spec.blockWeights.push_back({block, shell, block * layers * bytes, own.size(), hashOf(own)});
    }
    if (shell == 0)
      spec.blockWeights.push_back({blocks, 0, data.size() - 64, 64,
                                   hashOf(std::vector<uint8_t>(data.end() - 64, data.end()))});
    spec.sections.push_back({kWeights, shell, "shell" + std::to_string(shell + 1), data});
  }
}

/// Layers go from one half of the arena to the other and back.
void StreamedBuilder::addCapacity(uint32_t shells) {
  CapacitySpec capacity;
  capacity.capacity = shells == 1 ? 0.5f : 1;
  capacity.shells = shells;
  capacity.arenaBytes = (2 + shells) * bytes; // Of the second half what is used.
  capacity.layers = blocks * layers;
  capacity.layerMacs = static_cast<uint64_t>(half) * shells;
  TensorSpec live = {"live", 1, {1, half * shells}};
  capacity.cuts.push_back({{{spec.inputs[0], {kInput}}}, 0, 0});
  for (uint32_t layer = 0; layer < blocks * layers; ++layer) {
    bool last = layer + 1 == blocks * layers, ends = layer % layers + 1 == layers;
    uint32_t kernel = layer / layers + 1 == blocks;
    auto place = [&](bool isOutput, uint64_t offset) {
      StepArgSpec arena = {kArena, 0, (layer + isOutput) % 2 * 2 * bytes + offset};
      return layer == 0 && !isOutput ? StepArgSpec{kInput, 0, offset}
             : last && isOutput      ? StepArgSpec{kOutput, 0, offset}
                                     : arena;
    };
    for (uint32_t shell = 0; shell < shells; ++shell)
      capacity.steps.push_back({kernel, layer,
                                {place(false, shell * bytes), {kShell, shell, weightsOf(layer)},
                                 place(true, shell * bytes)},
                                {1, half, half / 16}});
    if (!ends)
      continue;
    capacity.steps.push_back({0, layer, {place(true, 0), {kShell, 0, blocks * layers * bytes},
                                         place(true, 0)}, {1, 16, 1}});
    capacity.blocks.push_back({layers * shells + 1, {{5, layers * capacity.layerMacs, 1}},
                               layers * shells * bytes + 64, 4 * bytes});
    StepArgSpec behind = place(true, 0);
    capacity.cuts.push_back({{{last ? spec.outputs[0] : live, behind}}, 0, 0});
  }
  spec.capacities.push_back(capacity);
}

ArtifactSpec StreamedBuilder::build() {
  spec = exampleArtifact();
  spec.inputs = {{"x", 1, {1, 2 * half}}};
  spec.outputs = {{"y", 1, {1, 2 * half}}};
  spec.sections.pop_back();
  spec.capacities.clear();
  addKernels();
  addWeights();
  addCapacity(1);
  addCapacity(2);
  for (uint32_t cut = 0; cut <= blocks; ++cut)
    spec.cuts.push_back({cut ? "block" + std::to_string(cut - 1) : "", false});
  return std::move(spec);
}

} // namespace

ArtifactSpec streamedArtifact(uint32_t blocks, uint32_t layers, int64_t half) {
  return StreamedBuilder(blocks, layers, half).build();
}

std::vector<float> streamedInput(const ArtifactSpec &spec) {
  std::vector<float> x(static_cast<size_t>(spec.inputs[0].dims[1]));
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(i % 251) - 125.5f;
  return x;
}

ArtifactSpec nestedArtifact(uint32_t count, int64_t rows, size_t shellBytes) {
  ArtifactSpec spec = exampleArtifact(rows);
  CapacitySpec full = spec.capacities[0];
  spec.sections.pop_back();
  spec.capacities.clear();
  for (uint32_t i = 0; i < count; ++i) {
    std::vector<uint8_t> shell(shellBytes, 0xaa);
    for (uint32_t column = 0; column < 16; ++column) {
      float weight = static_cast<float>((column + 1) * (i + 1));
      std::memcpy(&shell[column * sizeof weight], &weight, sizeof weight);
    }
    spec.sections.push_back({kWeights, i, "shell" + std::to_string(i + 1), shell});
    CapacitySpec capacity = full;
    capacity.capacity = static_cast<float>(i + 1) / static_cast<float>(count);
    capacity.shells = i + 1;
    capacity.steps[0].args[1].index = i;
    spec.capacities.push_back(capacity);
  }
  return spec;
}

std::vector<float> nestedResult(const std::vector<float> &x, uint32_t capacity) {
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = x[i] * static_cast<float>((i % 16 + 1) * (capacity + 1)) + (i % 2 ? 0.75f : 0.5f);
  return y;
}

std::vector<float> exampleResult(const std::vector<float> &x) {
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = x[i] * static_cast<float>(i % 16 + 1) + (i % 2 ? 0.75f : 0.5f);
  return y;
}

} // namespace nestor::test

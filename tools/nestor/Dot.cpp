//===- Dot.cpp - nestor inspect --dot -------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Which layer reads what another one has written follows from the memory that
// their kernel calls touch: the last writer of a byte is whom its reader reads.
//
//===----------------------------------------------------------------------===//
#include "InspectCuts.h"

#include <cstdio>
#include <map>
#include <set>

namespace nestor::tool {
namespace {

/// Who wrote the bytes of one memory last, as ranges that do not overlap.
class Writers {
public:
  void write(uint64_t begin, uint64_t end, const std::string &node) {
    erase(begin, end);
    ranges[begin] = {end, node};
  }
  void collect(uint64_t begin, uint64_t end, std::set<std::string> &nodes) const {
    auto it = ranges.upper_bound(begin);
    for (it = it == ranges.begin() ? it : std::prev(it); it != ranges.end() && it->first < end; ++it)
      if (it->second.end > begin)
        nodes.insert(it->second.node);
  }

private:
  struct Range {
    uint64_t end;
    std::string node;
  };

  void erase(uint64_t begin, uint64_t end) {
    auto it = ranges.upper_bound(begin);
    if (it != ranges.begin())
      --it;
    while (it != ranges.end() && it->first < end) {
      auto [start, range] = *it;
      if (range.end <= begin) {
        ++it;
        continue;
      }
      it = ranges.erase(it);
      if (start < begin)
        ranges[start] = {begin, range.node};
      if (range.end > end)
        ranges[end] = {range.end, range.node};
    }
  }

  std::map<uint64_t, Range> ranges;
};

std::string quote(const std::string &text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\' || c == '\n')
      quoted += '\\';
    quoted += c == '\n' ? 'n' : c;
  }
  return quoted + '"';
}

/// As the end of a name says most, the beginning goes.
std::string shorten(const std::string &text, size_t length) {
  return text.size() <= length ? text : "..." + text.substr(text.size() - length + 3);
}

/// What a layer computes, and the names of its nodes, one below the other.
std::string labelOf(const LayerInfo &layer) {
  std::string label = layer.op, rest = layer.name;
  for (size_t at; !rest.empty(); rest = at == std::string::npos ? "" : rest.substr(at + 3)) {
    at = rest.find(" + ");
    label += "\n" + shorten(rest.substr(0, at), 36);
  }
  return label;
}

class DotWriter {
public:
  explicit DotWriter(const Artifact &artifact)
      : artifact(artifact), full(artifact.capacities().size() - 1), plan(artifact.plan(full)),
        cuts(artifact.cuts(full)) {}

  void run() {
    std::printf("digraph %s {\n"
                "  graph [fontname=\"sans-serif\", nodesep=0.25, ranksep=0.3];\n"
                "  node [fontname=\"sans-serif\", fontsize=10, shape=box, style=\"rounded,filled\","
                " fillcolor=white, color=\"#8a93a3\"];\n"
                "  edge [color=\"#5b6577\", arrowsize=0.6];\n",
                quote(artifact.model_name()).c_str());
    addTensors(artifact.inputs(), Space::input);
    addTensors(artifact.outputs(), Space::output);
    addBlocks();
    addEdges();
    addCuts();
    std::printf("}\n");
  }

private:
  using Memory = std::pair<Space, uint32_t>;

  static std::string layerNode(uint32_t layer) { return "layer" + std::to_string(layer); }
  static std::string tensorNode(Space space, size_t index) {
    return (space == Space::input ? "input" : "output") + std::to_string(index);
  }

  void addTensors(const std::vector<TensorInfo> &tensors, Space space);
  void addBlocks();
  void addEdges();
  void addCuts();

  const Artifact &artifact;
  size_t full;
  PlanInfo plan;
  std::vector<CutInfo> cuts;
  std::vector<std::vector<uint32_t>> layersOfBlock;
};

void DotWriter::addTensors(const std::vector<TensorInfo> &tensors, Space space) {
  for (size_t i = 0; i < tensors.size(); ++i)
    std::printf("  %s [shape=ellipse, fillcolor=\"#eef2f8\", label=%s];\n",
                tensorNode(space, i).c_str(),
                quote(tensors[i].name + "\n" + describe(tensors[i])).c_str());
}

void DotWriter::addBlocks() {
  std::vector<BlockInfo> blocks = artifact.blocks(full);
  if (blocks.empty()) { // A file without cuts is drawn as one block.
    blocks.resize(1);
    blocks[0].steps = static_cast<uint32_t>(plan.steps.size());
  }
  size_t step = 0;
  for (const BlockInfo &block : blocks) {
    std::printf("  subgraph cluster_block%u {\n"
                "    graph [style=\"rounded,filled\", color=\"#d9dde4\", fillcolor=\"#f6f7f9\","
                " fontsize=10, labeljust=l, label=%s];\n",
                block.index,
                quote(format("block %u: %.2f M MACs, weights %s", block.index,
                             static_cast<double>(block.macs) / 1e6,
                             humanBytes(block.weight_bytes).c_str()))
                    .c_str());
    std::vector<uint32_t> &layers = layersOfBlock.emplace_back();
    for (size_t end = step + block.steps; step < end && step < plan.steps.size(); ++step) {
      uint32_t layer = plan.steps[step].layer;
      if (!layers.empty() && layers.back() == layer)
        continue;
      layers.push_back(layer);
      std::printf("    %s [label=%s];\n", layerNode(layer).c_str(),
                  quote(labelOf(plan.layers[layer])).c_str());
    }
    std::printf("  }\n");
  }
}

void DotWriter::addEdges() {
  std::map<Memory, Writers> memories;
  for (size_t i = 0; i < artifact.inputs().size(); ++i)
    memories[{Space::input, i}].write(0, artifact.inputs()[i].bytes, tensorNode(Space::input, i));
  std::set<std::pair<std::string, std::string>> edges;
  for (const StepInfo &step : plan.steps) {
    std::string node = layerNode(step.layer);
    std::set<std::string> sources;
    for (const StepArgInfo &arg : step.args)
      if (!arg.written && arg.space != Space::weights)
        memories[{arg.space, arg.index}].collect(arg.offset, arg.offset + arg.bytes, sources);
    for (const StepArgInfo &arg : step.args)
      if (arg.written)
        memories[{arg.space, arg.index}].write(arg.offset, arg.offset + arg.bytes, node);
    for (const std::string &source : sources)
      if (source != node)
        edges.insert({source, node});
  }
  for (size_t i = 0; i < artifact.outputs().size(); ++i) {
    std::set<std::string> sources;
    memories[{Space::output, i}].collect(0, artifact.outputs()[i].bytes, sources);
    for (const std::string &source : sources)
      edges.insert({source, tensorNode(Space::output, i)});
  }
  for (const auto &[from, to] : edges)
    std::printf("  %s -> %s;\n", from.c_str(), to.c_str());
}

/// Each cut is a bar below the block before it and above the one behind it.
void DotWriter::addCuts() {
  std::string above;
  for (const CutInfo &cut : cuts) {
    std::string bar = "cut" + std::to_string(cut.index);
    const char *color = cut.dominated ? "#b9794a" : "#c0392b";
    std::printf("  %s [shape=box, style=filled, height=0.2, width=4, fontsize=10, color=\"%s\","
                " fillcolor=\"%s\", fontcolor=\"%s\", label=%s];\n",
                bar.c_str(), color, cut.dominated ? "#fdf3ea" : "#fbe4e1", color,
                quote(format("cut %u: %s in %zu tensor%s", cut.index,
                             humanBytes(cut.live_bytes).c_str(), cut.live.size(),
                             cut.live.size() == 1 ? "" : "s"))
                    .c_str());
    constexpr const char *style = " [style=invis];\n";
    if (!above.empty())
      std::printf("  %s -> %s%s", above.c_str(), bar.c_str(), style);
    above = bar;
    for (uint32_t layer : cut.index ? layersOfBlock[cut.index - 1] : std::vector<uint32_t>())
      std::printf("  %s -> %s%s", layerNode(layer).c_str(), bar.c_str(), style);
    for (uint32_t layer :
         cut.index < layersOfBlock.size() ? layersOfBlock[cut.index] : std::vector<uint32_t>())
      std::printf("  %s -> %s%s", bar.c_str(), layerNode(layer).c_str(), style);
    for (size_t i = 0; cut.index == 0 && i < artifact.inputs().size(); ++i)
      std::printf("  %s -> %s%s", tensorNode(Space::input, i).c_str(), bar.c_str(), style);
    for (size_t i = 0; cut.index + 1 == cuts.size() && i < artifact.outputs().size(); ++i)
      std::printf("  %s -> %s%s", bar.c_str(), tensorNode(Space::output, i).c_str(), style);
  }
}

} // namespace

void printDot(const Artifact &artifact) { DotWriter(artifact).run(); }

} // namespace nestor::tool

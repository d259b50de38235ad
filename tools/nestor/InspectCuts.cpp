//===- InspectCuts.cpp - Blocks and cuts for nestor inspect ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "InspectCuts.h"

#include <cstdio>

namespace nestor::tool {

static Json describeLive(const CutInfo &cut) {
  Json list = Json::array();
  for (const LiveTensorInfo &live : cut.live)
    list.push_back({{"name", live.name},
                    {"dtype", to_string(live.dtype)},
                    {"shape", live.dims},
                    {"bytes", live.bytes}});
  return list;
}

Json describeCuts(const Artifact &artifact, size_t index) {
  Json list = Json::array();
  for (const CutInfo &cut : artifact.cuts(index))
    list.push_back({{"index", cut.index},
                    {"name", cut.name},
                    {"live_bytes", cut.live_bytes},
                    {"live_bytes_f16", cut.live_bytes_f16},
                    {"live_bytes_int8", cut.live_bytes_int8},
                    {"macs_before", cut.macs_before},
                    {"macs_after", cut.macs_after},
                    {"front_bytes", cut.front_bytes},
                    {"back_bytes", cut.back_bytes},
                    {"dominated", cut.dominated},
                    {"single_tensor", cut.single_tensor},
                    {"live", describeLive(cut)}});
  return list;
}

static Json describeBlock(const BlockInfo &block) {
  Json work = Json::array(), weights = Json::array();
  for (const WorkInfo &entry : block.work)
    work.push_back(
        {{"kind", to_string(entry.kind)}, {"macs", entry.macs}, {"steps", entry.steps}});
  for (const WeightRange &range : block.weights)
    weights.push_back(
        {{"shell", range.shell}, {"offset", range.offset}, {"bytes", range.bytes}});
  return {{"index", block.index},
          {"steps", block.steps},
          {"macs", block.macs},
          {"weight_bytes", block.weight_bytes},
          {"activation_bytes", block.activation_bytes},
          {"work", std::move(work)},
          {"weights", std::move(weights)}};
}

Json describeBlocks(const Artifact &artifact, size_t index) {
  Json list = Json::array();
  for (const BlockInfo &block : artifact.blocks(index))
    list.push_back(describeBlock(block));
  return list;
}

Json describeMixed(const Artifact &artifact) {
  Json list = Json::array();
  for (const MixedInfo &pair : artifact.mixed())
    list.push_back({{"cut", pair.cut},
                    {"head", pair.head},
                    {"tail", pair.tail},
                    {"accuracy", pair.accuracy}});
  return list;
}

void printMixed(const Artifact &artifact) {
  std::vector<MixedInfo> pairs = artifact.mixed();
  if (pairs.empty())
    return;
  Table table({"mixed at cut", "head", "tail", "accuracy"}, 0);
  for (const MixedInfo &pair : pairs)
    table.add({std::to_string(pair.cut), format("%g", static_cast<double>(pair.head)),
               format("%g", static_cast<double>(pair.tail)),
               format("%.2f %%", 100 * static_cast<double>(pair.accuracy))});
  table.print();
  std::printf("\n");
}

void printCuts(const Artifact &artifact) {
  size_t full = artifact.capacities().size() - 1;
  std::vector<CutInfo> cuts = artifact.cuts(full);
  std::vector<BlockInfo> blocks = artifact.blocks(full);
  if (cuts.empty())
    return;
  Table table({"cut", "behind", "tensors", "live", "as f16", "as int8", "MACs before",
               "next block: calls", "MACs", "weights", "activations"},
              2);
  for (const CutInfo &cut : cuts) {
    std::vector<std::string> row = {
        std::to_string(cut.index) + (cut.dominated ? "" : " *"),
        cut.name,
        std::to_string(cut.live.size()),
        humanBytes(cut.live_bytes),
        humanBytes(cut.live_bytes_f16),
        humanBytes(cut.live_bytes_int8),
        format("%.1f M", static_cast<double>(cut.macs_before) / 1e6)};
    if (cut.index < blocks.size()) {
      const BlockInfo &block = blocks[cut.index];
      row.insert(row.end(), {std::to_string(block.steps),
                             format("%.1f M", static_cast<double>(block.macs) / 1e6),
                             humanBytes(block.weight_bytes), humanBytes(block.activation_bytes)});
    }
    table.add(std::move(row));
  }
  table.print();
  std::printf("* no earlier cut has as few live bytes; the last one runs everything here\n\n");
}

} // namespace nestor::tool

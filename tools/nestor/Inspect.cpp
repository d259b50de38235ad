//===- Inspect.cpp - nestor inspect ---------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "InspectCuts.h"

#include <cstdio>

namespace nestor::tool {
namespace {

Json describeTensors(const std::vector<TensorInfo> &tensors) {
  Json list = Json::array();
  for (const TensorInfo &tensor : tensors) {
    Json item = {{"name", tensor.name},
                 {"dtype", to_string(tensor.dtype)},
                 {"shape", tensor.dims},
                 {"bytes", tensor.bytes}};
    if (tensor.has_normalization)
      item["normalization"] = {{"scale", tensor.normalization.scale},
                               {"mean", tensor.normalization.mean},
                               {"std", tensor.normalization.std}};
    list.push_back(std::move(item));
  }
  return list;
}

Json describePlan(const PlanInfo &plan) {
  Json list = Json::array();
  for (const StepInfo &step : plan.steps) {
    const LayerInfo layer = step.layer < plan.layers.size() ? plan.layers[step.layer] : LayerInfo();
    list.push_back({{"layer", layer.name},
                    {"op", layer.op},
                    {"macs", layer.macs},
                    {"kernel", step.kernel},
                    {"signature", step.signature}});
  }
  return list;
}

/// An artifact and what it computes in.
struct Precision {
  std::string name;
  Artifact artifact;
};

/// What `--precision` names; of a whole file f32 and all variants.
Expected<std::vector<Precision>> openPrecisions(const InspectArguments &arguments) {
  Expected<Artifact> artifact = openArtifact(arguments);
  if (!artifact)
    return artifact.failure();
  std::vector<Precision> list{{arguments.precision, *artifact}};
  for (const SectionInfo &section : artifact->sections()) {
    // A file that is still arriving may lack it.
    if (section.name != "int8" || section.offset + section.bytes > artifact->file_bytes())
      continue;
    Result<Artifact> variant = artifact->variant(section.name, ArtifactOptions());
    if (!variant.ok())
      return Failure(variant.status());
    list.push_back({section.name, variant.value()});
  }
  return list;
}

void describeCapacities(const Precision &precision, bool withPlan, Json &list) {
  const Artifact &artifact = precision.artifact;
  for (size_t i = 0; i < artifact.capacities().size(); ++i) {
    const CapacityInfo &info = artifact.capacities()[i];
    PlanInfo plan = artifact.plan(i);
    Json item = {{"capacity", info.capacity},
                 {"precision", precision.name},
                 {"macs", info.macs},
                 {"weight_bytes", info.weight_bytes},
                 {"private_bytes", info.private_bytes},
                 {"delta_bytes", info.delta_bytes},
                 {"arena_bytes", info.arena_bytes},
                 {"steps", plan.steps.size()},
                 {"requested", info.requested},
                 {"accuracy", info.has_accuracy ? Json(info.accuracy) : Json()},
                 {"agreement", info.has_agreement ? Json(info.agreement) : Json()},
                 {"latency_us", info.latency_us > 0 ? Json(info.latency_us) : Json()},
                 {"skipped", info.skipped},
                 {"input_extents", info.input_extents},
                 {"blocks", describeBlocks(artifact, i)},
                 {"cuts", describeCuts(artifact, i)}};
    if (withPlan)
      item["plan"] = describePlan(plan);
    list.push_back(std::move(item));
  }
}

Json describeCapacities(const std::vector<Precision> &precisions, bool withPlan) {
  Json list = Json::array();
  for (const Precision &precision : precisions)
    describeCapacities(precision, withPlan, list);
  return list;
}

Json describeGroups(const Artifact &artifact) {
  Json list = Json::array();
  for (const GroupInfo &group : artifact.groups())
    list.push_back({{"name", group.name},
                    {"channels", group.channels},
                    {"stream", group.stream},
                    {"widths", group.widths}});
  return list;
}

Json describeWhole(const Artifact &artifact) {
  Json list = Json::array();
  for (const WholeInfo &whole : artifact.whole())
    list.push_back({{"node", whole.node}, {"reason", whole.reason}});
  return list;
}

Json describePresent(const Artifact &artifact) {
  BlockRange present = artifact.present_blocks();
  return {present.first, present.end};
}

void printReport(const std::vector<Precision> &precisions, bool withPlan) {
  const Artifact &artifact = precisions.front().artifact;
  Json sections = Json::array(), targets = Json::array();
  for (const SectionInfo &section : artifact.sections())
    sections.push_back({{"name", section.name}, {"bytes", section.bytes}});
  Json selected;
  for (const CodeTarget &target : artifact.targets()) {
    targets.push_back(target.name);
    if (target.selected)
      selected = target.name;
  }
  printJson({{"model", artifact.model_name()},
             {"producer", artifact.producer()},
             {"file_bytes", artifact.file_bytes()},
             {"complete", artifact.complete()},
             {"inputs", describeTensors(artifact.inputs())},
             {"outputs", describeTensors(artifact.outputs())},
             {"sections", std::move(sections)},
             {"capacities", describeCapacities(precisions, withPlan)},
             {"present_blocks", describePresent(artifact)},
             {"blocks", describeBlocks(artifact, artifact.capacities().size() - 1)},
             {"cuts", describeCuts(artifact, artifact.capacities().size() - 1)},
             {"mixed", describeMixed(artifact)},
             {"groups", describeGroups(artifact)},
             {"whole", describeWhole(artifact)},
             {"targets", std::move(targets)},
             {"selected_target", std::move(selected)}});
}

void printPresent(const Artifact &artifact) {
  BlockRange present = artifact.present_blocks();
  size_t blocks = artifact.blocks(0).size();
  if (present.first != 0 || present.end != blocks)
    std::printf("It holds blocks %u:%u of %zu: it runs from cut %u to cut %u only.\n\n",
                present.first, present.end, blocks, present.first, present.end);
}

void printTensors(const Artifact &artifact) {
  Table table({"tensor", "name", "type and shape", "bytes"}, 3);
  for (const TensorInfo &tensor : artifact.inputs())
    table.add({"input", tensor.name, describe(tensor), std::to_string(tensor.bytes)});
  for (const TensorInfo &tensor : artifact.outputs())
    table.add({"output", tensor.name, describe(tensor), std::to_string(tensor.bytes)});
  table.print();
}

void addRows(const Precision &precision, Table &table) {
  const Artifact &artifact = precision.artifact;
  for (size_t i = 0; i < artifact.capacities().size(); ++i) {
    const CapacityInfo &info = artifact.capacities()[i];
    table.add(
        {format("%g", static_cast<double>(info.capacity)), precision.name,
         format("%.1f M", static_cast<double>(info.macs) / 1e6), humanBytes(info.weight_bytes),
         humanBytes(info.private_bytes), humanBytes(info.arena_bytes),
         std::to_string(artifact.plan(i).steps.size()),
         info.has_accuracy ? format("%.2f %%", 100 * static_cast<double>(info.accuracy)) : "-"});
  }
}

void printCapacities(const std::vector<Precision> &precisions) {
  Table table({"capacity", "precision", "MACs", "weights", "private", "arena", "calls", "accuracy"}, 0);
  for (const Precision &precision : precisions)
    addRows(precision, table);
  table.print();
}

/// Which capacities compute on a smaller copy of the input.
void printInputs(const Artifact &artifact) {
  std::string text;
  for (const CapacityInfo &info : artifact.capacities()) {
    if (info.input_extents.empty())
      continue;
    text += (text.empty() ? "" : ", ") + format("%g at ", static_cast<double>(info.capacity));
    for (size_t i = 0; i < info.input_extents.size(); ++i)
      text += (i ? "x" : "") + std::to_string(info.input_extents[i]);
  }
  if (!text.empty())
    std::printf("inputs are scaled, inside: capacity %s\n", text.c_str());
}

/// The channels that each capacity keeps.
void printGroups(const Artifact &artifact) {
  if (artifact.groups().empty())
    return;
  std::vector<std::string> header = {"group", "channels"};
  for (const CapacityInfo &info : artifact.capacities())
    header.push_back(format("%g", static_cast<double>(info.capacity)));
  Table table(header, 1);
  for (const GroupInfo &group : artifact.groups()) {
    std::vector<std::string> row = {group.name + (group.stream ? " (residual)" : ""),
                                    std::to_string(group.channels)};
    for (size_t i = 0; i < artifact.capacities().size(); ++i)
      row.push_back(i < group.widths.size() ? std::to_string(group.widths[i]) : "-");
    table.add(row);
  }
  table.print();
  std::printf("\n");
}

void printTargets(const Artifact &artifact) {
  Table table({"target", "this CPU", "features"}, 3);
  for (const CodeTarget &target : artifact.targets()) {
    std::string features;
    for (const std::string &feature : target.features)
      features += (features.empty() ? "" : " ") + feature;
    table.add({target.name,
               target.selected   ? "runs it"
               : target.runnable ? "can run it"
                                 : "cannot run it",
               features});
  }
  table.print();
}

void printSections(const Artifact &artifact) {
  Table table({"section", "offset", "bytes"}, 1);
  for (const SectionInfo &section : artifact.sections())
    table.add({section.name, std::to_string(section.offset), std::to_string(section.bytes)});
  table.print();
}

void printPlans(const Artifact &artifact) {
  for (size_t i = 0; i < artifact.capacities().size(); ++i) {
    PlanInfo plan = artifact.plan(i);
    std::printf("\nplan of capacity %g\n", static_cast<double>(artifact.capacities()[i].capacity));
    Table table({"call", "layer", "op", "kernel", "MACs"}, 4);
    for (size_t j = 0; j < plan.steps.size(); ++j) {
      const StepInfo &step = plan.steps[j];
      const LayerInfo layer =
          step.layer < plan.layers.size() ? plan.layers[step.layer] : LayerInfo();
      table.add({std::to_string(j), layer.name, layer.op, step.signature,
                 format("%.2f M", static_cast<double>(layer.macs) / 1e6)});
    }
    table.print();
  }
}

} // namespace

ExitStatus runInspect(const InspectArguments &arguments) {
  Expected<std::vector<Precision>> precisions = openPrecisions(arguments);
  if (!precisions)
    return precisions.exitStatus();
  const Artifact *artifact = &precisions->front().artifact;
  if (arguments.dot) {
    printDot(*artifact);
    return exitOk;
  }
  if (arguments.json) {
    printReport(*precisions, arguments.plan);
    return exitOk;
  }
  std::printf("%s: %s, %s, written by %s%s\n\n", arguments.file.c_str(),
              artifact->model_name().c_str(), humanBytes(artifact->file_bytes()).c_str(),
              artifact->producer().c_str(),
              artifact->complete() ? "" : "; cut: it lacks its largest capacities");
  printPresent(*artifact);
  printTensors(*artifact);
  std::printf("\n");
  printCapacities(*precisions);
  printInputs(*artifact);
  std::printf("\n");
  printCuts(*artifact);
  printMixed(*artifact);
  printGroups(*artifact);
  printTargets(*artifact);
  std::printf("\n");
  printSections(*artifact);
  if (arguments.plan)
    printPlans(*artifact);
  return exitOk;
}

} // namespace nestor::tool

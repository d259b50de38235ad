//===- Results.cpp - What a compile says about its artifact ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Results.h"

#include "CutResults.h"
#include "Mixed.h"
#include "NestDefaults.h"
#include "Progress.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace llvm;
using nestor::format::Capacity;
using nestor::learn::NestReport;
using nestor::support::Score;

namespace nestorc {
namespace {

/// A number as JSON has it: no NaN, and no digits that a float does not have.
json::Value number(double value) {
  if (!std::isfinite(value))
    return nullptr;
  std::string text;
  raw_string_ostream(text) << llvm::format("%.7g", value);
  return std::strtod(text.c_str(), nullptr);
}

template <typename Range> json::Array strings(const Range &range) {
  json::Array list;
  for (const auto &text : range)
    list.push_back(json::fixUTF8(text));
  return list;
}

/// The capacities in one precision.
struct Precision {
  StringRef name;
  const nestor::package::Plan &plan;
  const Measurement &measurement;
};

std::vector<Precision> precisionsOf(const CompileSummary &summary) {
  std::vector<Precision> list{{"f32", summary.result.plan, summary.measurement}};
  for (auto [variant, measurement] : zip_equal(summary.result.variants, summary.measurement.variants))
    list.push_back({variant.precision, variant.plan, measurement});
  return list;
}

void describeCapacities(const NestReport &report, const Precision &precision, json::Array &list) {
  uint64_t before = 0; // What the next smaller capacity has read already.
  for (auto [index, capacity] : enumerate(precision.plan.manifest.capacities())) {
    double requested = capacity.requested() ? capacity.requested() : capacity.capacity();
    list.push_back(json::Object{
        {"capacity", number(capacity.capacity())},
        {"precision", precision.name},
        {"requested", number(requested)},
        {"macs", capacity.macs()},
        {"weight_bytes", capacity.weight_bytes()},
        {"private_bytes", capacity.private_bytes()},
        {"delta_bytes", capacity.weight_bytes() - std::min(before, capacity.weight_bytes())},
        {"arena_bytes", capacity.arena_bytes()},
        {"steps", capacity.steps_size()},
        {"latency_us", number(precision.measurement.latencyUs[index])},
        {"accuracy", capacity.has_accuracy() ? number(capacity.accuracy()) : nullptr},
        {"agreement", capacity.has_agreement() ? number(capacity.agreement()) : nullptr},
        {"skipped", strings(capacity.skipped())},
        {"input_extents", json::Array(report.extentsOf(index))},
        {"blocks", describe(precision.measurement.blocks[index])},
        {"cuts", describe(precision.measurement.cuts[index])}});
    before = capacity.weight_bytes();
  }
}

json::Array describeCapacities(const CompileSummary &summary) {
  json::Array list;
  for (const Precision &precision : precisionsOf(summary))
    describeCapacities(summary.result.nesting, precision, list);
  return list;
}

void describeResults(const Precision &precision, json::Array &list) {
  for (const Score &score : precision.measurement.scores)
    list.push_back(json::Object{{"capacity", number(score.capacity)},
                                {"precision", precision.name},
                                {"samples", score.samples},
                                {"top1", score.top1 ? json::Value(*score.top1) : nullptr},
                                {"agreement", score.agreement}});
}

json::Array describeResults(const CompileSummary &summary) {
  json::Array list;
  for (const Precision &precision : precisionsOf(summary))
    describeResults(precision, list);
  return list;
}

json::Array describeMixed(ArrayRef<nestor::MixedInfo> pairs) {
  json::Array list;
  for (const nestor::MixedInfo &pair : pairs)
    list.push_back(json::Object{{"cut", pair.cut},
                                {"head", number(pair.head)},
                                {"tail", number(pair.tail)},
                                {"accuracy", number(pair.accuracy)}});
  return list;
}

json::Array describeGroups(const NestReport &report) {
  json::Array list;
  for (const NestReport::Group &group : report.groups)
    list.push_back(json::Object{{"name", json::fixUTF8(group.name)},
                                {"channels", group.channels},
                                {"stream", group.stream},
                                {"widths", json::Array(group.widths)}});
  return list;
}

json::Array describeWhole(const NestReport &report) {
  json::Array list;
  for (const NestReport::Whole &whole : report.whole)
    list.push_back(
        json::Object{{"node", json::fixUTF8(whole.node)}, {"reason", json::fixUTF8(whole.reason)}});
  return list;
}

json::Array describeHistory(const nestor::learn::Recovery &recovery) {
  json::Array list;
  for (const nestor::learn::Progress &point : recovery.history) {
    json::Array scores;
    for (double score : point.scores)
      scores.push_back(number(score));
    list.push_back(json::Object{{"stage", point.stage},
                                {"step", point.step},
                                {"loss", number(point.loss)},
                                {"scores", std::move(scores)}});
  }
  return list;
}

json::Object describeRecovery(const CompileSummary &summary) {
  const nestor::learn::Recovery &recovery = summary.result.nesting.recovery;
  const nestor::learn::NestOptions &options = summary.options;
  json::Value dataSamples = nullptr;
  if (options.data)
    dataSamples = int64_t(options.data->size());
  return json::Object{{"order", spell(options.order)},
                      {"budget", spell(options.budget)},
                      {"recover", spell(options.recover)},
                      {"top", spell(options.top)},
                      {"seed", options.seed},
                      {"threads", options.threads},
                      {"data_samples", std::move(dataSamples)},
                      {"labelled", options.data && options.data->labelled()},
                      {"steps", recovery.steps},
                      {"seconds", number(recovery.seconds)},
                      {"samples", int64_t(recovery.samples)},
                      {"top_changed", recovery.topChanged},
                      {"notes", strings(recovery.notes)},
                      {"history", describeHistory(recovery)}};
}

json::Value describeTuning(const CompileSummary &summary) {
  if (!summary.tuning)
    return nullptr;
  return json::Object{{"cache", json::fixUTF8(summary.arguments.tune)},
                      {"measured", summary.tuning->measured},
                      {"found", summary.tuning->found},
                      {"changed", summary.tuning->changed},
                      {"by_table", strings(summary.tuning->byTable)}};
}

std::string percent(double share) { return formatv("{0:F2} %", 100 * share).str(); }

std::string humanBytes(uint64_t bytes) {
  const char *units[] = {"B", "KB", "MB", "GB"};
  double value = double(bytes);
  unsigned unit = 0;
  for (; value >= 1000 && unit < 3; ++unit)
    value /= 1000;
  return formatv(unit ? "{0:F1} {1}" : "{0:F0} {1}", value, units[unit]).str();
}

std::string humanMicroseconds(double us) {
  return us < 1000 ? formatv("{0:F1} us", us).str() : formatv("{0:F2} ms", us / 1000).str();
}

/// Accuracy, else agreement, and what it lacks of the original model's.
std::pair<std::string, std::string> describeScore(const Measurement &measurement, size_t index) {
  if (measurement.scores.empty())
    return {"-", "-"};
  const Score &score = measurement.scores[index];
  double value = score.top1.value_or(score.agreement);
  double original = score.top1 ? *measurement.originalTop1 : 1;
  return {percent(value), formatv("{0:F2}", 100 * (original - value)).str()};
}

void printRows(const Precision &precision, bool named) {
  for (auto [index, capacity] : enumerate(precision.plan.manifest.capacities())) {
    auto [score, drop] = describeScore(precision.measurement, index);
    outs() << formatv("{0,9} {1,11} {2,10} {3,10} {4,10} {5,10} {6,7}{7}\n",
                      formatv("{0}", llvm::format("%g", capacity.capacity())).str(),
                      formatv("{0:F2} M", capacity.macs() / 1e6).str(),
                      humanBytes(capacity.weight_bytes()), humanBytes(capacity.private_bytes()),
                      humanMicroseconds(precision.measurement.latencyUs[index]), score, drop,
                      named ? "  " + precision.name.str() : "");
  }
}

/// Which capacities compute on a smaller copy of the input.
void printInputs(const NestReport &report) {
  std::string text;
  for (const NestReport::Capacity &capacity : report.capacities) {
    if (capacity.extents.empty())
      continue;
    text += (text.empty() ? "" : ", ") + formatv("{0} at ", llvm::format("%g", capacity.requested)).str();
    for (auto [i, extent] : enumerate(capacity.extents))
      text += (i ? "x" : "") + std::to_string(extent);
  }
  if (!text.empty())
    outs() << "inputs are scaled, inside: capacity " << text << "\n";
}

} // namespace

json::Object describe(const CompileSummary &summary) {
  const nestor::format::Manifest &manifest = summary.result.plan.manifest;
  const NestReport &report = summary.result.nesting;
  json::Array sections, targets;
  for (const nestor::format::Section &section : manifest.sections())
    sections.push_back(json::Object{{"name", section.name()}, {"bytes", section.size()}});
  for (const nestor::format::Target &target : manifest.targets())
    targets.push_back(target.name());
  json::Value original = nullptr, seen = nullptr;
  if (summary.measurement.originalTop1)
    original = *summary.measurement.originalTop1;
  if (!summary.arguments.nest.eval.empty())
    seen = int64_t(summary.data.evalSeen);
  return json::Object{{"schema_version", 1},
                      {"source", json::fixUTF8(sys::path::filename(summary.arguments.model.path))},
                      {"model", json::fixUTF8(manifest.model())},
                      {"producer", manifest.producer()},
                      {"file_bytes", summary.fileBytes},
                      {"manifest_bytes", int64_t(manifest.ByteSizeLong())},
                      {"model_bytes", summary.modelBytes},
                      {"optimize", summary.arguments.optimize},
                      {"weights", summary.arguments.weights},
                      {"sections", std::move(sections)},
                      {"capacities", describeCapacities(summary)},
                      {"results", describeResults(summary)},
                      {"original_top1", std::move(original)},
                      {"eval_samples_seen", std::move(seen)},
                      {"blocks", describe(summary.measurement.blocks.back())},
                      {"cuts", describe(summary.measurement.cuts.back())},
                      {"mixed", describeMixed(summary.measurement.mixed)},
                      {"groups", describeGroups(report)},
                      {"whole", describeWhole(report)},
                      {"recovery", describeRecovery(summary)},
                      {"tuning", describeTuning(summary)},
                      {"targets", std::move(targets)},
                      {"kernels", summary.result.plan.kernels.size()},
                      {"peak_live_bytes", summary.result.plan.peakLiveBytes},
                      {"notes", strings(summary.result.notes)},
                      {"warnings", strings(report.warnings)},
                      {"seconds", number(summary.seconds)}};
}

void printTable(const CompileSummary &summary) {
  const nestor::driver::CompileResult &result = summary.result;
  const Measurement &measurement = summary.measurement;
  std::vector<Precision> precisions = precisionsOf(summary);
  outs() << formatv("{0}: {1}, code {2} ({3} kernels), {4}\n", summary.arguments.output,
                    humanBytes(summary.fileBytes), humanBytes(summary.codeBytes),
                    result.plan.kernels.size(), humanSeconds(summary.seconds));
  bool accuracy = !measurement.scores.empty() && measurement.scores.front().top1;
  outs() << formatv("{0,9} {1,11} {2,10} {3,10} {4,10} {5,10} {6,7}{7}\n", "capacity", "MACs",
                    "weights", "private", "latency", accuracy ? "accuracy" : "agreement", "drop",
                    precisions.size() > 1 ? "  precision" : "");
  for (const Precision &precision : precisions)
    printRows(precision, precisions.size() > 1);
  const Capacity &full = *result.plan.manifest.capacities().rbegin();
  if (summary.modelBytes)
    outs() << formatv(
        "shared weights {0}, {1:F3} x the model's {2}\n", humanBytes(full.weight_bytes()),
        double(full.weight_bytes()) / double(summary.modelBytes), humanBytes(summary.modelBytes));
  printInputs(result.nesting);
  printMixed(measurement.mixed);
  if (summary.result.nesting.recovery.topChanged && measurement.originalTop1)
    outs() << formatv("the original model: {0}\n", percent(*measurement.originalTop1));
}

} // namespace nestorc

//===- Run.cpp - nestor run -----------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Split.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

namespace nestor::tool {
namespace {

using support::NpyArray;
using support::NpzArchive;

bool endsWith(const std::string &text, const char *suffix) {
  size_t length = std::strlen(suffix);
  return text.size() >= length && text.compare(text.size() - length, length, suffix) == 0;
}

/// Shapes are the same up to extents of 1.
bool sameShape(std::vector<int64_t> a, std::vector<int64_t> b) {
  a.erase(std::remove(a.begin(), a.end(), 1), a.end());
  b.erase(std::remove(b.begin(), b.end(), 1), b.end());
  return a == b;
}

Expected<NpyArray> readInput(const std::string &name, const std::string &path) {
  NpyArray array;
  if (!endsWith(path, ".npz")) {
    if (std::string error = support::readNpy(path, array); !error.empty())
      return Failure(exitCorrupt, error);
    return array;
  }
  NpzArchive archive;
  if (std::string error = support::readNpz(path, archive); !error.empty())
    return Failure(exitCorrupt, error);
  const NpyArray *found = findArray(archive, name);
  if (!found && archive.size() == 1)
    found = &archive.front().second;
  if (!found)
    return Failure(exitUsage, path + ": there is no array named '" + name + "'");
  return *found;
}

/// Carries out one `--input`; marks the input as set.
ExitStatus setInput(Session &session, const Artifact &artifact, const std::string &text,
                    std::vector<bool> &set) {
  // Names of ONNX tensors may contain '=', so the last "=@" or "=random:" counts.
  size_t at = text.rfind("=@");
  bool random = at == std::string::npos;
  if (random)
    at = text.rfind("=random:");
  if (at == std::string::npos)
    return Failure(exitUsage, "--input: '" + text + "' is not NAME=@FILE or NAME=random:SEED")
        .exitStatus();
  std::string name = text.substr(0, at);
  Tensor input = session.input(name);
  if (!input.valid()) {
    std::string known;
    for (const TensorInfo &info : artifact.inputs())
      known += (known.empty() ? "" : ", ") + info.name;
    return Failure(exitUsage, "--input: there is no input '" + name + "'; there are: " + known)
        .exitStatus();
  }
  set[&input.info() - artifact.inputs().data()] = true;
  if (random) {
    fillRandom(input, std::strtoull(text.c_str() + at + 8, nullptr, 10));
    return exitOk;
  }
  Expected<NpyArray> array = readInput(name, text.substr(at + 2));
  if (!array)
    return array.exitStatus();
  if (array->dtype != npyDtype(input.info().dtype) || !sameShape(array->shape, input.info().dims))
    return Failure(exitUsage, "--input: '" + name + "' is " + describe(input.info()) +
                                  ", the file has " + describe(*array))
        .exitStatus();
  Status status = input.copy_from(array->data);
  return status.ok() ? exitOk : Failure(status).exitStatus();
}

ExitStatus setInputs(Session &session, const Artifact &artifact,
                     const std::vector<std::string> &texts) {
  std::vector<bool> set(artifact.inputs().size(), false);
  for (const std::string &text : texts)
    if (ExitStatus status = setInput(session, artifact, text, set); status != exitOk)
      return status;
  for (size_t i = 0; i < set.size(); ++i)
    if (!set[i])
      fillRandom(session.input(i), i);
  return exitOk;
}

NpyArray toArray(const Tensor &tensor) {
  NpyArray array;
  array.dtype = npyDtype(tensor.info().dtype);
  if (array.dtype.empty())
    array.dtype = "u2"; // numpy has no bfloat16: its bits.
  array.shape = tensor.info().dims;
  array.data.assign(tensor.data_as<uint8_t>(), tensor.data_as<uint8_t>() + tensor.bytes());
  return array;
}

/// How two arrays differ.
struct Difference {
  double largest = 0;  ///< Largest absolute difference.
  double relative = 0; ///< `largest` over the range of the expected values.
  size_t outside = 0;  ///< Elements beyond the tolerance.
};

Difference compare(const NpyArray &actual, const NpyArray &expected, double atol, double rtol) {
  size_t count = static_cast<size_t>(expected.elements());
  std::vector<double> a = toDoubles(actual.dtype, actual.data.data(), count);
  std::vector<double> b = toDoubles(expected.dtype, expected.data.data(), count);
  Difference difference;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (size_t i = 0; i < count; ++i) {
    if (std::isfinite(b[i])) {
      low = std::min(low, b[i]);
      high = std::max(high, b[i]);
    }
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])))
      continue;
    double distance = std::fabs(a[i] - b[i]); // NaN if one is: never within.
    difference.outside += !(distance <= atol + rtol * std::fabs(b[i]));
    difference.largest = std::isnan(distance) ? std::numeric_limits<double>::infinity()
                                              : std::max(difference.largest, distance);
  }
  difference.relative = high > low ? difference.largest / (high - low) : difference.largest;
  return difference;
}

/// Compares every output with the array of its name, or of its position when
/// the file names none of them.
ExitStatus compareOutputs(const Session &session, const Artifact &artifact,
                          const RunArguments &arguments, Json &report) {
  NpzArchive expected;
  if (std::string error = support::readNpz(arguments.expect, expected); !error.empty())
    return Failure(exitCorrupt, error).exitStatus();
  ExitStatus result = exitOk;
  for (size_t i = 0; i < artifact.outputs().size(); ++i) {
    const TensorInfo &info = artifact.outputs()[i];
    const NpyArray *want = findArray(expected, info.name);
    if (!want && expected.size() == artifact.outputs().size())
      want = &expected[i].second;
    if (!want)
      return Failure(exitUsage, arguments.expect + ": there is no array named '" + info.name + "'")
          .exitStatus();
    if (!sameShape(want->shape, info.dims))
      return Failure(exitCheckFailed, "output '" + info.name + "' is " + describe(info) +
                                          ", expected " + describe(*want))
          .exitStatus();
    Difference difference =
        compare(toArray(session.output(i)), *want, arguments.atol, arguments.rtol);
    report["outputs"][i]["max_difference"] = difference.largest;
    report["outputs"][i]["relative_error"] = difference.relative;
    if (difference.outside == 0)
      continue;
    result = Failure(exitCheckFailed,
                     format("output '%s': %zu of %lld elements differ; the largest difference is "
                            "%.3g, %.3g of the range",
                            info.name.c_str(), difference.outside,
                            static_cast<long long>(want->elements()), difference.largest,
                            difference.relative))
                 .exitStatus();
  }
  return result;
}

/// Smallest, largest and mean value of every output.
Json summarize(const Session &session, const Artifact &artifact) {
  Json list = Json::array();
  for (size_t i = 0; i < artifact.outputs().size(); ++i) {
    const TensorInfo &info = artifact.outputs()[i];
    NpyArray array = toArray(session.output(i));
    std::vector<double> values =
        toDoubles(array.dtype, array.data.data(), array.data.size() / size_of(info.dtype));
    Json item = {
        {"name", info.name}, {"dtype", to_string(info.dtype)}, {"shape", info.dims}};
    double sum = 0;
    for (double value : values)
      sum += value;
    if (!values.empty()) {
      auto [low, high] = std::minmax_element(values.begin(), values.end());
      item["min"] = *low;
      item["max"] = *high;
      item["mean"] = sum / static_cast<double>(values.size());
      item["argmax"] = high - values.begin();
    }
    list.push_back(std::move(item));
  }
  return list;
}

void printSummary(const Json &report) {
  Table table({"output", "dtype", "shape", "min", "max", "mean", "difference"}, 3);
  auto number = [](const Json &item, const char *key) {
    return item.contains(key) && item[key].is_number() ? format("%.6g", item[key].get<double>())
                                                       : std::string("-");
  };
  for (const Json &item : report["outputs"])
    table.add({item["name"], item["dtype"], item["shape"].dump(), number(item, "min"),
               number(item, "max"), number(item, "mean"), number(item, "max_difference")});
  table.print();
  if (report.contains("cut"))
    std::printf("cut %d: %zu bytes between head and tail\n", report["cut"].get<int>(),
                report["live_bytes"].get<size_t>());
}

ExitStatus writeOutputs(const Session &session, const Artifact &artifact,
                        const std::string &path) {
  NpzArchive archive;
  for (size_t i = 0; i < artifact.outputs().size(); ++i)
    archive.emplace_back(artifact.outputs()[i].name, toArray(session.output(i)));
  std::string error = support::writeNpz(path, archive);
  return error.empty() ? exitOk : Failure(exitUsage, error).exitStatus();
}

} // namespace

ExitStatus runRun(const RunArguments &arguments) {
  Expected<Artifact> artifact = openArtifact(arguments);
  if (!artifact)
    return artifact.exitStatus();
  Expected<Session> session = openSession(*artifact, arguments);
  if (!session)
    return session.exitStatus();
  if (ExitStatus status = setInputs(*session, *artifact, arguments.inputs); status != exitOk)
    return status;
  Expected<std::optional<Session>> other = openTail(*artifact, arguments, arguments.split);
  if (!other)
    return other.exitStatus();
  Session &last = *other ? **other : *session; // What has the outputs.
  Json report = {{"capacity", session->capacity()}, {"threads", session->threads()}};
  if (*other)
    report["tail_capacity"] = last.capacity();
  ExitStatus result = runParts(*session, last, *artifact, arguments.split, report);
  if (result != exitOk || arguments.split.head >= 0)
    return result; // Standard output may be the tensors of a head.

  report["session_bytes"] = session->memory_bytes();
  report["outputs"] = summarize(last, *artifact);
  if (!arguments.output.empty())
    result = writeOutputs(last, *artifact, arguments.output);
  if (result == exitOk && !arguments.expect.empty())
    result = compareOutputs(last, *artifact, arguments, report);
  if (arguments.json)
    printJson(std::move(report));
  else
    printSummary(report);
  return result;
}

} // namespace nestor::tool

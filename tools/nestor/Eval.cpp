//===- Eval.cpp - nestor eval ---------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Support.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace nestor::tool {
namespace {

using support::NpyArray;
using support::NpzArchive;

/// How samples become the model's input.
class Samples {
public:
  /// `input` is the model's; `array` the samples, [N, ...].
  static Expected<Samples> make(const TensorInfo &input, NpyArray array,
                                const EvalArguments &arguments);

  int64_t count() const { return array.shape[0]; }
  int64_t batch() const { return batchSize; }
  /// Writes samples [first, first + batch) to the input; the last sample fills
  /// what lies beyond the end.
  void write(int64_t first, void *target) const;

private:
  void writeSample(const uint8_t *from, uint8_t *to) const;
  /// False if the number of values is neither 1 nor that of the channels.
  bool setNormalization(const EvalArguments &arguments);

  NpyArray array;
  int64_t batchSize = 1;
  int64_t sampleElements = 1;
  int64_t channels = 1, pixels = 1; ///< Of a sample, channels first.
  bool channelsLast = false;        ///< The model wants [H, W, C] of [C, H, W].
  bool normalize = false;           ///< uint8 samples, float model.
  Normalization norm;
};

/// Whether `last` is `first`, [C, H, W], with the channels last.
bool isChannelsLast(const std::vector<int64_t> &first, const std::vector<int64_t> &last) {
  return first.size() == 3 && last.size() == 3 && first[0] == last[2] && first[1] == last[0] &&
         first[2] == last[1];
}

Expected<Samples> Samples::make(const TensorInfo &input, NpyArray array,
                                const EvalArguments &arguments) {
  Samples samples;
  std::vector<int64_t> shape(array.shape.begin() + (array.shape.empty() ? 0 : 1),
                             array.shape.end());
  std::vector<int64_t> wanted = input.dims;
  if (shape != wanted && !wanted.empty()) { // The model has a batch dimension.
    samples.batchSize = wanted.front();
    wanted.erase(wanted.begin());
  }
  std::string dtype = npyDtype(input.dtype);
  samples.channelsLast = shape != wanted && isChannelsLast(shape, wanted);
  samples.normalize = array.dtype == "u1" && input.dtype == DType::float32;
  if (array.shape.empty() || array.shape[0] == 0 || samples.batchSize == 0 ||
      (shape != wanted && !samples.channelsLast) || (array.dtype != dtype && !samples.normalize))
    return Failure(exitUsage, "--data: '" + input.name + "' is " + describe(input) +
                                  ", the samples are " + describe(array));
  for (int64_t extent : shape)
    samples.sampleElements *= extent;
  samples.channels = shape.size() > 1 ? shape[0] : 1;
  samples.pixels = samples.sampleElements / std::max<int64_t>(samples.channels, 1);
  samples.array = std::move(array);
  if (input.has_normalization)
    samples.norm = input.normalization;
  bool flags = arguments.scale != 0 || !arguments.mean.empty() || !arguments.std.empty();
  if (flags && !samples.normalize)
    return Failure(exitUsage, "--scale, --mean, --std: only for uint8 samples of a float32 model");
  if (samples.normalize && !samples.setNormalization(arguments))
    return Failure(exitUsage, "--mean, --std: give one value, or one for each channel");
  return samples;
}

bool Samples::setNormalization(const EvalArguments &arguments) {
  if (arguments.scale != 0)
    norm.scale = arguments.scale;
  if (!arguments.mean.empty())
    norm.mean = arguments.mean;
  if (!arguments.std.empty())
    norm.std = arguments.std;
  auto spread = [&](std::vector<float> &values, float neutral) {
    if (values.empty())
      values.push_back(neutral);
    if (values.size() == 1)
      values.resize(static_cast<size_t>(channels), values[0]);
    return static_cast<int64_t>(values.size()) == channels;
  };
  return spread(norm.mean, 0) && spread(norm.std, 1);
}

void Samples::writeSample(const uint8_t *from, uint8_t *to) const {
  size_t item = array.itemSize();
  if (!normalize && !channelsLast) {
    std::memcpy(to, from, static_cast<size_t>(sampleElements) * item);
    return;
  }
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t p = 0; p < pixels; ++p) {
      size_t source = static_cast<size_t>(c * pixels + p);
      size_t target = static_cast<size_t>(channelsLast ? p * channels + c : c * pixels + p);
      if (!normalize) {
        std::memcpy(to + target * item, from + source * item, item);
        continue;
      }
      size_t channel = static_cast<size_t>(c);
      float value = (from[source] * norm.scale - norm.mean[channel]) / norm.std[channel];
      std::memcpy(to + target * sizeof value, &value, sizeof value);
    }
}

void Samples::write(int64_t first, void *target) const {
  size_t from = static_cast<size_t>(sampleElements) * array.itemSize();
  size_t to = static_cast<size_t>(sampleElements) * (normalize ? sizeof(float) : array.itemSize());
  for (int64_t i = 0; i < batchSize; ++i) {
    size_t sample = static_cast<size_t>(std::min(first + i, count() - 1));
    writeSample(array.data.data() + sample * from,
                static_cast<uint8_t *>(target) + static_cast<size_t>(i) * to);
  }
}

/// The class that the model gives each sample: the largest value of its part
/// of the first output.
Expected<std::vector<int64_t>> classify(Session &session, const Samples &samples) {
  Tensor output = session.output(0);
  size_t total = output.bytes() / size_of(output.info().dtype);
  size_t classes = total / static_cast<size_t>(samples.batch());
  std::string dtype = npyDtype(output.info().dtype);
  if (classes == 0 || classes * static_cast<size_t>(samples.batch()) != total || dtype.empty())
    return Failure(exitUsage, "output '" + output.info().name + "' is " +
                                  describe(output.info()) + ", not scores for each sample");
  bool terminal = isatty(STDERR_FILENO);
  std::vector<int64_t> result;
  for (int64_t first = 0; first < samples.count(); first += samples.batch()) {
    samples.write(first, session.input(0).data());
    if (Status status = session.run(); !status.ok())
      return Failure(status);
    std::vector<double> scores = toDoubles(dtype, output.data(), total);
    for (int64_t i = 0; i < std::min(samples.batch(), samples.count() - first); ++i) {
      auto begin = scores.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(i) * classes);
      result.push_back(std::max_element(begin, begin + static_cast<ptrdiff_t>(classes)) - begin);
    }
    if (terminal && first % 100 < samples.batch())
      std::fprintf(stderr, "\r%lld of %lld samples", static_cast<long long>(first),
                   static_cast<long long>(samples.count()));
  }
  if (terminal)
    std::fprintf(stderr, "\r\033[K");
  return result;
}

/// Share of equal elements.
double agreement(const std::vector<int64_t> &a, const std::vector<int64_t> &b) {
  size_t equal = 0;
  for (size_t i = 0; i < a.size(); ++i)
    equal += a[i] == b[i];
  return static_cast<double>(equal) / static_cast<double>(a.size());
}

/// The labels y, or nothing where the file has none.
Expected<std::vector<int64_t>> readLabels(const NpzArchive &archive, int64_t count) {
  const NpyArray *array = findArray(archive, "y");
  if (!array)
    return std::vector<int64_t>();
  if (array->elements() != count)
    return Failure(exitUsage, "--data: there are " + std::to_string(count) + " samples, y is " +
                                  describe(*array));
  std::vector<double> values =
      toDoubles(array->dtype, array->data.data(), static_cast<size_t>(count));
  return std::vector<int64_t>(values.begin(), values.end());
}

Expected<std::vector<float>> chooseCapacities(const Artifact &artifact, const std::string &text) {
  std::vector<float> chosen;
  if (text == "all") {
    for (const CapacityInfo &info : artifact.capacities())
      chosen.push_back(info.capacity);
    return chosen;
  }
  Expected<float> one = parseCapacity(text);
  if (!one)
    return one.failure();
  chosen.push_back(*one);
  return chosen;
}

void printResults(const Json &results) {
  Table table({"capacity", "samples", "top-1", "agreement"}, 0);
  for (const Json &row : results)
    table.add({format("%g", row["capacity"].get<double>()), row["samples"].dump(),
               row["top1"].is_null() ? "-" : format("%.2f %%", 100 * row["top1"].get<double>()),
               format("%.2f %%", 100 * row["agreement"].get<double>())});
  table.print();
}

ExitStatus evaluate(const Artifact &artifact, const Samples &samples,
                    const std::vector<int64_t> &labels, const EvalArguments &arguments) {
  Expected<std::vector<float>> capacities = chooseCapacities(artifact, arguments.capacity);
  if (!capacities)
    return capacities.exitStatus();
  float full = artifact.capacities().back().capacity;
  Result<Session> session =
      artifact.session(SessionOptions().capacity(full).threads(arguments.threads));
  if (!session.ok())
    return Failure(session.status()).exitStatus();
  Expected<std::vector<int64_t>> reference = classify(session.value(), samples);
  if (!reference)
    return reference.exitStatus();
  Json results = Json::array();
  for (float capacity : *capacities) {
    if (Status status = session.value().set_capacity(capacity); !status.ok())
      return Failure(status).exitStatus();
    Expected<std::vector<int64_t>> classes =
        session.value().capacity() == full ? reference : classify(session.value(), samples);
    if (!classes)
      return classes.exitStatus();
    results.push_back({{"capacity", session.value().capacity()},
                       {"samples", samples.count()},
                       {"top1", labels.empty() ? Json() : Json(agreement(*classes, labels))},
                       {"agreement", agreement(*classes, *reference)}});
  }
  if (arguments.json)
    printJson({{"results", std::move(results)}});
  else
    printResults(results);
  return exitOk;
}

} // namespace

ExitStatus runEval(const EvalArguments &arguments) {
  Expected<Artifact> artifact = openArtifact(arguments);
  if (!artifact)
    return artifact.exitStatus();
  if (artifact->inputs().size() != 1 || artifact->outputs().empty())
    return Failure(exitUsage, arguments.file + ": eval needs a model with one input and an output")
        .exitStatus();
  NpzArchive archive;
  if (std::string error = support::readNpz(arguments.data, archive); !error.empty())
    return Failure(exitCorrupt, error).exitStatus();
  const TensorInfo &input = artifact->inputs()[0];
  const NpyArray *array = findArray(archive, input.name);
  if (!array)
    array = findArray(archive, "x");
  if (!array)
    return Failure(exitUsage, arguments.data + ": there is no array named '" + input.name +
                                  "' or 'x'")
        .exitStatus();
  Expected<Samples> samples = Samples::make(input, *array, arguments);
  if (!samples)
    return samples.exitStatus();
  Expected<std::vector<int64_t>> labels = readLabels(archive, samples->count());
  if (!labels)
    return labels.exitStatus();
  return evaluate(*artifact, *samples, *labels, arguments);
}

} // namespace nestor::tool

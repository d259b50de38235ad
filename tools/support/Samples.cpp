//===- Samples.cpp - Samples of an .npz file as a model's inputs ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Samples.h"

#include "tools/support/Tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace nestor::support {
namespace {

using Shape = std::vector<int64_t>;

Status invalid(const std::string &message) { return Status(StatusCode::invalid_argument, message); }

/// Whether `last` is `first`, [C, H, W], with the channels last.
bool isChannelsLast(const Shape &first, const Shape &last) {
  return first.size() == 3 && last.size() == 3 && first[0] == last[2] && first[1] == last[0] &&
         first[2] == last[1];
}

/// Whether an image of this shape can only be [H, W, C].
bool looksChannelsLast(const Shape &shape) {
  auto few = [](int64_t extent) { return extent == 1 || extent == 3 || extent == 4; };
  return shape.size() == 3 && few(shape[2]) && !few(shape[0]);
}

/// Completes `norm` from the flags; false if the number of values is neither 1
/// nor that of the channels.
bool complete(Normalization &norm, const NormalizationFlags &flags, int64_t channels) {
  if (flags.scale != 0)
    norm.scale = flags.scale;
  if (!flags.mean.empty())
    norm.mean = flags.mean;
  if (!flags.std.empty())
    norm.std = flags.std;
  auto spread = [&](std::vector<float> &values, float neutral) {
    if (values.empty())
      values.push_back(neutral);
    if (values.size() == 1)
      values.resize(static_cast<size_t>(channels), values[0]);
    return static_cast<int64_t>(values.size()) == channels;
  };
  return spread(norm.mean, 0) && spread(norm.std, 1);
}

/// float64 samples as float32.
NpyArray narrow(const NpyArray &wide) {
  NpyArray result{"f4", wide.shape, {}};
  size_t count = static_cast<size_t>(wide.elements());
  result.data.resize(count * sizeof(float));
  for (size_t i = 0; i < count; ++i) {
    double value;
    std::memcpy(&value, wide.data.data() + i * sizeof value, sizeof value);
    float narrowed = static_cast<float>(value);
    std::memcpy(result.data.data() + i * sizeof narrowed, &narrowed, sizeof narrowed);
  }
  return result;
}

/// The first of `count` samples that holds a NaN; -1 if none does.
template <typename T> int64_t firstNan(const NpyArray &array, int64_t count, int64_t elements) {
  for (int64_t i = 0; i < count * elements; ++i) {
    T value;
    std::memcpy(&value, array.data.data() + static_cast<size_t>(i) * sizeof value, sizeof value);
    if (std::isnan(value))
      return i / elements;
  }
  return -1;
}

} // namespace

bool Samples::Input::setLayout(const Shape &shape, const Shape &wanted) {
  if (shape == wanted)
    fromLast = toLast = looksChannelsLast(shape);
  else if (isChannelsLast(shape, wanted))
    toLast = true;
  else if (isChannelsLast(wanted, shape))
    fromLast = true;
  else
    return false;
  for (int64_t extent : shape)
    elements *= extent;
  channels = shape.size() < 2 ? 1 : fromLast ? shape.back() : shape.front();
  pixels = elements / std::max<int64_t>(channels, 1);
  return true;
}

Status Samples::addInput(const TensorInfo &info, NpyArray array, const Normalization *stored,
                         const NormalizationFlags &flags) {
  Input input;
  if (array.dtype == "f8" && info.dtype == DType::float32)
    array = narrow(array);
  Shape shape(array.shape.begin() + (array.shape.empty() ? 0 : 1), array.shape.end());
  Shape wanted = info.dims;
  int64_t batch = 1;
  if (shape != wanted && !wanted.empty()) { // The model has a batch dimension.
    batch = wanted.front();
    wanted.erase(wanted.begin());
  }
  input.normalize = array.dtype == "u1" && info.dtype == DType::float32;
  if (array.shape.empty() || array.shape[0] == 0 || batch == 0 || !input.setLayout(shape, wanted) ||
      (array.dtype != npyDtype(info.dtype) && !input.normalize))
    return invalid("'" + info.name + "' is " + describe(info) + ", the samples are " +
                   describe(array));
  if (!inputs.empty() && (samples != array.shape[0] || batchSize != batch))
    return invalid("'" + info.name + "' has " + std::to_string(array.shape[0]) +
                   " samples, the input before it " + std::to_string(samples));
  if (stored)
    input.norm = *stored;
  if (input.normalize && !complete(input.norm, flags, input.channels))
    return invalid("--mean, --std: give one value, or one for each of the " +
                   std::to_string(input.channels) + " channels of '" + info.name + "'");
  if (std::count(input.norm.std.begin(), input.norm.std.end(), 0.0f))
    return invalid("--std: samples cannot be divided by 0");
  samples = array.shape[0];
  batchSize = batch;
  int64_t nan = array.dtype == "f4"   ? firstNan<float>(array, samples, input.elements)
                : array.dtype == "f8" ? firstNan<double>(array, samples, input.elements)
                                      : -1;
  if (nan >= 0)
    return invalid("sample " + std::to_string(nan) + " of '" + info.name +
                   "' holds a NaN; leave it out");
  input.array = std::move(array);
  inputs.push_back(std::move(input));
  return Status();
}

Status Samples::addLabels(const TensorInfo &output, const NpyArray &array) {
  if (array.elements() != samples)
    return invalid("there are " + std::to_string(samples) + " samples, y is " + describe(array));
  int64_t elements = 1;
  for (int64_t extent : output.dims)
    elements *= extent;
  int64_t classes = elements / batchSize;
  std::vector<double> values =
      toDoubles(array.dtype, array.data.data(), static_cast<size_t>(samples));
  for (size_t i = 0; i < values.size(); ++i)
    if (!(values[i] >= 0 && values[i] < static_cast<double>(classes)))
      return invalid("the label of sample " + std::to_string(i) + " is " +
                     std::to_string(static_cast<int64_t>(values[i])) + "; the model's " +
                     std::to_string(classes) + " classes are 0 to " + std::to_string(classes - 1));
  labelList.assign(values.begin(), values.end());
  return Status();
}

Result<Samples> Samples::make(const Artifact &artifact, NpzArchive archive,
                              const NormalizationFlags &flags) {
  if (artifact.inputs().empty() || artifact.outputs().empty())
    return invalid("the model has no input or no output to evaluate");
  Samples result;
  for (const TensorInfo &info : artifact.inputs()) {
    const NpyArray *array = findArray(archive, info.name);
    bool alone = artifact.inputs().size() == 1;
    if (!array && alone)
      array = findArray(archive, "x");
    if (!array)
      return invalid("there is no array named '" + info.name + "'" + (alone ? " or 'x'" : ""));
    if (Status status = result.addInput(info, *array, artifact.data_normalization(), flags);
        !status.ok())
      return status;
  }
  if (const NpyArray *array = findArray(archive, "y"))
    if (Status status = result.addLabels(artifact.outputs()[0], *array); !status.ok())
      return status;
  return result;
}

bool Samples::normalized() const {
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const Input &input) { return input.normalize; });
}

void Samples::Input::writeSample(const uint8_t *from, uint8_t *to) const {
  size_t item = array.itemSize();
  if (!normalize && fromLast == toLast) {
    std::memcpy(to, from, static_cast<size_t>(elements) * item);
    return;
  }
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t p = 0; p < pixels; ++p) {
      size_t source = static_cast<size_t>(fromLast ? p * channels + c : c * pixels + p);
      size_t target = static_cast<size_t>(toLast ? p * channels + c : c * pixels + p);
      if (!normalize) {
        std::memcpy(to + target * item, from + source * item, item);
        continue;
      }
      size_t channel = static_cast<size_t>(c);
      float value = (from[source] * norm.scale - norm.mean[channel]) / norm.std[channel];
      std::memcpy(to + target * sizeof value, &value, sizeof value);
    }
}

void Samples::write(int64_t first, Session &session) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Input &input = inputs[i];
    uint8_t *target = session.input(i).data_as<uint8_t>();
    size_t from = static_cast<size_t>(input.elements) * input.array.itemSize();
    size_t to = session.input(i).bytes() / static_cast<size_t>(batchSize);
    for (int64_t b = 0; b < batchSize; ++b) {
      size_t sample = static_cast<size_t>(std::min(first + b, samples - 1));
      input.writeSample(input.array.data.data() + sample * from,
                        target + static_cast<size_t>(b) * to);
    }
  }
}

} // namespace nestor::support

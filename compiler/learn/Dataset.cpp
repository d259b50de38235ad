//===- Dataset.cpp - Samples to calibrate and train with ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Dataset.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

#include <cmath>
#include <cstring>
#include <numeric>

using namespace llvm;
using nestor::support::NpyArray;
using nestor::support::NpzArchive;

namespace nestor::learn {

namespace {

/// The samples of one input.
struct Column {
  NpyArray array;
  size_t elements;           ///< Of one sample.
  bool channelsLast = false; ///< Stored [H, W, C], wanted [C, H, W].
  /// uint8 only; the mean and the deviation of each channel.
  float scale = 1;
  std::vector<float> mean, deviation;

  size_t sampleBytes() const { return elements * array.itemSize(); }
  const uint8_t *sample(size_t index) const { return array.data.data() + index * sampleBytes(); }
};

template <typename... Args> Error failure(const Args &...parts) {
  std::string text;
  raw_string_ostream stream(text);
  (stream << ... << parts);
  return createStringError(text);
}

std::string describe(ArrayRef<int64_t> shape) {
  return "[" + join(map_range(shape, [](int64_t extent) { return std::to_string(extent); }), ",") +
         "]";
}
std::string describe(const NpyArray &array) { return array.dtype + describe(array.shape); }

template <typename T> T read(const uint8_t *from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

} // namespace

struct Dataset::Storage {
  std::vector<Column> columns;
  std::vector<int64_t> labels; ///< Empty without labels.
};

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// The array of `input`: the one of its name, or `x` for the only input.
static Expected<const NpyArray *>
findSamples(const NpzArchive &archive, ArrayRef<SampleShape> inputs, const SampleShape &input) {
  if (const NpyArray *array = support::findArray(archive, input.name))
    return array;
  if (inputs.size() == 1)
    if (const NpyArray *array = support::findArray(archive, "x"))
      return array;
  return failure("there is no array '", input.name, "'", inputs.size() == 1 ? " (or 'x')" : "",
                 ", of shape [N,...] with samples of ", describe(input.shape));
}

static Error checkNames(const NpzArchive &archive, ArrayRef<SampleShape> inputs) {
  for (const auto &[name, array] : archive) {
    bool known = name == "y" || (name == "x" && inputs.size() == 1);
    for (const SampleShape &input : inputs)
      known |= input.name == name;
    if (!known)
      return failure("array '", name, "' is no input of the model, and not the labels y");
  }
  return Error::success();
}

/// Sets how uint8 values become floats. The channels are the first dimension
/// of a sample.
static Error setNormalization(Column &column, const SampleShape &input,
                              const std::optional<Normalization> &normalization) {
  if (!normalization)
    return failure("'", input.name,
                   "' is uint8 and the model takes floats: give --scale, --mean "
                   "or --std");
  size_t channels = input.shape.size() > 1 ? input.shape[0] : 1;
  auto at = [](const std::vector<float> &values, size_t channel) {
    return values.size() == 1 ? values[0] : values[channel];
  };
  for (const std::vector<float> *values : {&normalization->mean, &normalization->std})
    if (values->size() != 1 && values->size() != channels)
      return failure("--mean and --std take one value, or one for each of the ", channels,
                     " channels of '", input.name, "', not ", values->size());
  column.scale = normalization->scale;
  for (size_t channel = 0; channel < channels; ++channel) {
    column.mean.push_back(at(normalization->mean, channel));
    column.deviation.push_back(at(normalization->std, channel));
    if (!(column.deviation.back() > 0))
      return failure("--std must be greater than zero");
  }
  return Error::success();
}

template <typename T> static Error checkFinite(const Column &column, StringRef name) {
  size_t count = column.array.data.size() / sizeof(T);
  for (size_t i = 0; i < count; ++i)
    if (!std::isfinite(read<T>(column.array.data.data() + i * sizeof(T))))
      return failure("sample ", i / column.elements, " of '", name,
                     "' holds a NaN or an infinite value");
  return Error::success();
}

static Expected<Column> readColumn(const NpyArray &array, const SampleShape &input,
                                   const std::optional<Normalization> &normalization) {
  Column column;
  column.elements =
      std::accumulate(input.shape.begin(), input.shape.end(), size_t(1), std::multiplies<size_t>());
  ArrayRef<int64_t> shape = ArrayRef(array.shape).drop_front(!array.shape.empty());
  bool bytes = array.dtype == "u1";
  if (bytes && input.shape.size() == 3 && shape != ArrayRef(input.shape))
    column.channelsLast =
        shape == ArrayRef<int64_t>({input.shape[1], input.shape[2], input.shape[0]});
  if (array.shape.empty() || (shape != ArrayRef(input.shape) && !column.channelsLast))
    return failure("'", input.name, "' must be samples of shape ", describe(input.shape),
                   ", so [N,...]; it is ", describe(array));
  if (array.shape[0] == 0)
    return failure("'", input.name, "' holds no samples");
  if (!bytes && array.dtype != "f4" && array.dtype != "f8")
    return failure("'", input.name, "' must be float32, float64 or uint8; it is ", describe(array));
  column.array = array;
  Error error = bytes                 ? setNormalization(column, input, normalization)
                : array.dtype == "f4" ? checkFinite<float>(column, input.name)
                                      : checkFinite<double>(column, input.name);
  if (error)
    return error;
  return column;
}

/// Element `index` of an array of integers; nothing if it is of another type.
static std::optional<int64_t> integerAt(const NpyArray &array, size_t index) {
  const uint8_t *from = array.data.data() + index * array.itemSize();
  if (array.dtype == "i8" || array.dtype == "u8")
    return read<int64_t>(from);
  if (array.dtype == "i4")
    return read<int32_t>(from);
  if (array.dtype == "u4")
    return read<uint32_t>(from);
  if (array.dtype == "i2")
    return read<int16_t>(from);
  if (array.dtype == "u2")
    return read<uint16_t>(from);
  if (array.dtype == "i1")
    return read<int8_t>(from);
  if (array.dtype == "u1")
    return *from;
  return std::nullopt;
}

static Expected<std::vector<int64_t>> readLabels(const NpyArray &array, size_t samples,
                                                 int64_t classes) {
  if (array.elements() != int64_t(samples))
    return failure("there are ", samples, " samples, so y must have as many labels; it is ",
                   describe(array));
  std::vector<int64_t> labels;
  for (size_t i = 0; i < samples; ++i) {
    std::optional<int64_t> label = integerAt(array, i);
    if (!label)
      return failure("the labels y must be integers; they are ", describe(array));
    if (*label < 0 || *label >= classes)
      return failure("label ", *label, " of sample ", i, " is outside the model's ", classes,
                     " classes, 0 to ", classes - 1);
    labels.push_back(*label);
  }
  return labels;
}

Expected<Dataset> Dataset::fromNpz(const NpzArchive &archive, ArrayRef<SampleShape> inputs,
                                   int64_t classes,
                                   const std::optional<Normalization> &normalization) {
  if (Error error = checkNames(archive, inputs))
    return error;
  auto storage = std::make_shared<Storage>();
  for (const SampleShape &input : inputs) {
    Expected<const NpyArray *> array = findSamples(archive, inputs, input);
    if (!array)
      return array.takeError();
    Expected<Column> column = readColumn(**array, input, normalization);
    if (!column)
      return column.takeError();
    storage->columns.push_back(std::move(*column));
    int64_t first = storage->columns.front().array.shape[0];
    if ((*array)->shape[0] != first)
      return failure("'", inputs.front().name, "' has ", first, " samples and '", input.name, "' ",
                     (*array)->shape[0]);
  }
  if (storage->columns.empty())
    return failure("the model has no inputs");
  Dataset set;
  set.order.resize(storage->columns.front().array.shape[0]);
  std::iota(set.order.begin(), set.order.end(), 0);
  if (const NpyArray *array = support::findArray(archive, "y")) {
    Expected<std::vector<int64_t>> labels = readLabels(*array, set.order.size(), classes);
    if (!labels)
      return labels.takeError();
    storage->labels = std::move(*labels);
  }
  set.storage = std::move(storage);
  return set;
}

//===----------------------------------------------------------------------===//
// Access
//===----------------------------------------------------------------------===//

size_t Dataset::size() const { return order.size(); }
bool Dataset::labelled() const { return !storage->labels.empty(); }
size_t Dataset::inputs() const { return storage->columns.size(); }
int64_t Dataset::label(size_t sample) const { return storage->labels[order[sample]]; }

/// uint8 to floats, channels first.
static void normalize(const Column &column, const uint8_t *from, MutableArrayRef<float> out) {
  size_t channels = column.mean.size(), pixels = column.elements / channels;
  size_t channelStride = column.channelsLast ? 1 : pixels;
  size_t pixelStride = column.channelsLast ? channels : 1;
  for (size_t channel = 0; channel < channels; ++channel) {
    float mean = column.mean[channel], deviation = column.deviation[channel];
    const uint8_t *source = from + channel * channelStride;
    float *target = out.data() + channel * pixels;
    for (size_t pixel = 0; pixel < pixels; ++pixel)
      target[pixel] = (source[pixel * pixelStride] * column.scale - mean) / deviation;
  }
}

void Dataset::copy(size_t sample, size_t input, MutableArrayRef<float> out) const {
  const Column &column = storage->columns[input];
  const uint8_t *from = column.sample(order[sample]);
  assert(out.size() == column.elements && "one sample");
  if (column.array.dtype == "u1")
    return normalize(column, from, out);
  if (column.array.dtype == "f4") {
    std::memcpy(out.data(), from, column.sampleBytes());
    return;
  }
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = float(read<double>(from + i * sizeof(double)));
}

Dataset Dataset::subset(std::vector<size_t> samples) const {
  Dataset set = *this;
  for (size_t &sample : samples)
    sample = order[sample];
  set.order = std::move(samples);
  return set;
}

uint64_t Dataset::hash(size_t sample) const {
  uint64_t result = 0;
  for (const Column &column : storage->columns) {
    uint64_t own = xxh3_64bits(ArrayRef(column.sample(order[sample]), column.sampleBytes()));
    uint64_t pair[] = {result, own};
    result = xxh3_64bits(ArrayRef(reinterpret_cast<const uint8_t *>(pair), sizeof pair));
  }
  return result;
}

size_t countShared(const Dataset &a, const Dataset &b) {
  DenseSet<uint64_t> hashes;
  // The keys that DenseSet keeps for itself.
  auto keyOf = [](uint64_t hash) { return hash >= ~uint64_t(1) ? hash - 2 : hash; };
  for (size_t i = 0; i < b.size(); ++i)
    hashes.insert(keyOf(b.hash(i)));
  size_t shared = 0;
  for (size_t i = 0; i < a.size(); ++i)
    shared += hashes.contains(keyOf(a.hash(i)));
  return shared;
}

} // namespace nestor::learn

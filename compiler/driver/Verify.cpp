//===- Verify.cpp - An artifact against the reference evaluator -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Verify.h"

#include "compiler/driver/CameraInput.h"
#include "compiler/driver/Diagnostics.h"
#include "compiler/driver/TensorFile.h"
#include "compiler/ir/Nested.h"
#include "compiler/package/Graph.h"

#include "nestor/session.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace llvm;
using nestor::reference::TensorValue;

namespace nestor::driver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// What an output whose elements are all equal may be off by.
constexpr double kConstantTolerance = 1e-6;

Error error(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }
Error error(const Status &status) { return error(status.message()); }

mlir::func::FuncOp mainOf(mlir::ModuleOp model) {
  return model.lookupSymbol<mlir::func::FuncOp>("main");
}

std::string inputName(mlir::func::FuncOp main, unsigned index) {
  auto name = main.getArgAttrOfType<mlir::StringAttr>(index, "nest.name");
  return name ? name.str() : "input " + std::to_string(index);
}

/// The difference of two elements; infinite where one is NaN or infinite and
/// the other is not the same.
double difference(double expected, double actual) {
  if (expected == actual || (std::isnan(expected) && std::isnan(actual)))
    return 0;
  double result = std::fabs(expected - actual);
  return std::isfinite(result) ? result : kInfinity;
}

/// The columns of an output that is a list of scores, or 0.
int64_t scoreColumns(mlir::RankedTensorType type) {
  bool isList = type.getRank() == 1 || type.getRank() == 2;
  return isList && type.getShape().back() > 1 && isa<mlir::FloatType>(type.getElementType())
             ? type.getShape().back()
             : 0;
}

/// Counts the rows that have a clear maximum, further than `margin` from the
/// rest, and in how many of them it is in the same place.
void compareArgmax(const TensorValue &expected, const TensorValue &actual, double margin,
                   OutputComparison &comparison) {
  int64_t columns = scoreColumns(expected.type);
  for (int64_t begin = 0; columns && begin < expected.size(); begin += columns) {
    int64_t best = 0, found = 0;
    for (int64_t i = 1; i < columns; ++i) {
      if (expected.getDouble(begin + i) > expected.getDouble(begin + best))
        best = i;
      if (actual.getDouble(begin + i) > actual.getDouble(begin + found))
        found = i;
    }
    double second = -kInfinity;
    for (int64_t i = 0; i < columns; ++i)
      if (i != best)
        second = std::max(second, expected.getDouble(begin + i));
    if (expected.getDouble(begin + best) - second > margin) {
      ++comparison.decidedRows;
      comparison.agreeingRows += best == found;
    }
  }
}

} // namespace

void compareOutput(const TensorValue &expected, const TensorValue &actual, int64_t run,
                   double tolerance, OutputComparison &comparison) {
  double low = kInfinity, high = -kInfinity, worst = 0;
  for (int64_t i = 0; i < expected.size(); ++i) {
    double value = expected.getDouble(i);
    worst = std::max(worst, difference(value, actual.getDouble(i)));
    if (std::isfinite(value)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  // The difference that counts as an error of 1, and the one that is allowed.
  bool isConstant = !(high > low);
  double unit = isConstant ? kConstantTolerance : high - low;
  double allowed = isConstant ? kConstantTolerance : tolerance * unit;
  if (run == 0 || worst / unit > comparison.error) {
    comparison.error = worst / unit;
    comparison.minimum = std::min(low, high);
    comparison.maximum = std::max(low, high);
  }
  for (int64_t i = 0; i < expected.size() && worst > allowed && !comparison.firstBad; ++i)
    if (difference(expected.getDouble(i), actual.getDouble(i)) > allowed)
      comparison.firstBad = {run, i, expected.getDouble(i), actual.getDouble(i)};
  compareArgmax(expected, actual, allowed, comparison);
}

bool CapacityComparison::passed() const {
  return all_of(outputs, [](const OutputComparison &output) { return output.passed(); });
}

/// Compares one capacity with what `reference` evaluates to.
static Expected<std::vector<OutputComparison>>
compareCapacity(mlir::func::FuncOp reference, const Artifact &artifact, float capacity,
                ArrayRef<Sample> samples, double tolerance) {
  Result<Session> created = artifact.session(SessionOptions().capacity(capacity));
  if (!created.ok())
    return error(created.status());
  Session &session = created.value();
  DiagnosticCollector diagnostics(*reference.getContext());
  std::vector<OutputComparison> comparisons(reference.getNumResults());
  for (auto [run, sample] : enumerate(samples)) {
    for (auto [i, tensor] : enumerate(sample))
      if (Status status = session.input(i).copy_from(tensor.bytes); !status.ok())
        return error(status);
    if (Status status = session.run(); !status.ok())
      return error(status);
    SmallVector<TensorValue> expected;
    if (failed(reference::evaluate(reference, sample, expected)))
      return error(diagnostics.errors());
    for (auto [i, comparison] : enumerate(comparisons)) {
      comparison.name = artifact.outputs()[i].name;
      TensorValue actual = TensorValue::zeros(expected[i].type);
      if (Status status = session.output(i).copy_to(actual.bytes); !status.ok())
        return error(status);
      compareOutput(expected[i], actual, run, tolerance, comparison);
    }
  }
  return comparisons;
}

Expected<std::vector<CapacityComparison>> verifyArtifact(mlir::ModuleOp model, mlir::ModuleOp graph,
                                                         const Artifact &artifact,
                                                         ArrayRef<Sample> samples,
                                                         double tolerance) {
  SmallVector<mlir::func::FuncOp> functions;
  if (graph)
    functions = nest::capacityFunctions(graph);
  std::vector<CapacityComparison> comparisons;
  for (auto [index, info] : enumerate(artifact.capacities())) {
    mlir::func::FuncOp reference = mainOf(model);
    bool withModel = functions.empty();
    if (!withModel) {
      if (index >= functions.size())
        return error("the graph section has fewer capacities than the artifact");
      withModel = functions[index].getName() == "main" && !graph->hasAttr(package::kTopChangedAttr);
      reference = withModel ? reference : functions[index];
    }
    if (reference.getNumArguments() != artifact.inputs().size() ||
        reference.getNumResults() != artifact.outputs().size() ||
        reference.getArgumentTypes() != mainOf(model).getArgumentTypes())
      return error("the artifact and the model have different inputs or outputs");
    auto outputs = compareCapacity(reference, artifact, info.capacity, samples, tolerance);
    if (!outputs)
      return outputs.takeError();
    comparisons.push_back({info.capacity, withModel, std::move(*outputs)});
  }
  return std::move(comparisons);
}

Error adoptCameraInputs(mlir::ModuleOp model, const Artifact &artifact) {
  DiagnosticCollector diagnostics(*model.getContext());
  for (const TensorInfo &info : artifact.inputs()) {
    if (!info.has_normalization)
      continue;
    const Normalization &stored = info.normalization;
    if (failed(applyCameraInput(mainOf(model), {info.name, stored.scale, stored.mean, stored.std})))
      return error(diagnostics.errors());
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Samples
//===----------------------------------------------------------------------===//

/// Samples [0, limit) of one input from an array.
static Expected<std::vector<TensorValue>> split(const support::NpyArray &array, StringRef name,
                                                mlir::RankedTensorType type, size_t limit) {
  Expected<TensorValue> all = tensorFromNpy(array, *type.getContext());
  if (!all)
    return error("array '" + name + "': " + toString(all.takeError()));
  int64_t size = type.getNumElements(), count = size ? all->size() / size : 1;
  ArrayRef<int64_t> have = all->type.getShape(), want = type.getShape();
  bool isOne = have == want;
  bool isMany = !have.empty() && !want.empty() && have.drop_front() == want.drop_front() &&
                all->size() % std::max<int64_t>(size, 1) == 0;
  if (!isOne && !isMany)
    return error("array '" + name + "' does not hold inputs of the model's shape");
  std::vector<TensorValue> samples;
  int64_t unit = reference::elementBytes(all->type.getElementType());
  for (int64_t i = 0; i < std::min<int64_t>(count, limit); ++i) {
    TensorValue sample{type.clone(all->type.getElementType()), {}};
    sample.bytes.assign(all->bytes.begin() + i * size * unit,
                        all->bytes.begin() + (i + 1) * size * unit);
    samples.push_back(reference::convert(sample, type.getElementType()));
  }
  return samples;
}

Expected<std::vector<Sample>> samplesFrom(const support::NpzArchive &archive, mlir::ModuleOp model,
                                          size_t limit) {
  mlir::func::FuncOp main = mainOf(model);
  std::vector<Sample> samples;
  for (auto [i, type] : enumerate(main.getArgumentTypes())) {
    std::string name = inputName(main, i);
    const support::NpyArray *array = support::findArray(archive, name);
    if (!array && main.getNumArguments() == 1)
      array = support::findArray(archive, "x");
    if (!array)
      return error("there is no array for the input '" + name + "'");
    auto values = split(*array, name, cast<mlir::RankedTensorType>(type), limit);
    if (!values)
      return values.takeError();
    if (i == 0)
      samples.resize(values->size());
    if (samples.size() != values->size())
      return error("array '" + name + "' holds another number of samples than the first one");
    for (auto [sample, value] : zip(samples, *values))
      sample.push_back(std::move(value));
  }
  return samples;
}

/// The next 64 bits of a SplitMix64 sequence, which is the same everywhere.
static uint64_t nextRandom(uint64_t &state) {
  uint64_t bits = state += 0x9e3779b97f4a7c15;
  bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
  return bits ^ bits >> 31;
}

Sample randomSample(mlir::ModuleOp model, uint64_t seed) {
  Sample sample;
  for (mlir::Type type : mainOf(model).getArgumentTypes()) {
    auto tensorType = cast<mlir::RankedTensorType>(type);
    mlir::Type element = tensorType.getElementType();
    auto doubles = tensorType.clone(mlir::Float64Type::get(type.getContext()));
    TensorValue values = TensorValue::zeros(doubles);
    uint64_t limit = element.isInteger(1) ? 2 : element.isUnsignedInteger(8) ? 256 : 8;
    for (double &value : values.as<double>()) {
      uint64_t bits = nextRandom(seed);
      value = element.isInteger() ? double(bits % limit) : double(bits >> 40) / (1 << 23) - 1;
    }
    sample.push_back(reference::convert(values, element));
  }
  return sample;
}

} // namespace nestor::driver

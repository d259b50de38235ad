//===- Readers.cpp - Who reads a group of channels, and how ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Readers.h"

#include "compiler/learn/Moments.h"
#include "compiler/learn/Patches.h"
#include "compiler/learn/Scores.h"
#include "compiler/learn/Walk.h"
#include "compiler/reference/Evaluator.h"

using namespace mlir;

namespace nestor::learn {
namespace {

/// More features than this are described by their channels alone.
constexpr int64_t kMostFeatures = 2500;
/// Rows that statistics are made of: so many for each feature, and at least
/// so many.
constexpr int64_t kRowsPerFeature = 30, kLeastRows = 4096;

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// The statistics of one convolution's input, for several readers of it.
struct Observation {
  nest::ConvOp conv;
  PatchReader patches;
  std::vector<Reader *> readers;
  std::optional<Moments> moments;
  int64_t perSample = 1; ///< Positions.
  std::vector<float> patch;
};

/// Lays out the features of the convolution group number `number` of `conv`.
Reader layOut(nest::ConvOp conv, const PatchReader &patches, int64_t number,
              ArrayRef<SmallVector<int64_t>> channels) {
  Reader reader;
  int64_t groups = conv.getGroups(), width = patches.channels() / groups;
  reader.conv = conv;
  reader.stride = shapeOf(conv.getResult()).back();
  reader.outputs = reader.stride / groups;
  reader.firstOutput = number * reader.outputs;
  bool isFull = patches.taps() * width <= kMostFeatures;
  if (isFull) {
    reader.rows.resize(patches.taps() * width);
    for (size_t row = 0; row < reader.rows.size(); ++row)
      reader.rows[row] = {int64_t(row)};
  } else {
    reader.rows.resize(channels.size());
  }
  for (auto [channel, indices] : llvm::enumerate(channels)) {
    auto &features = reader.linear.features.emplace_back();
    if (!isFull)
      features.push_back(channel);
    for (int64_t tap = 0; tap < patches.taps(); ++tap)
      for (int64_t index : indices)
        if (index / width == number) {
          int64_t row = tap * width + index % width;
          isFull ? features.push_back(row) : reader.rows[channel].push_back(row);
        }
  }
  return reader;
}

/// The filter's values in the form of `LinearReader::weights`. Features with
/// fewer rows than others have zeros in the end.
Eigen::MatrixXd loadWeights(const Reader &reader, ArrayRef<float> filter) {
  size_t most = 0;
  for (const auto &rows : reader.rows)
    most = std::max<size_t>(most, rows.size());
  Eigen::MatrixXd weights = Eigen::MatrixXd::Zero(reader.rows.size(), most * reader.outputs);
  for (auto [feature, rows] : llvm::enumerate(reader.rows))
    for (auto [i, row] : llvm::enumerate(rows))
      for (int64_t o = 0; o < reader.outputs; ++o)
        weights(feature, i * reader.outputs + o) =
            filter[row * reader.stride + reader.firstOutput + o];
  return weights;
}

/// Adds the rows of one sample to the statistics.
void observe(Observation &observation, const float *sample, Random &random) {
  const PatchReader &patches = observation.patches;
  int64_t width = patches.channels() / observation.conv.getGroups();
  for (int64_t position : choose(patches.positions(), observation.perSample, random)) {
    patches.read(sample, position, observation.patch.data());
    for (auto [set, reader] : llvm::enumerate(observation.readers)) {
      int64_t first = reader->firstOutput / reader->outputs * width;
      MutableArrayRef<float> row = observation.moments->row(set);
      uint64_t draw = random();
      for (auto [feature, rows] : llvm::enumerate(reader->rows)) {
        int64_t at = rows.empty() ? -1 : rows[draw % rows.size()];
        row[feature] =
            at < 0 ? 0 : observation.patch[at / width * patches.channels() + first + at % width];
      }
    }
    observation.moments->next();
  }
}

/// With fewer rows than features, these seem to follow from each other by
/// chance: what is off the diagonal counts less then (shrinkage as of Ledoit and
/// Wolf, 2004, but by a weight that only looks at the numbers).
Eigen::MatrixXd shrunk(Eigen::MatrixXd covariance, int64_t rows) {
  Eigen::VectorXd variances = covariance.diagonal();
  double share = double(covariance.rows()) / double(std::max<int64_t>(rows, 1));
  covariance /= 1 + share * share;
  covariance.diagonal() = variances;
  return covariance;
}

} // namespace

void storeWeights(const Reader &reader, const Eigen::MatrixXd &weights,
                  MutableArrayRef<float> filter) {
  for (auto [feature, rows] : llvm::enumerate(reader.rows))
    for (auto [i, row] : llvm::enumerate(rows))
      for (int64_t o = 0; o < reader.outputs; ++o)
        filter[row * reader.stride + reader.firstOutput + o] =
            weights(feature, i * reader.outputs + o);
}

llvm::Expected<std::vector<std::vector<Reader>>> collectReaders(func::FuncOp main,
                                                                const ChannelGroups &groups,
                                                                const Dataset &data,
                                                                const NestOptions &options) {
  std::vector<std::vector<Reader>> result(groups.groups().size());
  for (auto [number, group] : llvm::enumerate(groups.groups()))
    for (nest::ConvOp conv : group.consumers)
      if (conv.getFilter().getDefiningOp<nest::ConstOp>())
        for (int64_t part = 0; part < int64_t(conv.getGroups()); ++part)
          result[number].push_back(layOut(conv, PatchReader(conv), part,
                                          channelIndices(groups, number, conv.getInput())));

  llvm::MapVector<nest::ConvOp, Observation> observations;
  for (auto &readers : result)
    for (Reader &reader : readers) {
      PatchReader patches(reader.conv);
      auto [found, isNew] =
          observations.insert({reader.conv, Observation{reader.conv, patches, {}, {}, 1, {}}});
      found->second.readers.push_back(&reader);
    }
  SmallVector<Value> wanted;
  for (auto &[conv, observation] : observations) {
    SmallVector<int64_t> sets;
    for (Reader *reader : observation.readers)
      sets.push_back(reader->rows.size());
    int64_t rows = std::max(kLeastRows, kRowsPerFeature * *llvm::max_element(sets));
    observation.perSample = std::max<int64_t>(1, (rows + data.size() - 1) / data.size());
    observation.patch.resize(observation.patches.features());
    auto moments = Moments::create(sets, *main.getContext(), options.threads);
    if (!moments)
      return moments.takeError();
    observation.moments = std::move(*moments);
    wanted.push_back(conv.getInput());
  }

  Walk walk({main}, data, options.threads);
  Random random(options.seed);
  llvm::Error error = walk.run(wanted, [&](size_t, size_t count, ArrayRef<const float *> values) {
    for (auto [i, entry] : llvm::enumerate(observations))
      for (size_t sample = 0; sample < count; ++sample)
        observe(entry.second, values[i] + sample * elementsOf(wanted[i]), random);
  });
  if (error)
    return error;

  for (auto &[conv, observation] : observations) {
    observation.moments->finish();
    auto constant = conv.getFilter().getDefiningOp<nest::ConstOp>();
    auto filter = reference::TensorValue::fromAttr(constant.getValue());
    for (auto [set, reader] : llvm::enumerate(observation.readers)) {
      reader->linear.covariance =
          shrunk(observation.moments->covariance(set), observation.moments->rows());
      reader->mean = observation.moments->mean(set);
      reader->linear.weights = loadWeights(*reader, std::as_const(filter).as<float>());
    }
  }
  return result;
}

} // namespace nestor::learn

//===- LayerFit.cpp - Layer by layer, in closed form ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/LayerFit.h"

#include "compiler/learn/JointSolve.h"
#include "compiler/learn/Moments.h"
#include "compiler/learn/Patches.h"
#include "compiler/learn/Walk.h"
#include "compiler/package/Plan.h"

#include "llvm/ADT/SetVector.h"

#include <map>
#include <numeric>

using namespace mlir;

namespace nestor::learn {
namespace {

/// Normal equations of more unknowns than this are not solved.
constexpr int64_t kMostFeatures = 2500;
/// With fewer rows for a feature than this, every fifth sample judges how far
/// the others may be trusted.
constexpr int64_t kTrustedRows = 20, kJudgeEvery = 5;

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// Of one channel, over samples and places.
struct ChannelSums {
  double count = 0, sum = 0, squares = 0;
  void add(double value) { ++count, sum += value, squares += value * value; }
  double mean() const { return sum / count; }
  double variance() const { return squares / count - mean() * mean(); }
};

/// Adds [position][channel] values.
void sumUp(ArrayRef<float> values, std::vector<ChannelSums> &sums) {
  for (size_t first = 0; first < values.size(); first += sums.size())
    for (size_t i = 0; i < sums.size(); ++i)
      sums[i].add(values[first + i]);
}

/// Statistics of one capacity's layer while samples come in.
struct Observer {
  size_t capacity;
  const LayerSite *site;
  PatchReader patches;
  bool isCompensated;                      ///< The target makes up for an error of the shortcut.
  int input = -1, result = -1, other = -1; ///< Numbers of wanted values.
  std::vector<float> target;
  std::vector<OutputMoments> outputs; ///< Sums, where filters stay.
};

class LayerFitter {
public:
  LayerFitter(const NestedLayers &layers, ParameterSet &set, const Dataset &data,
              const FitOptions &options, std::vector<std::string> &notes)
      : layers(layers), set(set), options(options), notes(notes),
        walk(layers.functions(), data, options.threads, &set) {}

  llvm::Error run();

private:
  llvm::Error fit(size_t number);
  bool isFitted(const NestedLayer &layer, size_t capacity) const;
  bool isSolved(const NestedLayer &layer) const;
  AffineRule ruleFor(const NestedLayer &layer, bool solved) const;
  unsigned want(Value value) {
    wanted.insert(value);
    return llvm::find(wanted, value) - wanted.begin();
  }
  void prepare(size_t number);
  void readTarget(Observer &observer, ArrayRef<const float *> values, size_t sample,
                  int64_t position);
  void observeOutputs(Observer &observer, const float *results, int64_t position);
  void observePatches(Observer &observer, Moments *into, const float *input, int64_t position);
  llvm::Error createMoments(const NestedLayer &layer, bool judged);
  llvm::Expected<Moments *> findMoments(const std::vector<int64_t> &sets, bool judges);
  llvm::Error visit(size_t number, int64_t perSample);
  void rescale(const LayerSite &site, int64_t output, std::pair<double, double> affine);
  void rescale(const Observer &observer, AffineRule rule);
  llvm::Error fitUnscaled(size_t number, int64_t perSample);
  llvm::Error fitScaled(size_t number);
  void solve(const NestedLayer &layer);
  void solveGroup(const NestedLayer &layer, int64_t group, ArrayRef<CapacityFit> fits,
                  double ridge);
  Eigen::MatrixXd filterOf(const NestedLayer &layer, int64_t group);
  double ridgeFor(const NestedLayer &layer);
  std::vector<CapacityFit> fitsOf(const NestedLayer &layer, int64_t group, const Moments *moments);
  void store(const LayerSite &site, int64_t output, double scale, double bias);

  const NestedLayers &layers;
  ParameterSet &set;
  const FitOptions &options;
  std::vector<std::string> &notes;
  Walk walk;

  /// By numbers of features: compiling one takes longer than using it.
  std::map<std::pair<bool, std::vector<int64_t>>, Moments> momentsOfSets;

  // Of the present layer.
  llvm::SetVector<Value> wanted;
  std::vector<Observer> observers;
  bool solving = false, hasSolved = false;
  int teacherResult = -1, teacherOther = -1;
  int64_t rows = 0;
  Moments *moments = nullptr; ///< Of a convolution in one group.
  Moments *judge = nullptr;   ///< Of samples that are not in `moments`, or null.
  /// Of a convolution in several: sums of products of features, targets and
  /// one; [observer][group].
  std::vector<std::vector<Eigen::MatrixXd>> products;
};

bool LayerFitter::isFitted(const NestedLayer &layer, size_t capacity) const {
  nest::ConvOp conv = layer.capacities[capacity].conv;
  bool isTop = capacity + 1 == layer.capacities.size();
  return conv && conv.getScale() && conv.getBias() && set.indexOf(conv.getScale()) >= 0 &&
         set.indexOf(conv.getBias()) >= 0 && (!isTop || options.touchTop);
}

/// Inputs that a filter's rows have for one output.
int64_t featuresOf(const NestedLayer &layer) {
  nest::ConvOp conv = layer.teacher.conv;
  ArrayRef<int64_t> filter = shapeOf(conv.getFilter());
  return std::accumulate(filter.begin(), filter.end() - 1, int64_t(1), std::multiplies<>());
}

bool LayerFitter::isSolved(const NestedLayer &layer) const {
  return options.solveFilters && featuresOf(layer) <= kMostFeatures;
}

/// Whether nothing but element-wise work lies between a layer and an output of
/// the network.
bool feedsOutput(const NestedLayer &layer) {
  nest::ConvOp first = layer.teacher.conv;
  SmallVector<Operation *> pending(first->getUsers());
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val();
    if (isa<nest::ConvOp, nest::MatmulOp>(op))
      return false;
    llvm::append_range(pending, op->getUsers());
  }
  return true;
}

AffineRule LayerFitter::ruleFor(const NestedLayer &layer, bool solved) const {
  if (layer.teacher.other || feedsOutput(layer))
    return AffineRule::Fit;
  return solved && !options.matchInside ? AffineRule::Fit : AffineRule::Match;
}

/// Decides what to look at for layer number `number`.
void LayerFitter::prepare(size_t number) {
  const NestedLayer &layer = layers.layers()[number];
  solving = isSolved(layer);
  wanted.clear();
  observers.clear();
  products.clear();
  moments = judge = nullptr;
  rows = 0;
  nest::ConvOp original = layer.teacher.conv;
  teacherResult = want(original.getResult());
  bool isSum = layer.teacher.other && layers.isReady(layer.teacher.other, number);
  teacherOther = isSum ? want(layer.teacher.other) : -1;
  for (size_t capacity = 0; capacity < layer.capacities.size(); ++capacity) {
    if (!isFitted(layer, capacity))
      continue;
    const LayerSite &site = layer.capacities[capacity];
    nest::ConvOp conv = site.conv;
    if (isScaled(layer.teacher, site))
      continue;
    Observer observer{capacity, &site, PatchReader(conv), false, -1, -1, -1, {}, {}};
    if (solving)
      observer.input = want(conv.getInput());
    else
      observer.result = want(conv.getResult());
    observer.isCompensated = isSum && site.other && layers.isReady(site.other, number);
    if (observer.isCompensated)
      observer.other = want(site.other);
    observer.target.resize(site.outputs.size());
    observer.outputs.resize(site.outputs.size(), OutputMoments{0, 0, 0, 0, 0});
    observers.push_back(std::move(observer));
  }
}

llvm::Expected<Moments *> LayerFitter::findMoments(const std::vector<int64_t> &sets, bool judges) {
  std::pair<bool, std::vector<int64_t>> key(judges, sets);
  auto found = momentsOfSets.find(key);
  if (found == momentsOfSets.end()) {
    MLIRContext *context = observers.front().site->conv->getContext();
    auto created = Moments::create(sets, *context, options.threads);
    if (!created)
      return created.takeError();
    found = momentsOfSets.emplace(std::move(key), std::move(*created)).first;
  }
  found->second.clear();
  return &found->second;
}

llvm::Error LayerFitter::createMoments(const NestedLayer &layer, bool judged) {
  std::vector<int64_t> sets;
  for (Observer &observer : observers) {
    nest::ConvOp conv = observer.site->conv;
    int64_t groups = conv.getGroups();
    int64_t size = (observer.patches.features() + int64_t(observer.target.size())) / groups;
    sets.push_back(size);
    products.emplace_back(groups, Eigen::MatrixXd::Zero(size + 1, size + 1));
  }
  nest::ConvOp original = layer.teacher.conv;
  if (original.getGroups() != 1)
    return llvm::Error::success();
  products.clear();
  for (bool judges : {false, true}) {
    if (judges && !judged)
      break;
    auto found = findMoments(sets, judges);
    if (!found)
      return found.takeError();
    (judges ? judge : moments) = *found;
  }
  return llvm::Error::success();
}

/// What the layer's outputs should be at one position.
void LayerFitter::readTarget(Observer &observer, ArrayRef<const float *> values, size_t sample,
                             int64_t position) {
  auto at = [&](int value, int64_t channels) {
    return values[value] + sample * elementsOf(wanted[value]) + position * channels;
  };
  int64_t all = shapeOf(wanted[teacherResult]).back(), own = observer.target.size();
  const float *result = at(teacherResult, all);
  for (int64_t i = 0; i < own; ++i)
    observer.target[i] = result[observer.site->outputs[i]];
  if (!observer.isCompensated)
    return;
  const float *theirs = at(teacherOther, all), *ours = at(observer.other, own);
  for (int64_t i = 0; i < own; ++i)
    observer.target[i] += theirs[observer.site->outputs[i]] - ours[i];
}

void LayerFitter::observeOutputs(Observer &observer, const float *results, int64_t position) {
  const float *result = results + position * observer.target.size();
  for (size_t i = 0; i < observer.target.size(); ++i) {
    double y = result[i], t = observer.target[i];
    OutputMoments &sums = observer.outputs[i];
    sums.mean += y, sums.variance += y * y, sums.both += y * t;
    sums.targetMean += t, sums.targetVariance += t * t;
  }
}

/// Adds a row to `into`, or to the products of a convolution in groups.
void LayerFitter::observePatches(Observer &observer, Moments *into, const float *input,
                                 int64_t position) {
  size_t number = &observer - observers.data();
  int64_t features = observer.patches.features();
  if (into) {
    MutableArrayRef<float> row = into->row(number);
    observer.patches.read(input, position, row.data());
    llvm::copy(observer.target, row.begin() + features);
    return;
  }
  std::vector<float> patch(features);
  observer.patches.read(input, position, patch.data());
  int64_t groups = products[number].size(), channels = observer.patches.channels();
  int64_t width = channels / groups, outputs = observer.target.size() / groups;
  Eigen::VectorXd row(products[number].front().rows());
  for (int64_t group = 0; group < groups; ++group) {
    int64_t at = 0;
    for (int64_t tap = 0; tap < observer.patches.taps(); ++tap)
      for (int64_t i = 0; i < width; ++i)
        row[at++] = patch[tap * channels + group * width + i];
    for (int64_t i = 0; i < outputs; ++i)
      row[at++] = observer.target[group * outputs + i];
    row[at] = 1;
    products[number][group].noalias() += row * row.transpose();
  }
}

/// The statistics of convolution group number `group` of the full capacity.
std::vector<CapacityFit> LayerFitter::fitsOf(const NestedLayer &layer, int64_t group,
                                             const Moments *moments) {
  std::vector<CapacityFit> fits;
  nest::ConvOp original = layer.teacher.conv;
  int64_t perGroup = shapeOf(original.getResult()).back() / original.getGroups();
  int64_t inputs = shapeOf(original.getFilter()).rbegin()[1];
  for (auto [number, observer] : llvm::enumerate(observers)) {
    // Of narrower capacities, group numbers follow from the outputs they keep.
    ArrayRef<int64_t> outputs = observer.site->outputs;
    int64_t first = llvm::find(outputs, group * perGroup) - outputs.begin();
    if (first == int64_t(outputs.size()))
      continue;
    CapacityFit fit;
    for (int64_t tap = 0; tap < observer.patches.taps(); ++tap)
      for (int64_t input : observer.site->inputs)
        fit.features.push_back(tap * inputs + input);
    Eigen::MatrixXd covariance;
    Eigen::VectorXd mean;
    if (moments) {
      fit.outputs.assign(outputs.begin(), outputs.end());
      covariance = moments->covariance(number), mean = moments->mean(number);
    } else {
      for (int64_t i = 0; i < perGroup; ++i)
        fit.outputs.push_back(i);
      const Eigen::MatrixXd &sums = products[number][first / perGroup];
      int64_t size = sums.rows() - 1;
      mean = sums.col(size).head(size) / sums(size, size);
      covariance = sums.topLeftCorner(size, size) / sums(size, size) - mean * mean.transpose();
    }
    int64_t features = fit.features.size(), targets = fit.outputs.size();
    fit.meanFeatures = mean.head(features), fit.meanTargets = mean.tail(targets);
    fit.square = covariance.topLeftCorner(features, features);
    fit.cross = covariance.topRightCorner(features, targets);
    fit.spread = covariance.diagonal().tail(targets);
    bool isTop = observer.capacity + 1 == layer.capacities.size();
    fit.weight = isTop ? options.topWeight : 1;
    fits.push_back(std::move(fit));
  }
  return fits;
}

void LayerFitter::store(const LayerSite &site, int64_t output, double scale, double bias) {
  nest::ConvOp conv = site.conv;
  set[set.indexOf(conv.getScale())].value[output] = float(scale);
  set[set.indexOf(conv.getBias())].value[output] = float(bias);
}

/// The part of a filter that makes the outputs of a group, [features][outputs].
Eigen::MatrixXd LayerFitter::filterOf(const NestedLayer &layer, int64_t group) {
  const Parameter &filter = set[layer.filter];
  nest::ConvOp original = layer.teacher.conv;
  int64_t stride = filter.shape.back(), features = filter.value.size() / stride;
  int64_t perGroup = stride / original.getGroups();
  Eigen::MatrixXd result(features, perGroup);
  for (int64_t f = 0; f < features; ++f)
    for (int64_t o = 0; o < perGroup; ++o)
      result(f, o) = filter.value[f * stride + group * perGroup + o];
  return result;
}

void LayerFitter::solveGroup(const NestedLayer &layer, int64_t group, ArrayRef<CapacityFit> fits,
                             double ridge) {
  Parameter &filter = set[layer.filter];
  Eigen::MatrixXd map = solveJointly(filterOf(layer, group), fits, ridge);
  int64_t stride = filter.shape.back(), perGroup = map.cols(), first = group * perGroup;
  for (int64_t f = 0; f < map.rows(); ++f)
    for (int64_t o = 0; o < perGroup; ++o)
      filter.value[f * stride + first + o] = float(map(f, o));

  size_t next = 0;
  for (Observer &observer : observers) {
    ArrayRef<int64_t> outputs = observer.site->outputs;
    auto begin = llvm::find(outputs, first);
    if (begin == outputs.end())
      continue;
    const CapacityFit &fit = fits[next++];
    Affine affine = fitAffine(map, fit, ruleFor(layer, true));
    for (size_t i = 0; i < fit.outputs.size(); ++i)
      store(*observer.site, moments ? i : begin - outputs.begin() + i, affine.scale[i],
            affine.bias[i]);
  }
}

double LayerFitter::ridgeFor(const NestedLayer &layer) {
  if (!judge || judge->rows() == 0)
    return options.ridge;
  judge->finish();
  double ridge =
      chooseRidge(filterOf(layer, 0), fitsOf(layer, 0, moments), fitsOf(layer, 0, judge));
  moments->add(*judge);
  return ridge;
}

void LayerFitter::solve(const NestedLayer &layer) {
  hasSolved = true;
  if (moments)
    moments->finish();
  double ridge = ridgeFor(layer);
  nest::ConvOp original = layer.teacher.conv;
  for (int64_t group = 0; group < int64_t(original.getGroups()); ++group) {
    std::vector<CapacityFit> fits = fitsOf(layer, group, moments);
    if (!fits.empty())
      solveGroup(layer, group, fits, ridge);
  }
}

/// Reads `perSample` positions of all samples.
llvm::Error LayerFitter::visit(size_t number, int64_t perSample) {
  Random random(options.seed + number);
  auto read = [&](size_t first, size_t count, ArrayRef<const float *> values) {
    for (size_t sample = 0; sample < count; ++sample) {
      Moments *into = judge && (first + sample) % kJudgeEvery == 0 ? judge : moments;
      for (int64_t position : choose(observers.front().patches.positions(), perSample, random)) {
        for (Observer &observer : observers) {
          readTarget(observer, values, sample, position);
          int value = solving ? observer.input : observer.result;
          const float *own = values[value] + sample * elementsOf(wanted[value]);
          if (solving)
            observePatches(observer, into, own, position);
          else
            observeOutputs(observer, own, position);
        }
        ++rows;
        if (into)
          into->next();
      }
    }
  };
  return walk.run(wanted.getArrayRef(), layers.frontier(number), read);
}

/// Lets an affine function of output number `output` follow on what there is.
void LayerFitter::rescale(const LayerSite &site, int64_t output, std::pair<double, double> affine) {
  nest::ConvOp conv = site.conv;
  auto [scale, bias] = affine;
  double oldScale = set[set.indexOf(conv.getScale())].value[output];
  double oldBias = set[set.indexOf(conv.getBias())].value[output];
  store(site, output, scale * oldScale, scale * oldBias + bias);
}

/// Fits the vectors of a layer whose filter stays.
void LayerFitter::rescale(const Observer &observer, AffineRule rule) {
  for (auto [i, sums] : llvm::enumerate(observer.outputs)) {
    OutputMoments m{sums.mean / rows, 0, sums.targetMean / rows, 0, 0};
    m.variance = sums.variance / rows - m.mean * m.mean;
    m.targetVariance = sums.targetVariance / rows - m.targetMean * m.targetMean;
    m.both = sums.both / rows - m.mean * m.targetMean;
    rescale(*observer.site, i, fitAffine(m, rule));
  }
}

/// What capacities with a scaled input see lies between the teacher's places:
/// their outputs get its mean and variance.
llvm::Error LayerFitter::fitScaled(size_t number) {
  const NestedLayer &layer = layers.layers()[number];
  nest::ConvOp original = layer.teacher.conv;
  SmallVector<const LayerSite *> sites;
  SmallVector<Value> results{original.getResult()};
  for (auto [capacity, site] : llvm::enumerate(layer.capacities))
    if (isFitted(layer, capacity) && isScaled(layer.teacher, site)) {
      nest::ConvOp conv = site.conv;
      sites.push_back(&site);
      results.push_back(conv.getResult());
    }
  if (sites.empty())
    return llvm::Error::success();
  SmallVector<std::vector<ChannelSums>> sums;
  for (Value result : results)
    sums.emplace_back(shapeOf(result).back());
  auto read = [&](size_t, size_t count, ArrayRef<const float *> values) {
    for (auto [result, value, own] : llvm::zip_equal(results, values, sums))
      sumUp(ArrayRef(value, count * elementsOf(result)), own);
  };
  if (llvm::Error error = walk.run(results, layers.frontier(number), read))
    return error;
  ArrayRef<ChannelSums> targets = sums.front();
  for (auto [site, own] : llvm::zip_equal(sites, llvm::drop_begin(sums)))
    for (auto [i, output] : llvm::enumerate(site->outputs)) {
      const ChannelSums &target = targets[output];
      OutputMoments m{own[i].mean(), own[i].variance(), target.mean(), target.variance(), 0};
      rescale(*site, i, fitAffine(m, AffineRule::Match));
    }
  return llvm::Error::success();
}

llvm::Error LayerFitter::fitUnscaled(size_t number, int64_t perSample) {
  const NestedLayer &layer = layers.layers()[number];
  int64_t features = featuresOf(layer);
  bool few = int64_t(walk.samples()) * perSample < kTrustedRows * features;
  if (solving)
    if (llvm::Error error = createMoments(layer, few))
      return error;
  if (llvm::Error error = visit(number, perSample))
    return error;
  if (solving)
    solve(layer);
  else
    for (const Observer &observer : observers)
      rescale(observer, ruleFor(layer, false));
  return llvm::Error::success();
}

llvm::Error LayerFitter::fit(size_t number) {
  const NestedLayer &layer = layers.layers()[number];
  prepare(number);
  int64_t features = featuresOf(layer);
  nest::ConvOp original = layer.teacher.conv;
  if (options.solveFilters && !solving)
    notes.push_back(package::layerName(original.getLoc()) + ": its " + std::to_string(features) +
                    " features are too many to solve for; its filter stays");
  int64_t need = std::max(options.leastRows, options.rowsPerFeature * features);
  int64_t perSample = std::max<int64_t>(1, (need + walk.samples() - 1) / walk.samples());
  perSample = std::min(perSample, PatchReader(original).positions());
  // The full capacity alone is as it was until something before it changes.
  bool isTopAlone =
      observers.size() == 1 && observers.front().capacity + 1 == layer.capacities.size();
  if (!observers.empty() && (hasSolved || !isTopAlone))
    if (llvm::Error error = fitUnscaled(number, perSample))
      return error;
  return fitScaled(number);
}

llvm::Error LayerFitter::run() {
  size_t count = layers.layers().size();
  for (size_t number = 0; number < count; ++number) {
    if (options.stop && *options.stop)
      break;
    if (llvm::Error error = fit(number))
      return error;
    if (options.progress)
      options.progress(double(number + 1) / count);
  }
  return llvm::Error::success();
}

} // namespace

llvm::Error fitLayers(const NestedLayers &layers, ParameterSet &set, const Dataset &data,
                      const FitOptions &options, std::vector<std::string> &notes) {
  return LayerFitter(layers, set, data, options, notes).run();
}

} // namespace nestor::learn

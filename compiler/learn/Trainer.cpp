//===- Trainer.cpp - Training the capacities of a network -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Trainer.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/xxhash.h"

#include <cmath>
#include <cstring>
#include <numeric>
#include <set>

using namespace mlir;
using llvm::Error;
using llvm::Expected;

namespace nestor::learn {

static constexpr size_t kMostBatch = 64, kLeastBatch = 16;
static constexpr double kSecondsBetweenCheckpoints = 60;
/// Random numbers of different uses.
enum Purpose : uint64_t { ForSplit = 11, ForBatches };

//===----------------------------------------------------------------------===//
// Setting up
//===----------------------------------------------------------------------===//

static size_t batchFor(const TrainOptions &options, size_t samples) {
  if (options.batch > 0)
    return options.batch;
  return std::clamp<size_t>(llvm::bit_floor(samples / 10), kLeastBatch, kMostBatch);
}

static size_t heldOutOf(size_t samples) { return std::max<size_t>(1, samples / 5); }

bool hasFewSamples(const NestOptions &options) {
  size_t samples = options.data ? options.data->size() : 0;
  return samples - std::min(samples, heldOutOf(samples)) < kFewTrainingSamples;
}

Trainer::Trainer(ModuleOp nested, const NestOptions &options) : nested(nested), options(options) {}

Expected<std::unique_ptr<Trainer>> Trainer::create(ModuleOp nested, ModuleOp teacher,
                                                   const NestOptions &options,
                                                   double secondsSpent) {
  if (!options.data || options.data->size() < 2)
    return llvm::createStringError("--data: training needs two samples at least");
  const Dataset &data = *options.data;
  std::unique_ptr<Trainer> trainer(new Trainer(nested, options));
  std::vector<size_t> order = shuffled(data.size(), randomAt(options.seed, ForSplit));
  size_t heldOut = heldOutOf(data.size()), training = data.size() - heldOut;
  size_t batch = batchFor(options.train, training);
  // First of all, so that it counts compiling.
  trainer->pace.emplace(options.train, batch, training, heldOut);
  trainer->pace->resumeAfter(secondsSpent);
  // Few samples leave open what a network does on others: values inside say more.
  bool few = hasFewSamples(options);
  auto networks = TrainingNetworks::compile(nested, teacher, batch, options.threads, /*hints=*/few);
  if (!networks)
    return networks.takeError();
  trainer->nets = std::move(*networks);
  trainer->heldOut.emplace(data.subset({order.begin(), order.begin() + heldOut}), *trainer->nets);

  std::vector<SmallVector<int64_t>> shapes;
  func::FuncOp main = nest::capacityFunctions(nested).back();
  for (Type type : main.getArgumentTypes())
    shapes.emplace_back(cast<RankedTensorType>(type).getShape().drop_front());
  // Of labelled samples, it is the labels that are held out.
  trainer->unlabelled = data.labelled() ? heldOut : 0;
  size_t first = data.labelled() ? 0 : heldOut;
  trainer->batches.emplace(data.subset({order.begin() + first, order.end()}), std::move(shapes),
                           batch, options.train.augmentation, /*mix=*/few,
                           randomAt(options.seed, ForBatches));
  return trainer;
}

/// What a checkpoint must agree in.
uint64_t Trainer::key() const {
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  const TrainOptions &train = options.train;
  stream << options.seed << ' ' << int(options.recover) << ' ' << int(options.top) << ' '
         << train.epochs << ' ' << nets->batch() << ' ' << train.learningRate
         << ' ' << train.adam << ' ' << train.augmentation.flip << ' ' << train.augmentation.shift
         << ' ' << train.augmentation.crop << ' ' << options.threads << ' ' << nets->normalizedLayers();
  for (int64_t steps : train.steps)
    stream << ' ' << steps;
  for (const Parameter &parameter : nets->parameters().parameters())
    stream << ' ' << parameter.name;
  stream.write(reinterpret_cast<const char *>(before.data()), before.size() * sizeof(float));
  for (size_t i = 0; i < options.data->size(); ++i) {
    uint64_t sample[] = {options.data->hash(i),
                         options.data->labelled() ? uint64_t(options.data->label(i)) : 0};
    stream.write(reinterpret_cast<const char *>(sample), sizeof sample);
  }
  return llvm::xxh3_64bits(
      llvm::ArrayRef(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
}

Error Trainer::resume() {
  before = nets->fold();
  initial = state.values = nets->values();
  if (options.train.checkpoint.empty())
    return Error::success();
  checkpoint.emplace(options.train.checkpoint, key());
  auto loaded = checkpoint->load();
  if (!loaded)
    return loaded.takeError();
  if (!*loaded)
    return Error::success();
  state = std::move(**loaded);
  std::memcpy(nets->values().data(), state.values.data(), before.size() * sizeof(float));
  pace->resumeAfter(state.seconds);
  if (options.log)
    options.log(
        llvm::formatv("resumed from {0} at step {1}", options.train.checkpoint, state.step));
  return Error::success();
}

//===----------------------------------------------------------------------===//
// A stage
//===----------------------------------------------------------------------===//

/// Sets values and what the optimizer remembers to what a stage begins with.
void Trainer::begin(const TrainingStage &stage, const Optimizer &optimizer) {
  state.optimizer = optimizer.start(nets->layout().size());
  state.mean = {};
  if (stage.start.size())
    llvm::copy(ArrayRef<float>(stage.start), nets->values().data());
}

Error Trainer::runStage(const TrainingStage &stage) {
  Optimizer optimizer = optimizerFor(stage);
  if (state.step == 0) {
    begin(stage, optimizer);
    if (stage.start.size())
      score(stage.name, stage.leastGain);
  }
  pace->beginStage(state.stage);
  pace->decide(state);
  while ((state.steps == 0 || state.step < state.steps) && !stopped() && !pace->isOver()) {
    double start = pace->seconds();
    makeStep(stage, optimizer);
    pace->countStep(pace->seconds() - start);
    pace->decide(state);
    if (pace->scoresAfter(state.step, state.steps))
      score(stage.name, stage.leastGain);
    if (options.progress)
      options.progress(progress(stage.name));
    if (Error error = saveNowAndThen())
      return error;
  }
  // Going on later is then the same as not having ended.
  if (Error error = save())
    return error;
  // Ended early: what it has come to may be the best.
  if (state.history.back().step != state.step)
    score(stage.name, stage.leastGain);
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

Progress Trainer::progress(const std::string &stage) const {
  Progress now;
  now.stage = stage;
  now.done = pace->done(state);
  now.secondsLeft = pace->secondsLeft(state);
  now.step = state.step;
  now.loss = loss;
  if (!state.history.empty())
    now.scores = state.history.back().scores;
  return now;
}

void Trainer::score(const std::string &stage, double leastGain) {
  double start = pace->seconds();
  Progress now = progress(stage);
  const AlignedFloats &folded = foldMean();
  now.scores = heldOut->scores();
  pace->countScoring(pace->seconds() - start);
  if (state.best.size() == 0 || isBest(now.scores, leastGain)) {
    state.best = folded;
    state.bestScores = now.scores;
    state.bestStage = state.stage;
  }
  state.history.push_back(std::move(now));
}

bool Trainer::passes(llvm::ArrayRef<double> scores) const {
  return options.top != TopRule::Tolerance || scores.empty() ||
         scores.back() >= heldOut->requiredOfTop();
}

/// States that pass by their mean, later ones where equal; until one does, by
/// the full capacity.
bool Trainer::isBest(llvm::ArrayRef<double> scores, double leastGain) const {
  llvm::ArrayRef<double> best = state.bestScores;
  if (passes(scores) != passes(best))
    return passes(scores);
  if (!passes(scores))
    return scores.back() >= best.back();
  auto sum = [](llvm::ArrayRef<double> all) {
    return std::accumulate(all.begin(), all.end(), 0.0);
  };
  double gain = (sum(scores) - sum(best)) / double(scores.size());
  return gain >= (state.stage == state.bestStage ? 0 : leastGain);
}

//===----------------------------------------------------------------------===//
// The run
//===----------------------------------------------------------------------===//

Error Trainer::save() {
  if (!checkpoint)
    return Error::success();
  state.values = nets->values();
  state.seconds = savedAt = pace->seconds();
  return checkpoint->save(state);
}

Error Trainer::saveNowAndThen() {
  bool due = pace->seconds() - savedAt > kSecondsBetweenCheckpoints;
  return due ? save() : Error::success();
}

/// One gradient of each capacity serves all stages.
Error Trainer::prepare(llvm::ArrayRef<TrainingStage> stages) {
  std::vector<double> shares;
  std::vector<bool> trains(nets->parameters().size());
  std::set<unsigned> capacities;
  for (const TrainingStage &stage : stages) {
    shares.push_back(stage.share);
    capacities.insert(stage.capacities.begin(), stage.capacities.end());
    for (size_t i = 0; i < trains.size(); ++i)
      trains[i] = trains[i] || stage.trains[i];
  }
  if (Error error = pace->setStages(std::move(shares)))
    return error;
  return nets->compileGradients(lossOptions(), llvm::to_vector(capacities),
                                [&](unsigned i) { return trains[i]; });
}

Error Trainer::runStages(llvm::ArrayRef<TrainingStage> stages) {
  while (true) {
    // Of a few steps, the first stages may get none.
    bool none = pace->fixedSteps(state.stage) == 0;
    if (!none)
      if (Error error = runStage(stages[state.stage]))
        return error;
    if (stopped() || state.stage + 1 == int64_t(stages.size()))
      return Error::success();
    state.made.push_back(state.step);
    state.cutShort |= !none && !state.isStageWhole();
    ++state.stage;
    state.step = state.steps = 0;
  }
}

Expected<Recovery> Trainer::run(llvm::ArrayRef<TrainingStage> stages, bool keepLast) {
  gradient = AlignedFloats(nets->layout().size());
  if (Error error = resume()) // May refuse, so that it comes before compiling.
    return error;
  if (Error error = prepare(stages))
    return error;
  if (state.history.empty())
    score("before training");
  pace->beginStage(state.stage);
  if (pace->isOver() && state.step == 0 && state.stage == 0)
    return llvm::createStringError(llvm::formatv(
        "--minutes: too short to make a step, since what comes before takes more than {0:F1} "
        "seconds; give more, or --recover solve",
        pace->seconds()));
  if (state.rate == 0) {
    auto most = llvm::max_element(stages, [](const TrainingStage &a, const TrainingStage &b) {
      return a.capacities.size() < b.capacities.size();
    });
    chooseRate(*most, pace->fixedSteps(most - stages.begin()));
  }
  if (Error error = runStages(stages))
    return error;
  return finish(keepLast);
}

Recovery Trainer::finish(bool keepLast) {
  const AlignedFloats &kept = keepLast ? foldMean() : state.best;
  ParameterSet original(nested);
  nets->layout().write(kept, original);
  original.writeBack();

  Recovery recovery;
  recovery.steps = state.allSteps();
  recovery.seconds = pace->seconds();
  recovery.samples = options.data->size();
  recovery.history = state.history;
  int top = int(nets->capacities()) - 1;
  for (unsigned i = 0; i < original.size(); ++i) {
    const Parameter &parameter = original[i];
    size_t begin = nets->layout().begin(i), bytes = parameter.value.size() * sizeof(float);
    if (parameter.capacity == -1 || parameter.capacity == top)
      recovery.topChanged |= std::memcmp(before.data() + begin, kept.data() + begin, bytes) != 0;
  }
  describeEnd(recovery);
  return recovery;
}

/// Those that were made, as --steps takes them: of each stage, or where one had
/// none the sum.
std::string Trainer::steps() const {
  if (llvm::is_contained(state.made, 0))
    return std::to_string(state.allSteps());
  std::string list;
  for (int64_t steps : state.made)
    list += std::to_string(steps) + ",";
  return list + std::to_string(state.step);
}

void Trainer::describeEnd(Recovery &recovery) const {
  std::string summary = llvm::formatv("{0} steps of {1} samples in {2:F0} s", recovery.steps,
                                      nets->batch(), recovery.seconds);
  // What was planned shaped the learning rate: only a whole run can be repeated.
  if (stopped())
    summary += "; stopped early, the best so far is kept";
  else if (!state.isStageWhole())
    summary += llvm::formatv("; time ended after step {0} of {1}", state.step, state.steps);
  else if (state.cutShort)
    summary += "; time ended before all steps of an earlier stage";
  else
    summary += llvm::formatv("; --steps {0} --seed {1} --learning-rate {2} repeats them", steps(),
                             options.seed, llvm::format("%g", state.rate));
  recovery.notes.push_back(std::move(summary));
  if (!passes(state.bestScores))
    recovery.notes.push_back(llvm::formatv(
        "no state kept the full capacity's held-out score at {0:P1}; the closest, {1:P1}, is kept",
        heldOut->requiredOfTop(), state.bestScores.back()));
  if (options.log)
    for (const std::string &note : recovery.notes)
      options.log(note);
}

} // namespace nestor::learn

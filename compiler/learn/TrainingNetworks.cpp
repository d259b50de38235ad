//===- TrainingNetworks.cpp - What a training step runs -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/TrainingNetworks.h"

#include "compiler/learn/Gradient.h"

#include "mlir/IR/Diagnostics.h"

#include <cstring>
#include <thread>

using namespace mlir;
using llvm::Error;
using llvm::Expected;

namespace nestor::learn {

static size_t elementsOf(Type type) { return cast<RankedTensorType>(type).getNumElements(); }

static bool isF32(Type type) { return cast<RankedTensorType>(type).getElementType().isF32(); }

/// `func` for `batch` samples; a classifier then returns its logits. The last
/// results are hints.
static Expected<OwningOpRef<func::FuncOp>> forBatch(func::FuncOp func, int64_t batch,
                                                    unsigned hints) {
  if (!llvm::all_of(func.getArgumentTypes(), isF32) || !llvm::all_of(func.getResultTypes(), isF32))
    return llvm::createStringError(
        "the network cannot be trained: it has inputs or outputs that are not float32");
  std::string reason;
  OwningOpRef<func::FuncOp> batched = withBatch(func, batch, reason);
  if (!batched)
    return llvm::createStringError("the network cannot be trained: " + reason);
  if (classesOf(*batched, hints))
    returnLogits(*batched);
  return batched;
}

/// A copy of `nested` in which every capacity takes `batch` samples. Its
/// parameters are the original's, in the same order.
static Expected<OwningOpRef<ModuleOp>> moduleForBatch(ModuleOp nested, int64_t batch,
                                                      unsigned hints) {
  OwningOpRef<ModuleOp> copy = nested.clone();
  for (func::FuncOp capacity : nest::capacityFunctions(*copy)) {
    auto batched = forBatch(capacity, batch, hints);
    if (!batched)
      return batched.takeError();
    copy->insert(capacity, batched->release());
    capacity.erase();
  }
  return copy;
}

TrainingNetworks::TrainingNetworks(OwningOpRef<ModuleOp> nested, Executor teacherExecutor,
                                   int64_t batch, HintChannels channels)
    : module(std::move(nested)), teacher(std::move(teacherExecutor)), batchSize(batch),
      hintChannels(std::move(channels)), set(*module), block(set), current(block.read(set)),
      folded(current), normalized(nest::capacityFunctions(*module).size()) {
  func::FuncOp main = nest::capacityFunctions(*module).back();
  classes = classesOf(main, hints());
  for (auto [index, type] : llvm::enumerate(main.getArgumentTypes())) {
    inputBuffers.emplace_back(elementsOf(type));
    teacher.bindInput(index, inputBuffers.back().data());
  }
}

Expected<std::unique_ptr<TrainingNetworks>>
TrainingNetworks::compile(ModuleOp nestedModule, ModuleOp teacherModule, int64_t batch,
                          unsigned threads, bool hints) {
  OwningOpRef<ModuleOp> nestedCopy = nestedModule.clone(), teacherCopy = teacherModule.clone();
  ModuleOp nested = *nestedCopy, teacher = *teacherCopy;
  HintChannels channels(nest::capacityFunctions(nested).size());
  if (hints)
    channels = returnHints(nested, teacher);
  unsigned hintCount = channels.front().size();
  auto original = forBatch(nest::capacityFunctions(teacher).back(), batch, hintCount);
  if (!original)
    return original.takeError();
  Expected<Executor> executor = Executor::compile(**original, threads);
  if (!executor)
    return executor.takeError();
  auto module = moduleForBatch(nested, batch, hintCount);
  if (!module)
    return module.takeError();
  std::unique_ptr<TrainingNetworks> networks(
      new TrainingNetworks(std::move(*module), std::move(*executor), batch, std::move(channels)));
  networks->threads = threads;
  networks->partSize = samplesAtOnce(nest::capacityFunctions(nested).back(), batch);
  while (batch / networks->partSize < threads && networks->partSize % 2 == 0)
    networks->partSize /= 2;
  for (unsigned worker = 0; worker < threads; ++worker)
    networks->workers.push_back(
        {AlignedFloats(networks->block.size()), AlignedFloats(networks->block.size())});
  auto part = moduleForBatch(nested, networks->partSize, hintCount);
  if (!part)
    return part.takeError();
  networks->partModule = std::move(*part);
  networks->partSet.emplace(*networks->partModule);
  if (Error error = networks->compileRunners())
    return error;
  return networks;
}

void TrainingNetworks::bindInputs(Executor &executor) {
  for (size_t i = 0; i < inputBuffers.size(); ++i)
    executor.bindInput(i, inputBuffers[i].data());
}

void TrainingNetworks::bindParameters(Executor &executor, const ParameterizedFunction &function,
                                      const AlignedFloats &values) {
  for (auto [i, parameter] : llvm::enumerate(function.parameters))
    executor.bindInput(function.inputs + i, values.data() + block.begin(parameter));
}

Error TrainingNetworks::compileRunners() {
  for (func::FuncOp capacity : nest::capacityFunctions(*module)) {
    ParameterizedFunction function = parameterize(capacity, set);
    Expected<Executor> executor = Executor::compile(function.func, threads);
    if (!executor)
      return executor.takeError();
    bindInputs(*executor);
    bindParameters(*executor, function, folded);
    runners.push_back(std::move(*executor));
  }
  gradients.resize(runners.size());
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Normalisation
//===----------------------------------------------------------------------===//

Error TrainingNetworks::normalize(const Dataset &samples) {
  SmallVector<func::FuncOp> functions = nest::capacityFunctions(*partModule);
  for (auto [function, layers] : llvm::zip_equal(functions, normalized))
    layers = normalizableLayers(parameterize(function, *partSet));
  if (normalizedLayers() == 0)
    return Error::success();
  auto batched = moduleForBatch(
      *module, LayerStatistics::batchFor(functions.back(), samples.size()), hints());
  if (!batched)
    return batched.takeError();
  auto compiled = LayerStatistics::compile(**batched, ParameterSet(**batched), normalized, current,
                                           samples, threads);
  if (!compiled)
    return compiled.takeError();
  statistics = std::move(*compiled);
  statistics->unfold(current);
  block.write(current, set);
  return Error::success();
}

size_t TrainingNetworks::normalizedLayers() const {
  size_t count = 0;
  for (const auto &layers : normalized)
    count += layers.size();
  return count;
}

const AlignedFloats &TrainingNetworks::fold() {
  AlignedFloats now = statistics ? statistics->fold(current) : current;
  std::memcpy(folded.data(), now.data(), now.size() * sizeof(float)); // Others read it there.
  return folded;
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

static Error differentiate(func::FuncOp func, ArrayRef<unsigned> arguments) {
  std::string problem;
  ScopedDiagnosticHandler handler(func.getContext(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error && problem.empty())
      problem = diagnostic.str();
    return success();
  });
  if (failed(appendGradients(func, arguments)))
    return llvm::createStringError("the network cannot be trained: " + problem);
  return Error::success();
}

Expected<std::unique_ptr<TrainingNetworks::Gradient>>
TrainingNetworks::compileGradient(unsigned capacity, const LossOptions &options,
                                  llvm::function_ref<bool(unsigned)> trains) {
  SmallVector<func::FuncOp> functions = nest::capacityFunctions(*partModule);
  ParameterizedFunction function = parameterize(functions[capacity], *partSet);
  normalizeLayers(function, normalized[capacity]);
  LossOptions own = options;
  own.hintChannels = hintChannels[capacity];
  // The full capacity has all of the teacher's channels.
  ArrayRef<Type> hintTypes = functions.back().getResultTypes().take_back(hints());
  appendLoss(function.func, isClassifier(), own, hintTypes);
  SmallVector<unsigned> arguments, parameters;
  for (auto [i, parameter] : llvm::enumerate(function.parameters))
    if (trains(parameter)) {
      arguments.push_back(function.inputs + i);
      parameters.push_back(parameter);
    }
  if (Error error = differentiate(function.func, arguments))
    return error;
  Expected<Executor> executor = Executor::compile(function.func, /*threads=*/1);
  if (!executor)
    return executor.takeError();
  auto gradient = std::make_unique<Gradient>();
  gradient->parameters = std::move(parameters);
  gradient->executors.push_back(std::move(*executor));
  while (gradient->executors.size() < workers.size()) {
    Expected<Executor> another = gradient->executors.front().another(/*threads=*/1);
    if (!another)
      return another.takeError();
    gradient->executors.push_back(std::move(*another));
  }
  for (auto [own, worker] : llvm::zip_equal(gradient->executors, workers)) {
    bindParameters(own, function, current);
    for (auto [i, parameter] : llvm::enumerate(gradient->parameters))
      own.bindOutput(1 + i, worker.gradient.data() + block.begin(parameter));
  }
  return gradient;
}

Error TrainingNetworks::compileGradients(const LossOptions &options, ArrayRef<unsigned> capacities,
                                         llvm::function_ref<bool(unsigned)> trains) {
  func::FuncOp main = nest::capacityFunctions(*module).back();
  targetBuffers.clear();
  for (auto [i, type] : llvm::enumerate(main.getResultTypes())) {
    targetBuffers.emplace_back(elementsOf(type));
    if (i == 0 && options.labels)
      targetBuffers.push_back(targetBuffers.front());
  }
  gradients.clear();
  gradients.resize(runners.size());
  SmallVector<func::FuncOp> functions = nest::capacityFunctions(*partModule);
  for (unsigned capacity : capacities) {
    if (llvm::none_of(parameterize(functions[capacity], *partSet).parameters, trains))
      continue;
    auto gradient = compileGradient(capacity, options, trains);
    if (!gradient)
      return gradient.takeError();
    gradients[capacity] = std::move(*gradient);
  }
  return Error::success();
}

/// Copies part number `part` of a batch.
static void loadPart(const AlignedFloats &buffer, size_t part, llvm::MutableArrayRef<float> to) {
  std::copy_n(buffer.data() + part * to.size(), to.size(), to.begin());
}

/// One worker's share of the parts of a batch: every so-manieth. Which part is
/// whose does not depend on time, and so neither does a bit of the sum.
void TrainingNetworks::work(Gradient &gradient, size_t number, float weight) {
  Worker &worker = workers[number];
  Executor &executor = gradient.executors[number];
  size_t firstTarget = executor.inputs() - targetBuffers.size();
  worker.loss = 0;
  for (size_t part = number; part < batchSize / partSize; part += workers.size()) {
    for (auto [i, buffer] : llvm::enumerate(inputBuffers))
      loadPart(buffer, part, executor.input(i));
    for (auto [i, buffer] : llvm::enumerate(targetBuffers))
      loadPart(buffer, part, executor.input(firstTarget + i));
    executor.run();
    worker.loss += executor.output(0).front();
    for (unsigned parameter : gradient.parameters) {
      const float *from = worker.gradient.data();
      float *to = worker.sum.data();
      bool isFirst = part == number;
      for (size_t i = block.begin(parameter); i < block.end(parameter); ++i)
        to[i] = weight * from[i] + (isFirst ? 0 : to[i]);
    }
  }
}

double TrainingNetworks::addGradient(unsigned capacity, float weight, AlignedFloats &sum) {
  Gradient &gradient = *gradients[capacity];
  size_t parts = batchSize / partSize, busy = std::min(workers.size(), parts);
  std::vector<std::thread> others;
  for (size_t worker = 1; worker < busy; ++worker)
    others.emplace_back([&, worker] { work(gradient, worker, weight / float(parts)); });
  work(gradient, 0, weight / float(parts));
  for (std::thread &other : others)
    other.join();

  double loss = 0;
  for (size_t worker = 0; worker < busy; ++worker) {
    loss += workers[worker].loss / double(parts);
    const float *from = workers[worker].sum.data();
    float *to = sum.data();
    for (unsigned parameter : gradient.parameters)
      for (size_t i = block.begin(parameter); i < block.end(parameter); ++i)
        to[i] += from[i];
  }
  return loss;
}

} // namespace nestor::learn

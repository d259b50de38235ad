//===- Divergence.cpp - How far a changed network is from itself ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Divergence.h"

#include "compiler/reference/Evaluator.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace nestor::learn {

//===----------------------------------------------------------------------===//
// Comparing outputs
//===----------------------------------------------------------------------===//

/// The logarithms of the probabilities that `scores` stand for.
static std::vector<double> logProbabilities(ArrayRef<float> scores, bool logits) {
  std::vector<double> result(scores.begin(), scores.end());
  double largest = *std::max_element(result.begin(), result.end()), sum = 0;
  for (double &value : result) {
    value = logits ? value - largest : std::log(std::max(value, 1e-12));
    sum += std::exp(value);
  }
  for (double &value : result)
    value -= std::log(sum);
  return result;
}

static size_t classOf(ArrayRef<float> scores) { return llvm::max_element(scores) - scores.begin(); }

Divergence::Divergence(std::vector<std::vector<float>> all, size_t samples)
    : reference(std::move(all)), samples(samples) {
  size_t classes = reference.front().size() / samples;
  classifier = reference.size() == 1 && classes > 1 && classes <= 100000;
  for (size_t i = 0; classifier && i < samples; ++i) {
    ArrayRef<float> scores = ArrayRef(reference.front()).slice(i * classes, classes);
    double sum = std::accumulate(scores.begin(), scores.end(), 0.);
    logits |= *llvm::min_element(scores) < 0 || std::fabs(sum - 1) > 1e-3;
  }
}

double Divergence::operator()(ArrayRef<std::vector<float>> outputs) const {
  double total = 0;
  if (classifier) {
    size_t classes = reference.front().size() / samples;
    for (size_t i = 0; i < samples; ++i) {
      auto slice = [&](const std::vector<float> &all) {
        return logProbabilities(ArrayRef(all).slice(i * classes, classes), logits);
      };
      std::vector<double> want = slice(reference.front()), have = slice(outputs.front());
      for (size_t c = 0; c < classes; ++c)
        total += std::exp(want[c]) * (want[c] - have[c]);
    }
    return total / samples;
  }
  for (auto [want, have] : llvm::zip_equal(reference, outputs)) {
    double mean = std::accumulate(want.begin(), want.end(), 0.) / want.size();
    double error = 0, variance = 1e-30;
    for (auto [a, b] : llvm::zip_equal(want, have)) {
      error += (a - b) * (a - b);
      variance += (a - mean) * (a - mean);
    }
    total += error / variance / reference.size();
  }
  return total;
}

double Divergence::agreement(ArrayRef<std::vector<float>> outputs) const {
  size_t classes = reference.front().size() / samples, same = 0;
  for (size_t i = 0; i < samples; ++i)
    same += classOf(ArrayRef(reference.front()).slice(i * classes, classes)) ==
            classOf(ArrayRef(outputs.front()).slice(i * classes, classes));
  return double(same) / samples;
}

//===----------------------------------------------------------------------===//
// Networks with exchangeable values
//===----------------------------------------------------------------------===//

static std::vector<float> floatsOf(Value constant) {
  auto tensor =
      reference::TensorValue::fromAttr(constant.getDefiningOp<nest::ConstOp>().getValue());
  ArrayRef<float> floats = std::as_const(tensor).as<float>();
  return {floats.begin(), floats.end()};
}

/// Gives `conv` a bias of zeros if it has none.
static void ensureBias(nest::ConvOp conv) {
  if (conv.getBias())
    return;
  OpBuilder builder(conv);
  int64_t outputs = cast<RankedTensorType>(conv.getType()).getShape().back();
  auto type = RankedTensorType::get({outputs}, builder.getF32Type());
  conv.getBiasMutable().assign(
      nest::ConstOp::create(builder, conv.getLoc(), reference::TensorValue::zeros(type).toAttr()));
}

/// Makes `operand` a new argument of `func`.
static void makeArgument(func::FuncOp func, OpOperand &operand) {
  unsigned number = func.getNumArguments();
  (void)func.insertArgument(number, operand.get().getType(), {}, func.getLoc());
  operand.set(func.getArgument(number));
}

/// What `withBatch` neither adds nor leaves out.
static SmallVector<Operation *> weightedOf(func::FuncOp func) {
  SmallVector<Operation *> list;
  func.walk([&](Operation *op) {
    if (isa<nest::ConvOp, nest::LstmOp, nest::GruOp, nest::RnnOp>(op))
      list.push_back(op);
  });
  return list;
}

llvm::Expected<Trial> Trial::create(func::FuncOp func, ArrayRef<nest::ConvOp> convs,
                                    ArrayRef<Operation *> layers, const Dataset &data,
                                    unsigned threads) {
  constexpr int64_t batch = 16;
  std::string reason;
  OwningOpRef<func::FuncOp> copy = withBatch(func, batch, reason);
  bool isBatched = bool(copy);
  if (!copy)
    copy = func.clone();
  SmallVector<Operation *> originals = weightedOf(func), copies = weightedOf(*copy);
  auto twinOf = [&](Operation *op) {
    return copies[llvm::find(originals, op) - originals.begin()];
  };
  std::vector<std::vector<float>> values;
  auto exchange = [&](OpOperand &operand) {
    values.push_back(floatsOf(operand.get()));
    makeArgument(*copy, operand);
  };
  for (nest::ConvOp conv : convs) {
    auto twin = cast<nest::ConvOp>(twinOf(conv));
    ensureBias(twin);
    exchange(twin.getFilterMutable());
    exchange(*twin.getBiasMutable().begin());
  }
  std::vector<size_t> firstOf{values.size()};
  for (Operation *layer : layers) {
    RecurrentOperands twin = *RecurrentOperands::of(twinOf(layer));
    exchange(*twin.weights);
    exchange(*twin.recurrence);
    if (twin.bias && isConstant(twin.bias->get()))
      exchange(*twin.bias);
    firstOf.push_back(values.size());
  }
  llvm::Expected<Executor> executor = Executor::compile(*copy, threads);
  if (!executor)
    return executor.takeError();

  Trial trial(std::move(*executor));
  trial.inputs = func.getNumArguments();
  trial.samples = data.size();
  trial.batch = isBatched ? batch : 1;
  trial.values = trial.originals = std::move(values);
  trial.firstOf = std::move(firstOf);
  for (size_t i = 0; i < trial.inputs; ++i) {
    size_t size = trial.executor.input(i).size() / trial.batch;
    std::vector<float> &all = trial.data.emplace_back(size * data.size());
    for (size_t sample = 0; sample < data.size(); ++sample)
      data.copy(sample, i, llvm::MutableArrayRef(all).slice(sample * size, size));
  }
  trial.compare.emplace(trial.run(), trial.samples);
  return trial;
}

std::vector<std::vector<float>> Trial::run() {
  for (auto [i, value] : llvm::enumerate(values))
    llvm::copy(value, executor.input(inputs + i).begin());
  std::vector<std::vector<float>> outputs(executor.outputs());
  for (size_t first = 0; first < samples; first += batch) {
    size_t here = std::min(batch, samples - first);
    for (size_t i = 0; i < inputs; ++i) {
      size_t size = executor.input(i).size() / batch;
      std::copy_n(&data[i][first * size], here * size, executor.input(i).begin());
    }
    executor.run();
    for (auto [i, output] : llvm::enumerate(outputs))
      llvm::append_range(output,
                         executor.output(i).take_front(executor.output(i).size() / batch * here));
  }
  return outputs;
}

double Trial::divergence() { return (*compare)(run()); }

} // namespace nestor::learn

//===- TrainBench.cpp - Forward and backward passes of a classifier -------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
//   nestor_train_bench MODEL.onnx BATCH THREADS IMAGES.f32 [profile]
//
// Compiles the softmax cross-entropy of the model and its gradients with
// respect to all filters and biases for a batch whose images are the floats of
// a file, labelled 0, 1, 2, .. modulo the classes. Like the trainer it takes so
// many samples at once as fit a near cache, and adds their gradients. Then
// answers each line of standard input, a number of steps, with the loss and the
// seconds of a step. `profile` prints instead where the time of a part goes.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Compile.h"
#include "compiler/ir/NestDialect.h"
#include "compiler/learn/Executor.h"
#include "compiler/learn/Gradient.h"
#include "compiler/learn/Loss.h"
#include "compiler/reference/Evaluator.h"
#include "passes/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"

#include <chrono>
#include <cstdio>
#include <map>

using namespace mlir;
using namespace nestor;
using Clock = std::chrono::steady_clock;

namespace {

[[noreturn]] void fail(const Twine &message) {
  llvm::errs() << "nestor_train_bench: " << message << "\n";
  exit(2);
}

/// Filters and biases become arguments; returns their values.
std::vector<reference::TensorValue> takeParameters(func::FuncOp func) {
  llvm::SmallVector<nest::ConstOp> constants;
  func.walk([&](nest::ConvOp conv) {
    for (Value operand : {conv.getFilter(), conv.getScale(), conv.getBias()})
      if (auto constant = operand ? operand.getDefiningOp<nest::ConstOp>() : nest::ConstOp())
        if (!llvm::is_contained(constants, constant))
          constants.push_back(constant);
  });
  std::vector<reference::TensorValue> values;
  for (nest::ConstOp constant : constants) {
    values.push_back(reference::TensorValue::fromAttr(constant.getValue()));
    unsigned index = func.getNumArguments();
    if (failed(func.insertArgument(index, constant.getType(), {}, constant.getLoc())))
      fail("cannot add an argument");
    constant.replaceAllUsesWith(func.getArgument(index));
    constant.erase();
  }
  return values;
}

/// The fastest of several runs for each call, by kernel: others may use the
/// machine too.
void printProfile(learn::Executor &executor) {
  std::vector<learn::Executor::StepTime> fastest = executor.runTimed();
  for (int run = 0; run < 25; ++run)
    for (auto [best, step] : llvm::zip_equal(fastest, executor.runTimed()))
      best.nanoseconds = std::min(best.nanoseconds, step.nanoseconds),
      best.macs = std::max(best.macs, step.macs);
  struct Sum {
    double ms = 0;
    uint64_t macs = 0;
    int calls = 0;
  };
  std::map<std::string, Sum> kernels;
  double total = 0;
  for (const auto &step : fastest) {
    Sum &sum = kernels[step.kernel];
    sum.ms += step.nanoseconds * 1e-6;
    sum.macs += step.macs, ++sum.calls;
    total += step.nanoseconds * 1e-6;
  }
  std::vector<std::pair<std::string, Sum>> rows(kernels.begin(), kernels.end());
  llvm::sort(rows, [](auto &a, auto &b) { return a.second.ms > b.second.ms; });
  std::printf("%.1f ms\n", total);
  for (auto &[name, sum] : rows)
    if (sum.ms > total * 1e-3)
      std::printf("%8.2f ms %4.1f%% %3d calls %6.1f GFLOP/s  %s\n", sum.ms, 100 * sum.ms / total,
                  sum.calls, 2e-6 * sum.macs / sum.ms, name.substr(0, 100).c_str());
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 5)
    fail("usage: nestor_train_bench MODEL.onnx BATCH THREADS IMAGES.f32 [profile]");
  int64_t batch = std::atoi(argv[2]);
  auto context = driver::createContext();
  driver::CompileOptions options;
  import::ImportResult imported = driver::importModel(argv[1], options, *context);
  if (imported.status != import::ImportStatus::Ok)
    fail(imported.message);
  PassManager manager(context.get());
  buildPreparePipeline(manager);
  if (failed(manager.run(*imported.module)))
    fail("cannot prepare the model");
  std::string reason;
  auto main = imported.module->lookupSymbol<func::FuncOp>("main");
  int64_t part = learn::samplesAtOnce(main, batch);
  auto owned = learn::withBatch(main, part, reason);
  if (!owned)
    fail("cannot change the batch: " + reason);
  func::FuncOp func = *owned;
  std::optional<int64_t> classes = learn::classesOf(func);
  if (!classes)
    fail("the model is no classifier");
  learn::returnLogits(func);
  learn::LossOptions loss;
  loss.temperature = 1;
  learn::appendLoss(func, /*classifier=*/true, loss);
  std::vector<reference::TensorValue> parameters = takeParameters(func);
  SmallVector<unsigned> wanted = llvm::to_vector(llvm::seq(2u, func.getNumArguments()));
  auto start = Clock::now();
  if (failed(learn::appendGradients(func, wanted)))
    fail("cannot differentiate the model");
  auto executor = learn::Executor::compile(func, std::atoi(argv[3]));
  if (!executor)
    fail(toString(executor.takeError()));
  std::fprintf(stderr, "compiled in %.1f s\n",
               std::chrono::duration<double>(Clock::now() - start).count());

  auto file = llvm::MemoryBuffer::getFile(argv[4]);
  size_t partFloats = executor->input(0).size(), parts = batch / part;
  if (!file || (*file)->getBufferSize() != partFloats * parts * sizeof(float))
    fail("the images need " + Twine(partFloats * parts) + " floats");
  const char *images = (*file)->getBufferStart();
  for (auto [i, value] : llvm::enumerate(parameters))
    std::memcpy(executor->input(2 + i).data(), value.bytes.data(), value.bytes.size());
  std::vector<std::vector<float>> gradients;
  for (const reference::TensorValue &value : parameters)
    gradients.emplace_back(value.size());

  auto step = [&] {
    double sum = 0;
    for (std::vector<float> &gradient : gradients)
      llvm::fill(gradient, 0);
    for (size_t at = 0; at < parts; ++at) {
      std::memcpy(executor->input(0).data(), images + at * partFloats * sizeof(float),
                  partFloats * sizeof(float));
      for (int64_t i = 0; i < part; ++i)
        for (int64_t c = 0; c < *classes; ++c)
          executor->input(1)[i * *classes + c] = (int64_t(at) * part + i) % *classes == c;
      executor->run();
      sum += executor->output(0)[0];
      for (auto [i, gradient] : llvm::enumerate(gradients))
        for (auto [total, value] : llvm::zip_equal(gradient, executor->output(1 + i)))
          total += value / float(parts);
    }
    return sum / double(parts);
  };
  step();
  if (argc > 5)
    return printProfile(*executor), 0;

  char line[64];
  while (std::fgets(line, sizeof line, stdin)) {
    int steps = std::max(1, std::atoi(line));
    double mean = 0;
    auto begin = Clock::now();
    for (int i = 0; i < steps; ++i)
      mean = step();
    double seconds = std::chrono::duration<double>(Clock::now() - begin).count() / steps;
    std::printf("%.6f %.6f\n", mean, seconds);
    std::fflush(stdout);
  }
}

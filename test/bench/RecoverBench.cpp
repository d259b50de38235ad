//===- RecoverBench.cpp - What recovery in closed form is worth -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Orders, plans, nests and recovers one model, and prints what each step took
// and what each capacity scores on other samples. For experiments; results are
// in RESULTS.md.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Compile.h"
#include "compiler/learn/LayerFit.h"
#include "compiler/learn/Patches.h"
#include "compiler/learn/Recover.h"
#include "compiler/learn/Walk.h"
#include "compiler/learn/Widths.h"
#include "passes/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;

namespace {

struct Flags {
  std::string model, data, eval, order = "obs", recover = "solve", top = "tolerance";
  std::vector<double> capacities{0.25, 0.5, 0.75, 1};
  bool macs = false, noSkips = false, noStreams = false, verbose = false, matchInside = false;
  double scale = 0, lambda = 0, ridge = 1e-3;
  std::vector<float> mean{0}, std{1};
  size_t count = 0, evalCount = 0;
  uint64_t seed = 0;
  int64_t rows = 40, leastRows = 8192;
};

double seconds() {
  static const auto start = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <typename T> T take(llvm::Expected<T> value) {
  if (value)
    return std::move(*value);
  std::fprintf(stderr, "%s\n", llvm::toString(value.takeError()).c_str());
  std::exit(1);
}

Dataset load(const std::string &path, func::FuncOp main, const Flags &flags) {
  support::NpzArchive archive;
  if (std::string error = support::readNpz(path, archive); !error.empty()) {
    std::fprintf(stderr, "%s\n", error.c_str());
    std::exit(2);
  }
  std::vector<SampleShape> inputs;
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    auto type = cast<RankedTensorType>(main.getArgumentTypes()[i]);
    inputs.push_back({"x", SmallVector<int64_t>(type.getShape().drop_front())});
  }
  auto result = cast<RankedTensorType>(main.getResultTypes()[0]);
  std::optional<Normalization> normalization;
  if (flags.scale)
    normalization = Normalization{float(flags.scale), flags.mean, flags.std};
  return take(Dataset::fromNpz(archive, inputs, result.getShape().back(), normalization));
}

/// The class of every sample.
std::vector<size_t> classify(func::FuncOp func, const Dataset &data) {
  Walk walk(func, data, 2);
  Value result = func.front().getTerminator()->getOperand(0);
  size_t classes = elementsOf(result);
  std::vector<size_t> found;
  llvm::Error error = walk.run(result, [&](size_t, size_t count, ArrayRef<const float *> values) {
    for (size_t i = 0; i < count; ++i) {
      ArrayRef<float> scores(values[0] + i * classes, classes);
      found.push_back(llvm::max_element(scores) - scores.begin());
    }
  });
  if (error)
    take(llvm::Expected<int>(std::move(error)));
  return found;
}

OrderMethod orderOf(const std::string &name) {
  return name == "l1"    ? OrderMethod::L1
         : name == "act" ? OrderMethod::Activation
         : name == "trr" ? OrderMethod::Trr
                         : OrderMethod::Obs;
}

void score(ModuleOp module, const std::vector<size_t> &original, const Dataset &eval) {
  for (func::FuncOp func : nest::capacityFunctions(module)) {
    std::vector<size_t> classes = classify(func, eval);
    size_t right = 0, same = 0;
    for (size_t i = 0; i < classes.size(); ++i) {
      right += eval.labelled() && int64_t(classes[i]) == eval.label(i);
      same += classes[i] == original[i];
    }
    std::printf("  %s %.2f(%.1f)", func.getName().str().c_str(), 100. * right / eval.size(),
                100. * same / eval.size());
  }
  std::printf("  [%.1fs]\n", seconds());
  std::fflush(stdout);
}

int run(const Flags &flags) {
  auto context = driver::createContext();
  driver::CompileOptions compile;
  compile.stopAt = driver::Stage::Import;
  driver::CompileResult result = driver::compileFile(flags.model, compile, *context);
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.message.c_str());
    return 3;
  }
  OwningOpRef<ModuleOp> module = std::move(result.module);
  PassManager manager(context.get());
  buildPreparePipeline(manager);
  if (failed(manager.run(*module)))
    return 5;
  auto main = module->lookupSymbol<func::FuncOp>("main");

  NestOptions options;
  Dataset data = load(flags.data, main, flags);
  if (flags.count)
    data = chooseSamples(data, flags.count, 99);
  Dataset eval = load(flags.eval, main, flags);
  if (flags.evalCount)
    eval = chooseSamples(eval, flags.evalCount, 98);
  options.data = &data;
  options.capacities = flags.capacities;
  options.order = orderOf(flags.order);
  options.budget = flags.macs ? Budget::Macs : Budget::Latency;
  options.top = flags.top == "exact"  ? TopRule::Exact
                : flags.top == "free" ? TopRule::Free
                                      : TopRule::Tolerance;
  options.allowSkips = !flags.noSkips;
  options.seed = flags.seed;
  options.log = [](const std::string &line) { std::printf("  log: %s\n", line.c_str()); };

  std::vector<size_t> original = classify(main, eval);
  seconds();
  ChannelGroups groups(main);
  Importance importance = take(orderChannels(main, groups, options));
  std::printf("ordered %zu groups [%.1fs]\n", groups.groups().size(), seconds());
  if (flags.verbose)
    for (auto [i, group] : llvm::enumerate(groups.groups())) {
      std::printf("  %s%s %lld:", group.name.c_str(), group.stream ? " (stream)" : "",
                  (long long)group.channels);
      for (int64_t c = 0; c <= group.channels; c += std::max<int64_t>(1, group.channels / 8))
        std::printf(" %.4f", importance.curve[i][c]);
      std::printf("\n");
    }
  permuteChannels(main, groups, importance.order);
  ChannelGroups ordered(main);
  if (flags.noStreams)
    for (auto [i, group] : llvm::enumerate(ordered.groups()))
      for (int64_t c = 0; group.stream && c < group.channels; ++c)
        importance.curve[i][c] = 1e9;
  CapacityPlan plan = planWidths(main, ordered, importance, options);
  for (auto [widths, skipped] : llvm::zip(plan.widths, plan.skipped)) {
    std::printf("  widths");
    for (int64_t width : widths)
      std::printf(" %lld", (long long)width);
    std::printf("  skips %zu  macs %.4f\n", skipped.size(),
                double(macsAt(main, ordered, widths, skipped)) /
                    double(macsAt(main, ordered, plan.widths.back(), {})));
  }
  std::printf("planned [%.1fs]\n", seconds());
  sortByCapacity(main, ordered, plan);
  OwningOpRef<ModuleOp> teacher = module->clone();
  if (failed(nestCapacities(*module, ChannelGroups(main), plan)))
    return 5;
  std::printf("nested [%.1fs]\n", seconds());
  score(*module, original, eval);
  double before = seconds();
  if (flags.lambda > 0) {
    ParameterSet set(*module);
    NestedLayers layers(*module, *teacher, set);
    FitOptions fit;
    fit.solveFilters = fit.touchTop = true;
    fit.topWeight = flags.lambda;
    fit.ridge = flags.ridge;
    fit.matchInside = flags.matchInside;
    fit.rowsPerFeature = flags.rows;
    fit.leastRows = flags.leastRows;
    std::vector<std::string> notes;
    if (llvm::Error error = fitLayers(layers, set, data, fit, notes))
      take(llvm::Expected<int>(std::move(error)));
    set.writeBack();
  } else {
    Recovery recovery = take(flags.recover == "affine" ? recoverAffine(*module, *teacher, options)
                                                       : recoverSolve(*module, *teacher, options));
    for (const std::string &note : recovery.notes)
      std::printf("  note: %s\n", note.c_str());
  }
  std::printf("recovered in %.1fs\n", seconds() - before);
  score(*module, original, eval);
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  Flags flags;
  CLI::App app("Orders, plans, nests and recovers a model, and scores every capacity");
  app.add_option("model", flags.model)->required();
  app.add_option("--data", flags.data)->required();
  app.add_option("--eval", flags.eval)->required();
  app.add_option("--order", flags.order, "obs, l1, act, trr");
  app.add_option("--recover", flags.recover, "affine, solve");
  app.add_option("--top", flags.top, "exact, tolerance, free");
  app.add_option("--capacities", flags.capacities)->delimiter(',');
  app.add_option("--scale", flags.scale);
  app.add_option("--mean", flags.mean)->delimiter(',');
  app.add_option("--std", flags.std)->delimiter(',');
  app.add_option("--count", flags.count, "samples of --data");
  app.add_option("--eval-count", flags.evalCount, "samples of --eval");
  app.add_option("--seed", flags.seed);
  app.add_option("--lambda", flags.lambda, "solve once with this weight on the full capacity");
  app.add_option("--ridge", flags.ridge);
  app.add_option("--rows", flags.rows, "of statistics for each feature");
  app.add_option("--least-rows", flags.leastRows);
  app.add_flag("--match-inside", flags.matchInside);
  app.add_flag("--macs", flags.macs, "widths by MACs alone");
  app.add_flag("--no-skips", flags.noSkips);
  app.add_flag("--no-streams", flags.noStreams, "streams stay wide");
  app.add_flag("-v,--verbose", flags.verbose, "print the curves");
  CLI11_PARSE(app, argc, argv);
  return run(flags);
}

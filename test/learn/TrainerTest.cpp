//===- TrainerTest.cpp - Small networks learn -----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "LearnTest.h"

#include "compiler/learn/Parameters.h"
#include "compiler/learn/Recover.h"
#include "compiler/learn/StepUnits.h"
#include "compiler/learn/Trainer.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

#include <map>
#include <numeric>

using namespace mlir;
using namespace nestor::learn;

namespace nestor::test {
namespace {

constexpr int kClasses = 4, kChannels = 8;
const std::vector<int> kWidths{3, 8};

/// A network of two convolutions over [1,6,6,1], with a tanh between, so that
/// classes are equally frequent; its filters are as `filter(name, shape)` writes
/// them.
template <typename Filter>
std::string networkText(const std::string &name, int width, bool isPrivate, bool classifier,
                        Filter filter) {
  auto conv = [&](const char *result, const char *input, const char *weight, int kernel, int inputs,
                  int outputs, int extent) {
    std::string vectors, types;
    if (isPrivate) {
      vectors = llvm::formatv(" scale %s{0} bias %b{0}", result);
      types = llvm::formatv(", tensor<{0}xf32>, tensor<{0}xf32>", outputs);
    }
    std::string text;
    if (isPrivate)
      text = llvm::formatv("  %s{0} = nest.const dense<1.0> : tensor<{1}xf32>\n"
                           "  %b{0} = nest.const dense<0.0> : tensor<{1}xf32>\n",
                           result, outputs);
    int pad = kernel / 2;
    text +=
        llvm::formatv("  %{0} = nest.conv %{1}, %{2}{3} {{kernel = array<i64: {4}, {4}>, "
                      "strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, "
                      "padBegin = array<i64: {5}, {5}>, padEnd = array<i64: {5}, {5}>, "
                      "groups = 1 : i64} : (tensor<1x{6}x{6}x{7}xf32>, "
                      "tensor<{4}x{4}x{7}x{8}xf32>{9}) -> tensor<1x{6}x{6}x{8}xf32>\n",
                      result, input, weight, vectors, kernel, pad, extent, inputs, outputs, types);
    return text;
  };
  std::string maps = llvm::formatv("tensor<1x6x6x{0}xf32>", width);
  std::string text = "func.func @" + name + "(%x: tensor<1x6x6x1xf32>) -> ";
  text += classifier ? "tensor<1x4xf32> {\n" : "tensor<1x2x2xf32> {\n";
  text += "  %wa = " + filter("a", llvm::formatv("3x3x1x{0}", width).str());
  text += "  %wb = " + filter("b", llvm::formatv("1x1x{0}x4", width).str());
  text += conv("h", "x", "wa", 3, 1, width, 6);
  text += "  %r = nest.map %h : " + maps + " -> " + maps +
          " {\n  ^bb0(%v: f32):\n    %t = math.tanh %v : f32\n    nest.yield %t : f32\n  }\n";
  text += llvm::formatv("  %p = nest.reduce %r {{kind = #nest.reduce_kind<mean>, "
                        "axes = array<i64: 1, 2>} : ({0}) -> tensor<1x1x1x{1}xf32>\n",
                        maps, width);
  text += conv("y", "p", "wb", 1, width, kClasses, 1);
  std::string type = classifier ? "tensor<1x4xf32>" : "tensor<1x2x2xf32>";
  return text + "  %z = nest.reshape %y : (tensor<1x1x1x4xf32>) -> " + type +
         "\n  return %z : " + type + "\n}\n";
}

std::string blobOf(const std::vector<float> &values) {
  llvm::StringRef bytes(reinterpret_cast<const char *>(values.data()), values.size() * 4);
  return "\"0x04000000" + llvm::toHex(bytes) + "\"";
}

class TrainerTest : public LearnTest {
protected:
  TrainerTest() {
    first = draw(9 * kChannels);
    second = draw(kChannels * kClasses);
    for (float &value : second)
      value *= 20; // Means over an image are small.
    setData(400, /*labelled=*/false);
    options.recover = RecoverLevel::Distill;
    options.top = TopRule::Free;
    options.seed = 3;
    options.train.steps = {60};
    options.train.learningRate = 0.01;
  }

  std::string resources() const {
    return "{-# dialect_resources: { builtin: { a: " + blobOf(first) + ", b: " + blobOf(second) +
           " } } #-}\n";
  }
  OwningOpRef<ModuleOp> makeTeacher() {
    auto constant = [](std::string name, std::string shape) {
      return "nest.const dense_resource<" + name + "> : tensor<" + shape + "xf32>\n";
    };
    return parse(networkText("main", kChannels, false, classifier, constant) + resources());
  }
  OwningOpRef<ModuleOp> makeNested() {
    std::string text = "nest.global @a = dense_resource<a> : tensor<3x3x1x8xf32> "
                       "edges [[], [], [], [array<i64: 3, 8>]]\n"
                       "nest.global @b = dense_resource<b> : tensor<1x1x8x4xf32> "
                       "edges [[], [], [array<i64: 3, 8>], []]\n";
    for (size_t k = 0; k < kWidths.size(); ++k) {
      auto weight = [&](std::string name, std::string shape) {
        return llvm::formatv("nest.weight @{0} at {1} : tensor<{2}xf32>\n", name, k, shape).str();
      };
      std::string name = k + 1 < kWidths.size() ? "capacity_" + std::to_string(k) : "main";
      text += networkText(name, kWidths[k], true, classifier, weight);
    }
    return parse(text + resources());
  }

  /// Random images; labels are what the teacher says.
  void setData(int64_t count, bool labelled, float size = 1) {
    std::vector<float> images = draw(count * 36);
    for (float &value : images)
      value *= size;
    support::NpyArray x{"f4", {count, 6, 6, 1}, {}}, y{"i8", {count}, {}};
    x.data.assign(reinterpret_cast<uint8_t *>(images.data()),
                  reinterpret_cast<uint8_t *>(images.data() + images.size()));
    support::NpzArchive archive{{"x", x}};
    if (labelled) {
      auto teacher = makeTeacher();
      for (int64_t i = 0; i < count; ++i) {
        std::vector<float> scores =
            evaluate(*teacher->getOps<func::FuncOp>().begin(),
                     {{images.begin() + i * 36, images.begin() + (i + 1) * 36}});
        int64_t label = std::max_element(scores.begin(), scores.end()) - scores.begin();
        auto *bytes = reinterpret_cast<uint8_t *>(&label);
        y.data.insert(y.data.end(), bytes, bytes + sizeof label);
      }
      archive.push_back({"y", y});
    }
    SampleShape shape{"x", {6, 6, 1}};
    data.emplace(llvm::cantFail(Dataset::fromNpz(archive, shape, kClasses, std::nullopt)));
    options.data = &*data;
  }

  using Values = std::vector<std::vector<float>>;
  static Values valuesOf(ModuleOp module) {
    ParameterSet set(module);
    Values values;
    for (const Parameter &parameter : set.parameters())
      values.push_back(parameter.value);
    return values;
  }

  using Level = decltype(recoverDistill);
  /// Trains a new nested module; its parameters are in `trained` afterwards.
  Recovery train(Level level = recoverDistill) {
    auto nested = makeNested(), teacher = makeTeacher();
    initial = valuesOf(*nested);
    auto recovery = level(*nested, *teacher, options);
    trained = valuesOf(*nested);
    error = recovery ? "" : llvm::toString(recovery.takeError());
    EXPECT_TRUE(succeeded(verify(*nested)));
    return error.empty() ? std::move(*recovery) : Recovery();
  }

  /// Ctrl-C after so many steps of a stage.
  void stopAfter(int64_t steps, std::string stage = "distilling") {
    stop = false;
    options.stop = &stop;
    options.progress = [=, this](const Progress &progress) {
      if (progress.stage == stage && progress.step >= steps)
        stop = true;
    };
  }

  std::vector<float> first, second; ///< Filters.
  bool classifier = true;
  std::optional<Dataset> data;
  NestOptions options;
  std::atomic<bool> stop{false};
  Values initial, trained;
  std::string error;
};

/// What each capacity weighs in a step, over many of them.
static std::map<unsigned, double> meanWeights(llvm::ArrayRef<unsigned> all, int64_t steps) {
  std::map<unsigned, double> sum;
  for (int64_t step = 0; step < steps; ++step)
    for (const Turn &turn : sandwich(all, step))
      sum[turn.capacity] += turn.weight / double(steps);
  return sum;
}

TEST(SandwichTest, AllHaveTheirTurnAndWeight) {
  using Weights = std::map<unsigned, double>;
  EXPECT_EQ(meanWeights({2}, 8), (Weights{{2, 1}}));
  EXPECT_EQ(meanWeights({0, 2}, 8), (Weights{{0, 1}, {2, 1}}));
  EXPECT_EQ(meanWeights({0, 1, 2}, 8), (Weights{{0, 1}, {1, 1}, {2, 1}}));
  EXPECT_EQ(meanWeights({0, 1, 2, 3}, 8), (Weights{{0, 1}, {1, 1.5}, {2, 1}, {3, 1}}));
  EXPECT_EQ(meanWeights({0, 1, 2, 3, 4, 5}, 8), (Weights{{0, 1}, {1, 1.5}, {2, 1}, {3, 1}, {4, 1}, {5, 1}}));
}

TEST(SandwichTest, AStepTrainsTwoCapacitiesAndTheSmallestAlways) {
  for (int64_t step = 0; step < 9; ++step) {
    auto turns = sandwich({0, 1, 2, 3}, step);
    ASSERT_EQ(turns.size(), 2u);
    EXPECT_EQ(turns.front().capacity, 0u);
    EXPECT_EQ(turns.back().capacity == 1, step % 2 == 0);
  }
}

TEST_F(TrainerTest, TheRateSuitsTheNetwork) {
  options.train.steps = {600}; // Fewer are not worth trials.
  options.train.learningRate = 0;
  auto chosenRate = [&] {
    std::string log;
    options.log = [&](const std::string &line) { log += line + "\n"; };
    train();
    EXPECT_EQ(error, "");
    double rate = 0;
    llvm::StringRef text = llvm::StringRef(log).split("--learning-rate ").second;
    EXPECT_FALSE(text.split(' ').first.getAsDouble(rate)) << log;
    return rate;
  };
  double usual = chosenRate();
  EXPECT_LE(usual, 1e-2);
  // The same results from much smaller filters.
  constexpr float size = 1e3f;
  setData(400, /*labelled=*/false, size);
  for (float &value : first)
    value /= size;
  EXPECT_EQ(chosenRate(), usual);
  // The small capacity has all that counts: there is nothing to gain.
  std::fill(second.begin() + kWidths.front() * kClasses, second.end(), 0.f);
  EXPECT_LT(chosenRate(), usual);
}

TEST_F(TrainerTest, NormalizedLayersLearnToo) {
  options.train.steps = {100};
  options.train.batchNorm = true;
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_GT(recovery.history.back().scores.front(), recovery.history.front().scores.front());
  Values normalized = trained;
  options.train.batchNorm = false;
  train();
  EXPECT_NE(normalized, trained);
}

TEST_F(TrainerTest, SmallerCapacitiesLearnFromTheTeacher) {
  options.train.steps = {300};
  std::vector<double> losses;
  options.progress = [&](const Progress &progress) {
    if (progress.stage == "distilling")
      losses.push_back(progress.loss);
  };
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_EQ(recovery.steps, 300);
  EXPECT_EQ(recovery.samples, 400u);
  EXPECT_TRUE(recovery.topChanged);
  const Progress &before = recovery.history.front(), &after = recovery.history.back();
  ASSERT_EQ(before.scores.size(), 2u);
  EXPECT_EQ(before.scores[1], 1);
  EXPECT_GT(after.scores[0], before.scores[0] + 0.1);
  EXPECT_GT(after.scores[1], 0.9);
  ASSERT_EQ(losses.size(), 300u);
  EXPECT_LT(losses.back(), losses.front());
}

TEST_F(TrainerTest, LabelsAreUsedAndScored) {
  setData(400, /*labelled=*/true);
  options.train.steps = {200};
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_EQ(recovery.history.front().scores[1], 1);
  EXPECT_GT(recovery.history.back().scores[0], recovery.history.front().scores[0] + 0.1);
}

TEST_F(TrainerTest, NetworksWithoutClassesLearnTheirResults) {
  classifier = false;
  options.train.steps = {300};
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_GT(recovery.history.back().scores[0], recovery.history.front().scores[0] + 0.1);
}

/// A step is a share of what belongs together, or of the tensor where that is 0.
TEST_F(TrainerTest, UnitsAreThoseOfEachOutput) {
  for (size_t i = 0; i < 9; ++i)
    first[i * kChannels] = 3, first[i * kChannels + 1] = 0;
  auto nested = makeNested();
  ParameterSet set(*nested);
  ParameterBlock layout(set);
  AlignedFloats units = stepUnits(set, layout);
  unsigned filter = 0;
  while (set[filter].name != "a")
    ++filter;
  double sum = 0;
  for (float value : first)
    sum += double(value) * value;
  const float *own = units.data() + layout.begin(filter);
  EXPECT_FLOAT_EQ(own[0], 3);
  EXPECT_FLOAT_EQ(own[8 * kChannels], 3);
  EXPECT_NEAR(own[1], 0.1 * std::sqrt(sum / double(first.size())), 1e-5);
  for (unsigned i = 0; i < set.size(); ++i) {
    if (set[i].role == Parameter::Scale) { // Ones.
      EXPECT_FLOAT_EQ(units.data()[layout.begin(i)], 1);
    } else if (set[i].role == Parameter::Bias) { // Zeros.
      EXPECT_GT(units.data()[layout.begin(i)], 0);
    }
  }
}

TEST_F(TrainerTest, MomentumLearnsToo) {
  options.train.adam = false;
  options.train.learningRate = 0;
  options.train.steps = {300};
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_GT(recovery.history.back().scores[0], recovery.history.front().scores[0] + 0.1);
}

TEST_F(TrainerTest, ToleranceKeepsTheFullCapacity) {
  options.top = TopRule::Tolerance;
  options.train.steps = {200};
  options.train.learningRate = 0.003;
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_TRUE(recovery.topChanged); // The small capacity gains by it.
  auto nested = makeNested(), teacher = makeTeacher();
  ParameterSet set(*nested);
  for (size_t i = 0; i < set.size(); ++i)
    set[i].value = trained[i];
  set.writeBack();
  auto networks = llvm::cantFail(TrainingNetworks::compile(*nested, *teacher, 40, 2));
  EXPECT_GE(HeldOut(*data, *networks).scores()[1], 0.97);
}

/// The small capacity has all that counts, so the full one keeps its bits.
TEST_F(TrainerTest, ToleranceKeepsFiltersThatNeedNoTraining) {
  std::fill(second.begin() + kWidths.front() * kClasses, second.end(), 0.f);
  setData(400, /*labelled=*/true);
  options.top = TopRule::Tolerance;
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_FALSE(recovery.topChanged);
  EXPECT_EQ(recovery.steps, 60);
  EXPECT_NE(recovery.notes.back().find("stay as they were"), std::string::npos);
  auto nested = makeNested();
  ParameterSet set(*nested);
  for (size_t i = 0; i < set.size(); ++i) {
    if (set[i].capacity != 0) {
      EXPECT_EQ(trained[i], initial[i]) << set[i].name;
    }
  }
}

TEST_F(TrainerTest, StoppingBeforeFiltersTrainKeepsThem) {
  options.top = TopRule::Tolerance;
  stopAfter(5, "distilling scales and biases");
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_EQ(recovery.steps, 5);
  EXPECT_FALSE(recovery.topChanged);
  EXPECT_EQ(recovery.notes.back().find("stay as they were"), std::string::npos);
}

TEST_F(TrainerTest, StepsOfEachStage) {
  options.top = TopRule::Tolerance;
  options.train.steps = {7, 20};
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_EQ(recovery.steps, 27);
  EXPECT_NE(recovery.notes.front().find("--steps 7,20 "), std::string::npos);
  options.train.steps = {1}; // Not enough for both.
  recovery = train();
  EXPECT_EQ(recovery.steps, 1);
  EXPECT_NE(recovery.notes.front().find("--steps 1 "), std::string::npos);
  options.train.steps = {7, 20, 3};
  train();
  EXPECT_EQ(error, "--steps: 3 numbers, but this training has 2 stages");
}

TEST_F(TrainerTest, SameSeedSameBytes) {
  train();
  Values once = trained;
  EXPECT_NE(once, initial);
  train();
  EXPECT_EQ(trained, once);
  options.seed = 4;
  train();
  EXPECT_NE(trained, once);
}

/// Few samples: from the first step of the cosine on, the mean of the values.
TEST_F(TrainerTest, AMeanOfLateStepsIsKept) {
  options.train.steps = {60};
  std::map<int64_t, std::vector<float>> last, kept; // By step.
  for (int64_t steps : {19, 21, 22}) {
    auto nested = makeNested(), teacher = makeTeacher();
    stopAfter(steps);
    auto trainer = llvm::cantFail(Trainer::create(*nested, *teacher, options));
    TrainingNetworks &networks = trainer->networks();
    std::vector<bool> all(networks.parameters().size(), true);
    TrainingStage stage{"distilling", {0, 1}, all, {}, {}};
    llvm::cantFail(trainer->run(stage, /*keepLast=*/true));
    ParameterSet set(*nested);
    AlignedFloats written = networks.layout().read(set);
    last[steps] = ArrayRef<float>(networks.values()).vec();
    kept[steps] = ArrayRef<float>(written).vec();
  }
  EXPECT_EQ(kept[19], last[19]);
  EXPECT_EQ(kept[21], last[21]);
  EXPECT_NE(last[22], last[21]);
  for (size_t i = 0; i < kept[22].size(); ++i)
    EXPECT_NEAR(kept[22][i], (last[21][i] + last[22][i]) / 2, 1e-6) << i;
}

TEST_F(TrainerTest, ResumesBitByBit) {
  train();
  Values whole = trained;
  llvm::SmallString<128> directory;
  ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("nestor", directory));
  options.train.checkpoint = directory.str();
  for (int64_t steps : {13, 45}) { // Before and after the first scores.
    stopAfter(steps);
    EXPECT_EQ(train().steps, steps);
  }
  stopAfter(1000);
  EXPECT_EQ(train().steps, 60);
  EXPECT_EQ(trained, whole);
  options.seed = 4;
  train();
  EXPECT_NE(error.find("another model"), std::string::npos) << error;
  EXPECT_EQ(trained, initial);
  llvm::sys::fs::remove_directories(directory);
}

TEST_F(TrainerTest, ResumesInEitherStage) {
  options.top = TopRule::Tolerance; // 15 and 45 steps.
  train();
  Values whole = trained;
  llvm::SmallString<128> directory;
  ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("nestor", directory));
  options.train.checkpoint = directory.str();
  stopAfter(12, "distilling scales and biases");
  EXPECT_EQ(train().steps, 12);
  stopAfter(30);
  EXPECT_EQ(train().steps, 45);
  stopAfter(1000);
  EXPECT_EQ(train().steps, 60);
  EXPECT_EQ(trained, whole);
  llvm::sys::fs::remove_directories(directory);
}

TEST_F(TrainerTest, StoppingKeepsTheBestSoFar) {
  options.train.steps = {1000};
  stopAfter(100);
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_EQ(recovery.steps, 100);
  EXPECT_NE(trained, initial);
  EXPECT_NE(recovery.notes.front().find("stopped early, the best so far is kept"),
            std::string::npos);
}

TEST_F(TrainerTest, ExactLeavesTheFullCapacity) {
  options.top = TopRule::Exact;
  Recovery recovery = train();
  ASSERT_EQ(error, "");
  EXPECT_FALSE(recovery.topChanged);
  auto nested = makeNested();
  ParameterSet set(*nested);
  bool changed[2] = {};
  for (size_t i = 0; i < set.size(); ++i) {
    if (set[i].capacity == -1)
      EXPECT_EQ(trained[i], initial[i]) << set[i].name;
    else
      changed[set[i].capacity] |= trained[i] != initial[i];
  }
  EXPECT_TRUE(changed[0]);
  EXPECT_FALSE(changed[1]);
  EXPECT_NE(recovery.notes.back().find("--top exact"), std::string::npos);
}

TEST_F(TrainerTest, EndsInTimeAndRepeatsBySteps) {
  for (TopRule rule : {TopRule::Free, TopRule::Tolerance}) { // One stage, two stages.
    options.top = rule;
    options.train.steps.clear();
    options.train.minutes = 0.15;
    Recovery recovery = train();
    ASSERT_EQ(error, "");
    ASSERT_GT(recovery.steps, 0);
    Values timed = trained;
    StringRef summary = recovery.notes.front();
    // Whether a busy machine cut the plan short or not, the note says so.
    if (summary.contains("time ended")) {
      EXPECT_FALSE(summary.contains("repeats them"));
      continue;
    }
    SmallVector<StringRef> numbers;
    summary.split("--steps ").second.split(' ').first.split(numbers, ',');
    EXPECT_EQ(numbers.size(), rule == TopRule::Free ? 1u : 2u) << summary.str();
    options.train.minutes = 0;
    for (StringRef number : numbers)
      options.train.steps.push_back(std::atoll(number.str().c_str()));
    EXPECT_EQ(std::accumulate(options.train.steps.begin(), options.train.steps.end(), int64_t(0)),
              recovery.steps);
    train();
    EXPECT_EQ(trained, timed);
  }
}

TEST_F(TrainerTest, TooLittleTimeIsAnError) {
  options.train.steps.clear();
  options.train.minutes = 1e-6;
  train();
  EXPECT_NE(error.find("too short to make a step"), std::string::npos) << error;
  EXPECT_EQ(trained, initial);
}

TEST_F(TrainerTest, FreezeAndGrowFreezesWhatSmallerCapacitiesRead) {
  train(recoverFreezeGrow);
  EXPECT_EQ(error, "");
  Values grown = trained;
  stopAfter(1, "growing capacity 2");
  train(recoverFreezeGrow);
  auto nested = makeNested();
  ParameterSet set(*nested);
  for (size_t i = 0; i < set.size(); ++i) {
    if (set[i].capacity == 0) {
      EXPECT_EQ(grown[i], trained[i]);
    }
    if (set[i].name != "a")
      continue;
    for (size_t element = 0; element < grown[i].size(); ++element) {
      bool seed = element % kChannels < 3; // The output channel.
      EXPECT_EQ(grown[i][element] == trained[i][element], seed) << element;
      EXPECT_NE(grown[i][element], initial[i][element]) << element;
    }
  }
  options.top = TopRule::Tolerance;
  train(recoverFreezeGrow);
  EXPECT_NE(error.find("--top free"), std::string::npos) << error;
}

} // namespace
} // namespace nestor::test

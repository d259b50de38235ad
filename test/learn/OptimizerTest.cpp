//===- OptimizerTest.cpp - Steps, rates and checkpoints -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Batches.h"
#include "compiler/learn/Checkpoint.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

#include <cmath>
#include <set>

using namespace nestor::learn;

namespace {

AlignedFloats floats(const std::vector<float> &values) {
  AlignedFloats result(values.size());
  llvm::copy(values, result.data());
  return result;
}

AlignedFloats ones(size_t size) { return floats(std::vector<float>(size, 1)); }

std::vector<float> listOf(const AlignedFloats &values) {
  return {values.data(), values.data() + values.size()};
}

/// Two steps worked out by hand.
TEST(OptimizerTest, NesterovMomentum) {
  OptimizerOptions options;
  options.adam = false;
  options.weightDecay = 0.5;
  Optimizer optimizer({{0, 1, true}, {2, 3, false}}, options, ones(3));
  OptimizerState state = optimizer.start(3);
  AlignedFloats values = floats({1, 7, 1}), gradients = floats({1, 5, 1});
  optimizer.step(state, values, gradients, 0.1);
  // Gradient 1.5 with decay: moment 1.5, step 0.1 * (1.5 + 0.9 * 1.5).
  EXPECT_FLOAT_EQ(values.data()[0], 1 - 0.1f * 2.85f);
  EXPECT_EQ(values.data()[1], 7);
  EXPECT_FLOAT_EQ(values.data()[2], 1 - 0.1f * 1.9f);
  optimizer.step(state, values, gradients, 0.1);
  EXPECT_FLOAT_EQ(values.data()[2], 1 - 0.1f * 1.9f - 0.1f * (1 + 0.9f * 1.9f));
}

TEST(OptimizerTest, AdamW) {
  OptimizerOptions options;
  options.weightDecay = 0.5;
  Optimizer optimizer({{0, 1, true}, {1, 3, false}}, options, ones(3));
  OptimizerState state = optimizer.start(3);
  AlignedFloats values = floats({1, 1, 1}), gradients = floats({4, -0.25f, 0});
  optimizer.step(state, values, gradients, 0.1);
  // The first step is the rate, whatever the gradient's size; decay is apart.
  EXPECT_NEAR(values.data()[0], 1 - 0.1 * 0.5 - 0.1, 1e-6);
  EXPECT_NEAR(values.data()[1], 1 + 0.1, 1e-6);
  EXPECT_EQ(values.data()[2], 1);
}

TEST(OptimizerTest, DecaysTowardsTheCenter) {
  for (bool adam : {true, false}) {
    OptimizerOptions options;
    options.adam = adam;
    options.weightDecay = 0.5;
    Optimizer optimizer({{0, 2, true}, {2, 3, false}}, options, ones(3), floats({3, 1, 5}));
    OptimizerState state = optimizer.start(3);
    AlignedFloats values = floats({1, 1, 1}), gradients(3);
    optimizer.step(state, values, gradients, 0.1);
    // Of the way of 2 a share of 0.05, which momentum doubles almost.
    EXPECT_NEAR(values.data()[0], 1 + (adam ? 0.1 : 0.19), 1e-6);
    EXPECT_EQ(values.data()[1], 1);
    EXPECT_EQ(values.data()[2], 1);
  }
}

TEST(OptimizerTest, ClipsTheNormOfAllGradients) {
  OptimizerOptions options;
  options.adam = false;
  options.clip = 1;
  Optimizer optimizer({{0, 1, false}, {16, 17, false}}, options, ones(17));
  OptimizerState state = optimizer.start(17);
  AlignedFloats values(17), gradients(17);
  gradients.data()[0] = 3;
  gradients.data()[16] = -4;
  EXPECT_DOUBLE_EQ(optimizer.step(state, values, gradients, 1), 5);
  EXPECT_FLOAT_EQ(gradients.data()[0], 0.6f);
  EXPECT_FLOAT_EQ(gradients.data()[16], -0.8f);
}

/// A value in other units takes the same steps, in these units.
TEST(OptimizerTest, UnitsScaleSteps) {
  for (bool adam : {false, true}) {
    OptimizerOptions options;
    options.adam = adam;
    options.weightDecay = 0.25;
    Optimizer optimizer({{0, 2, true}}, options, floats({1, 16}));
    OptimizerState state = optimizer.start(2);
    AlignedFloats values = floats({1, 16}), gradients(2);
    for (int step = 0; step < 3; ++step) {
      gradients.data()[0] = 0.5f;
      gradients.data()[1] = 0.5f / 16;
      optimizer.step(state, values, gradients, 0.125);
      EXPECT_FLOAT_EQ(values.data()[1], 16 * values.data()[0]);
    }
    EXPECT_LT(values.data()[0], 1);
  }
}

TEST(OptimizerTest, FindsAMinimum) {
  for (bool adam : {false, true}) {
    OptimizerOptions options;
    options.adam = adam;
    Optimizer optimizer({{0, 2, false}}, options, ones(2));
    OptimizerState state = optimizer.start(2);
    AlignedFloats values(2), gradients(2);
    for (int64_t step = 0; step < 300; ++step) {
      gradients.data()[0] = 2 * (values.data()[0] - 3);
      gradients.data()[1] = 20 * (values.data()[1] + 1);
      optimizer.step(state, values, gradients, 0.05 * learningRateAt(step, 300));
    }
    EXPECT_NEAR(values.data()[0], 3, 1e-2);
    EXPECT_NEAR(values.data()[1], -1, 1e-2);
  }
}

TEST(OptimizerTest, LearningRateRisesStaysAndFalls) {
  EXPECT_NEAR(learningRateAt(0, 300), 0.05, 1e-9);
  EXPECT_EQ(learningRateAt(99, 300), 1);
  EXPECT_EQ(learningRateAt(cosineStart(300), 300), 1);
  EXPECT_NEAR(learningRateAt(200, 300), 0.5, 1e-9);
  EXPECT_LT(learningRateAt(299, 300), 1e-3);
  // While the number of steps is open, the rate is that of any number.
  for (int64_t step = 0; step < 100; ++step)
    EXPECT_EQ(learningRateAt(step, 0), learningRateAt(step, 300));
}

TEST(OptimizerTest, MeansAreOfLateSteps) {
  for (int64_t step : {0, 1, 100})
    EXPECT_EQ(shareOfMean(step, 300), 0);
  EXPECT_EQ(shareOfMean(101, 300), 1);
  EXPECT_EQ(shareOfMean(102, 300), 0.5);
  EXPECT_EQ(shareOfMean(50, 0), 0); // Not decided on yet.
  // The mean of step numbers lags behind by what it looks back.
  double mean = 0;
  for (int64_t step = 1; step <= 300; ++step)
    mean += shareOfMean(step, 300) * (double(step) - mean);
  EXPECT_NEAR(mean, 300 - 0.15 * 300, 2);
}

//===----------------------------------------------------------------------===//
// Checkpoints
//===----------------------------------------------------------------------===//

class CheckpointTest : public testing::Test {
protected:
  CheckpointTest() { EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("nestor", directory)); }
  ~CheckpointTest() override { llvm::sys::fs::remove_directories(directory); }

  std::string path() const { return (directory + "/recover.ckpt").str(); }
  std::string errorOf(const Checkpoint &checkpoint) {
    auto state = checkpoint.load();
    return state ? "" : llvm::toString(state.takeError());
  }

  llvm::SmallString<128> directory;
};

TrainingState someState() {
  TrainingState state;
  state.stage = 1;
  state.step = 12;
  state.steps = 99;
  state.seconds = 1.5;
  state.values = floats({1, 2, 3});
  state.mean = floats({1, 2, 2.5f});
  state.optimizer = {floats({4, 5, 6}), floats({7, 8, 9}), 12};
  state.best = floats({0.5f});
  state.bestScores = {0.25, 0.75};
  Progress progress;
  progress.stage = "distilling";
  progress.step = 3;
  progress.scores = {0.125};
  state.history = {progress, Progress()};
  return state;
}

TEST_F(CheckpointTest, LoadsWhatWasSaved) {
  Checkpoint checkpoint(directory.str().str(), 42);
  auto none = checkpoint.load();
  ASSERT_TRUE(none && !*none);
  TrainingState saved = someState();
  ASSERT_FALSE(bool(checkpoint.save(TrainingState())));
  ASSERT_FALSE(bool(checkpoint.save(saved))); // Replaces.
  auto loaded = checkpoint.load();
  ASSERT_TRUE(loaded && *loaded);
  TrainingState &state = **loaded;
  EXPECT_EQ(state.stage, 1);
  EXPECT_EQ(state.step, 12);
  EXPECT_EQ(state.steps, 99);
  EXPECT_EQ(state.seconds, 1.5);
  EXPECT_EQ(listOf(state.values), listOf(saved.values));
  EXPECT_EQ(listOf(state.mean), listOf(saved.mean));
  EXPECT_EQ(listOf(state.optimizer.first), listOf(saved.optimizer.first));
  EXPECT_EQ(listOf(state.optimizer.second), listOf(saved.optimizer.second));
  EXPECT_EQ(state.optimizer.updates, 12);
  EXPECT_EQ(listOf(state.best), listOf(saved.best));
  EXPECT_EQ(state.bestScores, saved.bestScores);
  ASSERT_EQ(state.history.size(), 2u);
  EXPECT_EQ(state.history[0].stage, "distilling");
  EXPECT_EQ(state.history[0].step, 3);
  EXPECT_EQ(state.history[0].scores, std::vector<double>{0.125});
}

TEST_F(CheckpointTest, RefusesWhatDoesNotFit) {
  Checkpoint checkpoint(directory.str().str(), 42);
  ASSERT_FALSE(bool(checkpoint.save(someState())));
  EXPECT_NE(errorOf(Checkpoint(directory.str().str(), 43)).find("another model"),
            std::string::npos);
  auto buffer = llvm::MemoryBuffer::getFile(path());
  ASSERT_TRUE(bool(buffer));
  std::string bytes = (*buffer)->getBuffer().str();
  auto rewrite = [&](llvm::StringRef contents) {
    std::error_code code;
    llvm::raw_fd_ostream(path(), code) << contents;
  };
  rewrite("not a checkpoint, but longer than its header would be");
  EXPECT_NE(errorOf(checkpoint).find("no checkpoint"), std::string::npos);
  for (size_t size = 0; size < bytes.size(); ++size) {
    rewrite(llvm::StringRef(bytes).take_front(size));
    EXPECT_NE(errorOf(checkpoint), "") << size;
  }
  bytes.back() ^= 1;
  rewrite(bytes);
  EXPECT_NE(errorOf(checkpoint).find("damaged"), std::string::npos);
}

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

Dataset countingData(int64_t count) {
  nestor::support::NpyArray array{"f4", {count, 1}, {}};
  array.data.resize(count * sizeof(float));
  for (int64_t i = 0; i < count; ++i)
    reinterpret_cast<float *>(array.data.data())[i] = float(i);
  SampleShape shape{"x", {1}};
  return llvm::cantFail(Dataset::fromNpz({{"x", array}}, shape, 0, std::nullopt));
}

TEST(BatchesTest, EveryEpochTakesEachSampleOnce) {
  Batches batches(countingData(12), {{1}}, 4, {}, false, 5);
  AlignedFloats buffer(4);
  std::vector<float> first, epoch;
  for (int64_t step = 0; step < 6; ++step) {
    batches.load(step, buffer);
    for (float value : listOf(buffer))
      epoch.push_back(value);
    if (step % 3 != 2)
      continue;
    EXPECT_EQ(std::set<float>(epoch.begin(), epoch.end()).size(), 12u);
    EXPECT_NE(epoch, first);
    first = std::exchange(epoch, {});
  }
}

TEST(BatchesTest, ABatchDependsOnItsNumberOnly) {
  Batches one(countingData(10), {{1}}, 4, {}, true, 5),
      other(countingData(10), {{1}}, 4, {}, true, 5);
  AlignedFloats a(4), b(4);
  for (int64_t step = 0; step < 8; ++step)
    one.load(step, a);
  other.load(7, b);
  EXPECT_EQ(listOf(a), listOf(b));
}

TEST(BatchesTest, BlendsAreWhatTheySay) {
  Batches batches(countingData(50), {{1}}, 32, {}, true, 1);
  AlignedFloats buffer(32);
  float least = 1, most = 0;
  for (int64_t step = 0; step < 10; ++step) {
    batches.load(step, buffer);
    for (auto [value, mixture] : llvm::zip_equal(listOf(buffer), batches.mixtures())) {
      EXPECT_NEAR(value, (1 - mixture.share) * mixture.sample + mixture.share * mixture.other,
                  1e-4);
      least = std::min(least, mixture.share);
      most = std::max(most, mixture.share);
    }
  }
  EXPECT_LT(least, 0.1f);
  EXPECT_GT(most, 0.9f);
}

/// Samples of two rows of ten equal numbers: those of every second one are the
/// sample's own or, in one stretch, the other's.
TEST(BatchesTest, StretchesAreWhatTheySay) {
  nestor::support::NpyArray array{"f4", {8, 2, 10}, {}};
  array.data.resize(160 * sizeof(float));
  for (int64_t i = 0; i < 160; ++i)
    reinterpret_cast<float *>(array.data.data())[i] = float(i / 20);
  SampleShape shape{"x", {2, 10}};
  Dataset data = llvm::cantFail(Dataset::fromNpz({{"x", array}}, shape, 0, std::nullopt));
  Batches batches(data, {{2, 10}}, 8, {}, true, 1);
  AlignedFloats buffer(160);
  size_t stretched = 0;
  for (int64_t step = 0; step < 20; ++step) {
    batches.load(step, buffer);
    for (auto [i, mixture] : llvm::enumerate(batches.mixtures())) {
      if (!mixture.stretched)
        continue;
      int64_t others = 0, changes = 0;
      for (int64_t column = 0; column < 10; ++column) {
        float value = buffer.data()[i * 20 + column];
        EXPECT_EQ(value, buffer.data()[i * 20 + 10 + column]);
        EXPECT_TRUE(value == mixture.sample || value == mixture.other);
        others += value == mixture.other;
        changes += column > 0 && value != buffer.data()[i * 20 + column - 1];
      }
      EXPECT_NEAR(mixture.share * 10, others, 1e-4);
      EXPECT_LE(changes, 2);
      stretched += others > 0;
    }
  }
  EXPECT_GT(stretched, 50u);
}

} // namespace

//===- TunerTest.cpp - Choosing by times that somebody made up ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/tune/Tuner.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/kernels/TileChoice.h"
#include "compiler/tune/KernelTimer.h"
#include "compiler/tune/Subjects.h"
#include "passes/StrassenCost.h"

#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <map>

using namespace mlir;
using namespace nestor;
using namespace nestor::tune;

namespace {

TEST(ChooseFastest, KeepsTheTablesWithoutAClearGain) {
  EXPECT_EQ(chooseFastest({{10, 10, 10}}), 0u);
  EXPECT_EQ(chooseFastest({{10, 10, 10}, {9.8, 9.8, 9.8}}), 0u);
  EXPECT_EQ(chooseFastest({{10, 10, 10}, {9, 9, 9}}), 1u);
  EXPECT_EQ(chooseFastest({{10, 10, 10}, {9, 9, 9}, {8, 8, 8}, {8.5, 8.5, 8.5}}), 2u);
}

TEST(ChooseFastest, AsksForMedianAndBest) {
  // Fast once is luck; slow once is another process.
  EXPECT_EQ(chooseFastest({{10, 10, 10}, {10, 5, 10}}), 0u);
  EXPECT_EQ(chooseFastest({{10, 20, 20}, {10, 10, 10}}), 0u);
  EXPECT_EQ(chooseFastest({{10, 10, 10}, {9, 90, 9}}), 1u);
}

using Fixed = std::map<std::string, double>;

/// Times by the name of the candidate; what is not listed takes 100 us.
class FakeTimer : public Timer {
public:
  explicit FakeTimer(Fixed times) : times(std::move(times)) {}

  llvm::Expected<std::vector<Times>> time(ArrayRef<Subject> subjects) override {
    std::vector<Times> all;
    for (const Subject &subject : subjects) {
      asked.push_back(subject);
      Times &list = all.emplace_back();
      for (const Candidate &candidate : subject.candidates) {
        auto known = times.find(candidate.name);
        list.push_back(std::vector<double>(3, known == times.end() ? 100 : known->second));
      }
    }
    return all;
  }

  Fixed times;
  std::vector<Subject> asked;
};

/// A network in two capacities, after packing: two layers of one kernel and one
/// of another.
const char *const kNetwork = R"(
nest.global @w = dense<0.5> : tensor<1x1x64x64xf32> edges [[], [], [], [array<i64: 32, 64>]]
func.func @capacity_0(%x: tensor<1x28x28x64xf32>) -> tensor<1x28x28x32xf32> {
  %g = nest.weight @w at 0 : tensor<1x1x64x32xf32>
  %w = nest.pack %g {groups = 1} : (tensor<1x1x64x32xf32>) -> tensor<2x1x64x16xf32>
  %0 = nest.conv %x, %w {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1, packed}
    : (tensor<1x28x28x64xf32>, tensor<2x1x64x16xf32>) -> tensor<1x28x28x32xf32>
  return %0 : tensor<1x28x28x32xf32>
}
func.func @main(%x: tensor<1x28x28x64xf32>) -> (tensor<1x28x28x64xf32>, tensor<1x14x14x64xf32>) {
  %g = nest.weight @w at 1 : tensor<1x1x64x64xf32>
  %w = nest.pack %g {groups = 1} : (tensor<1x1x64x64xf32>) -> tensor<4x1x64x16xf32>
  %0 = nest.conv %x, %w {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1, packed}
    : (tensor<1x28x28x64xf32>, tensor<4x1x64x16xf32>) -> tensor<1x28x28x64xf32>
  %1 = nest.conv %0, %w {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1, packed}
    : (tensor<1x28x28x64xf32>, tensor<4x1x64x16xf32>) -> tensor<1x28x28x64xf32>
  %2 = nest.conv %1, %w {kernel = array<i64: 1, 1>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1, packed}
    : (tensor<1x28x28x64xf32>, tensor<4x1x64x16xf32>) -> tensor<1x14x14x64xf32>
  return %1, %2 : tensor<1x28x28x64xf32>, tensor<1x14x14x64xf32>
}
)";

/// Two equal layers, of different weights, that several algorithms compute.
const char *const kConvs = R"(
func.func @main(%x: tensor<1x28x28x64xf32>) -> tensor<1x28x28x64xf32> {
  %f = nest.const dense<0.5> : tensor<3x3x64x64xf32>
  %g = nest.const dense<0.25> : tensor<3x3x64x64xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x28x28x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x28x28x64xf32>
  %1 = nest.conv %0, %g {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x28x28x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x28x28x64xf32>
  return %1 : tensor<1x28x28x64xf32>
}
)";

/// A dense layer.
const char *const kProduct = R"(
func.func @main(%x: tensor<1x128x64xf32>) -> tensor<1x128x64xf32> {
  %f = nest.const dense<0.5> : tensor<1x64x64xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x128x64xf32>, tensor<1x64x64xf32>) -> tensor<1x128x64xf32>
  return %0 : tensor<1x128x64xf32>
}
)";

class TunerTest : public testing::Test {
protected:
  TunerTest() {
    DialectRegistry registry;
    registry.insert<nest::NestDialect, func::FuncDialect>();
    kernels::registerKernelDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  OwningOpRef<ModuleOp> parse(const char *text) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    return module;
  }
  static std::string print(ModuleOp module) {
    std::string text;
    llvm::raw_string_ostream(text) << module;
    return text;
  }
  /// A tile that is not the first candidate, of the kernels of `kNetwork`.
  std::string otherTile() {
    OwningOpRef<ModuleOp> module = parse(kNetwork);
    nest::ConvOp conv;
    module->walk([&](nest::ConvOp op) { conv = op; });
    return kernels::spell(kernels::tilesToChoose(conv, host).back());
  }
  static TuneReport tiles(ModuleOp module, TuneCache &cache, Timer &timer,
                          const kernels::TargetInfo &target) {
    Tuner tuner(cache, timer);
    EXPECT_FALSE(bool(tuner.chooseTiles(module, &target)));
    return tuner.report();
  }
  static const kernels::TargetInfo &foreign() {
    return *kernels::findTarget(kernels::hostTarget().arch == "aarch64" ? "x86-64-v3"
                                                                        : "aarch64+neon");
  }

  const kernels::TargetInfo &host = kernels::hostTarget();
  MLIRContext context;
};

TEST_F(TunerTest, AllCapacitiesGetTheTileOfTheirKernel) {
  OwningOpRef<ModuleOp> module = parse(kNetwork);
  TuneCache cache;
  FakeTimer timer(Fixed{{otherTile(), 50}});
  TuneReport report = tiles(*module, cache, timer, host);
  EXPECT_EQ(report.measured, 2u);
  EXPECT_EQ(report.found, 0u);
  EXPECT_EQ(report.changed, 2u);
  EXPECT_EQ(cache.size(), 2u);
  module->walk([&](nest::ConvOp conv) { EXPECT_TRUE(kernels::tilesOf(conv)) << print(*module); });
  // With the channels of the full capacity, each shape once.
  for (const Subject &subject : timer.asked) {
    ASSERT_EQ(subject.candidates.front().works.size(), 1u) << subject.key;
    bool isTwice = subject.key.find("64->64 x2") != std::string::npos;
    EXPECT_EQ(subject.candidates.front().works.front().count, isTwice ? 2u : 1u) << subject.key;
  }
}

TEST_F(TunerTest, NothingChangesWithoutAGain) {
  OwningOpRef<ModuleOp> module = parse(kNetwork);
  std::string before = print(*module);
  TuneCache cache;
  FakeTimer timer(Fixed{{otherTile(), 98}});
  EXPECT_EQ(tiles(*module, cache, timer, host).changed, 0u);
  EXPECT_EQ(print(*module), before);
}

TEST_F(TunerTest, TheSameCacheGivesTheSameModuleUnmeasured) {
  OwningOpRef<ModuleOp> first = parse(kNetwork), second = parse(kNetwork);
  TuneCache cache;
  FakeTimer timer(Fixed{{otherTile(), 50}}), idle(Fixed{});
  tiles(*first, cache, timer, host);
  TuneCache stored = llvm::cantFail(TuneCache::parse(cache.text(), "cache"));
  TuneReport report = tiles(*second, stored, idle, host);
  EXPECT_EQ(report.found, 2u);
  EXPECT_EQ(report.measured, 0u);
  EXPECT_TRUE(idle.asked.empty());
  EXPECT_FALSE(stored.changed());
  EXPECT_EQ(print(*first), print(*second));
}

TEST_F(TunerTest, MeasuresAgainWhatHasOtherCandidates) {
  OwningOpRef<ModuleOp> first = parse(kNetwork), second = parse(kNetwork);
  TuneCache cache;
  FakeTimer timer(Fixed{});
  tiles(*first, cache, timer, host);
  cache.add(timer.asked.front().key, {{{"1000x1", 1}}, "1000x1"});
  TuneReport report = tiles(*second, cache, timer, host);
  EXPECT_EQ(report.found, 1u);
  EXPECT_EQ(report.measured, 1u);
}

TEST_F(TunerTest, AnotherTargetIsNotMeasuredButFound) {
  OwningOpRef<ModuleOp> module = parse(kNetwork);
  TuneCache cache;
  FakeTimer timer(Fixed{});
  TuneReport report = tiles(*module, cache, timer, foreign());
  EXPECT_EQ(report.byTable, std::vector<std::string>{foreign().name});
  EXPECT_EQ(report.measured, 0u);
  EXPECT_TRUE(timer.asked.empty());

  // What a machine of that kind has measured counts.
  TileSubjects all(*module);
  for (const Subject &subject : all.subjects(foreign())) {
    TuneEntry entry;
    for (const Candidate &candidate : subject.candidates)
      entry.microseconds[candidate.name] = 1;
    entry.choice = subject.candidates.back().name;
    cache.add(subject.key, std::move(entry));
  }
  report = tiles(*module, cache, timer, foreign());
  EXPECT_TRUE(report.byTable.empty());
  EXPECT_EQ(report.found, cache.size());
  EXPECT_EQ(report.changed, cache.size());
}

TEST_F(TunerTest, AlgorithmsOfEqualLayersAreMeasuredOnce) {
  OwningOpRef<ModuleOp> module = parse(kConvs);
  TuneCache cache;
  FakeTimer timer(Fixed{{"direct", 90}, {"F(2)", 80}, {"F(4)", 70}, {"F(6)", 60.5}});
  Tuner tuner(cache, timer);
  ASSERT_FALSE(bool(tuner.measureAlgorithms(*module, &host)));
  EXPECT_EQ(tuner.report().measured, 1u);
  unsigned told = 0;
  module->walk([&](nest::ConvOp conv) {
    auto measured = conv->getAttrOfType<DictionaryAttr>(kMeasuredAttr);
    EXPECT_EQ(measuredTime(measured, host.name, {0}), 90e3);
    EXPECT_EQ(measuredTime(measured, host.name, {6}), 60.5e3);
    EXPECT_EQ(measuredTime(measured, foreign().name, {6}), std::nullopt);
    ++told;
  });
  EXPECT_EQ(told, 2u);
  // Rules choose by all the times: there is no choice in the file.
  ASSERT_EQ(timer.asked.size(), 1u);
  EXPECT_EQ(cache.find(timer.asked.front().key)->choice, "");
}

TEST_F(TunerTest, AStrideHasItsOwnAlgorithms) {
  OwningOpRef<ModuleOp> module = parse(R"(
func.func @main(%x: tensor<1x28x28x64xf32>) -> tensor<1x14x14x64xf32> {
  %f = nest.const dense<0.5> : tensor<3x3x64x64xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x28x28x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x14x14x64xf32>
  return %0 : tensor<1x14x14x64xf32>
}
)");
  TuneCache cache;
  FakeTimer timer(Fixed{{"direct", 90}, {"F(2)", 80}, {"F(4)", 70}});
  Tuner tuner(cache, timer);
  ASSERT_FALSE(bool(tuner.measureAlgorithms(*module, &host)));
  module->walk([&](nest::ConvOp conv) {
    auto measured = conv->getAttrOfType<DictionaryAttr>(kMeasuredAttr);
    EXPECT_EQ(measuredTime(measured, host.name, {2, 2}), 80e3);
    EXPECT_EQ(measuredTime(measured, host.name, {4, 2}), 70e3);
    EXPECT_EQ(measuredTime(measured, host.name, {4, 1}), std::nullopt);
  });
}

TEST_F(TunerTest, ProductsHaveTheirOwnAlgorithms) {
  OwningOpRef<ModuleOp> module = parse(kProduct);
  TuneCache cache;
  FakeTimer timer(Fixed{{"direct", 90}, {"strassen", 80}});
  Tuner tuner(cache, timer);
  ASSERT_FALSE(bool(tuner.measureAlgorithms(*module, &host)));
  EXPECT_EQ(tuner.report().measured, 0u);
  ASSERT_FALSE(bool(tuner.measureProducts(*module, &host)));
  EXPECT_EQ(tuner.report().measured, 1u);
  module->walk([&](nest::ConvOp conv) {
    std::optional<ProductTimes> times = measuredTimes(conv, host.name);
    ASSERT_TRUE(times);
    EXPECT_EQ(times->direct, 90e3);
    EXPECT_EQ(times->strassen, 80e3);
    EXPECT_FALSE(measuredTimes(conv, foreign().name));
  });
}

TEST_F(TunerTest, LargerFiltersHaveToBeWorthIt) {
  OwningOpRef<ModuleOp> module = parse(kConvs);
  TuneCache cache;
  FakeTimer timer(Fixed{{"direct", 90}, {"F(2)", 89}, {"F(4)", 70}, {"F(6)", 69}});
  Tuner tuner(cache, timer);
  ASSERT_FALSE(bool(tuner.measureAlgorithms(*module, &host)));
  module->walk([&](nest::ConvOp conv) {
    auto measured = conv->getAttrOfType<DictionaryAttr>(kMeasuredAttr);
    EXPECT_EQ(measuredTime(measured, host.name, {2}), 90e3);
    EXPECT_EQ(measuredTime(measured, host.name, {6}), 70e3);
  });
}

TEST_F(TunerTest, KernelsRunOnThisMachine) {
  KernelTimer timer(context);
  for (const char *text : {kNetwork, kConvs, kProduct}) {
    OwningOpRef<ModuleOp> module = parse(text);
    TuneCache cache;
    Tuner tuner(cache, timer);
    llvm::Error error = text == kNetwork ? tuner.chooseTiles(*module, &host)
                        : text == kConvs ? tuner.measureAlgorithms(*module, &host)
                                         : tuner.measureProducts(*module, &host);
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
    EXPECT_EQ(cache.size(), text == kNetwork ? 2u : 1u);
    EXPECT_EQ(tuner.report().measured, cache.size());
  }
}

} // namespace

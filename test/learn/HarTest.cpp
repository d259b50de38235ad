//===- HarTest.cpp - A real network is nested and trained -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "LearnTest.h"

#include "compiler/driver/Samples.h"
#include "compiler/learn/HeldOut.h"
#include "compiler/learn/Nest.h"
#include "passes/Passes.h"
#include "test/support/CompiledModel.h"

#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace nestor::learn;

namespace nestor::test {
namespace {

/// Activity recognition (shared/data/README.md); not in the repository.
class HarTest : public LearnTest {
protected:
  void SetUp() override {
    if (shared.empty())
      GTEST_SKIP() << "skipped: needs ../shared";
    module = std::move(driver::importModel(shared + "/models/har_cnn1d.onnx", {}, *context).module);
    ASSERT_TRUE(module);
    train = read("train");
    test = read("test");
    PassManager manager(context.get());
    buildPreparePipeline(manager);
    ASSERT_TRUE(succeeded(manager.run(*module)));
  }

  std::optional<Dataset> read(const std::string &name) {
    support::NpzArchive archive;
    EXPECT_EQ(support::readNpz(shared + "/data/har/" + name + ".npz", archive), "");
    auto main = module->lookupSymbol<func::FuncOp>("main");
    return llvm::cantFail(driver::samplesFor(main, archive, std::nullopt));
  }

  std::string shared = sharedDirectory();
  OwningOpRef<ModuleOp> module;
  std::optional<Dataset> train, test;
};

TEST_F(HarTest, CapacitiesComeCloseToTheOriginal) {
  EXPECT_EQ(countShared(*test, *train), 0u);
  OwningOpRef<ModuleOp> original = module->clone();
  NestOptions options;
  options.capacities = {0.25, 0.5, 0.75, 1};
  options.budget = Budget::Macs;
  options.recover = RecoverLevel::Distill;
  options.top = TopRule::Tolerance;
  options.data = &*train;
  options.train.steps = {100};
  options.train.batch = 64;
  llvm::Expected<NestReport> report = nestModel(*module, options);
  ASSERT_TRUE(bool(report)) << llvm::toString(report.takeError());
  EXPECT_EQ(report->recovery.steps, 100);

  auto networks = TrainingNetworks::compile(*module, *original, 95, 2);
  ASSERT_TRUE(bool(networks)) << llvm::toString(networks.takeError());
  HeldOut judge(*test, **networks);
  std::vector<double> scores = judge.scores();
  ASSERT_EQ(scores.size(), 4u);
  EXPECT_NEAR(judge.teacherScore(), 443 / 475.0, 1e-9);
  EXPECT_GE(scores[0], judge.teacherScore() - 0.04);
  EXPECT_GE(scores[1], judge.teacherScore() - 0.02);
  EXPECT_GE(scores[2], judge.teacherScore() - 0.015);
  EXPECT_GE(scores[3], judge.teacherScore() - 0.01);
}

} // namespace
} // namespace nestor::test

//===- ExportTest.cpp - Whole networks to ONNX and back -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "RoundTrip.h"

#include "compiler/driver/Compile.h"
#include "compiler/import/Import.h"
#include "passes/Models.h"
#include "passes/Passes.h"
#include "passes/RandomGraph.h"

#include "mlir/Pass/PassManager.h"

using namespace mlir;

namespace {

func::FuncOp prepared(ModuleOp module) {
  PassManager manager(module.getContext());
  nestor::buildPreparePipeline(manager);
  return succeeded(manager.run(module)) ? module.lookupSymbol<func::FuncOp>("main")
                                        : func::FuncOp();
}

TEST(Export, RandomGraphs) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::unique_ptr<MLIRContext> context = nestor::driver::createContext();
    context->disableMultithreading();
    OwningOpRef<ModuleOp> module = nestor::test::randomGraph(*context, seed);
    // As imported, and as everything else sees it.
    ASSERT_TRUE(
        nestor::test::roundTripKeepsResults(module->lookupSymbol<func::FuncOp>("main"), seed))
        << "seed " << seed << ", as imported";
    func::FuncOp main = prepared(*module);
    ASSERT_TRUE(main);
    ASSERT_TRUE(nestor::test::roundTripKeepsResults(main, seed)) << "seed " << seed;
  }
}

class ExportModel : public testing::TestWithParam<const char *> {};

TEST_P(ExportModel, ComputesTheSame) {
  std::string folder = nestor::test::modelFolder();
  if (folder.empty())
    GTEST_SKIP() << "skipped: needs ../shared";
  std::unique_ptr<MLIRContext> context = nestor::driver::createContext();
  auto imported = nestor::import::importFile(folder + GetParam(), {}, *context);
  ASSERT_EQ(imported.status, nestor::import::ImportStatus::Ok) << imported.message;
  func::FuncOp main = prepared(*imported.module);
  ASSERT_TRUE(main);
  std::vector<std::string> ops;
  EXPECT_TRUE(nestor::test::roundTripKeepsResults(main, /*seed=*/1, &ops));
}

/// Those that the reference evaluator runs in a second or so.
INSTANTIATE_TEST_SUITE_P(
    Small, ExportModel,
    testing::Values("har_cnn1d.onnx", "kws_ds_cnn.onnx", "resnet20_cifar10.onnx",
                    "wild/cntk_mnist8.onnx", "wild/DTLN_model_1.onnx",
                    "wild/magika_standard_v3_3.onnx", "wild/onnxmlir_pytorch_mnist.onnx",
                    "wild/oww_hello_deepa.onnx"),
    [](const auto &test) {
      std::string name = test.param;
      std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

} // namespace

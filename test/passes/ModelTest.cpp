//===- ModelTest.cpp - The pipeline keeps what real models compute --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Equivalence.h"
#include "Models.h"

#include "compiler/import/Import.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace {

class PipelineOnModel : public testing::TestWithParam<const char *> {};

TEST_P(PipelineOnModel, KeepsWhatItComputes) {
  std::string folder = nestor::test::modelFolder();
  if (folder.empty())
    GTEST_SKIP() << "skipped: needs ../shared";
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<nestor::nest::NestDialect, arith::ArithDialect, func::FuncDialect,
                      math::MathDialect>();
  auto imported = nestor::import::importFile(folder + GetParam(), {}, context);
  ASSERT_EQ(imported.status, nestor::import::ImportStatus::Ok) << imported.message;
  EXPECT_TRUE(nestor::test::pipelineKeepsResults(*imported.module, /*seed=*/1));
}

/// Those that the reference evaluator runs in a second or so.
INSTANTIATE_TEST_SUITE_P(Small, PipelineOnModel,
                         testing::Values("har_cnn1d.onnx", "kws_ds_cnn.onnx",
                                         "resnet20_cifar10.onnx", "wild/cntk_mnist8.onnx",
                                         "wild/DTLN_model_1.onnx", "wild/magika_standard_v3_3.onnx",
                                         "wild/onnxmlir_pytorch_mnist.onnx",
                                         "wild/oww_hello_deepa.onnx"),
                         [](const auto &test) { return nestor::test::testName(test.param); });

} // namespace

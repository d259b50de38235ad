//===- NestModelTest.cpp - Real models shrink, and say what does not ------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Equivalence.h"
#include "Models.h"

#include "compiler/import/Import.h"
#include "compiler/ir/Nested.h"
#include "passes/ChannelFlow.h"
#include "passes/ChannelGroups.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace nestor;

namespace {

struct Expectation {
  const char *path;
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes;
  size_t groups;
  /// Convolutions with channels that stay whole, but for those that compute
  /// what the model yields.
  std::vector<std::string> whole;
  /// Small enough for the reference evaluator.
  bool evaluate;
};

class NestModel : public testing::TestWithParam<Expectation> {
protected:
  void SetUp() override {
    std::string folder = test::modelFolder();
    if (folder.empty())
      GTEST_SKIP() << "skipped: needs ../shared";
    context.loadDialect<nest::NestDialect, arith::ArithDialect, func::FuncDialect,
                        math::MathDialect>();
    nestor::import::ImportOptions options;
    for (const auto &[name, shape] : GetParam().shapes)
      options.shapes[name] = shape;
    auto imported = nestor::import::importFile(folder + GetParam().path, options, context);
    ASSERT_EQ(imported.status, nestor::import::ImportStatus::Ok) << imported.message;
    module = std::move(imported.module);
    PassManager manager(&context);
    buildPreparePipeline(manager);
    ASSERT_TRUE(succeeded(manager.run(*module)));
  }
  func::FuncOp main() { return module->lookupSymbol<func::FuncOp>("main"); }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
};

bool isOfOutput(StringRef reason) {
  return reason == "they are the model's output" || reason.contains("softmax");
}

TEST_P(NestModel, FormsGroups) {
  ChannelGroups groups(main());
  std::vector<std::string> whole;
  for (const WholeChannels &entry : groups.whole())
    if (!isOfOutput(entry.reason))
      whole.push_back(nodeName(entry.op) + ": " + entry.reason);
  EXPECT_EQ(groups.groups().size(), GetParam().groups);
  EXPECT_EQ(whole, GetParam().whole);
}

/// Channels in reverse, and quarters of every group.
TEST_P(NestModel, Nests) {
  ChannelGroups groups(main());
  ChannelOrder order;
  CapacityPlan plan;
  plan.widths.resize(4);
  for (const ChannelGroup &group : groups.groups()) {
    order.push_back(llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, group.channels))));
    for (int64_t k = 0; k < 4; ++k)
      plan.widths[k].push_back(std::max<int64_t>(1, group.channels * (k + 1) / 4));
  }
  SmallVector<reference::TensorValue> want, have;
  std::vector<reference::TensorValue> inputs = test::randomInputs(main(), 1);
  if (GetParam().evaluate) {
    ASSERT_TRUE(succeeded(reference::evaluate(main(), inputs, want)));
  }

  permuteChannels(main(), groups, order);
  sortByCapacity(main(), ChannelGroups(main()), plan);
  ChannelGroups sorted(main());
  std::vector<uint64_t> macs;
  for (const SmallVector<int64_t> &widths : plan.widths)
    macs.push_back(macsAt(main(), sorted, widths, {}));
  ASSERT_TRUE(succeeded(nestCapacities(*module, sorted, plan)));
  ASSERT_TRUE(succeeded(verify(*module)));
  EXPECT_TRUE(llvm::is_sorted(macs));
  if (GetParam().groups) {
    EXPECT_LT(macs.front(), macs.back());
  }

  // What only one capacity reads is little: vectors. Constants that nothing
  // cuts are the same attribute everywhere.
  int64_t shared = 0, own = 0;
  llvm::DenseSet<Attribute> everywhere;
  for (auto global : module->getOps<nest::GlobalOp>())
    shared += global.getValue().getNumElements();
  main().walk([&](nest::ConstOp op) { everywhere.insert(op.getValue()); });
  nest::capacityFunctions(*module).front().walk([&](nest::ConstOp op) {
    own += everywhere.contains(op.getValue()) ? 0 : op.getValue().getNumElements();
  });
  EXPECT_LE(own, shared / 10) << "a capacity has constants of its own that it should share";
  if (!GetParam().evaluate)
    return;
  ASSERT_TRUE(succeeded(reference::evaluate(main(), inputs, have)));
  EXPECT_TRUE(test::areClose(want, have));
}

INSTANTIATE_TEST_SUITE_P(
    Models, NestModel,
    testing::Values(
        Expectation{"resnet20_cifar10.onnx", {}, 12, {}, true},
        Expectation{"mobilenet_v2_imagenet.onnx", {}, 25, {}, false},
        Expectation{"squeezenet_v1.1_imagenet.onnx", {}, 25, {}, false},
        Expectation{"kws_ds_cnn.onnx", {}, 5, {}, true},
        Expectation{"har_cnn1d.onnx", {}, 3, {}, true},
        Expectation{"wild/FastestDet.onnx",
                    {},
                    81,
                    {"Conv_58: a group of one channel cannot shrink (3 of 48 channels)",
                     "Conv_63: a group of one channel cannot shrink (1 of 48 channels)",
                     "Conv_78: a group of one channel cannot shrink (1 of 48 channels)",
                     "Conv_93: a group of one channel cannot shrink (1 of 48 channels)"},
                    false},
        Expectation{"wild/DTLN_model_1.onnx", {}, 2, {}, true},
        Expectation{"wild/cntk_mnist8.onnx", {}, 2, {}, true},
        Expectation{"wild/onnxmlir_pytorch_mnist.onnx", {}, 1, {}, true},
        Expectation{"wild/pytorch_super_resolution.onnx", {}, 3, {}, false},
        Expectation{"wild/ultraface_version-RFB-320.onnx", {}, 25, {}, false},
        Expectation{"wild/yunet_n_320_320.onnx", {}, 16, {}, false},
        Expectation{"wild/ch_PP-OCRv4_det_infer.onnx", {{"x", {1, 3, 64, 64}}}, 36, {}, true},
        Expectation{
            "wild/ch_ppocr_mobile_v2.0_cls_infer.onnx", {{"x", {1, 3, 48, 192}}}, 26, {}, true},
        Expectation{"wild/silero_vad_16k_op15.onnx", {{"input", {1, 576}}}, 5, {}, true},
        Expectation{"wild/tract_byte_sb_bidi_lstm.onnx", {{"input", {1, 24}}}, 2, {}, true}),
    [](const auto &test) { return test::testName(test.param.path); });

} // namespace

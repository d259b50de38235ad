//===- OperatorImportTest.cpp - What the rules build ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The values of operators are the conformance suite's matter; these tests are
// about the form of the IR that the passes rely on, and about operands that do
// not fit.
//
//===----------------------------------------------------------------------===//

#include "test/import/ModelBuilder.h"

#include <gtest/gtest.h>

using namespace nestor;
using namespace nestor::test;
using import::ImportStatus;

namespace {

TEST(OperatorImport, GemmWithConstantsIsOneConvolution) {
  ModelBuilder builder(13);
  builder.input("x", {2, 3}).output("y");
  builder.floats("w", {2, 3}, {1, 2, 3, 4, 5, 6});
  builder.floats("b", {2}, {10, 20});
  setAttr(builder.node("Gemm", {"x", "w", "b"}, {"y"}), "transB", 1);
  Imported imported(builder.bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.count<nest::ConvOp>(), 1);
  EXPECT_EQ(imported.count<nest::MapOp>() + imported.count<nest::MatmulOp>() +
                imported.count<nest::TransposeOp>(),
            0);
  EXPECT_EQ(imported.run({{1, 0, 0, 0, 1, 1}}), (std::vector<float>{11, 24, 15, 31}));
}

TEST(OperatorImport, BatchNormIsAMultiplicationAndAnAddition) {
  ModelBuilder builder(13);
  builder.input("x", {1, 2, 1, 1}).output("y");
  for (const char *name : {"scale", "bias", "mean"})
    builder.floats(name, {2}, {1, 2});
  builder.floats("variance", {2}, {1, 4});
  builder.node("BatchNormalization", {"x", "scale", "bias", "mean", "variance"}, {"y"});
  Imported imported(builder.bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.count<nest::MapOp>(), 2);
  std::vector<float> y = imported.run({{3, 4}});
  ASSERT_EQ(y.size(), 2u);
  EXPECT_NEAR(y[0], 3, 1e-4);
  EXPECT_NEAR(y[1], 4, 1e-4);
}

TEST(OperatorImport, MatMulOfVectors) {
  ModelBuilder builder(13);
  builder.input("a", {3}).input("b", {3}).output("y");
  builder.node("MatMul", {"a", "b"}, {"y"});
  Imported imported(builder.bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.run({{1, 2, 3}, {4, 5, 6}}), (std::vector<float>{32}));
}

TEST(OperatorImport, EinsumDiagonalAndContraction) {
  ModelBuilder builder(13);
  builder.input("a", {2, 2}).input("b", {2, 3}).output("y");
  setAttr(builder.node("Einsum", {"a", "b"}, {"y"}), "equation", std::string("ii,ij->j"));
  Imported imported(builder.bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.run({{1, 9, 9, 2}, {1, 2, 3, 4, 5, 6}}), (std::vector<float>{9, 12, 15}));
}

/// Exporters of the first opset wrote one pad for both ends of a dimension.
TEST(OperatorImport, OnePadForBothEnds) {
  ModelBuilder builder(1);
  builder.input("x", {1, 1, 1, 3}).output("y");
  onnx::NodeProto &pool = builder.node("MaxPool", {"x"}, {"y"});
  setAttr(pool, "kernel_shape", std::vector<int64_t>{1, 3});
  setAttr(pool, "pads", std::vector<int64_t>{0, 1});
  Imported imported(builder.bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.run({{3, 1, 2}}), (std::vector<float>{3, 3, 2}));
}

/// Every family must refuse operands of the wrong rank or kind with a reason.
TEST(OperatorImport, MisfitsAreRefusedWithAReason) {
  for (const char *op : {"Conv",
                         "ConvTranspose",
                         "MatMul",
                         "Gemm",
                         "MatMulInteger",
                         "MaxPool",
                         "AveragePool",
                         "LpPool",
                         "GlobalMaxPool",
                         "MaxUnpool",
                         "BatchNormalization",
                         "LayerNormalization",
                         "InstanceNormalization",
                         "GroupNormalization",
                         "LRN",
                         "LSTM",
                         "GRU",
                         "RNN",
                         "Resize",
                         "Loop",
                         "Scan",
                         "If",
                         "Einsum"}) {
    for (const std::vector<int64_t> &shape :
         std::vector<std::vector<int64_t>>{{}, {0}, {2, 0, 3}, {5, 4, 3, 2, 2, 2}}) {
      ModelBuilder builder(18);
      builder.input("x", shape).output("y");
      builder.node(op, {"x", "x", "x", "x", "x"}, {"y"});
      Imported imported(builder.bytes());
      EXPECT_TRUE(imported.ok() || !imported.result.unsupported.empty())
          << op << ": " << imported.result.message;
    }
  }
}

TEST(OperatorImport, TableListsEveryOperatorOnce) {
  std::string table;
  llvm::raw_string_ostream stream(table);
  import::ImportRegistry::instance().printTable(stream);
  for (const char *op : {"Conv", "LSTM", "Resize", "Relu"}) {
    size_t first = table.find(std::string("| ") + op + " |");
    ASSERT_NE(first, std::string::npos) << op;
    EXPECT_EQ(table.find(std::string("| ") + op + " |", first + 1), std::string::npos) << op;
  }
}

} // namespace

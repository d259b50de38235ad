//===- OperatorTest.cpp - What operations become in ONNX ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The values of operators are the matter of the conformance suite, whose
// backend `exported` goes through ONNX; these tests are about the form.
//
//===----------------------------------------------------------------------===//

#include "RoundTrip.h"

#include "compiler/driver/Compile.h"
#include "compiler/driver/Diagnostics.h"
#include "compiler/export/Export.h"

#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace {

class ExportOperator : public testing::Test {
protected:
  /// The operators that `text`, a module, is exported to, which must compute
  /// the same; joined by blanks.
  std::string operatorsOf(StringRef text, StringRef name = "main") {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context.get());
    EXPECT_TRUE(module);
    std::vector<std::string> ops;
    EXPECT_TRUE(nestor::test::roundTripKeepsResults(module->lookupSymbol<func::FuncOp>(name),
                                                    /*seed=*/1, &ops));
    return llvm::join(ops, " ");
  }
  /// Those of a map from %x: tensor<2x3xf32> (and %s: tensor<f32>) with this body.
  std::string operatorsOfMap(const std::string &body) {
    return operatorsOf("func.func @main(%x: tensor<2x3xf32>, %s: tensor<f32>) -> tensor<2x3xf32> {"
                       "%0 = nest.map %x, %s : tensor<2x3xf32>, tensor<f32> -> tensor<2x3xf32> {"
                       "^bb0(%a: f32, %b: f32):"
                       "  %zero = arith.constant 0.0 : f32"
                       "  %one = arith.constant 1.0 : f32"
                       "  %six = arith.constant 6.0 : f32" +
                       body + " nest.yield %r : f32 } return %0 : tensor<2x3xf32> }");
  }
  std::string errorOf(StringRef text) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context.get());
    EXPECT_TRUE(module);
    nestor::driver::DiagnosticCollector diagnostics(*context);
    EXPECT_TRUE(failed(
        nestor::onnx_export::exportFunction(module->lookupSymbol<func::FuncOp>("main"), {})));
    return diagnostics.errors();
  }

  std::unique_ptr<MLIRContext> context = nestor::driver::createContext();
};

constexpr StringLiteral kWindow3 = "kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, "
                                   "dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, "
                                   "padEnd = array<i64: 1, 1>";

TEST_F(ExportOperator, ChannelsLastNeedsNoTransposes) {
  EXPECT_EQ(operatorsOf(R"(
    func.func @main(%x: tensor<1x3x4x4xf32>) -> tensor<1x8x4x4xf32> {
      %w = nest.const dense<0.5> : tensor<3x3x3x8xf32>
      %slope = nest.const dense<[1., 2., 3., 4., 5., 6., 7., 8.]> : tensor<8xf32>
      %0 = nest.transpose %x {perm = array<i64: 0, 2, 3, 1>}
          : (tensor<1x3x4x4xf32>) -> tensor<1x4x4x3xf32>
      %1 = nest.conv %0, %w {groups = 1 : i64, )" +
                        kWindow3.str() + R"(}
          : (tensor<1x4x4x3xf32>, tensor<3x3x3x8xf32>) -> tensor<1x4x4x8xf32>
      %2 = nest.map %1, %slope : tensor<1x4x4x8xf32>, tensor<8xf32> -> tensor<1x4x4x8xf32> {
      ^bb0(%a: f32, %s: f32):
        %p = arith.mulf %a, %s : f32
        nest.yield %p : f32
      }
      %3 = nest.transpose %2 {perm = array<i64: 0, 3, 1, 2>}
          : (tensor<1x4x4x8xf32>) -> tensor<1x8x4x4xf32>
      return %3 : tensor<1x8x4x4xf32>
    })"),
            "Conv Mul");
}

TEST_F(ExportOperator, AFlattenedTensorDoesNotMove) {
  // The filter's rows do, to the order of the channels-first tensor.
  EXPECT_EQ(operatorsOf(R"(
    func.func @main(%x: tensor<1x3x2x2xf32>) -> tensor<1x2xf32> {
      %w = nest.const dense<[[[0.,1.],[2.,3.],[4.,5.],[6.,7.],[8.,9.],[1.,0.],[2.,5.],[3.,3.],
                              [7.,2.],[1.,9.],[4.,4.],[6.,1.]]]> : tensor<1x12x2xf32>
      %b = nest.const dense<[1., 2.]> : tensor<2xf32>
      %0 = nest.transpose %x {perm = array<i64: 0, 2, 3, 1>}
          : (tensor<1x3x2x2xf32>) -> tensor<1x2x2x3xf32>
      %1 = nest.reshape %0 : (tensor<1x2x2x3xf32>) -> tensor<1x1x12xf32>
      %2 = nest.conv %1, %w bias %b {kernel = array<i64: 1>, strides = array<i64: 1>,
          dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>,
          groups = 1 : i64} : (tensor<1x1x12xf32>, tensor<1x12x2xf32>, tensor<2xf32>)
          -> tensor<1x1x2xf32>
      %3 = nest.reshape %2 : (tensor<1x1x2xf32>) -> tensor<1x2xf32>
      return %3 : tensor<1x2xf32>
    })"),
            "Flatten Gemm");
}

TEST_F(ExportOperator, ACapacityHasItsPartOfSharedWeightsScaled) {
  std::string conv = " {groups = 1 : i64, " + kWindow3.str() + "} : ";
  StringRef text = R"(
    nest.global @w = dense<[[[[1.,2.,3.,4.],[5.,6.,7.,8.]]]]> : tensor<1x1x2x4xf32>
        edges [[], [], [array<i64: 1, 2>], [array<i64: 2, 4>]]
    func.func @capacity_0(%x: tensor<1x3x3x1xf32>) -> tensor<1x3x3x2xf32> {
      %w = nest.weight @w at 0 : tensor<1x1x1x2xf32>
      %s = nest.const dense<[2., -3.]> : tensor<2xf32>
      %b = nest.const dense<[1., 4.]> : tensor<2xf32>
      %0 = nest.conv %x, %w scale %s bias %b {kernel = array<i64: 1, 1>,
          strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>,
          padEnd = array<i64: 0, 0>, groups = 1 : i64}
          : (tensor<1x3x3x1xf32>, tensor<1x1x1x2xf32>, tensor<2xf32>, tensor<2xf32>)
          -> tensor<1x3x3x2xf32>
      return %0 : tensor<1x3x3x2xf32>
    }
    func.func @main(%x: tensor<1x3x3x2xf32>) -> tensor<1x3x3x2xf32> {
      return %x : tensor<1x3x3x2xf32>
    })";
  // Channels last outside: nothing says otherwise.
  EXPECT_EQ(operatorsOf(text, "capacity_0"), "Reshape Conv Transpose");
}

TEST_F(ExportOperator, ActivationsAreOneNode) {
  EXPECT_EQ(operatorsOfMap("%r = arith.maximumf %a, %zero : f32"), "Relu");
  EXPECT_EQ(operatorsOfMap("%m = arith.maximumf %a, %zero : f32 "
                           "%r = arith.minimumf %m, %six : f32"),
            "Clip");
  EXPECT_EQ(operatorsOfMap("%m = arith.maximumf %a, %b : f32 %r = arith.minimumf %six, %m : f32"),
            "Clip");
  EXPECT_EQ(operatorsOfMap("%n = arith.negf %a : f32 %e = math.exp %n : f32 "
                           "%d = arith.addf %e, %one : f32 %r = arith.divf %one, %d : f32"),
            "Sigmoid");
  std::string gate = "%c = arith.constant 0.166666672 : f32 %h = arith.constant 0.5 : f32 "
                     "%p = arith.mulf %a, %c : f32 %q = arith.addf %p, %h : f32 "
                     "%m = arith.maximumf %q, %zero : f32 ";
  EXPECT_EQ(operatorsOfMap(gate + "%r = arith.minimumf %m, %one : f32"), "HardSigmoid");
  EXPECT_EQ(
      operatorsOfMap(gate + "%g = arith.minimumf %m, %one : f32 %r = arith.mulf %a, %g : f32"),
      "HardSwish");
  std::string negative = "%n = arith.cmpf olt, %a, %zero : f32 ";
  EXPECT_EQ(operatorsOfMap(negative + "%c = arith.constant 0.1 : f32 %p = arith.mulf %a, %c : f32 "
                                      "%r = arith.select %n, %p, %a : f32"),
            "LeakyRelu");
  EXPECT_EQ(operatorsOfMap(negative + "%p = arith.mulf %a, %b : f32 "
                                      "%r = arith.select %n, %p, %a : f32"),
            "PRelu");
  EXPECT_EQ(operatorsOfMap(negative + "%p = math.expm1 %a : f32 "
                                      "%r = arith.select %n, %p, %a : f32"),
            "Elu");
}

/// What only looks like an activation is computed step by step.
TEST_F(ExportOperator, NearActivationsAreNot) {
  // max(x, 0) of an upper bound of 6 on the wrong side of a product.
  EXPECT_EQ(operatorsOfMap("%c = arith.constant 0.2 : f32 %h = arith.constant 0.5 : f32 "
                           "%p = arith.mulf %a, %c : f32 %q = arith.addf %p, %h : f32 "
                           "%m = arith.maximumf %q, %zero : f32 %g = arith.minimumf %m, %one : f32 "
                           "%r = arith.mulf %a, %g : f32"),
            "HardSigmoid Mul");
  EXPECT_EQ(operatorsOfMap("%n = arith.cmpf olt, %a, %one : f32 %p = arith.mulf %a, %b : f32 "
                           "%r = arith.select %n, %p, %a : f32"),
            "Less Mul Where");
  EXPECT_EQ(operatorsOfMap("%n = arith.negf %a : f32 %e = math.exp %n : f32 "
                           "%d = arith.addf %e, %six : f32 %r = arith.divf %one, %d : f32"),
            "Neg Exp Add Reciprocal");
}

TEST_F(ExportOperator, ResultsLargerThanAllOperandsAreExpanded) {
  EXPECT_EQ(operatorsOf(R"(
    func.func @main(%x: tensor<3x1xf32>) -> tensor<2x3x4xf32> {
      %0 = nest.map %x : tensor<3x1xf32> -> tensor<2x3x4xf32> {
      ^bb0(%a: f32):
        %r = math.tanh %a : f32
        nest.yield %r : f32
      }
      return %0 : tensor<2x3x4xf32>
    })"),
            "Reshape Tanh Expand");
}

TEST_F(ExportOperator, PaddingThatOnnxDoesNotHave) {
  std::string text = R"(
    func.func @main(%x: tensor<1x6x6x1xf32>) -> tensor<1x3x4x1xf32> {
      %w = nest.const dense<1.0> : tensor<3x3x1x1xf32>
      %0 = nest.conv %x, %w {groups = 1 : i64, kernel = array<i64: 3, 3>,
          strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>,
          padEnd = array<i64: -1, 0>} : (tensor<1x6x6x1xf32>, tensor<3x3x1x1xf32>)
          -> tensor<1x3x4x1xf32>
      return %0 : tensor<1x3x4x1xf32>
    })";
  EXPECT_EQ(operatorsOf(text), "Reshape Pad Conv Reshape");
}

TEST_F(ExportOperator, PoolingRoundsAsTheResultSays) {
  auto pool = [&](StringRef kind, int64_t extent, int64_t end) {
    std::string type = "tensor<1x2x" + std::to_string(extent) + "xf32>";
    std::string last = "tensor<1x" + std::to_string(extent) + "x2xf32>";
    return operatorsOf("func.func @main(%x: tensor<1x2x6xf32>) -> " + type +
                       "{ %0 = nest.transpose %x {perm = array<i64: 0, 2, 1>} : "
                       "(tensor<1x2x6xf32>) -> tensor<1x6x2xf32> "
                       "%1 = nest.pool %0 {kind = #nest.pool_kind<" +
                       kind.str() +
                       ">, kernel = array<i64: 3>, strides = array<i64: 2>, dilations = array<i64: "
                       "1>, padBegin = array<i64: 0>, padEnd = array<i64: " +
                       std::to_string(end) + ">} : (tensor<1x6x2xf32>) -> " + last +
                       "%2 = nest.transpose %1 {perm = array<i64: 0, 2, 1>} : (" + last + ") -> " +
                       type + " return %2 : " + type + "}");
  };
  EXPECT_EQ(pool("max", 2, 0), "MaxPool");
  EXPECT_EQ(pool("max", 3, 0), "MaxPool");
  EXPECT_EQ(pool("avg", 3, 0), "AveragePool");
  EXPECT_EQ(pool("avg", 3, 1), "AveragePool");
}

TEST_F(ExportOperator, WhatHasNoOperatorIsAnErrorThatNamesTheNode) {
  EXPECT_EQ(
      errorOf(R"(
    func.func @main(%x: tensor<1x4x2xf32>, %g: tensor<1x2x2xf32>) -> tensor<1x4x2xf32> {
      %0 = nest.pool_grad %x, %g {kind = #nest.pool_kind<max>, kernel = array<i64: 2>,
          strides = array<i64: 2>, dilations = array<i64: 1>, padBegin = array<i64: 0>,
          padEnd = array<i64: 0>} : (tensor<1x4x2xf32>, tensor<1x2x2xf32>) -> tensor<1x4x2xf32>
          loc("pooling")
      return %0 : tensor<1x4x2xf32>
    })"),
      "node 'pooling': 'nest.pool_grad' cannot be exported to ONNX: ONNX has no such operator");
}

} // namespace

//===- RandomGraphTest.cpp - The pipeline keeps what networks compute -----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Equivalence.h"
#include "RandomGraph.h"

#include "compiler/ir/NestDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace {

std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, OpPrintingFlags().elideLargeElementsAttrs(16));
  return text;
}

TEST(Pipeline, KeepsWhatRandomGraphsCompute) {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    MLIRContext context(MLIRContext::Threading::DISABLED);
    context.loadDialect<nestor::nest::NestDialect, arith::ArithDialect, func::FuncDialect,
                        math::MathDialect>();
    OwningOpRef<ModuleOp> module = nestor::test::randomGraph(context, seed);
    ASSERT_TRUE(succeeded(verify(*module))) << "seed " << seed;
    ASSERT_TRUE(nestor::test::pipelineKeepsResults(*module, seed))
        << "seed " << seed << "\n"
        << textOf(*module);
  }
}

} // namespace
